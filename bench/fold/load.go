package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/scenario"
	"github.com/waybill-io/waybill/internal/tracking"
)

// load is what the arms work on, made before any of them runs.
type load struct {
	messages []events.Message
	decoded  []events.Event
	ships    []ship
	orders   []order
	history  []*tracking.Fact // of one shipment, sorted by identity, as they are stored

	own, applies int // facts of shipments' own streams, and how many of them Apply takes
}

// ship is a shipment's state before the facts that can be applied to it, which
// are those that sort last and need no fold.
type ship struct {
	state tracking.Shipment
	facts []*tracking.Fact
}

// order is an order's own facts with the contents of its shipments.
type order struct {
	id      events.OrderID
	facts   []*tracking.Fact
	carried []tracking.Carried
}

func newLoad(cfg config) (*load, error) {
	g, err := scenario.New(scenario.Config{Seed: cfg.seed, Orders: cfg.orders, Rates: scenario.DefaultRates()})
	if err != nil {
		return nil, err
	}
	l := &load{}
	streams := map[events.Stream][]*tracking.Fact{}
	for e := range g.Events() {
		f, err := l.add(e)
		if err != nil {
			return nil, err
		}
		streams[f.Stream()] = append(streams[f.Stream()], f)
	}
	l.fold(streams)
	if l.history, err = historyOf40(); err != nil {
		return nil, err
	}
	return l, nil
}

func (l *load) add(e events.Event) (*tracking.Fact, error) {
	m, err := events.Encode(e)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", e.ID, err)
	}
	decoded, err := events.Decode(m)
	if err != nil {
		return nil, fmt.Errorf("decode %s: %w", e.ID, err)
	}
	l.messages, l.decoded = append(l.messages, m), append(l.decoded, decoded)
	return factOf(decoded)
}

func factOf(e events.Event) (*tracking.Fact, error) {
	hash, err := e.ContentHash()
	if err != nil {
		return nil, fmt.Errorf("hash %s: %w", e.ID, err)
	}
	return tracking.NewFact(e, hash), nil
}

// fold makes the shipments and orders of the load.
func (l *load) fold(streams map[events.Stream][]*tracking.Fact) {
	carried := map[events.OrderID][]tracking.Carried{}
	for stream, facts := range streams {
		if stream.Kind != events.ShipmentStream {
			continue
		}
		id := events.ShipmentID(stream.ID)
		l.ships = append(l.ships, l.ship(id, facts))
		s, _ := tracking.FoldShipment(id, facts, nil)
		for _, c := range s.Contents {
			carried[c.OrderID] = append(carried[c.OrderID], tracking.Carried{Content: c, ShipmentID: id, Direction: s.Direction})
		}
	}
	for stream, facts := range streams {
		if stream.Kind == events.OrderStream {
			id := events.OrderID(stream.ID)
			l.orders = append(l.orders, order{id, facts, carried[id]})
		}
	}
}

// ship parts facts into those that make the state and those that are applied to
// it, in their order.
func (l *load) ship(id events.ShipmentID, facts []*tracking.Fact) ship {
	sorted := slices.SortedFunc(slices.Values(facts), func(a, b *tracking.Fact) int { return a.Key.Compare(b.Key) })
	l.own += len(sorted)
	var base, applied []*tracking.Fact
	for _, f := range sorted {
		if needsFold(f) {
			base = append(base, f)
		}
	}
	state, _ := tracking.FoldShipment(id, base, nil)
	trial, _ := tracking.FoldShipment(id, base, nil)
	for _, f := range sorted {
		if _, ok := trial.Apply(f); ok {
			applied = append(applied, f)
		}
	}
	l.applies += len(applied)
	return ship{state, applied}
}

// needsFold reports whether a fact begins a shipment: what happens at its
// beginning is folded, and what follows can be applied.
func needsFold(f *tracking.Fact) bool {
	return f.Type() == events.TypeShipmentCreated || f.Type() == events.TypeTrackingAssigned
}

const stops = 18

// historyOf40 is a shipment of two parcels that comes through 18 places: 40
// facts, of which one came twice under two ids.
func historyOf40() ([]*tracking.Fact, error) {
	day := time.Date(2026, 3, 1, 6, 0, 0, 0, time.UTC)
	at := func(hours int) events.ShipmentFact {
		return events.ShipmentFact{Fact: events.Fact{OccurredAt: day.Add(time.Duration(hours) * time.Hour)}, ShipmentID: "s1", Facility: fmt.Sprintf("hub %d", hours)}
	}
	data := []events.Data{
		&events.ShipmentCreated{
			ShipmentFact: at(0), Direction: events.Outbound, Parcels: []events.ParcelRef{{ParcelID: "p1"}, {ParcelID: "p2"}},
			Contents: []events.Content{{OrderID: "o1", LineID: "l1", Qty: 2, ParcelID: "p1"}, {OrderID: "o1", LineID: "l2", Qty: 1, ParcelID: "p2"}},
		},
		&events.PickedUp{ShipmentFact: at(1)},
	}
	for i := range stops {
		data = append(data, &events.Departed{Movement: events.Movement{ShipmentFact: at(2 + 2*i)}}, &events.Arrived{Movement: events.Movement{ShipmentFact: at(3 + 2*i)}})
	}
	data = append(data, &events.Delivered{ShipmentFact: at(50)}, &events.Delivered{ShipmentFact: at(50)})
	facts := make([]*tracking.Fact, len(data))
	for i, d := range data {
		e := events.New("acme", "urn:carrier", events.EventID(fmt.Sprintf("e%02d", i*7%len(data))), "s1", d) // as stored, not as they happened
		e.IngestedAt = e.Time
		f, err := factOf(e)
		if err != nil {
			return nil, err
		}
		facts[i*7%len(data)] = f
	}
	return facts, nil
}
