package tracking_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/tracking"
)

// The ranks of the vocabulary: shipment facts by the status they lead to, those
// without one first, order facts in the order of their table.
var ranks = map[string][][]string{
	"shipment": {
		{"tracking_assigned", "customs_held", "exception_opened", "damaged", "position", "scan_unmapped"},
		{"customs_released", "exception_resolved"}, {"created"}, {"info_received"}, {"picked_up"}, {"departed", "arrived"}, {"out_for_delivery"},
		{"delivery_attempted"}, {"available_for_pickup"}, {"return_initiated"}, {"delivered"}, {"returned"}, {"lost"}, {"destroyed"}, {"cancelled"},
	},
	"order": {
		{"placed"}, {"confirmed"}, {"on_hold"}, {"released"}, {"paid"}, {"payment_failed"}, {"refunded"}, {"amended"}, {"promise_changed"}, {"allocated"},
		{"backordered"}, {"cancelled"}, {"merged"}, {"split"}, {"return_requested"}, {"return_received"}, {"reshipped"}, {"closed"},
	},
}

// needs is what some types need besides.
var needs = map[string]doc{
	"order.cancelled": {"scope": "all"}, "order.amended": {"lines": lines("l1", 2)}, "order.promise_changed": {"window": doc{"end": hour(9)}},
}

// All facts of one instant, with ids that count backwards, sort by rank; those
// of one rank by their time of recording, their source and their id.
func TestFactsOfOneInstantSortByRank(t *testing.T) {
	named := 0
	for kind, groups := range ranks {
		var want, got []string
		var facts []*tracking.Fact
		for i, group := range groups {
			for j, typ := range group {
				name := kind + "." + typ
				e := tell(map[string]string{"shipment": "s1", "order": "o1"}[kind], name, 1, []doc{needs[name], id(fmt.Sprintf("e%d.%d", 99-i, j))})
				k := knownOf(t, eventsOf(t, e)...)[0]
				facts = append(facts, tracking.NewFact(k.Event, k.hash))
				want = append(want, name+".v1")
				named++
			}
		}
		slices.Reverse(facts)
		slices.SortFunc(facts, func(a, b *tracking.Fact) int { return a.Key.Compare(b.Key) })
		for _, f := range facts {
			got = append(got, string(f.Type()))
		}
		if !slices.Equal(got, want) {
			t.Errorf("facts of one instant sort as\n%v, want\n%v", got, want)
		}
	}
	if want := len(events.Types()) - 2; named != want { // a retraction and an estimate have no place among them
		t.Errorf("%d types have a rank here, want %d", named, want)
	}
}

// Of equal ranks the earlier recorded is the earlier, whatever its source; of
// the same time the source decides, then the id.
func TestFactsOfOneRankSortByRecordingSourceAndID(t *testing.T) {
	order := []told{
		s("departed", 1, id("z"), doc{"$source": "urn:z", "$recorded": 1.0}),
		s("arrived", 1, id("y"), doc{"$source": "urn:a", "$recorded": 2.0}),
		s("departed", 1, id("b"), doc{"$source": "urn:b", "$recorded": 2.0}),
		s("departed", 1, id("c"), doc{"$source": "urn:b", "$recorded": 2.0}),
	}
	evs := knownOf(t, eventsOf(t, order...)...)
	for i := range len(evs) - 1 {
		a, b := tracking.NewFact(evs[i].Event, evs[i].hash), tracking.NewFact(evs[i+1].Event, evs[i+1].hash)
		if a.Key.Compare(b.Key) >= 0 || b.Key.Compare(a.Key) <= 0 {
			t.Errorf("%s of %s does not sort before %s of %s", a.ID, a.Source, b.ID, b.Source)
		}
	}
}
