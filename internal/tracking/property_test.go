package tracking_test

import (
	"reflect"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/tracking"
	"github.com/waybill-io/waybill/internal/tracking/trackingtest"
)

// property holds a property over events that are valid but seldom plausible, and
// over histories of orders that have much to do with each other and arrive
// badly. make properties tries each on 10,000 of both.
func property(t *testing.T, holds func(t *rapid.T, evs []events.Event)) {
	t.Parallel()
	for name, source := range map[string]*rapid.Generator[[]events.Event]{
		"arbitrary events": trackingtest.Arbitrary(25),
		"histories":        trackingtest.Histories(2),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) { holds(t, source.Draw(t, "events")) })
		})
	}
}

// exactly compares states, unexported fields included.
var exactly = gocmp.Options{cmpopts.EquateEmpty(), gocmp.AllowUnexported(tracking.Line{})}

// differ shows where two values differ, or "".
func differ[T any](want, got T) string {
	if reflect.DeepEqual(want, got) { // far quicker, and nearly always true
		return ""
	}
	return gocmp.Diff(want, got, exactly)
}

// arriving draws how events arrive: in the order in which they were told or
// happened, or in any; some of them again, at any later time. As each event is
// of one topic or the other, any order is one in which the two may interleave.
func arriving(t *rapid.T, all []known) []*tracking.Fact {
	facts := make([]*tracking.Fact, len(all))
	for i, e := range all {
		facts[i] = tracking.NewFact(e.Event, e.hash)
	}
	switch rapid.SampledFrom([]string{"any", "any", "told", "happened"}).Draw(t, "order") {
	case "any":
		facts = rapid.Permutation(facts).Draw(t, "arriving")
	case "happened":
		slices.SortFunc(facts, func(a, b *tracking.Fact) int { return a.Key.Compare(b.Key) })
	}
	for range rapid.IntRange(0, 5).Draw(t, "repeated") {
		i := rapid.IntRange(0, len(facts)-1).Draw(t, "again")
		facts = slices.Insert(facts, rapid.IntRange(i, len(facts)).Draw(t, "when"), facts[i])
	}
	return facts
}

// byStream sorts facts by stream, and keeps their order.
func byStream(facts []*tracking.Fact) map[events.Stream][]*tracking.Fact {
	streams := map[events.Stream][]*tracking.Fact{}
	for _, f := range facts {
		streams[f.Stream()] = append(streams[f.Stream()], f)
	}
	return streams
}

// Broken on purpose, and seen to fail here: the sort key without its source, and
// without its id; the second of one identity not dropped; facts not sorted; own
// facts and scans one after the other instead of merged. A key without its time,
// its rank or its time of recording is a function of the set as well, of another
// one: there the oracle disagrees.
func TestPropertyFoldIsAFunctionOfTheSet(t *testing.T) {
	property(t, func(t *rapid.T, evs []events.Event) {
		all := knownOf(t, evs...)
		want, got := trackingtest.Fold(factsOf(all)), trackingtest.Fold(byStream(arriving(t, all)))
		if diff := differ(want, got); diff != "" {
			t.Fatalf("in another order, and repeated, the same events mean (-first +second):\n%s", diff)
		}
	})
}

// What is taken in batches, of both topics, any of them again, ends where one fold
// of everything ends.
//
// Broken on purpose, and seen to fail here: the sort key without its time, its
// rank, its source, its id; the second of one identity not dropped; the last of
// several copies as the original; and whatever fails below, where it says so.
func TestPropertyBatchesEndWhereTheFoldEnds(t *testing.T) {
	property(t, func(t *rapid.T, evs []events.Event) {
		all := knownOf(t, evs...)
		w := trackingtest.NewWriter()
		for left := arriving(t, all); len(left) > 0; {
			n := rapid.IntRange(1, min(8, len(left))).Draw(t, "batch")
			w.Take(left[:n]...)
			left = left[n:]
		}
		if diff := differ(trackingtest.Fold(factsOf(all)), w.World()); diff != "" {
			t.Fatalf("taken in batches the same events mean (-folded +taken):\n%s", diff)
		}
	})
}

// What is taken one by one is after each fact that Apply took what a fold of all
// facts so far is, marks included.
//
// Broken on purpose, and seen to fail here: Apply taking a fact of the newest
// instant and rank, one that sorts before the newest, one that names a new
// parcel, a create, an assignment, a retraction, an estimate, a delivery of
// quantities, what is skewed, what is retracted already; Apply not counting the
// revision, and not keeping the newest key; a newest key that forgets copies; the
// sort key without its time, its rank, its source, its id.
func TestPropertyApplyIsFoldWhereItAccepts(t *testing.T) {
	property(t, func(t *rapid.T, evs []events.Event) {
		all := knownOf(t, evs...)
		w := trackingtest.NewWriter()
		w.OnApply = func(id events.ShipmentID) {
			state, marks := w.Refold(id)
			kept, noted := w.Shipment(id)
			if diff := differ(state, kept) + differ(marks, noted); diff != "" {
				t.Fatalf("%s after a fact was applied (-folded +applied):\n%s", id, diff)
			}
		}
		w.OnApplyOrder = func(id events.OrderID) {
			base, marks := w.RefoldOrder(id)
			kept, noted := w.Order(id)
			if diff := differ(base, kept) + differ(marks, noted); diff != "" {
				t.Fatalf("%s after a fact was applied (-folded +applied):\n%s", id, diff)
			}
		}
		for _, f := range arriving(t, all) {
			w.Take(f)
		}
		if diff := differ(trackingtest.Fold(factsOf(all)), w.World()); diff != "" {
			t.Fatalf("taken one by one the same events mean (-folded +taken):\n%s", diff)
		}
	})
}

// takeBack retracts an event, at any time.
func takeBack(t *rapid.T, target events.Event) events.Event {
	at := trackingtest.Day0.Add(rapid.SampledFrom(trackingtest.Times).Draw(t, "back at"))
	back := events.New(target.Tenant, "urn:c", "back", target.Subject, &events.Retracted{
		Fact: events.Fact{OccurredAt: at}, Stream: target.Stream().Kind,
		RetractedSource: target.Source, RetractedID: target.ID, Reason: "incorrect_data",
	})
	back.IngestedAt = back.Time
	return back
}

// A retraction that comes first and one that comes last end in the same.
//
// Broken on purpose, and seen to fail here: Apply taking what is retracted
// already, and a state that does not remember it; facts not sorted; the sort key
// without its time or its rank.
func TestPropertyRetractionActsBeforeAndAfterItsTarget(t *testing.T) {
	property(t, func(t *rapid.T, evs []events.Event) {
		target := rapid.SampledFrom(evs).Draw(t, "target")
		all := knownOf(t, append(slices.Clone(evs), takeBack(t, target))...)
		facts := arriving(t, all[:len(evs)])
		back := tracking.NewFact(all[len(evs)].Event, all[len(evs)].hash)
		after, before := trackingtest.NewWriter(), trackingtest.NewWriter()
		before.Take(back)
		for _, f := range facts {
			before.Take(f)
			after.Take(f)
		}
		after.Take(back)
		if diff := differ(after.World(), before.World()); diff != "" {
			t.Fatalf("the retraction acts otherwise before its target (-after +before):\n%s", diff)
		}
	})
}

// What is taken back is as if it had never been said, but for the marks and the
// revision.
//
// Broken on purpose, and seen to fail here: a retraction that acts only after its
// target; facts not sorted.
func TestPropertyWhatIsTakenBackDoesNotAct(t *testing.T) {
	property(t, func(t *rapid.T, evs []events.Event) {
		evs = slices.DeleteFunc(slices.Clone(evs), func(e events.Event) bool { return e.Type() == events.TypeRetracted })
		if len(evs) == 0 {
			t.Skip("nothing to take back")
		}
		target := rapid.SampledFrom(evs).Draw(t, "target")
		ref := refOf(known{Event: target})
		without := slices.DeleteFunc(slices.Clone(evs), func(e events.Event) bool { return refOf(known{Event: e}) == ref })
		after := foldWorld(knownOf(t, append(slices.Clone(evs), takeBack(t, target))...))
		if got, want := after.Marks[ref].RetractedBy, (tracking.Twin{Source: "urn:c", ID: "back"}); got != want {
			t.Fatalf("the target is retracted by %v, want %v", got, want)
		}
		delete(after.Marks, ref)
		sameBut(t, foldWorld(knownOf(t, without...)), after, target.Stream())
	})
}

// sameBut compares two worlds but for how many facts a stream has and which is
// the newest, where the retraction itself counts.
func sameBut(t *rapid.T, want, got world, stream events.Stream) {
	for _, w := range []world{want, got} {
		for id, s := range w.Shipments {
			s.Revision, s.Guard = 0, tracking.Guard{}
			w.Shipments[id] = s
		}
		for id, o := range w.Orders {
			o.Revision, o.Newest = 0, tracking.Key{}
			w.Orders[id] = o
		}
	}
	// A stream with nothing else in it has a row now that says nothing.
	if id := events.ShipmentID(stream.ID); stream.Kind == events.ShipmentStream && want.Shipments[id].ID == "" {
		delete(got.Shipments, id)
	}
	if id := events.OrderID(stream.ID); stream.Kind == events.OrderStream && want.Orders[id].ID == "" {
		delete(got.Orders, id)
	}
	if diff := differ(want, got); diff != "" {
		t.Fatalf("what was taken back still acts (-without it +taken back):\n%s", diff)
	}
}

// Facts of all streams poured into every fold, whatever it is for, and applied to
// whatever came of it.
func TestPropertyNoSequenceOfEventsPanics(t *testing.T) {
	property(t, func(t *rapid.T, evs []events.Event) {
		all := arriving(t, knownOf(t, evs...))
		parcels := rapid.SampledFrom([]events.ParcelID{"", "p1", "p9"})
		scans := make([]tracking.Scan, len(all))
		for i, f := range all {
			scans[i] = tracking.Scan{Fact: f, Parcel: parcels.Draw(t, "parcel")}
		}
		cut := rapid.IntRange(0, len(all)).Draw(t, "folded")
		s, _ := tracking.FoldShipment("s1", all[:cut], scans[cut:])
		assignments := tracking.Assignments("s1", all)
		given, _ := tracking.FoldNumber(all, tracking.Resolve(assignments))
		base, _ := tracking.FoldOrder(all)
		carried := make([]tracking.Carried, len(s.Contents))
		for i, c := range s.Contents {
			carried[i] = tracking.Carried{Content: c, ShipmentID: "s1", Direction: s.Direction}
		}
		base.With("o1", carried)
		for _, state := range []tracking.Shipment{s, {}} {
			for i, f := range all {
				state.Apply(f)
				state.ApplyScan(scans[i])
				state.Settle()
			}
			for _, it := range given["s1"] {
				state.ApplyScan(it)
			}
			state.ETA()
			state.Numbers()
			state.Orders()
		}
	})
}

// The marks alone, which rows do not show: however the events came, each names
// entries that are there, and says a thing once.
//
// Broken on purpose, and seen to fail here: the sort key without its time, its
// rank, its source, its id; the second of one identity not dropped; the last of
// several copies as the original; a state that forgets what is retracted already.
func TestPropertyMarksAreAFunctionOfTheSet(t *testing.T) {
	property(t, func(t *rapid.T, evs []events.Event) {
		all := knownOf(t, evs...)
		w := trackingtest.NewWriter()
		for left := arriving(t, all); len(left) > 0; left = left[min(3, len(left)):] {
			w.Take(left[:min(3, len(left))]...)
		}
		marks := w.World().Marks
		if diff := differ(foldWorld(all).Marks, marks); diff != "" {
			t.Fatalf("marks of the same events (-folded +taken):\n%s", diff)
		}
		there := map[tracking.Ref]bool{}
		for _, e := range all {
			there[refOf(e)] = true
		}
		for ref, m := range marks {
			checkMark(t, ref, m, there)
		}
	})
}

func checkMark(t *rapid.T, ref tracking.Ref, m tracking.Mark, there map[tracking.Ref]bool) {
	for _, twin := range []tracking.Twin{{Source: ref.Source, ID: ref.ID}, m.DuplicateOf, m.RetractedBy} {
		if twin != (tracking.Twin{}) && !there[tracking.Ref{Stream: ref.Stream, Source: twin.Source, ID: twin.ID}] {
			t.Fatalf("%v has a mark that names %v, which is not there", ref, twin)
		}
	}
	if !slices.IsSorted(m.Anomalies) || len(slices.Compact(slices.Clone(m.Anomalies))) != len(m.Anomalies) {
		t.Fatalf("%v has the anomalies %v, want each once and sorted", ref, m.Anomalies)
	}
	if m.DuplicateOf != (tracking.Twin{}) && (m.RetractedBy != tracking.Twin{} || slices.Contains(m.Anomalies, tracking.ClockSkew)) {
		t.Fatalf("%v is a copy and does not count besides: %+v", ref, m)
	}
}

// Broken on purpose, and seen to fail here: the sort key without its time, its
// rank, its time of recording, its source, its id; a delivery ranked below a
// return; all order facts of one rank; the end of a day taken for its start;
// estimates not sorted; the second of one identity not dropped; copies counted
// twice, or the last one as the original; a retraction that acts only after its
// target; a second create without its mark; a tie for a number won by the earlier.
// What random events seldom meet (an order's cancel and amendment of one instant)
// fails in TestFactsOfOneInstantSortByRank.
func TestPropertyFoldAgreesWithTheOracle(t *testing.T) {
	property(t, func(t *rapid.T, evs []events.Event) {
		if diff := disagreement(knownOf(t, evs...)); diff != "" {
			t.Fatalf("the package differs from the oracle (-oracle +package):\n%s", diff)
		}
	})
}

// Broken on purpose, and seen to fail here: the second of one identity not
// dropped; a revision of what counts alone.
func TestPropertyRevisionCountsDifferentStoredEvents(t *testing.T) {
	property(t, func(t *rapid.T, evs []events.Event) {
		all := knownOf(t, evs...)
		w := foldWorld(append(slices.Clone(all), all...))
		refs := map[tracking.Ref]bool{}
		count := map[events.Stream]int64{}
		for _, e := range all {
			if ref := refOf(e); !refs[ref] {
				refs[ref] = true
				count[ref.Stream]++
			}
		}
		for id, s := range w.Shipments {
			if want := count[events.Stream{Kind: events.ShipmentStream, ID: string(id)}]; s.Revision != want {
				t.Fatalf("revision of shipment %s = %d, want %d", id, s.Revision, want)
			}
		}
		for id, o := range w.Orders {
			if want := count[events.Stream{Kind: events.OrderStream, ID: string(id)}]; o.Revision != want {
				t.Fatalf("revision of order %s = %d, want %d", id, o.Revision, want)
			}
		}
	})
}
