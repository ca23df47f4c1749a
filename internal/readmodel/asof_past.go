package readmodel

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/query"
	"github.com/waybill-io/waybill/internal/tracking"
)

// maxPast is how many events one view of the past may read.
const maxPast = 20_000

// past reads what a view of the past is folded from, and folds it. Nothing of
// it is stored: what the fold of today says helps to find the events, and is not
// taken over.
type past struct {
	tx     pgx.Tx
	tenant events.TenantID
	at     tracking.AsOf
	left   int // how many events may still be read

	shipments []string                              // that the view is of
	own       map[string][]*tracking.Fact           // by shipment
	scans     map[events.ShipmentID][]tracking.Scan // of their numbers
	numbers   map[string]*numberThen                // by stream
	late      map[tracking.Ref]bool                 // bookkeeping of arrival, for timelines
}

// numberThen is a number as the view sees it.
type numberThen struct {
	number
	facts    []*tracking.Fact
	holdings []tracking.Holding
	marks    tracking.Marks // of the facts that no shipment got
}

func newPast(tx pgx.Tx, tenant events.TenantID, at tracking.AsOf) *past {
	return &past{
		tx: tx, tenant: tenant, at: at, left: maxPast,
		own: map[string][]*tracking.Fact{}, scans: map[events.ShipmentID][]tracking.Scan{},
		numbers: map[string]*numberThen{}, late: map[tracking.Ref]bool{},
	}
}

// readShipments reads what shipments are folded from: their own streams, those
// of the numbers that they had, and who else had these.
func (p *past) readShipments(ctx context.Context, ids []string) (err error) {
	p.shipments = ids
	if p.own, err = p.facts(ctx, events.ShipmentStream, ids, nil); err != nil {
		return err
	}
	assigned := p.assignments(p.own)
	if len(assigned) == 0 {
		return nil
	}
	for n := range assigned {
		p.numbers[n.stream().id] = &numberThen{number: n}
	}
	if err := p.addRivals(ctx, assigned); err != nil {
		return err
	}
	streams, err := p.facts(ctx, events.TrackingStream, slices.Sorted(maps.Keys(p.numbers)), nil)
	if err != nil {
		return err
	}
	for id, n := range p.numbers {
		n.facts, n.holdings = streams[id], tracking.Resolve(assigned[n.number])
		var given map[events.ShipmentID][]tracking.Scan
		given, n.marks = tracking.FoldNumber(n.facts, n.holdings)
		for shipment, its := range given {
			p.scans[shipment] = append(p.scans[shipment], its...)
		}
	}
	return nil
}

// assignments are what streams of shipments assign, by number.
func (p *past) assignments(own map[string][]*tracking.Fact) map[number][]tracking.Assignment {
	assigned := map[number][]tracking.Assignment{}
	for id, facts := range own {
		for _, a := range tracking.Assignments(events.ShipmentID(id), facts) {
			n := number{p.tenant, a.Carrier, a.Number}
			assigned[n] = append(assigned[n], a)
		}
	}
	return assigned
}

// addRivals adds what other shipments say of the numbers. Of their streams that
// takes the assignments and what takes these back: nothing else decides whether
// an assignment counts.
func (p *past) addRivals(ctx context.Context, assigned map[number][]tracking.Assignment) error {
	ids, err := p.rivals(ctx, slices.Collect(maps.Keys(assigned)))
	if err != nil {
		return fmt.Errorf("find who else had its numbers: %w", err)
	}
	ids = slices.DeleteFunc(ids, func(id string) bool { return slices.Contains(p.shipments, id) })
	rivals, err := p.facts(ctx, events.ShipmentStream, ids, []string{string(events.TypeTrackingAssigned), string(events.TypeRetracted)})
	if err != nil {
		return err
	}
	for n, its := range p.assignments(rivals) {
		if _, ours := assigned[n]; ours {
			assigned[n] = append(assigned[n], its...)
		}
	}
	return nil
}

// foldShipment folds a shipment that was read.
func (p *past) foldShipment(id string) (tracking.Shipment, tracking.Marks) {
	s, marks := tracking.FoldShipment(events.ShipmentID(id), p.own[id], p.scans[events.ShipmentID(id)])
	for _, n := range p.numbers {
		for _, h := range n.holdings {
			if h.Lost && h.ShipmentID == s.ID {
				stream := events.Stream{Kind: events.ShipmentStream, ID: id}
				marks.Note(tracking.Ref{Stream: stream, Source: h.Key.Source, ID: h.Key.ID}, tracking.AssignmentReplaced)
			}
		}
	}
	return s, marks
}

// facts reads streams of one kind, all types or some, and returns of each what
// the view sees.
func (p *past) facts(ctx context.Context, kind events.StreamKind, streams, types []string) (map[string][]*tracking.Fact, error) {
	if len(streams) == 0 {
		return nil, nil
	}
	const statement = `-- name: past_events
		SELECT e.stream_id, e.source, e.event_id, e.type, e.occurred_at, e.recorded_at, e.ingested_at, e.data,
		       e.content_hash, e.arrived_late
		  FROM events e
		 WHERE e.tenant_id = $1 AND e.stream = $2 AND e.stream_id = ANY ($3) AND ($4::text[] IS NULL OR e.type = ANY ($4))
		 LIMIT $5`
	rows, err := p.tx.Query(ctx, statement, string(p.tenant), string(kind), streams, types, p.left+1)
	if err != nil {
		return nil, err
	}
	seen := make(map[string][]*tracking.Fact, len(streams))
	s := events.Stored{Tenant: p.tenant}
	var body, hash []byte
	var late bool
	_, err = pgx.ForEachRow(rows, []any{&s.Subject, &s.Source, &s.ID, &s.Type, &s.OccurredAt, &s.RecordedAt, &s.IngestedAt, &body, &hash, &late}, func() error {
		if p.left--; p.left < 0 {
			return query.ErrTooLong
		}
		s.Body = slices.Clone(body)
		e, err := s.Restore()
		if err != nil {
			return fmt.Errorf("restore event %s of %s: %w", s.ID, s.Subject, err)
		}
		if f := tracking.NewFact(e, [32]byte(hash)); p.at.Sees(f) {
			seen[s.Subject] = append(seen[s.Subject], f)
			p.noteLate(f, late)
		}
		return nil
	})
	if err != nil && !errors.Is(err, query.ErrTooLong) {
		return nil, fmt.Errorf("read the events of %d streams: %w", len(streams), err)
	}
	return seen, err
}

func (p *past) noteLate(f *tracking.Fact, late bool) {
	if late {
		p.late[f.Ref()] = true
	}
}
