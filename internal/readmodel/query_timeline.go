package readmodel

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/jackc/pgx/v5"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/query"
	"github.com/waybill-io/waybill/internal/tracking"
)

// place is where an entry stands in a timeline that may be of several streams.
type place struct {
	tracking.Key
	ID string `json:"id"` // of the stream
}

func (p place) compare(o place) int { return cmp.Or(p.Key.Compare(o.Key), cmp.Compare(p.ID, o.ID)) }

func (p place) encode() (string, error) {
	doc, err := json.Marshal(p)
	return base64.RawURLEncoding.EncodeToString(doc), err
}

func decodePlace(s string) (p place, err error) {
	doc, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return place{}, fmt.Errorf("read the place: %w", err)
	}
	return p, json.Unmarshal(doc, &p)
}

// placed is an entry with its place.
type placed struct {
	query.Entry
	at place
}

// Timeline returns a part of the timeline of an order, with its shipments, or of
// a shipment, with the scans of its numbers.
func (r *Reader) Timeline(ctx context.Context, tenant events.TenantID, of events.Stream, after string, limit int) (query.Page, error) {
	var all []placed
	err := r.read(ctx, []events.TenantID{tenant}, func(tx pgx.Tx) (err error) {
		all, err = readTimeline(ctx, tx, tenant, of)
		return err
	})
	if err != nil {
		return query.Page{}, fmt.Errorf("read the timeline of %s %s: %w", of.Kind, of.ID, err)
	}
	return pageOf(all, after, limit)
}

// pageOf sorts entries and takes those after a place, up to limit.
func pageOf(all []placed, after string, limit int) (p query.Page, err error) {
	slices.SortFunc(all, func(a, b placed) int { return a.at.compare(b.at) })
	if after != "" {
		from, err := decodePlace(after)
		if err != nil {
			return query.Page{}, err
		}
		all = slices.DeleteFunc(all, func(e placed) bool { return e.at.compare(from) <= 0 })
	}
	if len(all) > limit {
		all = all[:limit]
		p.Next, err = all[limit-1].at.encode()
	}
	p.Entries = column(all, func(e placed) query.Entry { return e.Entry })
	return p, err
}

func readTimeline(ctx context.Context, tx pgx.Tx, tenant events.TenantID, of events.Stream) ([]placed, error) {
	shipments := []string{of.ID}
	var all []placed
	if of.Kind == events.OrderStream {
		own, err := readEntries(ctx, tx, tenant, events.OrderStream, []string{of.ID}, nil)
		if err != nil {
			return nil, err
		}
		all = own
		if shipments, err = shipmentsOf(ctx, tx, tenant, of.ID); err != nil {
			return nil, err
		}
	}
	own, err := readEntries(ctx, tx, tenant, events.ShipmentStream, shipments, nil)
	if err != nil {
		return nil, err
	}
	held, err := readHeld(ctx, tx, tenant, shipments)
	if err != nil {
		return nil, err
	}
	streams := column(held, func(h heldSpan) string { return h.stream })
	scans, err := readEntries(ctx, tx, tenant, events.TrackingStream, streams, held)
	return slices.Concat(all, own, scans), err
}

func shipmentsOf(ctx context.Context, tx pgx.Tx, tenant events.TenantID, order string) ([]string, error) {
	const query = `-- name: shipments_of_order
		SELECT DISTINCT shipment_id FROM shipment_contents WHERE tenant_id = $1 AND order_id = $2`
	rows, err := tx.Query(ctx, query, string(tenant), order)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// heldSpan is a span in which a parcel had a number.
type heldSpan struct {
	stream   string
	parcel   events.ParcelID
	from, to time.Time // zero: without end
}

func (h heldSpan) covers(t time.Time) bool {
	return !t.Before(h.from) && (h.to.IsZero() || t.Before(h.to))
}

func readHeld(ctx context.Context, tx pgx.Tx, tenant events.TenantID, shipments []string) ([]heldSpan, error) {
	const query = `-- name: numbers_of_shipments
		SELECT carrier, tracking_number, parcel_id, nullif(valid_from, '-infinity'), nullif(valid_to, 'infinity')
		  FROM tracking_numbers
		 WHERE tenant_id = $1 AND shipment_id = ANY ($2) AND valid_from < valid_to`
	rows, err := tx.Query(ctx, query, string(tenant), shipments)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (h heldSpan, err error) {
		var carrier events.SCAC
		var num events.TrackingNumber
		var from, to *time.Time
		err = row.Scan(&carrier, &num, &h.parcel, &from, &to)
		h.stream, h.from, h.to = events.TrackingStreamOf(carrier, num).ID, instant(from), instant(to)
		return h, err
	})
}

// readEntries reads the entries of streams of one kind; of a number's stream
// those that lie in a span.
func readEntries(ctx context.Context, tx pgx.Tx, tenant events.TenantID, kind events.StreamKind, streams []string, spans []heldSpan) ([]placed, error) {
	if len(streams) == 0 {
		return nil, nil
	}
	const query = `-- name: read_entries
		SELECT ` + entryFields + ` FROM ` + entryTables + `
		 WHERE e.tenant_id = $1 AND e.stream = $2 AND e.stream_id = ANY ($3)`
	rows, err := tx.Query(ctx, query, string(tenant), string(kind), streams)
	if err != nil {
		return nil, err
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (placed, error) {
		return timelineEntry(row, tenant, spans)
	})
	return slices.DeleteFunc(all, func(e placed) bool { return e.ID == "" }), err
}

// timelineEntry reads an entry; one of a number's stream that lies in no span comes
// back empty.
func timelineEntry(row pgx.CollectableRow, tenant events.TenantID, spans []heldSpan) (placed, error) {
	e, fact, err := readEntry(row, tenant)
	if err != nil {
		return placed{}, err
	}
	parcel, here := parcelOf(fact, spans)
	if !here {
		return placed{}, nil
	}
	e.ParcelID = parcel
	return placed{e, place{fact.Key, e.StreamID}}, nil
}

// entryFields are what readEntry reads, of entryTables.
const (
	entryFields = `e.stream, e.stream_id, e.source, e.event_id, e.type, e.class, e.tz_source, e.time_precision, e.occurred_at,
		       e.recorded_at, e.ingested_at, e.arrived_late, e.data,
		       coalesce(m.duplicate_of_source, ''), coalesce(m.duplicate_of_id, ''),
		       coalesce(m.retracted_by_source, ''), coalesce(m.retracted_by_id, ''),
		       coalesce(m.anomalies, '{}'), coalesce(m.unmatched, false)`
	entryTables = `events e
		  LEFT JOIN event_marks m USING (tenant_id, stream, stream_id, source, event_id)`
)

// readEntry reads an entry, with more columns behind its own, and the fact that
// it is.
func readEntry(row pgx.CollectableRow, tenant events.TenantID, more ...any) (e query.Entry, f *tracking.Fact, err error) {
	s := events.Stored{Tenant: tenant}
	var dup, ret query.Twin
	var body []byte
	into := append([]any{&e.Stream, &s.Subject, &s.Source, &s.ID, &s.Type, &e.Class, &e.TZSource, &e.Precision, &s.OccurredAt,
		&s.RecordedAt, &s.IngestedAt, &e.ArrivedLate, &body, &dup.Source, &dup.ID, &ret.Source, &ret.ID,
		&e.Marks.Anomalies, &e.Marks.Unmatched}, more...)
	if err := row.Scan(into...); err != nil {
		return e, nil, err
	}
	s.Body = body
	ev, err := s.Restore()
	if err != nil {
		return e, nil, fmt.Errorf("restore event %s of %s: %w", s.ID, s.Subject, err)
	}
	e.StreamID, e.Source, e.ID, e.Type = s.Subject, s.Source, s.ID, s.Type
	e.OccurredAt, e.RecordedAt, e.IngestedAt = ev.OccurredAt(), s.RecordedAt.UTC(), s.IngestedAt.UTC()
	e.Data = query.Data(body)
	e.Marks.DuplicateOf, e.Marks.RetractedBy = null(dup), null(ret)
	return e, tracking.NewFact(ev, [32]byte{}), nil
}

// parcelOf is the parcel that a fact speaks of, and whether the timeline has
// the fact at all.
func parcelOf(f *tracking.Fact, spans []heldSpan) (events.ParcelID, bool) {
	if f.Stream().Kind != events.TrackingStream {
		d, ok := f.Data.(interface{ Parcel() events.ParcelID })
		if !ok {
			return "", true
		}
		return d.Parcel(), true
	}
	for _, h := range spans {
		if h.stream == f.Subject && h.covers(f.When()) {
			return h.parcel, true
		}
	}
	return "", false
}
