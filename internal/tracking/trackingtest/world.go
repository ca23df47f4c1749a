package trackingtest

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/tracking"
)

// World is all that a set of facts of one tenant means.
type World struct {
	Orders    map[events.OrderID]tracking.Order
	Shipments map[events.ShipmentID]tracking.Shipment
	Holdings  []tracking.Holding // of all numbers, sorted
	Marks     tracking.Marks
}

// Facts passes events through the codec, as the log does, and sorts them by
// stream.
func Facts(evs []events.Event) (map[events.Stream][]*tracking.Fact, error) {
	facts := map[events.Stream][]*tracking.Fact{}
	for _, e := range evs {
		f, err := FactOf(e)
		if err != nil {
			return nil, err
		}
		facts[e.Stream()] = append(facts[e.Stream()], f)
	}
	return facts, nil
}

// FactOf passes an event through the codec.
func FactOf(e events.Event) (*tracking.Fact, error) {
	m, err := events.Encode(e)
	if err != nil {
		return nil, fmt.Errorf("encode %s %s: %w", e.Type(), e.ID, err)
	}
	decoded, err := events.Decode(m)
	if err != nil {
		return nil, fmt.Errorf("decode %s %s: %w", e.Type(), e.ID, err)
	}
	hash, err := decoded.ContentHash()
	if err != nil {
		return nil, fmt.Errorf("hash %s %s: %w", e.Type(), e.ID, err)
	}
	return tracking.NewFact(decoded, hash), nil
}

// Fold folds every stream from all its facts, the plainest thing that a writer
// can do.
func Fold(facts map[events.Stream][]*tracking.Fact) World {
	w := World{Shipments: map[events.ShipmentID]tracking.Shipment{}, Marks: tracking.Marks{}}
	held := resolve(facts)
	scans := w.give(facts, held)
	for stream, own := range facts {
		if stream.Kind == events.ShipmentStream {
			id := events.ShipmentID(stream.ID)
			s, marks := tracking.FoldShipment(id, own, scans[id])
			w.Shipments[id] = s
			w.add(marks)
		}
	}
	w.hold(held)
	w.orders(facts, func(id events.OrderID) (tracking.OrderBase, tracking.Marks) {
		return tracking.FoldOrder(facts[events.Stream{Kind: events.OrderStream, ID: string(id)}])
	})
	return w
}

func compareHoldings(a, b tracking.Holding) int {
	return cmp.Or(
		cmp.Compare(a.Carrier, b.Carrier), cmp.Compare(a.Number, b.Number), cmp.Compare(a.ShipmentID, b.ShipmentID),
		a.ValidFrom.Compare(b.ValidFrom), a.Key.Compare(b.Key),
	)
}

// resolve says who holds each number that a shipment of the facts was given.
func resolve(facts map[events.Stream][]*tracking.Fact) map[events.Stream][]tracking.Holding {
	assigned := map[events.Stream][]tracking.Assignment{}
	for stream, own := range facts {
		if stream.Kind != events.ShipmentStream {
			continue
		}
		for _, a := range tracking.Assignments(events.ShipmentID(stream.ID), own) {
			number := events.TrackingStreamOf(a.Carrier, a.Number)
			assigned[number] = append(assigned[number], a)
		}
	}
	held := make(map[events.Stream][]tracking.Holding, len(assigned))
	for number, its := range assigned {
		held[number] = tracking.Resolve(its)
	}
	return held
}

// give gives the scans of all numbers to the shipments that held them.
func (w *World) give(facts map[events.Stream][]*tracking.Fact, held map[events.Stream][]tracking.Holding) map[events.ShipmentID][]tracking.Scan {
	scans := map[events.ShipmentID][]tracking.Scan{}
	for stream, own := range facts {
		if stream.Kind != events.TrackingStream {
			continue
		}
		given, marks := tracking.FoldNumber(own, held[stream])
		w.add(marks)
		for id, its := range given {
			scans[id] = append(scans[id], its...)
		}
	}
	return scans
}

// hold notes who holds which number, and marks assignments that lost a tie.
func (w *World) hold(held map[events.Stream][]tracking.Holding) {
	for _, holdings := range held {
		w.Holdings = append(w.Holdings, holdings...)
	}
	slices.SortFunc(w.Holdings, compareHoldings)
	for _, h := range w.Holdings {
		if h.Lost {
			stream := events.Stream{Kind: events.ShipmentStream, ID: string(h.ShipmentID)}
			w.Marks.Note(tracking.Ref{Stream: stream, Source: h.Key.Source, ID: h.Key.ID}, tracking.AssignmentReplaced)
		}
	}
}

// orders joins the orders with what became of their lines in shipments. Of an
// order that only shipments speak of there is a placeholder.
func (w *World) orders(facts map[events.Stream][]*tracking.Fact, of func(events.OrderID) (tracking.OrderBase, tracking.Marks)) {
	carried := w.carried()
	w.Orders = map[events.OrderID]tracking.Order{}
	for stream := range facts {
		if stream.Kind == events.OrderStream {
			id := events.OrderID(stream.ID)
			base, marks := of(id)
			w.add(marks)
			w.Orders[id] = base.With(id, carried[id])
		}
	}
	for id, rows := range carried {
		if _, ok := w.Orders[id]; !ok {
			w.Orders[id] = tracking.OrderBase{}.With(id, rows)
		}
	}
}

// carried are the content rows of all shipments, by order.
func (w *World) carried() map[events.OrderID][]tracking.Carried {
	carried := map[events.OrderID][]tracking.Carried{}
	for _, s := range w.Shipments {
		for _, c := range s.Contents {
			carried[c.OrderID] = append(carried[c.OrderID], tracking.Carried{Content: c, ShipmentID: s.ID, Direction: s.Direction})
		}
	}
	return carried
}

// add adds the marks of a stream. A scan may have one from the stream that it
// stands in and one from the shipment that it was given to.
func (w *World) add(marks tracking.Marks) {
	for ref, m := range marks {
		for _, a := range m.Anomalies {
			w.Marks.Note(ref, a)
		}
		one := w.Marks[ref]
		one.DuplicateOf = cmp.Or(one.DuplicateOf, m.DuplicateOf)
		one.RetractedBy = cmp.Or(one.RetractedBy, m.RetractedBy)
		one.Unmatched = one.Unmatched || m.Unmatched
		w.Marks[ref] = one
	}
}
