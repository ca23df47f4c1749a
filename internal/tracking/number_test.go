package tracking_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/tracking"
)

func (w world) holders() string {
	var words []string
	for _, h := range w.Holdings {
		span := "ever"
		if !h.ValidFrom.IsZero() {
			span = fmt.Sprint(h.ValidFrom.Sub(day0).Hours())
		}
		switch {
		case h.Lost:
			span += " lost"
		case !h.ValidTo.IsZero():
			span += fmt.Sprintf("..%v", h.ValidTo.Sub(day0).Hours())
		}
		words = append(words, fmt.Sprintf("%s/%s %s/%s %s", h.Carrier, h.Number, h.ShipmentID, h.ParcelID, span))
	}
	slices.Sort(words)
	return strings.Join(words, "; ")
}

// The last part of the sort key is the stream, which an own fact's key does not
// name: two shipments may know facts of the same source and id.
func TestTieOfEqualKeysGoesToTheLaterShipment(t *testing.T) {
	evs := knownOf(t, eventsOf(t, s("tracking_assigned", 1, id("x")), s("tracking_assigned", 1, id("x")).of("s2"))...)
	first := tracking.Assignments("s1", []*tracking.Fact{tracking.NewFact(evs[0].Event, evs[0].hash)})
	second := tracking.Assignments("s2", []*tracking.Fact{tracking.NewFact(evs[1].Event, evs[1].hash)})
	for _, assignments := range [][]tracking.Assignment{append(first, second...), append(second, first...)} {
		h, ok := tracking.Holder(tracking.Resolve(assignments), hour(5))
		if !ok || h.ShipmentID != "s2" {
			t.Errorf("the number is held by %q, want s2", h.ShipmentID)
		}
	}
}

func from(h float64) doc { return doc{"valid_from": hour(h)} }

func TestNumberBelongsToWhoGotItLast(t *testing.T) {
	assigned := s("tracking_assigned", 0)
	run(t, []story{
		{"from the beginning", []told{assigned}, "CPCC/N1 s1/p1 ever", ""},
		{"until the next one begins", []told{assigned, s("tracking_assigned", 0, from(5)).of("s2")}, "CPCC/N1 s1/p1 ever..5; CPCC/N1 s2/p1 5", ""},
		{"whenever that was said", []told{s("tracking_assigned", 9, from(2)), s("tracking_assigned", 1, from(5)).of("s2")}, "CPCC/N1 s1/p1 2..5; CPCC/N1 s2/p1 5", ""},
		{"a tie goes to the later key", []told{s("tracking_assigned", 2), s("tracking_assigned", 1).of("s2")}, "CPCC/N1 s1/p1 ever; CPCC/N1 s2/p1 ever lost", "e2:assignment_replaced"},
		{"also within one shipment", []told{assigned, s("tracking_assigned", 1, p("p2"))}, "CPCC/N1 s1/p1 ever lost; CPCC/N1 s1/p2 ever", "e1:assignment_replaced"},
		{"of three the last", []told{s("tracking_assigned", 1, from(4)), s("tracking_assigned", 3, from(4)).of("s2"), s("tracking_assigned", 2, from(4)).of("s3")},
			"CPCC/N1 s1/p1 4 lost; CPCC/N1 s2/p1 4; CPCC/N1 s3/p1 4 lost", "e1:assignment_replaced e3:assignment_replaced"},
		{"with one key in two streams, to the later stream", []told{s("tracking_assigned", 1, id("x")), s("tracking_assigned", 1, id("x")).of("s2")},
			"CPCC/N1 s1/p1 ever lost; CPCC/N1 s2/p1 ever", "x:assignment_replaced"},
		{"another carrier's number is another", []told{assigned, s("tracking_assigned", 1, doc{"carrier": doc{"scac": "UPSN"}}).of("s2")},
			"CPCC/N1 s1/p1 ever; UPSN/N1 s2/p1 ever", ""},
		{"a parcel may have several", []told{assigned, s("tracking_assigned", 1, doc{"tracking_number": "N2"})}, "CPCC/N1 s1/p1 ever; CPCC/N2 s1/p1 ever", ""},
		{"a retracted assignment holds nothing", []told{assigned, s("tracking_assigned", 1).of("s2"), s("", 0).of("s2").retract("e2", 2)},
			"CPCC/N1 s1/p1 ever", "e2:retracted_by:e3"},
		{"nor does a skewed one", []told{assigned, s("tracking_assigned", 99, doc{"$ingested": 0.0}).of("s2")}, "CPCC/N1 s1/p1 ever", "e2:clock_skew"},
	}, world.holders)
}

func TestScanBelongsToWhoHadTheNumberThen(t *testing.T) {
	first, second := s("tracking_assigned", 0), s("tracking_assigned", 0, from(5), p("p2")).of("s2")
	look := func(w world) string { return w.ship("s1") + "; " + w.ship("s2") }
	run(t, []story{
		{"before", []told{first, second, n("departed", 4)}, "in_transit gap; unknown p2=unknown", ""},
		{"from then on", []told{first, second, n("departed", 5)}, "unknown; in_transit gap p2=in_transit", ""},
		{"nobody before the first", []told{second, n("departed", 4)}, "none; unknown p2=unknown", "e2:unmatched"},
		{"nobody at all", []told{n("departed", 4)}, "none; none", "e1:unmatched"},
		{"an assignment that comes later covers it", []told{n("departed", 4), first}, "in_transit gap; none", ""},
		{"a corrected assignment moves it", []told{first, n("departed", 4), s("", 0).retract("e1", 6), second.with(from(1))},
			`unknown ""=unknown; in_transit gap p2=in_transit`, "e1:retracted_by:e3"},
		{"a scan is the parcel's alone", []told{s("created", 0, parcels("p1", "p2")), first, n("departed", 1)}, "created gap p1=in_transit p2=created; none", ""},
		{"by both its numbers", []told{first, s("tracking_assigned", 0, doc{"tracking_number": "N2"}), n("picked_up", 1), n("departed", 2).of("trk:CPCC:N2")}, "in_transit; none", ""},
		{"own facts and scans are walked together", []told{first, n("departed", 2), s("picked_up", 1), n("delivered", 4), s("out_for_delivery", 3)}, "delivered; none", ""},
		{"a scan taken back", []told{first, n("departed", 2), n("", 0).retract("e2", 3)}, "unknown; none", "e2:retracted_by:e3"},
		{"before it comes", []told{n("", 0).retract("e3", 3), first, n("departed", 2)}, "unknown; none", "e3:retracted_by:e1"},
		{"a skewed scan", []told{first, n("departed", 99, doc{"$ingested": 0.0})}, "unknown; none", "e2:clock_skew"},
		{"a copied scan", []told{first, n("departed", 1), n("departed", 1)}, "in_transit gap; none", "e3:duplicate_of:e2"},
		{"a refused scan", []told{first, n("returned", 1), n("departed", 2)}, "returned gap; none", "e3:regression"},
		{"creates and assignments are misplaced there", []told{n("created", 1), n("tracking_assigned", 1)}, "none; none", "e1:misplaced e2:misplaced"},
		{"a day is its start", []told{first, second, n("departed", 4, doc{"time_precision": "day"}), s("tracking_assigned", 0, from(1), p("p9"))},
			"in_transit gap p1=in_transit p9=unknown; unknown p2=unknown", ""},
		{"what ends it is at the day's end", []told{first, second, n("delivered", 4, doc{"time_precision": "day"})}, "unknown; delivered gap p2=delivered", ""},
	}, look)
}

// with adds to what is told.
func (d told) with(more doc) told { return tell(d.subject, d.typ, d.hour, []doc{d.data, more}) }

// What is expected belongs to who has the number at the time that it speaks of,
// not when it became known.
func TestEstimateBelongsToWhoHasTheNumberThen(t *testing.T) {
	w := fold(t, s("tracking_assigned", 0), s("tracking_assigned", 0, from(5)).of("s2"),
		n("departed", 4, doc{"class": "PLN", "$recorded": 6.0}), n("arrived", 6, doc{"class": "PLN", "$recorded": 4.0}))
	for id, want := range map[events.ShipmentID]events.EventID{"s1": "e3", "s2": "e4"} {
		if got := w.Shipments[id].Estimates; len(got) != 1 || got[0].Ref.ID != want {
			t.Errorf("estimates of %s = %+v, want %s alone", id, got, want)
		}
	}
}
