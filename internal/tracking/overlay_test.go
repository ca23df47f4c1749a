package tracking_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/waybill-io/waybill/events"
)

// An attempt is a moment at somebody's door, however often and by whom it is told.
func TestAttemptsAreMomentsAndNotMessages(t *testing.T) {
	attempt := func(h float64, more ...doc) told { return s("delivery_attempted", h, more...) }
	nobody := doc{"reason_code": "nobody_home"}
	day := doc{"time_precision": "day"}
	for _, tt := range []struct {
		name string
		told []told
		want string
	}{
		{"told again with more detail", []told{attempt(2, p("p1")), attempt(2, p("p1"), nobody)}, "p1=1"},
		{"of all, then of one", []told{attempt(2), attempt(2, p("p1"), nobody)}, "p1=1"},
		{"by its number too", []told{s("tracking_assigned", 0), attempt(2, p("p1")), n("delivery_attempted", 2, nobody)}, "p1=1"},
		{"three times", []told{attempt(2, p("p1")), attempt(2, p("p1"), nobody), attempt(2, doc{"facility": "hub"})}, "p1=1"},
		{"of another parcel", []told{attempt(2, p("p1")), attempt(2, p("p2"))}, "p1=1 p2=1"},
		{"the next minute", []told{attempt(2, p("p1")), attempt(2.02, p("p1"))}, "p1=2"},
		{"something unknown beside it", []told{attempt(2, p("p1")), s("scan_unmapped", 2, p("p1")), attempt(2, p("p1"), nobody)}, "p1=1"},
		{"again after a tour", []told{attempt(2, p("p1")), s("out_for_delivery", 26), attempt(27, p("p1"))}, "p1=2"},
		{"on a day, twice told", []told{attempt(2, p("p1"), day), attempt(2, p("p1"), day, nobody)}, "p1=1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			for _, p := range fold(t, tt.told...).Shipments["s1"].Parcels {
				got += fmt.Sprintf(" %s=%d", p.ID, p.Attempts)
				if p.FirstAttemptAt.IsZero() {
					t.Errorf("the first attempt at %s has no time", p.ID)
				}
			}
			if got != " "+tt.want {
				t.Errorf("attempts:%s, want %s", got, tt.want)
			}
		})
	}
}

// Who promises a day promises all of it, where the day is.
func TestAnEstimateForADayLastsUntilItsEnd(t *testing.T) {
	const end = "2026-03-31T06:59:59.999999Z" // of 30 March in -07:00
	days := func(from, to string) doc {
		w := doc{"end": to, "time_precision": "day"}
		if from != "" {
			w["start"] = from
		}
		return doc{"window": w}
	}
	when := func(at, class string, more ...string) doc {
		d := doc{"occurred_at": at, "class": class}
		if len(more) > 0 {
			d["time_precision"] = more[0]
		}
		return d
	}
	for _, tt := range []struct {
		name string
		told told
		want string
	}{
		{"a day", s("eta_changed", 1, days("2026-03-30T00:00:00-07:00", "2026-03-30T00:00:00-07:00")), "2026-03-30T07:00:00Z " + end},
		{"some days", s("eta_changed", 1, days("2026-03-28T15:00:00-07:00", "2026-03-30T09:00:00-07:00")), "2026-03-28T07:00:00Z " + end},
		{"until a day", s("eta_changed", 1, days("", "2026-03-30T00:00:00-07:00")), "- " + end},
		{"hours", s("eta_changed", 1, doc{"window": doc{"start": hour(1), "end": hour(2)}}), "2026-03-28T01:00:00Z 2026-03-28T02:00:00Z"},
		{"a delivery on a day", s("delivered", 1, when("2026-03-30T00:00:00-07:00", "EST", "day")), "2026-03-30T07:00:00Z " + end},
		{"a pickup on a day", s("available_for_pickup", 1, when("2026-03-30T00:00:00-07:00", "PLN", "day")), "2026-03-30T07:00:00Z " + end},
		{"a delivery at a moment", s("delivered", 1, when("2026-03-30T00:00:00-07:00", "EST")), "- 2026-03-30T07:00:00Z"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			shipment := fold(t, tt.told).Shipments["s1"]
			eta := shipment.ETA()
			if eta == nil {
				t.Fatal("there is no ETA")
			}
			from := "-"
			if !eta.Start.IsZero() {
				from = eta.Start.Format(time.RFC3339Nano)
			}
			if got := from + " " + eta.End.Format(time.RFC3339Nano); got != tt.want {
				t.Errorf("ETA from %s, want %s", got, tt.want)
			}
		})
	}
}

// A scan whose code nobody knows stands in the timeline, and the row goes on
// saying what was last understood.
func TestAScanThatNobodyUnderstandsIsNotTheLast(t *testing.T) {
	walked := []told{s("created", 0), s("tracking_assigned", 0), s("arrived", 2, doc{"facility": "hub"})}
	for name, unknown := range map[string]told{
		"of its own stream":  s("scan_unmapped", 3, doc{"facility": "elsewhere"}),
		"by its number":      n("scan_unmapped", 3, doc{"facility": "elsewhere"}),
		"of one parcel":      s("scan_unmapped", 3, p("p1"), doc{"facility": "elsewhere"}),
		"of the same moment": s("scan_unmapped", 2, doc{"facility": "elsewhere"}),
	} {
		t.Run(name, func(t *testing.T) {
			w := fold(t, append(slices.Clip(walked), unknown)...)
			shipment := w.Shipments["s1"]
			if got, want := lastScan(w)+" in "+shipment.LastLocation, "shipment.arrived.v1 at 2 in hub"; got != want {
				t.Errorf("last scan %s, want %s", got, want)
			}
			if p := shipment.Parcels[0]; p.LastScanType != events.TypeArrived || !p.LastScanAt.Equal(hour(2)) || p.LastLocation != "hub" {
				t.Errorf("last scan of the parcel: %s at %v in %s, want the arrival in hub", p.LastScanType, p.LastScanAt, p.LastLocation)
			}
		})
	}
	if shipment := fold(t, s("scan_unmapped", 3)).Shipments["s1"]; !shipment.LastScanAt.IsZero() || shipment.LastScanType != "" {
		t.Errorf("last scan %s at %v, want none", shipment.LastScanType, shipment.LastScanAt)
	}
}

func TestReturnsAreOpenFromTheRequestToTheReceipt(t *testing.T) {
	asked := func(h float64, id string) told { return o("return_requested", h, doc{"return_id": id}) }
	got := func(h float64, id string) told { return o("return_received", h, doc{"return_id": id}) }
	run(t, []story{
		{"requested", []told{o("placed", 0), asked(1, "r1")}, "placed l1 ordered=2 return:r1", ""},
		{"received", []told{o("placed", 0), asked(1, "r1"), got(2, "r1")}, "placed l1 ordered=2", ""},
		{"by id, sorted", []told{o("placed", 0), asked(1, "r2"), asked(2, "r1"), asked(3, "r3"), got(4, "r2")}, "placed l1 ordered=2 return:r1 return:r3", ""},
		{"another one's receipt ends nothing", []told{o("placed", 0), asked(1, "r1"), got(2, "r2")}, "placed l1 ordered=2 return:r1", ""},
		{"received without a request", []told{o("placed", 0), got(2, "r1")}, "placed l1 ordered=2", ""},
		{"received before the request says it was made", []told{o("placed", 0), got(1, "r1"), asked(2, "r1")}, "placed l1 ordered=2", ""},
		{"asked for twice", []told{o("placed", 0), asked(1, "r1"), asked(2, "r1"), got(3, "r1")}, "placed l1 ordered=2", ""},
		{"a receipt that was none", []told{o("placed", 0), asked(1, "r1"), got(2, "r1"), o("", 0).retract("e3", 3)}, "placed l1 ordered=2 return:r1", "e3:retracted_by:e4"},
		{"a request that was none", []told{o("placed", 0), asked(1, "r1"), o("", 0).retract("e2", 3)}, "placed l1 ordered=2", "e2:retracted_by:e3"},
		{"before the order was placed", []told{asked(1, "r1")}, "unknown return:r1", ""},
	}, orderOf)
}

func TestReturnsAddUpPerLine(t *testing.T) {
	w := fold(t, o("placed", 0), o("return_requested", 1, doc{"lines": lines("l1", 2)}), o("return_requested", 2, doc{"lines": lines("l1", 1, "l2", 1)}),
		o("return_received", 3, doc{"lines": lines("l1", 1)}), o("return_received", 4, doc{"lines": lines("l1", 1)}))
	got := fmt.Sprint(w.Orders["o1"].Returns)
	if want := "[{r1 map[l1:3 l2:1] map[l1:2]}]"; got != want {
		t.Errorf("returns %s, want %s", got, want)
	}
}
