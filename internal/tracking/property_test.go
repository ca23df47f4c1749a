package tracking_test

import (
	"cmp"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/tracking"
	"github.com/waybill-io/waybill/internal/tracking/trackingtest"
)

// exactly compares states, unexported fields included.
var exactly = gocmp.Options{
	cmpopts.EquateEmpty(), gocmp.AllowUnexported(world{}, tracking.Line{}),
	cmpopts.SortSlices(func(a, b tracking.Holding) bool {
		return cmp.Or(cmp.Compare(a.Number, b.Number), cmp.Compare(a.ShipmentID, b.ShipmentID), a.Key.Compare(b.Key)) < 0
	}),
}

// Broken on purpose, and seen to fail here: the sort key without its id, and
// without its source; the second of one identity not dropped. A key without its
// rank or its time of recording is a function of the set as well, of another
// one: there the oracle disagrees.
func TestFoldIsAFunctionOfTheSet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		evs := knownOf(t, trackingtest.Arbitrary(25).Draw(t, "events")...)
		other := rapid.Permutation(evs).Draw(t, "other order")
		for range rapid.IntRange(0, 5).Draw(t, "repeated") {
			other = append(other, rapid.SampledFrom(evs).Draw(t, "again"))
		}
		if diff := gocmp.Diff(foldWorld(evs), foldWorld(other), exactly); diff != "" {
			t.Fatalf("in another order, and repeated, the same events mean (-first +second):\n%s", diff)
		}
	})
}

// writer keeps a shipment as the projector does: it applies what may be applied
// and folds everything otherwise.
type writer struct {
	id      events.ShipmentID
	own     []*tracking.Fact
	scans   []tracking.Scan
	state   tracking.Shipment
	marks   tracking.Marks
	applied int
}

func (w *writer) take(f *tracking.Fact) {
	if slices.ContainsFunc(w.own, func(o *tracking.Fact) bool { return o.Ref() == f.Ref() }) {
		return
	}
	w.own = append(w.own, f)
	w.finish(f, func() (tracking.Mark, bool) { return w.state.Apply(f) })
}

// scan takes a scan that counts (a number's stream is sorted out before).
func (w *writer) scan(it tracking.Scan) {
	w.scans = append(w.scans, it)
	w.finish(it.Fact, func() (tracking.Mark, bool) { return w.state.ApplyScan(it) })
}

func (w *writer) finish(f *tracking.Fact, apply func() (tracking.Mark, bool)) {
	mark, ok := apply()
	if !ok {
		w.state, w.marks = tracking.FoldShipment(w.id, w.own, w.scans)
		return
	}
	w.applied++
	w.state.Settle()
	if !mark.IsZero() {
		w.marks[f.Ref()] = mark
	}
}

// Broken on purpose, and seen to fail here: Apply taking a fact of the newest
// instant and rank, one that sorts before the newest, one that names a new
// parcel, a create, an assignment, an estimate; Apply not counting the revision
// and not keeping the newest key. Three that random cases seldom meet fail in
// TestApplyRefusesWhatOnlyAFoldCanTell alone: Apply taking what is retracted
// already, what is skewed, a delivery of quantities.
func TestApplyIsFoldWhereItAccepts(t *testing.T) {
	applied := 0
	rapid.Check(t, func(t *rapid.T) {
		facts := factsOf(knownOf(t, trackingtest.Arbitrary(30).Draw(t, "events")...))
		number := events.TrackingStreamOf(trackingtest.Carrier, trackingtest.Numbers[0])
		anyone := []tracking.Holding{{Assignment: tracking.Assignment{ShipmentID: "s1", ParcelID: "p1"}}}
		given, _ := tracking.FoldNumber(facts[number], anyone)
		w := writer{id: "s1"}
		w.state, w.marks = tracking.FoldShipment(w.id, nil, nil)
		for _, step := range rapid.Permutation(steps(facts, given["s1"])).Draw(t, "order") {
			step(&w)
		}
		applied += w.applied
		state, marks := tracking.FoldShipment("s1", w.own, w.scans)
		if diff := gocmp.Diff(state, w.state, exactly); diff != "" {
			t.Fatalf("applied one by one the shipment differs (-folded +applied):\n%s", diff)
		}
		if diff := gocmp.Diff(marks, w.marks, exactly); diff != "" {
			t.Fatalf("applied one by one the marks differ (-folded +applied):\n%s", diff)
		}
	})
	if applied == 0 {
		t.Error("no fact was ever applied")
	}
}

func steps(facts map[events.Stream][]*tracking.Fact, scans []tracking.Scan) []func(*writer) {
	var all []func(*writer)
	for _, f := range facts[events.Stream{Kind: events.ShipmentStream, ID: "s1"}] {
		all = append(all, func(w *writer) { w.take(f) })
	}
	for _, it := range scans {
		all = append(all, func(w *writer) { w.scan(it) })
	}
	return all
}

// In the order in which things happen nearly everything can be applied.
func TestApplyAcceptsWhatHappensInOrder(t *testing.T) {
	all := []told{
		s("created", 0), s("info_received", 1), s("picked_up", 2), s("departed", 3), s("arrived", 4), s("customs_held", 5), s("customs_released", 6),
		s("out_for_delivery", 7, p("p1")), s("delivery_attempted", 8), s("exception_opened", 9), s("exception_resolved", 10), s("position", 11), s("damaged", 12), s("delivered", 13),
	}
	w := writer{id: "s1", marks: tracking.Marks{}}
	for _, e := range knownOf(t, eventsOf(t, all...)...) {
		w.take(tracking.NewFact(e.Event, e.hash))
	}
	if got, want := w.applied, len(all)-1; got != want {
		t.Errorf("%d facts were applied, want %d: all but the create", got, want)
	}
}

func TestApplyRefusesWhatOnlyAFoldCanTell(t *testing.T) {
	base := []told{s("created", 0), s("picked_up", 1), s("", 0).retract("e9", 1)}
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
		{"what is expected", s("departed", 2, doc{"class": "EST"})},
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

// A retraction acts before and after its target alike, and the fold without the
// target is the fold with it taken back but for the marks and the revision.
func TestRetractionActsWheneverItComes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		evs := trackingtest.Arbitrary(20).Draw(t, "events")
		evs = slices.DeleteFunc(evs, func(e events.Event) bool { return e.Type() == events.TypeRetracted })
		if len(evs) == 0 {
			t.Skip("nothing to take back")
		}
		i := rapid.IntRange(0, len(evs)-1).Draw(t, "target")
		target := evs[i]
		back := events.New("acme", "urn:c", "back", target.Subject, &events.Retracted{
			Fact:   events.Fact{OccurredAt: pickTime(t)},
			Stream: target.Stream().Kind, RetractedSource: target.Source, RetractedID: target.ID, Reason: "incorrect_data",
		})
		back.IngestedAt = back.Time
		without := slices.Delete(slices.Clone(evs), i, i+1)
		after := foldWorld(knownOf(t, append(slices.Clone(evs), back)...))
		first := foldWorld(knownOf(t, append([]events.Event{back}, evs...)...))
		if diff := gocmp.Diff(first, after, exactly); diff != "" {
			t.Fatalf("the retraction acts otherwise before its target (-before +after):\n%s", diff)
		}
		ref := tracking.Ref{Stream: target.Stream(), Source: target.Source, ID: target.ID}
		if got, want := after.marks[ref].RetractedBy, (tracking.Twin{Source: "urn:c", ID: "back"}); got != want {
			t.Fatalf("the target is retracted by %v, want %v", got, want)
		}
		delete(after.marks, ref)
		sameBut(t, foldWorld(knownOf(t, without...)), after, target.Stream())
	})
}

func pickTime(t *rapid.T) time.Time {
	return trackingtest.Day0.Add(rapid.SampledFrom(trackingtest.Times).Draw(t, "back at"))
}

// sameBut compares two worlds but for how many facts a stream has and which is
// the newest, where the retraction itself counts.
func sameBut(t *rapid.T, want, got world, stream events.Stream) {
	for _, w := range []world{want, got} {
		for id, s := range w.shipments {
			s.Revision, s.Guard = 0, tracking.Guard{}
			w.shipments[id] = s
		}
		for id, o := range w.orders {
			o.Revision, o.Newest = 0, tracking.Key{}
			w.orders[id] = o
		}
	}
	// A stream with nothing else in it has a row now that says nothing.
	if id := events.ShipmentID(stream.ID); stream.Kind == events.ShipmentStream && want.shipments[id].ID == "" {
		delete(got.shipments, id)
	}
	if id := events.OrderID(stream.ID); stream.Kind == events.OrderStream && want.orders[id].ID == "" {
		delete(got.orders, id)
	}
	if diff := gocmp.Diff(want, got, exactly); diff != "" {
		t.Fatalf("what was taken back still acts (-without it +taken back):\n%s", diff)
	}
}

func TestRevisionCountsDifferentStoredEvents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		evs := knownOf(t, trackingtest.Arbitrary(25).Draw(t, "events")...)
		w := foldWorld(append(slices.Clone(evs), evs...))
		count := map[events.Stream]int64{}
		for _, e := range evs {
			count[e.Stream()]++
		}
		for id, s := range w.shipments {
			if want := count[events.Stream{Kind: events.ShipmentStream, ID: string(id)}]; s.Revision != want {
				t.Fatalf("revision of shipment %s = %d, want %d", id, s.Revision, want)
			}
		}
		for id, o := range w.orders {
			if want := count[events.Stream{Kind: events.OrderStream, ID: string(id)}]; o.Revision != want {
				t.Fatalf("revision of order %s = %d, want %d", id, o.Revision, want)
			}
		}
	})
}
