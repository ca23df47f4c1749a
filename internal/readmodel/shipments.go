package readmodel

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/tracking"
)

// shipmentWork is what the batch does to a shipment.
type shipmentWork struct {
	entity
	own    []*entry    // new in its own stream, in the order they were read
	scans  []scanEntry // new in the streams of its numbers
	refold bool        // only a fold of all facts can tell

	stored  bool // it has a row from an earlier batch
	at      tuple
	state   tracking.Shipment
	cases   caseCount // of the stored row
	parcels []storedParcel
	was     events.Direction // as stored
	before  []storedContent
	settled bool           // contents are read and derived anew
	folded  bool           // the state comes from all facts
	touched []tracking.Ref // timeline entries added or re-marked
}

type scanEntry struct {
	*entry
	parcel events.ParcelID
	number *numberWork
}

// touch notes that clients see a timeline entry of the shipment change.
func (w *shipmentWork) touch(ref tracking.Ref) { w.touched = append(w.touched, ref) }

func (u *unit) shipment(key entity) *shipmentWork {
	w, ok := u.shipments[key]
	if !ok {
		w = &shipmentWork{entity: key}
		u.shipments[key] = w
	}
	return w
}

func (u *unit) sortedShipments() []*shipmentWork {
	return slices.SortedFunc(maps.Values(u.shipments), func(a, b *shipmentWork) int { return a.compare(b.entity) })
}

type storedParcel struct {
	tracking.Parcel
	at tuple
}

type storedContent struct {
	tracking.Content
	at tuple
}

// foldShipments brings every shipment concerned up to date: most by applying
// the new facts to the stored state, the others by a fold of all their facts.
// Their orders come into the unit where contents changed.
func (u *unit) foldShipments(ctx context.Context) error {
	for _, e := range u.entries {
		if e.ref.Stream.Kind == events.ShipmentStream {
			w := u.shipment(entity{e.tenant, e.Subject})
			w.own = append(w.own, e)
			w.touch(e.ref)
		}
	}
	all := u.sortedShipments()
	if len(all) > 0 {
		if err := lockAll(ctx, u.tx, lockShipment, column(all, func(w *shipmentWork) entity { return w.entity })); err != nil {
			return fmt.Errorf("lock %d shipments: %w", len(all), err)
		}
		if err := u.readShipments(ctx, all); err != nil {
			return fmt.Errorf("read %d shipments: %w", len(all), err)
		}
	}
	for _, w := range all {
		if u.apply(w) {
			u.moved = append(u.moved, w)
		} else {
			u.folded = append(u.folded, w)
		}
	}
	if err := u.refold(ctx, u.folded); err != nil {
		return err
	}
	if err := u.settle(ctx, u.moved); err != nil {
		return err
	}
	u.compareContents()
	return nil
}

// apply tries to bring a shipment up to date without its history. It also finds
// out which entries came late.
func (u *unit) apply(w *shipmentWork) bool {
	findLate(w.own, w.state.Guard.Newest)
	scans := column(w.scans, func(s scanEntry) *entry { return s.entry })
	slices.SortFunc(scans, func(a, b *entry) int { return cmp.Compare(a.read, b.read) })
	findLate(scans, w.state.Guard.Newest)
	if !w.stored || w.refold {
		return false
	}
	its := w.inOrder()
	marks := make([]tracking.Mark, len(its))
	for i, it := range its {
		var ok bool
		if marks[i], ok = it.applyTo(&w.state); !ok {
			return false
		}
	}
	for i, it := range its {
		u.marks.set(w.tenant, it.ref, marks[i])
	}
	return true
}

// findLate finds out which of a stream's new entries, in the order they were
// read, found newer ones.
func findLate(entries []*entry, newest tracking.Key) {
	for _, e := range entries {
		if e.Class() != events.Actual {
			continue
		}
		if e.late = e.fact.Key.Compare(newest) < 0; !e.late {
			newest = e.fact.Key
		}
	}
}

// inOrder sorts the new facts of all streams by key.
func (w *shipmentWork) inOrder() []scanEntry {
	all := slices.Clone(w.scans)
	for _, e := range w.own {
		all = append(all, scanEntry{entry: e})
	}
	slices.SortFunc(all, func(a, b scanEntry) int { return a.fact.Key.Compare(b.fact.Key) })
	return all
}

func (e scanEntry) applyTo(s *tracking.Shipment) (tracking.Mark, bool) {
	if e.number == nil {
		return s.Apply(e.fact)
	}
	return s.ApplyScan(tracking.Scan{Fact: e.fact, Parcel: e.parcel})
}

// refold folds shipments from all their facts, and the numbers that these
// facts, or scans which no shipment could apply, belong to.
func (u *unit) refold(ctx context.Context, refold []*shipmentWork) error {
	own, err := u.ownFacts(ctx, refold)
	if err != nil {
		return err
	}
	numbers, err := u.reassign(ctx, refold, own)
	if err != nil {
		return err
	}
	scans, err := u.foldNumbers(ctx, numbers)
	if err != nil {
		return err
	}
	for _, w := range refold {
		u.refoldOne(w, own[w.entity], scans[w.entity])
	}
	u.applied.Refolds = len(refold)
	u.resolved = numbers
	return u.readContents(ctx, refold)
}

// ownFacts collects all facts of the shipments' own streams: of new ones the
// batch has them all.
func (u *unit) ownFacts(ctx context.Context, refold []*shipmentWork) (map[entity][]*tracking.Fact, error) {
	own := make(map[entity][]*tracking.Fact, len(refold))
	var stored []entity
	for _, w := range refold {
		if w.stored {
			stored = append(stored, w.entity)
			continue
		}
		own[w.entity] = column(w.own, func(e *entry) *tracking.Fact { return e.fact })
	}
	if len(stored) == 0 {
		return own, nil
	}
	facts, err := history(ctx, u.tx, events.ShipmentStream, stored)
	maps.Copy(own, facts)
	return own, err
}

func (u *unit) refoldOne(w *shipmentWork, own []*tracking.Fact, scans []tracking.Scan) {
	state, marks := tracking.FoldShipment(events.ShipmentID(w.id), own, scans)
	for _, a := range state.Assignments {
		if u.lostTie(w.tenant, a) {
			marks.Note(tracking.Ref{Stream: events.Stream{Kind: events.ShipmentStream, ID: w.id}, Source: a.Key.Source, ID: a.Key.ID}, tracking.AssignmentReplaced)
		}
	}
	w.state, w.folded = state, true
	u.marks.decideStream(w.entity, events.ShipmentStream)
	for _, it := range scans {
		u.marks.decide(w.tenant, it.Ref())
	}
	for ref, mark := range marks {
		u.marks.set(w.tenant, ref, mark)
	}
}

// settle derives the contents of applied shipments anew where a milestone may
// have moved them.
func (u *unit) settle(ctx context.Context, applied []*shipmentWork) error {
	var moved []*shipmentWork
	for _, w := range applied {
		if w.milestone() {
			moved = append(moved, w)
		}
	}
	if err := u.readContents(ctx, moved); err != nil {
		return err
	}
	for _, w := range moved {
		w.state.Contents = column(w.before, func(c storedContent) tracking.Content { return c.Content })
		w.state.Settle()
	}
	return nil
}
