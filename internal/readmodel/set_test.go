package readmodel_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/tracking/trackingtest"
)

// Arbitrary events, cut into batches at random, in any order and with copies,
// leave the rows that one batch of all of them leaves, and what a plain fold
// says, which package tracking holds against its oracle. Each case has two
// tenants of its own in one database.
func TestRowsOfArbitraryEventsAreAFunctionOfTheSet(t *testing.T) {
	r := newRig(t)
	tenants := 0
	rapid.Check(t, func(rt *rapid.T) {
		tenants++
		at, once := events.TenantID(fmt.Sprintf("a%d", tenants)), events.TenantID(fmt.Sprintf("b%d", tenants))
		evs := trackingtest.Arbitrary(25).Draw(rt, "events")
		r.apply(t, ofTenant(once, evs))
		shuffled := rapid.Permutation(evs).Draw(rt, "order")
		for range rapid.IntRange(0, 5).Draw(rt, "repeated") {
			shuffled = append(shuffled, rapid.SampledFrom(evs).Draw(rt, "again"))
		}
		for left := ofTenant(at, shuffled); len(left) > 0; {
			n := rapid.IntRange(1, len(left)).Draw(rt, "batch")
			if len(left) > 8 {
				n = min(n, 8)
			}
			r.apply(t, left[:n])
			left = left[n:]
		}
		if diff := diffLines(r.rows(t, once), r.rows(t, at)); diff != "" {
			rt.Fatalf("rows differ (-one batch +many):\n%s", diff)
		}
		if diff := r.unlikeFolded(t, at, ofTenant(at, evs)); diff != "" {
			rt.Fatalf("rows differ (-folded +written):\n%s", diff)
		}
	})
}

// What one batch leaves for the next beside the columns of the rows, told one
// event a batch: without it the last event would mean something else.
func TestBatchesLeaveEachOtherWhatTheyNeed(t *testing.T) {
	handed := func(l *teller, h float64, qty int64) events.Event {
		return l.tell("s1", &events.Delivered{ShipmentFact: events.ShipmentFact{Fact: at(h), ShipmentID: "s1"}, Contents: []events.Content{{OrderID: "o1", LineID: "l1", Qty: qty}}})
	}
	named := func(l *teller, h float64, carrier events.SCAC) events.Event {
		fact := events.ShipmentFact{Fact: at(h), ShipmentID: "s1", Facility: "hub", Carrier: &events.Carrier{SCAC: carrier}}
		return l.tell("s1", &events.Departed{Movement: events.Movement{ShipmentFact: fact}})
	}
	for name, tell := range map[string]func(l *teller) []events.Event{
		"quantities that were handed over": func(l *teller) []events.Event {
			return []events.Event{l.placed("o1", 0), l.created("s1", "o1", 0), l.departed("s1", 1), handed(l, 2, 1), l.lost("s1", 3)}
		},
		"what is retracted before it comes": func(l *teller) []events.Event {
			later := l.departed("s1", 5)
			return []events.Event{l.created("s1", "o1", 0), l.retract(later, 1), later}
		},
		"the carrier that the create named": func(l *teller) []events.Event {
			created := l.created("s1", "o1", 0)
			created.Data.(*events.ShipmentCreated).Carrier = &events.Carrier{SCAC: "AAAA"}
			return []events.Event{created, l.departed("s1", 1), named(l, 2, "BBBB")}
		},
		"the newest fact, a copy included": func(l *teller) []events.Event {
			first := l.departed("s1", 3)
			copied := l.tell("s1", first.Data)
			return []events.Event{l.created("s1", "o1", 0), first, copied, l.departed("s1", 2), l.delivered("s1", 4)}
		},
		"a promise and places": func(l *teller) []events.Event {
			created := l.created("s1", "o1", 0)
			d := created.Data.(*events.ShipmentCreated)
			d.PromisedWindow, d.Origin = &events.Window{End: hour(50)}, &events.Location{Name: "here"}
			return []events.Event{created, l.departed("s1", 1), l.delivered("s1", 2), l.departed("s1", 1.5)}
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			evs := tell(&teller{tenant: "a"})
			for _, e := range evs {
				r.apply(t, []events.Event{e})
			}
			r.apply(t, ofTenant("b", evs))
			if diff := r.unlikeFolded(t, "a", evs); diff != "" {
				t.Errorf("rows differ (-folded +written):\n%s", diff)
			}
			if diff := diffLines(r.rows(t, "b"), r.rows(t, "a")); diff != "" {
				t.Errorf("rows differ (-at once +one by one):\n%s", diff)
			}
		})
	}
}

// ofTenant gives events to a tenant.
func ofTenant(tenant events.TenantID, evs []events.Event) []events.Event {
	own := make([]events.Event, len(evs))
	for i, e := range evs {
		e.Tenant = tenant
		own[i] = e
	}
	return own
}

// cut cuts events into batches of up to most.
func cut(rnd *rand.Rand, evs []events.Event, most int) [][]events.Event {
	var batches [][]events.Event
	for len(evs) > 0 {
		n := min(len(evs), 1+rnd.IntN(most))
		batches = append(batches, evs[:n])
		evs = evs[n:]
	}
	return batches
}
