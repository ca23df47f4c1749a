package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/waybill-io/waybill/events"
)

// fleet is shipments under way, of which as many are always there: one that is
// delivered makes room for a new one.
type fleet struct {
	random  *rand.Rand
	voyages []*voyage
	begun   int
	waiting []events.Event
}

// voyage is one of them, with its order.
type voyage struct {
	name     string
	carrier  events.SCAC
	legs     int // until it is delivered
	told     int
	open     bool // an exception
	lon, lat float64
}

// fleetCarriers carry about as much as each other.
var fleetCarriers = []events.SCAC{"UPSN", "FDEG", "DHLC", "DPDE", "GLSE", "POSTNL", "HERM", "TNTE"}

func newFleet(seed uint64, size int) *fleet {
	f := &fleet{random: rand.New(rand.NewPCG(seed, 0)), voyages: make([]*voyage, size)}
	for i := range f.voyages {
		f.voyages[i] = f.embark()
	}
	return f
}

// embark begins a voyage. Names begin with two hexadecimal digits, so that a
// prefix of one means a 16th of all.
func (f *fleet) embark() *voyage {
	r := f.random
	v := &voyage{
		name: fmt.Sprintf("%02x-%06d", r.IntN(256), f.begun), carrier: fleetCarriers[r.IntN(len(fleetCarriers))],
		legs: 8 + r.IntN(24), lon: r.Float64()*40 - 10, lat: 35 + r.Float64()*25,
	}
	f.begun++
	f.waiting = append(f.waiting, v.begin()...)
	return v
}

// next is what happens next, somewhere.
func (f *fleet) next() events.Event {
	if len(f.waiting) == 0 {
		i := f.random.IntN(len(f.voyages))
		e, over := f.voyages[i].next(f.random)
		if over {
			f.voyages[i] = f.embark()
		}
		f.waiting = append(f.waiting, e)
	}
	e := f.waiting[0]
	f.waiting = f.waiting[1:]
	return e
}

func (v *voyage) order() events.OrderID { return events.OrderID("o-" + v.name) }

func (v *voyage) shipment() events.ShipmentID { return events.ShipmentID("s-" + v.name) }

func (v *voyage) event(subject string, d events.Data) events.Event {
	return events.New(tenant, "urn:fleet", events.EventID(fmt.Sprintf("%s-%d", v.name, v.told)), subject, d)
}

func (v *voyage) when() events.Fact {
	v.told++
	return events.Fact{OccurredAt: day.Add(time.Duration(v.told) * 20 * time.Minute)}
}

func (v *voyage) fact() events.ShipmentFact {
	return events.ShipmentFact{Fact: v.when(), ShipmentID: v.shipment(), ParcelID: "1", Carrier: &events.Carrier{SCAC: v.carrier}}
}

func (v *voyage) begin() []events.Event {
	placed := v.event(string(v.order()), &events.OrderPlaced{
		OrderFact: events.OrderFact{Fact: v.when(), OrderID: v.order()}, Number: v.name, Channel: "web", Currency: "EUR",
		Lines: []events.OrderLine{{LineID: "1", Qty: 2}},
	})
	fact := v.fact()
	fact.ParcelID = ""
	created := v.event(string(v.shipment()), &events.ShipmentCreated{
		ShipmentFact: fact, Direction: events.Outbound, Parcels: []events.ParcelRef{{ParcelID: "1"}},
		Contents:       []events.Content{{OrderID: v.order(), LineID: "1", Qty: 2, ParcelID: "1"}},
		PromisedWindow: &events.Window{End: day.Add(6 * time.Hour)},
	})
	return []events.Event{placed, created, v.event(string(v.shipment()), &events.PickedUp{ShipmentFact: v.fact()})}
}

// next is what happens next to it, and whether that was the last.
func (v *voyage) next(r *rand.Rand) (e events.Event, over bool) {
	var d events.Data
	switch kind := r.IntN(20); {
	case v.told > v.legs:
		d, over = &events.Delivered{ShipmentFact: v.fact()}, true
	case v.told > v.legs-2:
		d = &events.OutForDelivery{ShipmentFact: v.fact()}
	case kind == 0 && v.open:
		v.open, d = false, &events.ExceptionResolved{ShipmentFact: v.fact(), ExceptionID: "x-1"}
	case kind == 0:
		v.open, d = true, &events.ExceptionOpened{
			ShipmentFact: v.fact(), ExceptionID: "x-1", ReasonCode: "weather", Party: events.PartyWeather, Severity: "low",
		}
	case kind < 4:
		end := day.Add(time.Duration(v.legs+r.IntN(20)-10) * 20 * time.Minute)
		d = &events.ETAChanged{ShipmentFact: v.fact(), Provider: "carrier", Window: &events.Window{End: end}}
	case kind < 12:
		v.lon, v.lat = v.lon+r.Float64()-0.5, min(85, max(-85, v.lat+r.Float64()-0.5))
		d = &events.Position{ShipmentFact: v.fact(), Lat: v.lat, Lon: v.lon}
	default:
		d = &events.Departed{Movement: events.Movement{ShipmentFact: v.at(r)}}
	}
	return v.event(string(v.shipment()), d), over
}

func (v *voyage) at(r *rand.Rand) events.ShipmentFact {
	fact := v.fact()
	fact.Facility = fmt.Sprintf("Hub %d", r.IntN(40))
	return fact
}
