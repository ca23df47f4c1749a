package tracking_test

import (
	"testing"
	"time"

	"github.com/waybill-io/waybill/internal/tracking"
)

func TestRetractedFactsDoNotCount(t *testing.T) {
	run(t, []story{
		{"a retraction takes its target back", []told{s("created", 0), s("picked_up", 1), s("", 0).retract("e2", 2)}, "created", "e2:retracted_by:e3"},
		{"whatever its time", []told{s("created", 5), s("picked_up", 6), s("", 0).retract("e2", 0)}, "created", "e2:retracted_by:e3"},
		{"even when its clock is wrong",
			[]told{s("created", 0), s("picked_up", 1), s("", 0).retract("e2", 200, doc{"$ingested": 0.0})}, "created", "e2:retracted_by:e3 e3:clock_skew"},
		{"before its target comes", []told{s("", 0).retract("e3", 2), s("created", 0), s("picked_up", 1)}, "created", "e3:retracted_by:e1"},
		{"only in its own stream", []told{s("created", 0), s("picked_up", 1), s("", 0).of("s2").retract("e2", 2)}, "picked_up", ""},
		{"of its own source", []told{s("created", 0), s("picked_up", 1, doc{"$source": "urn:b"}), s("", 0).retract("e2", 2)}, "picked_up", ""},
		{"the first of two is named", []told{s("picked_up", 1, p("p1")), s("", 0).retract("e1", 3), s("", 0).retract("e1", 2), s("created", 0)}, "created", "e1:retracted_by:e3"},
		{"a retraction cannot be retracted",
			[]told{s("created", 0), s("picked_up", 1), s("", 0).retract("e2", 2), s("", 0).retract("e3", 3)}, "created", "e2:retracted_by:e3 e4:retraction_stands"},
		{"not even by itself", []told{s("created", 0), s("", 0).retract("e2", 2)}, "created", "e2:retraction_stands"},
		{"a retracted create counts as none",
			[]told{s("created", 0, parcels("p2")), s("created", 1), s("", 0).retract("e1", 2)}, "created", "e1:retracted_by:e3"},
		{"what was taken back is neither skewed nor a copy",
			[]told{s("created", 0), s("picked_up", 200, doc{"$ingested": 0.0}), s("created", 0), s("", 0).retract("e2", 2), s("", 0).retract("e3", 2)}, "created",
			"e2:retracted_by:e4 e3:retracted_by:e5"},
	}, func(w world) string { return w.ship("s1") })
}

func TestFactsFromOurFutureDoNotCount(t *testing.T) {
	run(t, []story{
		{"more than a day ahead", []told{s("created", 0), s("picked_up", 24.001, doc{"$ingested": 0.0})}, "created", "e2:clock_skew"},
		{"not for a day", []told{s("created", 0), s("picked_up", 24, doc{"$ingested": 0.0})}, "picked_up", ""},
		{"what is expected may lie there", []told{s("created", 0), s("delivered", 200, doc{"$ingested": 0.0, "class": "EST"})}, "created", ""},
		{"a skewed fact is nobody's original",
			[]told{s("created", 0), s("picked_up", 30, doc{"$ingested": 0.0}), s("picked_up", 30, doc{"$ingested": 31.0})}, "picked_up", "e2:clock_skew"},
	}, func(w world) string { return w.ship("s1") })
}

func TestCopiesByContentDoNotCount(t *testing.T) {
	attempt := s("delivery_attempted", 1, p("p1"))
	run(t, []story{
		{"the smallest key is the original", []told{attempt, attempt}, "delivery_attempted gap", "e2:duplicate_of:e1"},
		{"by the time of recording first",
			[]told{s("delivery_attempted", 1, p("p1"), doc{"$recorded": 3.0}), s("delivery_attempted", 1, p("p1"), doc{"$recorded": 2.0})},
			"delivery_attempted gap", "e1:duplicate_of:e2"},
		{"the same instant elsewhere is another fact",
			[]told{attempt, s("delivery_attempted", 1, p("p1"), doc{"facility": "x"})}, "delivery_attempted gap", ""},
		{"retracting the original leaves the copy",
			[]told{attempt, attempt, s("", 0).retract("e1", 2)}, "delivery_attempted gap", "e1:retracted_by:e3"},
		{"retracting the copy leaves the original",
			[]told{attempt, attempt, s("", 0).retract("e2", 2)}, "delivery_attempted gap", "e2:retracted_by:e3"},
		{"retracting the original of three leaves one",
			[]told{attempt, attempt, attempt, s("", 0).retract("e1", 2)}, "delivery_attempted gap", "e1:retracted_by:e4 e3:duplicate_of:e2"},
		{"a copy of the create is no second create", []told{s("created", 0), s("created", 0)}, "created", "e2:duplicate_of:e1"},
		{"another stream's is no copy", []told{attempt, s("delivery_attempted", 1, p("p1")).of("s2")}, "delivery_attempted gap", ""},
		{"copies of retractions are copies",
			[]told{attempt, s("", 0).retract("e1", 2), s("", 0).retract("e1", 2), s("created", 0)}, "created", "e1:retracted_by:e2 e3:duplicate_of:e2"},
	}, func(w world) string { return w.ship("s1") })
	w := fold(t, attempt, attempt)
	if got := w.Shipments["s1"].Parcels[0].Attempts; got != 1 {
		t.Errorf("attempts = %d after an attempt and its copy, want 1", got)
	}
}

func TestOneCreateCounts(t *testing.T) {
	run(t, []story{
		{"the smallest key", []told{s("created", 2, parcels("p1", "p2")), s("created", 1)}, "created", "e1:second_create"},
		{"of the same instant, the smallest id", []told{s("created", 1, id("b"), parcels("p1", "p2")), s("created", 1, id("a"))}, "created", "b:second_create"},
		{"the second one moves nothing", []told{s("created", 1), s("picked_up", 2), s("created", 3, parcels("p2"))}, "picked_up", "e3:second_create"},
		{"what is planned is no create", []told{s("created", 1, parcels("p2"), doc{"class": "PLN"}), s("created", 2)}, "created", ""},
	}, func(w world) string { return w.ship("s1") })
}

func TestExpectedFactsTouchNoStatus(t *testing.T) {
	est := doc{"class": "EST"}
	for _, typ := range []string{"info_received", "picked_up", "departed", "arrived", "out_for_delivery", "delivery_attempted",
		"available_for_pickup", "delivered", "return_initiated", "returned", "lost", "destroyed", "cancelled", "damaged",
		"customs_held", "exception_opened", "tracking_assigned"} {
		w := fold(t, s("created", 0), s(typ, 1, est))
		if got := w.ship("s1"); got != "created" {
			t.Errorf("after an estimated %s: %s, want created", typ, got)
		}
		if got := len(w.Shipments["s1"].Estimates); got != 1 {
			t.Errorf("after an estimated %s: %d entries in the ETA history, want 1", typ, got)
		}
		if len(w.Holdings) > 0 {
			t.Errorf("an estimated %s gave a number away", typ)
		}
	}
}

func TestNewestKnownEstimateIsTheETA(t *testing.T) {
	window := func(h float64) doc { return doc{"window": doc{"end": hour(h)}} }
	for _, tt := range []struct {
		name string
		told []told
		want float64
	}{
		{"not the one that points furthest",
			[]told{s("eta_changed", 1, window(90), doc{"$recorded": 1.0}), s("eta_changed", 2, window(50), doc{"$recorded": 2.0})}, 50},
		{"nor the one that came last",
			[]told{s("eta_changed", 2, window(50), doc{"$recorded": 2.0}), s("eta_changed", 1, window(90), doc{"$recorded": 1.0})}, 50},
		{"known counts before made",
			[]told{s("eta_changed", 2, window(50), doc{"$recorded": 3.0}), s("eta_changed", 1, window(90), doc{"$recorded": 4.0})}, 90},
		{"an estimated delivery is one", []told{s("delivered", 70, doc{"class": "EST", "$recorded": 5.0}), s("eta_changed", 1, window(90))}, 70},
		{"a planned departure is none", []told{s("departed", 70, doc{"class": "PLN", "$recorded": 5.0}), s("eta_changed", 1, window(90))}, 90},
		{"a scan's among the shipment's own, by when it was known",
			[]told{s("tracking_assigned", 0), s("eta_changed", 3, window(90), doc{"$recorded": 3.0}), n("eta_changed", 2, window(50), doc{"$recorded": 2.0})}, 90},
		{"a retracted one is none", []told{s("eta_changed", 1, window(90)), s("eta_changed", 2, window(50)), s("", 0).retract("e2", 3)}, 90},
	} {
		t.Run(tt.name, func(t *testing.T) {
			shipment := fold(t, tt.told...).Shipments["s1"]
			if eta := shipment.ETA(); eta == nil || !eta.End.Equal(hour(tt.want)) {
				t.Errorf("ETA = %+v, want %v", eta, hour(tt.want))
			}
		})
	}
	none := fold(t, s("created", 0)).Shipments["s1"]
	if eta := none.ETA(); eta != nil {
		t.Errorf("ETA = %+v, want none", eta)
	}
}

func TestExceptionsOpenAndClose(t *testing.T) {
	opened, resolved := s("exception_opened", 1), s("exception_resolved", 2)
	run(t, []story{
		{"open", []told{opened}, `unknown ""=unknown open:x1`, ""},
		{"resolved", []told{opened, resolved}, `unknown ""=unknown resolved:x1`, ""},
		{"opened again", []told{opened, resolved, s("exception_opened", 3)}, `unknown ""=unknown open:x1`, ""},
		{"resolved before anybody said that it was open", []told{resolved}, `unknown ""=unknown resolved:x1`, ""},
		{"a resolution before the opening resolves nothing", []told{s("exception_resolved", 0), opened}, `unknown ""=unknown open:x1`, ""},
		{"a delivery resolves none", []told{opened, s("delivered", 2)}, `delivered ""=delivered gap open:x1`, ""},
		{"each by its id", []told{opened, s("exception_opened", 1, doc{"exception_id": "x2"}), resolved}, `unknown ""=unknown resolved:x1 open:x2`, ""},
		{"of each shipment", []told{opened, resolved.of("s2")}, `unknown ""=unknown open:x1`, ""},
		{"vanishes with its only fact", []told{opened, opened.retract("e1", 2)}, `unknown ""=unknown`, "e1:retracted_by:e2"},
	}, func(w world) string { return w.ship("s1") })

	got := fold(t, opened, resolved, s("exception_opened", 3), s("exception_resolved", 4)).Shipments["s1"].Exceptions[0]
	if !got.OpenedAt.Equal(hour(1)) || !got.ResolvedAt.Equal(hour(4)) {
		t.Errorf("opened %v and resolved %v, want the first opening, %v, and the last resolution, %v", got.OpenedAt, got.ResolvedAt, hour(1), hour(4))
	}
}

func TestExceptionOfAScanIsTheNumbersParcels(t *testing.T) {
	w := fold(t, s("created", 0, parcels("p1", "p2")), s("tracking_assigned", 0, p("p2")), n("exception_opened", 1))
	if got := w.Shipments["s1"].Exceptions[0].ParcelID; got != "p2" {
		t.Errorf("the exception is of parcel %q, want p2, which has the number", got)
	}
}

func TestRevisionIsTheNumberOfEventsUnderTheOwnSubject(t *testing.T) {
	all := []told{
		s("created", 0), s("picked_up", 1), s("picked_up", 1), s("departed", 200, doc{"$ingested": 0.0}), s("departed", 3, doc{"class": "EST"}),
		s("arrived", 4), s("", 0).retract("e6", 5), s("tracking_assigned", 0), n("out_for_delivery", 6), n("delivered", 7),
	}
	w := fold(t, append(all, all[1])...) // the last one is e11: a copy of e2 and e3
	if got := w.Shipments["s1"].Revision; got != 9 {
		t.Errorf("revision = %d, want 9: retracted, copies, skewed, expected and retractions count, scans of the number do not", got)
	}
	evs := knownOf(t, eventsOf(t, all...)...)
	if got := foldWorld(append(evs, evs...)).Shipments["s1"].Revision; got != 8 {
		t.Errorf("revision = %d when all came twice, want 8", got)
	}
	w = fold(t, s("created", 0, contents("l1", 1)))
	if got := w.Orders["o1"].Revision; got != 0 {
		t.Errorf("revision of a placeholder = %d, want 0", got)
	}
}

// The key is cut to microseconds, which is what the database keeps.
func TestTimesAreCutToMicroseconds(t *testing.T) {
	fine := func(at string) doc { return doc{"occurred_at": at} }
	w := fold(t, s("picked_up", 0, id("b"), fine("2026-03-28T00:00:00.000001900Z")), s("out_for_delivery", 0, id("a"), fine("2026-03-28T00:00:00.000001100Z")))
	if got, want := w.ship("s1"), `out_for_delivery ""=out_for_delivery gap`; got != want {
		t.Errorf("two facts of one microsecond: %s, want %s by rank", got, want)
	}
	if got, want := w.Shipments["s1"].StatusSince, time.Date(2026, 3, 28, 0, 0, 0, 1000, time.UTC); !got.Equal(want) {
		t.Errorf("since %v, want %v", got, want)
	}
}

// A scan and an own fact with the same source and id sort by their streams.
func TestKeysOfDifferentFactsDiffer(t *testing.T) {
	evs := knownOf(t, eventsOf(t, s("picked_up", 1, id("x")), n("picked_up", 1, id("x")), n("picked_up", 1, id("x")).of("trk:CPCC:N2"))...)
	var keys []tracking.Key
	for _, e := range evs {
		keys = append(keys, tracking.NewFact(e.Event, e.hash).Key)
	}
	for i := range keys {
		for j := range keys {
			if got, same := keys[i].Compare(keys[j]), i == j; (got == 0) != same {
				t.Errorf("key %d compared with key %d: %d", i, j, got)
			}
		}
	}
	if !(tracking.Key{}).IsZero() || keys[0].IsZero() {
		t.Error("IsZero is for the key of no fact")
	}
}
