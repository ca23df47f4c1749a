package tracking_test

import (
	"cmp"
	"maps"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/tracking"
	"github.com/waybill-io/waybill/internal/tracking/trackingtest"
)

// In the order in which things happen nearly everything can be applied.
func TestApplyAcceptsWhatHappensInOrder(t *testing.T) {
	all := []told{
		s("created", 0), s("info_received", 1), s("picked_up", 2), s("departed", 3), s("arrived", 4), s("customs_held", 5), s("customs_released", 6),
		s("out_for_delivery", 7, p("p1")), s("delivery_attempted", 8), s("exception_opened", 9), s("exception_resolved", 10), s("position", 11), s("damaged", 12), s("delivered", 13),
	}
	w := trackingtest.NewWriter()
	for _, e := range knownOf(t, eventsOf(t, all...)...) {
		w.Take(tracking.NewFact(e.Event, e.hash))
	}
	if got, want := w.Applied, len(all)-1; got != want {
		t.Errorf("%d facts were applied, want %d: all but the create", got, want)
	}
}

func TestApplyRefusesWhatOnlyAFoldCanTell(t *testing.T) {
	est := func(recorded float64, more ...doc) doc {
		d := doc{"class": "EST", "$recorded": recorded}
		for _, m := range more {
			maps.Copy(d, m)
		}
		return d
	}
	base := []told{s("created", 0), s("picked_up", 1), s("", 0).retract("e9", 1), s("departed", 5, est(1))}
	tests := []struct {
		name string
		told told
	}{
		{"what sorts before the newest", s("info_received", 0.5)},
		{"what lies beside the newest: it may be its copy", s("picked_up", 1)},
		{"a create", s("created", 2)},
		{"an assignment", s("tracking_assigned", 2)},
		{"a retraction", s("", 0).retract("e1", 2)},
		{"a delivery of quantities", s("delivered", 2, contents("l1", 1))},
		{"a parcel that is new", s("departed", 2, p("p2"))},
		{"what is retracted already", s("departed", 2, id("e9"))},
		{"what lies in our future", s("departed", 99, doc{"$ingested": 2.0})},
		{"an estimate that another one is newer than", s("arrived", 6, est(0.5))},
		{"an estimate of the same moment as the newest", s("arrived", 4, est(1))},
		{"a copy of an estimate", s("departed", 5, est(3))},
		{"an estimate that is retracted already", s("arrived", 6, est(2), id("e9"))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			evs := knownOf(t, eventsOf(t, append(slices.Clone(base), tt.told.with(doc{"$id": cmp.Or(idOf(tt.told), "new")}))...)...)
			facts := factsOf(evs)[events.Stream{Kind: events.ShipmentStream, ID: "s1"}]
			state, _ := tracking.FoldShipment("s1", facts[:len(base)], nil)
			before, _ := tracking.FoldShipment("s1", facts[:len(base)], nil)
			if _, ok := state.Apply(facts[len(base)]); ok {
				t.Error("Apply took it")
			}
			if diff := gocmp.Diff(before, state, exactly); diff != "" {
				t.Errorf("Apply refused and changed (-before +after):\n%s", diff)
			}
		})
	}
}

func idOf(d told) string {
	id, _ := d.data["$id"].(string)
	return id
}

// An estimate that is newer than all others is added, whatever has happened
// since; the fold of all facts comes to the same.
func TestApplyAcceptsTheNewestEstimate(t *testing.T) {
	all := []told{
		s("created", 0), s("departed", 5, doc{"class": "EST", "$recorded": 1.0}), s("picked_up", 3),
		s("delivered", 9, doc{"class": "PLN", "$recorded": 2.0}), s("departed", 6, doc{"class": "EST", "$recorded": 4.0}),
	}
	facts := factsOf(knownOf(t, eventsOf(t, all...)...))[events.Stream{Kind: events.ShipmentStream, ID: "s1"}]
	state, _ := tracking.FoldShipment("s1", facts[:3], nil)
	for _, f := range facts[3:] {
		if mark, ok := state.Apply(f); !ok || !mark.IsZero() {
			t.Errorf("Apply of %s as %s = %v, %v", f.Type(), f.Class(), mark, ok)
		}
	}
	want, _ := tracking.FoldShipment("s1", facts, nil)
	if diff := gocmp.Diff(want, state, exactly); diff != "" {
		t.Errorf("applied (-folded +applied):\n%s", diff)
	}
}

// Who has the number is told by an assignment, which names the parcel: the scan
// of another one is for a fold that knows of it.
func TestApplyScanRefusesAParcelThatIsNew(t *testing.T) {
	facts := factsOf(knownOf(t, eventsOf(t, s("created", 0), n("departed", 2))...))
	state, _ := tracking.FoldShipment("s1", facts[events.Stream{Kind: events.ShipmentStream, ID: "s1"}], nil)
	scan := facts[events.TrackingStreamOf("CPCC", "N1")][0]
	if _, ok := state.ApplyScan(tracking.Scan{Fact: scan, Parcel: "p2"}); ok || state.Status != tracking.Created {
		t.Errorf("ApplyScan of a new parcel = %v, status %s", ok, state.Status)
	}
	if _, ok := state.ApplyScan(tracking.Scan{Fact: scan, Parcel: "p1"}); !ok || state.Status != tracking.InTransit {
		t.Errorf("ApplyScan of a known parcel = %v, status %s", ok, state.Status)
	}
}
