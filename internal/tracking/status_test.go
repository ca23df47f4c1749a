package tracking_test

import (
	"strings"
	"testing"
	"time"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/tracking"
)

// moves is both tables of the vocabulary's fifth step, one row per status that
// a parcel is in, one column per status that a fact leads to:
//
//	m  moves                     =  is there already: no move, no mark
//	x  regression                .  changes nothing, and is nothing odd
//	d  regression, and disputed  c  moves, moved_after_cancel
//	   (blank) cannot be said: there is one create
const moves = `
                    created info_received picked_up departed out_for_delivery delivery_attempted available_for_pickup return_initiated delivered returned lost destroyed cancelled
unknown             m       m             m         m        m                m                  m                    m                m         m        m    m         m
created             -       m             m         m        m                m                  m                    m                m         m        m    m         m
info_received       x       =             m         m        m                m                  m                    m                m         m        m    m         m
picked_up           x       x             =         m        m                m                  m                    m                m         m        m    m         x
in_transit          x       x             x         =        m                m                  m                    m                m         m        m    m         x
out_for_delivery    x       x             x         m        =                m                  m                    m                m         m        m    m         x
delivery_attempted  x       x             x         m        m                =                  m                    m                m         m        m    m         x
available_for_pickup x      x             x         m        x                x                  =                    m                m         m        m    m         x
returning           x       x             x         .        x                x                  x                    =                x         m        m    m         x
delivered           x       x             d         d        d                d                  d                    m                =         d        d    d         x
returned            x       x             x         x        x                x                  x                    x                x         =        x    x         x
lost                x       x             x         m        m                m                  m                    m                m         m        =    x         x
destroyed           x       x             x         x        x                x                  x                    x                x         x        x    =         x
cancelled           x       x             c         c        c                c                  c                    c                c         c        c    c         =
`

// statusOf is where a type leads.
var statusOf = map[string]tracking.Status{
	"departed": tracking.InTransit, "arrived": tracking.InTransit, "return_initiated": tracking.Returning,
}

func TestParcelMovesAsTheTableSays(t *testing.T) {
	rows := strings.Split(strings.TrimSpace(moves), "\n")
	types := strings.Fields(rows[0])
	for _, row := range rows[1:] {
		cells := strings.Fields(row)
		from := cells[0]
		for i, typ := range types {
			cell := cells[i+1]
			if cell == "-" {
				continue
			}
			t.Run(from+" "+typ, func(t *testing.T) {
				story := []told{begin(from), s(typ, 2, p("p1"))}
				if typ == "created" {
					story[1] = s(typ, 2)
				}
				to := tracking.Status(typ)
				if other, ok := statusOf[typ]; ok {
					to = other
				}
				holds(t, story, from, to, cell)
				if typ == "departed" { // an arrival is the same
					story[1] = s("arrived", 2, p("p1"))
					holds(t, story, from, to, cell)
				}
			})
		}
	}
}

// begin is one fact that brings parcel p1 to a status.
func begin(status string) told {
	for typ, to := range statusOf {
		if string(to) == status {
			return s(typ, 1, p("p1"))
		}
	}
	switch status {
	case "unknown":
		return s("exception_opened", 1, p("p1"))
	case "created":
		return s("created", 1)
	}
	return s(status, 1, p("p1"))
}

func holds(t *testing.T, story []told, from string, to tracking.Status, cell string) {
	t.Helper()
	w := fold(t, story...)
	parcel := w.Shipments["s1"].Parcels[0]
	want, since, odd := tracking.Status(from), 1.0, ""
	switch cell {
	case "m":
		want, since = to, 2
	case "c":
		want, since, odd = to, 2, "e2:moved_after_cancel"
	case "x", "d":
		odd = "e2:regression"
	}
	if parcel.Status != want {
		t.Errorf("status = %s, want %s", parcel.Status, want)
	}
	if from != "unknown" && !parcel.StatusSince.Equal(hour(since)) {
		t.Errorf("status since %v, want %v", parcel.StatusSince, hour(since))
	}
	if got := w.odd(); got != odd {
		t.Errorf("marks = %q, want %q", got, odd)
	}
	if got, want := parcel.Disputed, cell == "d"; got != want {
		t.Errorf("disputed = %v, want %v", got, want)
	}
}

func TestGapIsAStageThatWasNeverReported(t *testing.T) {
	for _, tt := range []struct {
		story string
		gap   bool
	}{
		{"created info_received picked_up departed out_for_delivery delivered", false},
		{"created picked_up", false},
		{"info_received picked_up arrived delivered", false},
		{"created departed", true},
		{"info_received out_for_delivery", true},
		{"departed", true}, // unknown is below 30 as well
		{"picked_up", false},
		{"picked_up out_for_delivery", true},
		{"picked_up delivered", true},
		{"picked_up return_initiated", true},
		{"created delivered", true},
		{"created return_initiated", true},
		{"created returned", true},
		{"created lost", false},
		{"picked_up destroyed", false},
		{"created cancelled", false},
		{"cancelled delivered", false}, // 98 is not below 30
		{"created lost delivered", false},
		{"created departed picked_up", true}, // once is enough
	} {
		t.Run(tt.story, func(t *testing.T) {
			var story []told
			for i, typ := range strings.Fields(tt.story) {
				story = append(story, s(typ, float64(i)))
			}
			if got := fold(t, story...).Shipments["s1"]; got.Gap() != tt.gap {
				t.Errorf("gap = %v, want %v", got.Gap(), tt.gap)
			}
		})
	}
}

// story is a table test of shipment s1 and the marks.
type story struct {
	name string
	told []told
	want string
	odd  string
}

func run(t *testing.T, tests []story, look func(world) string) {
	t.Helper()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := fold(t, tt.told...)
			if got := look(w); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if got := w.odd(); got != tt.odd {
				t.Errorf("marks: got  %s\n       want %s", got, tt.odd)
			}
		})
	}
}

func TestDeliveryIsDisputedUntilItIsTakenBackOrReturned(t *testing.T) {
	out, done, again := s("out_for_delivery", 1, p("p1")), s("delivered", 2, p("p1")), s("departed", 3, p("p1"))
	picked := s("departed", 0, p("p1"))
	run(t, []story{
		{"a scan after the delivery disputes it",
			[]told{picked, out, done, again}, "delivered disputed gap", "e4:regression"},
		{"the retraction of the scan clears it",
			[]told{picked, out, done, again, again.retract("e4", 4)}, "delivered gap", "e4:retracted_by:e5"},
		{"the retraction of the delivery clears it",
			[]told{picked, out, done, again, again.retract("e3", 4)}, "in_transit gap", "e3:retracted_by:e5"},
		{"a return that began before the scan clears it",
			[]told{picked, out, done, again, s("return_initiated", 2.5, p("p1"))}, "returning gap", ""},
		{"a return that began after the scan does not",
			[]told{picked, out, done, again, s("return_initiated", 3.5, p("p1"))}, "returning disputed gap", "e4:regression"},
		{"a cancel after the delivery is no physical fact",
			[]told{picked, out, done, s("cancelled", 3, p("p1"))}, "delivered gap", "e4:regression"},
		{"a second delivery is nothing odd",
			[]told{picked, out, done, s("delivered", 3, p("p1"))}, "delivered gap", ""},
		{"one parcel is enough",
			[]told{picked, out, done, again, s("delivered", 1, p("p2"))}, "delivered disputed gap p1=delivered p2=delivered", "e4:regression"},
	}, func(w world) string { return w.ship("s1") })
}

func TestWayBackHasStations(t *testing.T) {
	run(t, []story{
		{"departures and arrivals change nothing",
			[]told{s("departed", 1), s("return_initiated", 2), s("departed", 3), s("arrived", 4)}, `returning ""=returning gap`, ""},
		{"until it is back",
			[]told{s("departed", 1), s("return_initiated", 2), s("departed", 3), s("returned", 4)}, `returned ""=returned gap`, ""},
		{"what is back does not move any more",
			[]told{s("departed", 1), s("returned", 2), s("departed", 3)}, `returned ""=returned gap`, "e3:regression"},
	}, func(w world) string { return w.ship("s1") })
}

func TestShipmentIsItsLeastAdvancedLiveParcel(t *testing.T) {
	run(t, []story{
		{"the least advanced", []told{s("created", 0, parcels("p1", "p2")), s("picked_up", 1, p("p1"))},
			"created p1=picked_up p2=created", ""},
		{"attempted is more advanced than on tour", []told{s("out_for_delivery", 0, p("p1")), s("delivery_attempted", 1, p("p2"))},
			"out_for_delivery gap p1=out_for_delivery p2=delivery_attempted", ""},
		{"what returns is alive", []told{s("return_initiated", 0, p("p1")), s("delivered", 1, p("p2"))},
			"returning gap p1=returning p2=delivered", ""},
		{"what is delivered is not", []told{s("delivered", 0, p("p1")), s("available_for_pickup", 1, p("p2"))},
			"available_for_pickup gap p1=delivered p2=available_for_pickup", ""},
		{"unknown is left out", []told{s("damaged", 0, p("p1")), s("lost", 1, p("p2"))}, "lost damaged p1=unknown p2=lost", ""},
		{"unless it is all", []told{s("damaged", 0, p("p1")), s("damaged", 1, p("p2"))}, "unknown damaged p1=unknown p2=unknown", ""},
		{"lost before destroyed", []told{s("destroyed", 0, p("p1")), s("lost", 1, p("p2"))}, "lost p1=destroyed p2=lost", ""},
		{"destroyed before returned", []told{s("destroyed", 0, p("p1")), s("returned", 1, p("p2"))}, "destroyed gap p1=destroyed p2=returned", ""},
		{"returned before delivered", []told{s("delivered", 0, p("p1")), s("returned", 1, p("p2"))}, "returned gap p1=delivered p2=returned", ""},
		{"delivered before cancelled", []told{s("delivered", 0, p("p1")), s("cancelled", 1, p("p2"))}, "delivered gap p1=delivered p2=cancelled", ""},
		{"cancelled when all are", []told{s("created", 0, parcels("p1", "p2")), s("cancelled", 1)}, "cancelled p1=cancelled p2=cancelled", ""},
	}, func(w world) string { return w.ship("s1") })
}

func TestShipmentHasItsStatusSinceItCameToIt(t *testing.T) {
	w := fold(t, s("created", 0, parcels("p1", "p2")), s("picked_up", 1, p("p1")), s("picked_up", 2, p("p2")), s("picked_up", 3))
	if got, want := w.Shipments["s1"].StatusSince, hour(2); !got.Equal(want) {
		t.Errorf("picked up since %v, want %v, when the last parcel was", got, want)
	}
}

func TestParcelsAreAllThatAnyFactNames(t *testing.T) {
	run(t, []story{
		{"a parcel named later has taken part from the beginning",
			[]told{s("created", 0), s("picked_up", 1), s("departed", 2, p("p2"))}, "picked_up p1=picked_up p2=in_transit", ""},
		{"a stand-in while nobody names one", []told{s("picked_up", 1)}, `picked_up ""=picked_up`, ""},
		{"which goes when one is named", []told{s("picked_up", 1), s("customs_held", 0, p("p7"))}, "picked_up customs p7=picked_up", ""},
		{"and is back when that is retracted",
			[]told{s("picked_up", 1), s("damaged", 0, p("p7")), s("picked_up", 0).retract("e2", 9)}, `picked_up ""=picked_up`, "e2:retracted_by:e3"},
		{"contents name parcels", []told{s("created", 0, contents("l1/p2", 1))}, "created p1=created p2=created", ""},
		{"assignments name parcels", []told{s("tracking_assigned", 0, p("p3"))}, "unknown p3=unknown", ""},
		{"what is expected names none", []told{s("picked_up", 1), s("departed", 2, p("p1"), doc{"class": "PLN"})}, `picked_up ""=picked_up`, ""},
		{"nor does a copy's original that was retracted",
			[]told{s("picked_up", 1), s("damaged", 0, p("p7")), s("picked_up", 0).retract("e2", 9), s("arrived", 3)}, `in_transit ""=in_transit`, "e2:retracted_by:e3"},
		{"a refused fact names its parcel",
			[]told{s("delivered", 1), s("info_received", 2, p("p2"))}, "delivered gap p2=delivered", "e2:regression"},
		{"a second create names none",
			[]told{s("created", 0), s("created", 1, parcels("p1", "p2"))}, "created", "e2:second_create"},
	}, func(w world) string { return w.ship("s1") })
}

func TestFactsOfOneInstantAreWalkedByRank(t *testing.T) {
	run(t, []story{
		{"whatever their ids", []told{s("departed", 1, id("a")), s("picked_up", 1, id("b")), s("created", 1, id("c"))}, "in_transit", ""},
		{"the attempt after the tour", []told{s("delivery_attempted", 1, id("a")), s("out_for_delivery", 1, id("b"))}, `delivery_attempted ""=delivery_attempted gap`, ""},
		{"the return after the attempt", []told{s("return_initiated", 1, id("a")), s("delivery_attempted", 1, id("b"))}, `returning ""=returning gap`, ""},
		{"the resolution after the opening", []told{s("exception_resolved", 1, id("a")), s("exception_opened", 1, id("b"))}, `unknown ""=unknown resolved:x1`, ""},
		{"the release after the hold", []told{s("customs_released", 1, id("a")), s("customs_held", 1, id("b"))}, `unknown ""=unknown`, ""},
	}, func(w world) string { return w.ship("s1") })
}

func TestDayIsItsStartForTheWayAndItsEndForWhatEndsIt(t *testing.T) {
	day := func(at string) doc { return doc{"occurred_at": at, "time_precision": "day"} }
	w := fold(t,
		s("departed", 0, day("2026-03-28T18:00:00+02:00")), s("delivered", 0, day("2026-03-28T01:00:00-07:00")))
	parcel := w.Shipments["s1"].Parcels[0]
	if got, want := parcel.HandedOverAt, time.Date(2026, 3, 27, 22, 0, 0, 0, time.UTC); !got.Equal(want) {
		t.Errorf("departed at %v, want %v, the start of the day there", got, want)
	}
	if got, want := parcel.DeliveredAt, time.Date(2026, 3, 29, 6, 59, 59, 999999000, time.UTC); !got.Equal(want) {
		t.Errorf("delivered at %v, want %v, the end of the day there", got, want)
	}
	run(t, []story{
		{"a delivery known to the day ends that day's tour",
			[]told{s("out_for_delivery", 8), s("delivered", 0, day("2026-03-28T00:00:00Z")), s("delivery_attempted", 20)}, `delivered ""=delivered gap`, ""},
		{"a tour known to the day begins it",
			[]told{s("departed", 1), s("out_for_delivery", 0, day("2026-03-28T23:00:00Z"))}, `in_transit ""=in_transit gap`, ""},
	}, func(w world) string { return w.ship("s1") })
}

// A day is the day of the offset that the source wrote. The zone that this
// machine lives in must not matter, nor that it puts its clocks forward.
func TestLocalDayDoesNotDependOnThisMachinesZone(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skipf("the zone database is not here: %v", err)
	}
	told := s("picked_up", 0, doc{"occurred_at": "2026-03-29T12:00:00+02:00", "time_precision": "day"})
	utc := fold(t, told).Shipments["s1"].StatusSince
	defer func(was *time.Location) { time.Local = was }(time.Local)
	time.Local = berlin
	if got := fold(t, told).Shipments["s1"].StatusSince; !got.Equal(utc) {
		t.Errorf("picked up at %v in Berlin, at %v elsewhere", got, utc)
	}
	if want := time.Date(2026, 3, 28, 22, 0, 0, 0, time.UTC); !utc.Equal(want) {
		t.Errorf("picked up at %v, want %v", utc, want)
	}
}

func TestMilestonesOfAParcel(t *testing.T) {
	w := fold(t, s("picked_up", 1, p("p1")), s("delivery_attempted", 2), s("available_for_pickup", 3), s("departed", 4), s("delivery_attempted", 5),
		s("available_for_pickup", 6), s("delivered", 7, doc{"occurred_at": "2026-03-28T23:30:00-07:00"}), s("return_initiated", 60), s("lost", 61), s("delivered", 62))
	got := w.Shipments["s1"].Parcels[0]
	delivered := time.Date(2026, 3, 29, 6, 30, 0, 0, time.UTC)
	for _, at := range []struct {
		name      string
		got, want time.Time
	}{
		{"first scan", got.FirstScanAt, hour(1)}, {"hand-over", got.HandedOverAt, hour(1)}, {"first attempt", got.FirstAttemptAt, hour(2)},
		{"first available", got.AvailableAt, hour(3)}, {"first delivery", got.DeliveredAt, delivered},
		{"its local day", got.DeliveredOn, time.Date(2026, 3, 28, 0, 0, 0, 0, time.UTC)}, {"last scan", got.LastScanAt, hour(62)},
	} {
		if !at.got.Equal(at.want) {
			t.Errorf("%s: %v, want %v", at.name, at.got, at.want)
		}
	}
	if got.Attempts != 2 {
		t.Errorf("attempts = %d, want 2", got.Attempts)
	}
}

func TestCarrierIsTheCreatesOrTheLastThatAFactNames(t *testing.T) {
	by := func(scac string) doc { return doc{"carrier": doc{"scac": scac}} }
	for want, story := range map[events.SCAC][]told{
		"AAAA": {s("picked_up", 1, by("BBBB")), s("created", 0, by("AAAA")), s("departed", 2, by("CCCC"))},
		"CCCC": {s("created", 0), s("departed", 2, by("CCCC")), s("picked_up", 1, by("BBBB"))},
	} {
		if got := fold(t, story...).Shipments["s1"].Carrier; got != want {
			t.Errorf("carrier = %s, want %s", got, want)
		}
	}
}
