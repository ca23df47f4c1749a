package readmodel

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/tracking"
)

// reassign works out who holds the numbers of refolded shipments after the
// batch, and returns every number that must be folded: theirs, and those with a
// scan that nobody could apply.
func (u *unit) reassign(ctx context.Context, refold []*shipmentWork, own map[entity][]*tracking.Fact) ([]*numberWork, error) {
	known := len(u.numbers)
	if err := u.addHeldNumbers(ctx, refold); err != nil {
		return nil, err
	}
	assigned := map[number][]tracking.Assignment{}
	refolded := map[entity]bool{}
	for _, w := range refold {
		refolded[w.entity] = true
		for _, a := range tracking.Assignments(events.ShipmentID(w.id), own[w.entity]) {
			n := number{w.tenant, a.Carrier, a.Number}
			u.number(n)
			assigned[n] = append(assigned[n], a)
		}
	}
	if len(u.numbers) > known {
		if err := u.readOtherAssignments(ctx); err != nil {
			return nil, err
		}
	}
	return u.resolve(assigned, refolded), nil
}

// addHeldNumbers brings the numbers of stored shipments into the unit that the
// batch does not name. Their assignments do not change, and whoever wants to
// change them must lock the shipment first, so they need no lock of their own.
func (u *unit) addHeldNumbers(ctx context.Context, refold []*shipmentWork) error {
	var stored []entity
	for _, w := range refold {
		if w.stored {
			stored = append(stored, w.entity)
		}
	}
	if len(stored) == 0 {
		return nil
	}
	held, err := numbersOf(ctx, u.tx, stored)
	for _, n := range held {
		u.number(n)
	}
	return err
}

// readOtherAssignments reads the assignments of numbers that came in late.
func (u *unit) readOtherAssignments(ctx context.Context) error {
	var unread []*numberWork
	for _, n := range u.sortedNumbers() {
		if n.holdings == nil && len(n.assignments) == 0 {
			unread = append(unread, n)
		}
	}
	return u.readAssignments(ctx, unread)
}

func (u *unit) resolve(assigned map[number][]tracking.Assignment, refolded map[entity]bool) (concerned []*numberWork) {
	for _, n := range u.sortedNumbers() {
		others := slices.DeleteFunc(slices.Clone(n.assignments), func(a tracking.Assignment) bool {
			return refolded[entity{n.tenant, string(a.ShipmentID)}]
		})
		mine := len(others) < len(n.assignments) || len(assigned[n.number]) > 0
		n.assignments = append(others, assigned[n.number]...)
		n.holdings = tracking.Resolve(n.assignments)
		if mine || n.retractions || n.homeless() {
			concerned = append(concerned, n)
		}
	}
	return concerned
}

// homeless reports whether a new scan belongs to no shipment.
func (n *numberWork) homeless() bool {
	return slices.ContainsFunc(n.scans, func(e *entry) bool {
		_, held := tracking.Holder(n.holdings, e.fact.When())
		return !held
	})
}

// lostTie reports whether an assignment began together with another one that
// counts.
func (u *unit) lostTie(tenant events.TenantID, a tracking.Assignment) bool {
	n, ok := u.numbers[number{tenant, a.Carrier, a.Number}]
	return ok && slices.ContainsFunc(n.holdings, func(h tracking.Holding) bool {
		return h.Lost && h.ShipmentID == a.ShipmentID && h.Key == a.Key
	})
}

// foldNumbers gives all scans of the numbers to the refolded shipments, and
// lists those that belong to none.
func (u *unit) foldNumbers(ctx context.Context, numbers []*numberWork) (map[entity][]tracking.Scan, error) {
	scans := map[entity][]tracking.Scan{}
	if len(numbers) == 0 {
		return scans, nil
	}
	facts, err := history(ctx, u.tx, events.TrackingStream, column(numbers, func(n *numberWork) entity { return n.stream() }))
	if err != nil {
		return nil, err
	}
	for _, n := range numbers {
		stream := facts[n.stream()]
		given, marks := tracking.FoldNumber(stream, n.holdings)
		taken := map[tracking.Ref]bool{}
		for id, its := range given {
			key := entity{n.tenant, string(id)}
			scans[key] = append(scans[key], its...)
			for _, it := range its {
				taken[it.Ref()] = true
			}
		}
		for _, f := range stream {
			ref := f.Ref()
			if taken[ref] || !n.locked {
				continue
			}
			u.marks.decide(n.tenant, ref)
			u.marks.set(n.tenant, ref, marks[ref])
			if marks[ref].Unmatched {
				u.unmatched = append(u.unmatched, unmatchedScan{n, f})
			}
		}
	}
	return scans, nil
}

type unmatchedScan struct {
	number *numberWork
	fact   *tracking.Fact
}

// writeUnmatched replaces the list of scans of the numbers that nobody had.
func (u *unit) writeUnmatched() {
	numbers := slices.DeleteFunc(slices.Clone(u.resolved), func(n *numberWork) bool { return !n.locked })
	if len(numbers) == 0 {
		return
	}
	const clear = `-- name: clear_unmatched
		DELETE FROM unmatched_scans s USING unnest($1::text[], $2::text[]) x(tenant_id, stream_id)
		 WHERE s.tenant_id = x.tenant_id AND s.stream = 'tracking' AND s.stream_id = x.stream_id`
	streams := column(numbers, func(n *numberWork) entity { return n.stream() })
	u.lane.later("clear unmatched scans", clear, tenants(streams), ids(streams))
	scans := u.unmatched
	if len(scans) == 0 {
		return
	}
	const insert = `-- name: insert_unmatched
		INSERT INTO unmatched_scans (tenant_id, stream, stream_id, source, event_id, carrier, tracking_number, type, occurred_at)
		SELECT x.tenant_id, 'tracking', x.stream_id, x.source, x.event_id, x.carrier, x.number, x.type, x.occurred_at
		  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::timestamptz[])
		       x(tenant_id, stream_id, source, event_id, carrier, number, type, occurred_at)`
	u.lane.later("write unmatched scans", insert,
		column(scans, func(s unmatchedScan) string { return string(s.number.tenant) }),
		column(scans, func(s unmatchedScan) string { return s.number.stream().id }),
		column(scans, func(s unmatchedScan) string { return string(s.fact.Source) }),
		column(scans, func(s unmatchedScan) string { return string(s.fact.ID) }),
		column(scans, func(s unmatchedScan) string { return string(s.number.carrier) }),
		column(scans, func(s unmatchedScan) string { return string(s.number.number.number) }),
		column(scans, func(s unmatchedScan) string { return string(s.fact.Type()) }),
		column(scans, func(s unmatchedScan) time.Time { return s.fact.OccurredAt() }))
}

// writeNumbers replaces the assignments of the refolded shipments, and the
// validity of all others of their numbers.
func (u *unit) writeNumbers() {
	u.keepRetractions()
	numbers := slices.DeleteFunc(slices.Clone(u.resolved), func(n *numberWork) bool { return !n.reassigned })
	if len(numbers) == 0 {
		return
	}
	const clear = `-- name: clear_assignments
		DELETE FROM tracking_numbers t USING unnest($1::text[], $2::text[], $3::text[]) x(tenant_id, carrier, tracking_number)
		 WHERE t.tenant_id = x.tenant_id AND t.carrier = x.carrier AND t.tracking_number = x.tracking_number`
	tenant, carrier, num := numberColumns(numbers)
	u.lane.later("clear assignments", clear, tenant, carrier, num)
	const insert = `-- name: insert_assignments
		INSERT INTO tracking_numbers (tenant_id, carrier, tracking_number, valid_from, shipment_id, source, event_id,
		       valid_to, parcel_id, occurred_at, recorded_at)
		SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::text[], $7::text[],
		       $8::timestamptz[], $9::text[], $10::timestamptz[], $11::timestamptz[])`
	var rows []heldNumber
	for _, n := range numbers {
		for _, h := range n.holdings {
			rows = append(rows, heldNumber{n.tenant, h})
		}
	}
	u.insertHoldings(insert, rows)
}

type heldNumber struct {
	tenant events.TenantID
	tracking.Holding
}

func (u *unit) insertHoldings(query string, rows []heldNumber) {
	if len(rows) == 0 {
		return
	}
	u.lane.later("write assignments", query,
		column(rows, func(h heldNumber) string { return string(h.tenant) }),
		column(rows, func(h heldNumber) string { return string(h.Carrier) }),
		column(rows, func(h heldNumber) string { return string(h.Number) }),
		column(rows, func(h heldNumber) pgtype.Timestamptz { return from(h.ValidFrom) }),
		column(rows, func(h heldNumber) string { return string(h.ShipmentID) }),
		column(rows, func(h heldNumber) string { return string(h.Key.Source) }),
		column(rows, func(h heldNumber) string { return string(h.Key.ID) }),
		column(rows, heldNumber.validTo),
		column(rows, func(h heldNumber) string { return string(h.ParcelID) }),
		column(rows, func(h heldNumber) time.Time { return time.UnixMicro(h.Key.When) }),
		column(rows, func(h heldNumber) time.Time { return time.UnixMicro(h.Key.Recorded) }))
}

// validTo of a lost tie is its beginning: it never held.
func (h heldNumber) validTo() pgtype.Timestamptz {
	if h.Lost {
		return from(h.ValidFrom)
	}
	return until(h.ValidTo)
}
