package readmodel

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/tracking"
)

// folding folds shipments, numbers and orders from all their facts into rows.
// It looks at no row of theirs, so what it yields owes nothing to the way in
// which the writer has come to them.
type folding struct {
	rows     rowSet
	assigned map[number][]tracking.Assignment // of every number concerned, by all shipments
	holdings map[number][]tracking.Holding
	keeps    func(number) bool // whether what no shipment gets of a number is this folding's to say
	given    map[entity][]tracking.Scan
}

func newFolding(assigned map[number][]tracking.Assignment, keeps func(number) bool) *folding {
	f := &folding{rows: rowSet{}, assigned: assigned, keeps: keeps,
		holdings: make(map[number][]tracking.Holding, len(assigned)), given: map[entity][]tracking.Scan{}}
	for n, its := range assigned {
		f.holdings[n] = tracking.Resolve(its)
	}
	return f
}

// numbers gives the scans of numbers to the shipments that had them, and says
// what is left.
func (f *folding) numbers(ctx context.Context, tx pgx.Tx) error {
	if len(f.assigned) == 0 {
		return nil
	}
	all := slices.SortedFunc(maps.Keys(f.assigned), number.compare)
	facts, err := history(ctx, tx, events.TrackingStream, column(all, number.stream))
	if err != nil {
		return err
	}
	for _, n := range all {
		f.number(n, facts[n.stream()])
	}
	return nil
}

func (f *folding) number(n number, stream []*tracking.Fact) {
	if len(stream) == 0 {
		return
	}
	given, marks := tracking.FoldNumber(stream, f.holdings[n])
	taken := map[tracking.Ref]bool{}
	for id, its := range given {
		key := entity{n.tenant, string(id)}
		f.given[key] = append(f.given[key], its...)
		for _, it := range its {
			taken[it.Ref()] = true
		}
	}
	if !f.keeps(n) {
		return
	}
	retractions := false
	for _, fact := range stream {
		retractions = retractions || fact.Type() == events.TypeRetracted
		ref := fact.Ref()
		if taken[ref] {
			continue
		}
		f.rows.addMark(n.tenant, ref, marks[ref])
		if marks[ref].Unmatched {
			f.rows.addUnmatched(n, fact)
		}
	}
	if retractions {
		f.rows.add(carrierTable, string(n.tenant), string(n.carrier), string(n.number), true)
	}
}

// shipment folds one shipment; numbers must have been given out before.
func (f *folding) shipment(key entity, own []*tracking.Fact) (tracking.Shipment, error) {
	state, marks := tracking.FoldShipment(events.ShipmentID(key.id), own, f.given[key])
	for _, a := range state.Assignments {
		if f.lost(key.tenant, a) {
			marks.Note(tracking.Ref{Stream: events.Stream{Kind: events.ShipmentStream, ID: key.id}, Source: a.Key.Source, ID: a.Key.ID}, tracking.AssignmentReplaced)
		}
	}
	for ref, mark := range marks {
		f.rows.addMark(key.tenant, ref, mark)
	}
	if err := f.rows.addShipment(key.tenant, &state); err != nil {
		return state, err
	}
	return state, nil
}

// lost reports whether an assignment began together with another one that
// counts.
func (f *folding) lost(tenant events.TenantID, a tracking.Assignment) bool {
	return slices.ContainsFunc(f.holdings[number{tenant, a.Carrier, a.Number}], func(h tracking.Holding) bool {
		return h.Lost && h.ShipmentID == a.ShipmentID && h.Key == a.Key
	})
}

// order folds one order from its own facts and what shipments carry of it. One
// that nobody speaks of has no row.
func (f *folding) order(key entity, own []*tracking.Fact, carried []tracking.Carried) error {
	base, marks := tracking.FoldOrder(own)
	if base.Revision == 0 && len(carried) == 0 {
		return nil
	}
	for ref, mark := range marks {
		f.rows.addMark(key.tenant, ref, mark)
	}
	order := base.With(events.OrderID(key.id), carried)
	return f.rows.addOrder(key.tenant, &order)
}

// assignmentsIn lists what shipments' own facts assign, by number.
func assignmentsIn(own map[entity][]*tracking.Fact) map[number][]tracking.Assignment {
	all := map[number][]tracking.Assignment{}
	for key, facts := range own {
		for _, a := range tracking.Assignments(events.ShipmentID(key.id), facts) {
			n := number{key.tenant, a.Carrier, a.Number}
			all[n] = append(all[n], a)
		}
	}
	return all
}

// copyRows writes rows to the tables of the session's version. Marks and lists
// of what nobody got are written with less haste: two transactions may each know
// of the same entry, when it was taken back between them.
func copyRows(ctx context.Context, tx pgx.Tx, rows rowSet) error {
	for _, t := range foldTables() {
		its := rows[t.name]
		if len(its) == 0 {
			continue
		}
		write := copyTable
		if t.name == marksTable || t.name == unmatchedTable || t.name == carrierTable {
			write = insertTable
		}
		if err := write(ctx, tx, t, its); err != nil {
			return fmt.Errorf("write %d rows of %s: %w", len(its), t.name, err)
		}
	}
	return nil
}

func copyTable(ctx context.Context, tx pgx.Tx, t table, rows [][]any) error {
	_, err := tx.CopyFrom(ctx, pgx.Identifier{t.name}, t.columns, pgx.CopyFromRows(rows))
	return err
}
