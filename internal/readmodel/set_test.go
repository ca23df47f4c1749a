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
// leave the rows that one batch of all of them leaves. Each case has two tenants
// of its own in one database.
//
// The model behind it is held by the oracle of package tracking: a single batch
// folds every stream from all its facts.
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
	})
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
