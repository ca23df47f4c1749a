package trackingtest

import (
	"maps"
	"slices"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/tracking"
)

// Writer keeps a [World] as the projector does, batch by batch: it applies what
// may be applied, and folds everything else again from all facts so far.
type Writer struct {
	Applied         int // facts of shipments that needed no fold
	AppliedToOrders int
	OnApply         func(events.ShipmentID) // called after a batch that was applied; may be nil
	OnApplyOrder    func(events.OrderID)    // the same of an order

	facts    map[events.Stream][]*tracking.Fact
	stored   map[tracking.Ref]bool
	scans    map[events.ShipmentID][]tracking.Scan // that count, by who had the number
	ships    map[events.ShipmentID]*tracking.Shipment
	shipmark map[events.ShipmentID]tracking.Marks
	orders   map[events.OrderID]*keptOrder
}

// NewWriter returns a Writer that knows nothing.
func NewWriter() *Writer {
	return &Writer{
		facts: map[events.Stream][]*tracking.Fact{}, stored: map[tracking.Ref]bool{}, scans: map[events.ShipmentID][]tracking.Scan{},
		ships: map[events.ShipmentID]*tracking.Shipment{}, shipmark: map[events.ShipmentID]tracking.Marks{},
		orders: map[events.OrderID]*keptOrder{},
	}
}

// Take takes a batch of facts of whatever streams, of both topics.
func (w *Writer) Take(batch ...*tracking.Fact) {
	fresh := map[events.ShipmentID][]tracking.Scan{}
	orders := map[events.OrderID][]*tracking.Fact{}
	before, given := w.scans, false
	for _, f := range batch {
		if w.stored[f.Ref()] {
			continue
		}
		stream := f.Stream()
		w.stored[f.Ref()] = true
		w.facts[stream] = append(w.facts[stream], f)
		given = given || stream.Kind == events.TrackingStream || f.Type() == events.TypeTrackingAssigned || f.Type() == events.TypeRetracted
		switch stream.Kind {
		case events.ShipmentStream:
			id := events.ShipmentID(stream.ID)
			fresh[id] = append(fresh[id], tracking.Scan{Fact: f})
		case events.OrderStream:
			id := events.OrderID(stream.ID)
			orders[id] = append(orders[id], f)
		case events.TrackingStream: // its facts are given to shipments below
		}
	}
	if given {
		scratch := World{Marks: tracking.Marks{}}
		w.scans = scratch.give(w.facts, resolve(w.facts))
	}
	for _, id := range w.concerned(fresh, before) {
		w.ship(id, fresh[id], before[id])
	}
	for id, own := range orders {
		w.order(id, own)
	}
}

// concerned lists the shipments with new facts of their own or other scans.
func (w *Writer) concerned(fresh, before map[events.ShipmentID][]tracking.Scan) []events.ShipmentID {
	ids := slices.Collect(maps.Keys(fresh))
	ids = slices.AppendSeq(ids, maps.Keys(before))
	ids = slices.AppendSeq(ids, maps.Keys(w.scans))
	slices.Sort(ids)
	return slices.Compact(ids)
}

// ship brings a shipment up to date.
func (w *Writer) ship(id events.ShipmentID, own, before []tracking.Scan) {
	lost, added := without(before, w.scans[id]), without(w.scans[id], before)
	if len(own)+len(lost)+len(added) == 0 {
		return
	}
	if len(lost) == 0 && w.ships[id] != nil && w.apply(id, own, added) {
		if w.OnApply != nil {
			w.OnApply(id)
		}
		return
	}
	state, marks := w.Refold(id)
	w.ships[id], w.shipmark[id] = &state, marks
}

// without are the scans that others does not have.
func without(scans, others []tracking.Scan) []tracking.Scan {
	return slices.DeleteFunc(slices.Clone(scans), func(it tracking.Scan) bool { return slices.Contains(others, it) })
}

// apply applies new facts in their order, or reports that one was refused.
func (w *Writer) apply(id events.ShipmentID, own, scans []tracking.Scan) bool {
	s, marks := w.ships[id], tracking.Marks{}
	all := slices.Concat(own, scans)
	slices.SortFunc(all, func(a, b tracking.Scan) int { return a.Key.Compare(b.Key) })
	for _, it := range all {
		take := s.ApplyScan
		if it.Stream().Kind == events.ShipmentStream {
			take = func(it tracking.Scan) (tracking.Mark, bool) { return s.Apply(it.Fact) }
		}
		mark, ok := take(it)
		if !ok {
			return false
		}
		marks[it.Ref()] = mark
	}
	s.Settle()
	w.Applied += len(all)
	for ref, mark := range marks {
		if !mark.IsZero() {
			w.shipmark[id][ref] = mark
		}
	}
	return true
}

// Refold folds a shipment from all facts so far.
func (w *Writer) Refold(id events.ShipmentID) (tracking.Shipment, tracking.Marks) {
	return tracking.FoldShipment(id, w.facts[events.Stream{Kind: events.ShipmentStream, ID: string(id)}], w.scans[id])
}

// Shipment is what the writer keeps of a shipment.
func (w *Writer) Shipment(id events.ShipmentID) (tracking.Shipment, tracking.Marks) {
	return *w.ships[id], w.shipmark[id]
}

// World is what the writer has come to.
func (w *Writer) World() World {
	all := World{Shipments: map[events.ShipmentID]tracking.Shipment{}, Marks: tracking.Marks{}}
	held := resolve(w.facts)
	all.give(w.facts, held)
	for id, s := range w.ships {
		all.Shipments[id] = *s
		all.add(w.shipmark[id])
	}
	all.hold(held)
	all.orders(w.facts, w.Order)
	return all
}
