package fanout_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/fanout"
	"github.com/waybill-io/waybill/internal/fanout/fanouttest"
)

var (
	ofS1 = events.Stream{Kind: events.ShipmentStream, ID: "S-1"}
	ofO1 = events.Stream{Kind: events.OrderStream, ID: "O-1"}
)

func timelineOf(sid int64, of events.Stream) fanout.Request {
	return fanout.Request{SID: sid, Topic: fanout.Timeline, Filter: fmt.Appendf(nil, `{"f":%q,"op":"eq","v":%q}`, of.Kind, of.ID)}
}

// fact is one that is an alert; the mark makes it another one than before.
func fact(id string, typ events.Type, mark string) fanouttest.Fact {
	return fanouttest.Fact{Source: "erp", ID: events.EventID(id), Type: typ, Mark: mark, Alert: true}
}

// sameTimeline checks that a view has exactly the timeline of the model.
func (b *bench) sameTimeline(v *fanouttest.View, tenant events.TenantID, of events.Stream) {
	b.t.Helper()
	b.sameText(v, b.model.Entries(tenant, of))
}

// sameKPIs checks that a view has the counts of the model.
func (b *bench) sameKPIs(v *fanouttest.View, tenant events.TenantID) {
	b.t.Helper()
	b.sameText(v, b.model.Counts(tenant))
}

func (b *bench) sameText(v *fanouttest.View, rows []fanout.Row) {
	b.t.Helper()
	want := make(map[string]string, len(rows))
	for _, r := range rows {
		want[r.Key()] = string(encode(b.t, r))
	}
	got := make(map[string]string, len(v.Rows))
	for key, row := range v.Rows {
		got[key] = string(row)
	}
	if diff := cmp.Diff(want, got); diff != "" || !v.Live {
		b.t.Errorf("sid %d (live: %v) has (-want +got):\n%s", v.SID, v.Live, diff)
	}
}

func TestATimelineIsAWholeAndThenWhatIsAdded(t *testing.T) {
	inBubble(t, fanout.Config{}, func(b *bench) {
		b.model.Put(acme, shipment("S-1", 1, "created"))
		b.model.Tell(acme, ofS1, fact("e-1", events.TypeShipmentCreated, "first"))
		p := newPipe()
		c := b.connect(acme, p)
		defer b.leave(c)
		b.subscribe(c, p, timelineOf(1, ofS1))
		b.settle(time.Second)
		b.sameTimeline(p.book.View(1), acme, ofS1)

		b.model.Tell(acme, ofS1, fact("e-2", events.TypeDeparted, "second"))
		b.settle(time.Second)
		b.model.Tell(acme, ofS1, fact("e-1", events.TypeShipmentCreated, "marked"))
		b.settle(time.Second)
		b.model.Untell(acme, ofS1, fact("e-2", events.TypeDeparted, ""))
		b.settle(time.Second)
		b.sameTimeline(p.book.View(1), acme, ofS1)
		if got := strings.Join(kinds(p), " "); got != "welcome snap live ev ev ev" {
			t.Errorf("frames %s", got)
		}
		for i, f := range p.book.Frames("ev") {
			if len(f.E)+len(f.R) != 1 {
				t.Errorf("ev %d has %d entries and %d removals, want one of either: the others did not change", i, len(f.E), len(f.R))
			}
		}
		b.honest(p)
	})
}

func TestATimelineOfAnOrderHasWhatItsShipmentsTell(t *testing.T) {
	inBubble(t, fanout.Config{}, func(b *bench) {
		linked := &fanout.ShipmentRow{ID: "S-1", Revision: 2, Status: "created", Orders: []events.OrderID{"O-1"}}
		b.model.Put(acme, &fanout.OrderRow{ID: "O-1", Revision: 1, Status: "placed"}, shipment("S-1", 1, "created"))
		b.model.Tell(acme, ofS1, fact("e-1", events.TypeDeparted, "before it was of the order"))
		p := newPipe()
		c := b.connect(acme, p)
		defer b.leave(c)
		b.subscribe(c, p, timelineOf(1, ofO1))
		b.settle(time.Second)
		b.sameTimeline(p.book.View(1), acme, ofO1)

		b.model.Put(acme, linked)
		b.settle(time.Second)
		if got := len(p.book.View(1).Rows); got != 1 {
			t.Errorf("%d entries once the shipment is of the order, want 1", got)
		}
		b.model.Tell(acme, ofS1, fact("e-2", events.TypeArrived, ""))
		b.settle(time.Second)
		b.sameTimeline(p.book.View(1), acme, ofO1)
		b.model.Put(acme, shipment("S-1", 3, "created")) // of no order any more; the order itself does not change
		b.settle(time.Second)
		if got := len(p.book.View(1).Rows); got != 0 {
			t.Errorf("%d entries once the shipment is not of the order any more, want 0", got)
		}
		b.honest(p)
	})
}

func TestCountsAreOfTheRowsThatTheirFiltersWant(t *testing.T) {
	inBubble(t, fanout.Config{}, func(b *bench) {
		b.model.Put(acme, shipment("S-1", 1, "in_transit"), shipment("S-2", 1, "in_transit"))
		p := newPipe()
		c := b.connect(acme, p)
		defer b.leave(c)
		b.subscribe(c, p, fanout.Request{SID: 1, Topic: fanout.KPIs})
		b.settle(time.Second)
		b.sameKPIs(p.book.View(1), acme)
		if got := string(p.book.View(1).Rows["shipments.in_transit"]); !strings.Contains(got, `"n":2`) {
			t.Errorf("count is %s, want 2", got)
		}
		_, before := b.model.Reads()
		for i := range int64(50) { // in 5 s
			b.model.Put(acme, shipment("S-1", i+2, []string{"delivered", "lost"}[i%2]))
			b.settle(100 * time.Millisecond)
		}
		b.settle(3 * time.Second)
		b.sameKPIs(p.book.View(1), acme)
		if _, after := b.model.Reads(); after-before > 8 {
			t.Errorf("%d readings in 8 s, want one a second at most", after-before)
		}
		b.honest(p)
	})
}

func TestAlertsBeginNowAndAreToldOnceInOrder(t *testing.T) {
	inBubble(t, fanout.Config{}, func(b *bench) {
		b.model.Tell(acme, ofS1, fact("old", events.TypeLost, ""))
		p := newPipe()
		c := b.connect(acme, p)
		defer b.leave(c)
		b.subscribe(c, p, fanout.Request{SID: 1, Topic: fanout.Alerts, Filter: []byte(`{"f":"type","op":"eq","v":"shipment.lost.v1"}`)})
		b.settle(time.Second)
		b.model.Tell(acme, ofS1, fact("e-1", events.TypeLost, ""))
		b.model.Tell(acme, ofO1, fact("e-2", events.TypeLost, ""))
		b.model.Tell(acme, ofO1, fact("e-3", events.TypeOrderOnHold, ""))
		b.settle(time.Second)
		b.model.Tell(acme, ofS1, fact("e-4", events.TypeLost, ""))
		b.settle(time.Second)
		want := []string{key(ofS1, "e-1"), key(ofO1, "e-2"), key(ofS1, "e-4")}
		if diff := cmp.Diff(want, p.book.View(1).Log); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
		b.honest(p)
	})
}

func key(of events.Stream, id string) string {
	return fanouttest.EntryKey(string(of.Kind), of.ID, "erp", id)
}

// I15: what was missed is told once and in order, from the memory of the server
// or, by one that has just started, from the feed.
func TestAlertsResumeWithWhatWasMissed(t *testing.T) {
	for name, restart := range map[string]bool{"the same server": false, "a new server": true} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, fanout.Config{}, func(b *bench) {
				r := fanout.Request{SID: 1, Topic: fanout.Alerts}
				b.model.Put(acme, shipment("S-1", 1, "created"))
				v := b.live(r)
				for i := range 5 {
					b.model.Tell(acme, ofS1, fact(fmt.Sprint("e-", i), events.TypeLost, ""))
				}
				if restart {
					b.restart()
				}
				p, c := b.again(v, r)
				defer b.leave(c)
				if got := strings.Join(kinds(p), " "); got != "welcome live ev" {
					t.Errorf("frames %s, want welcome live ev", got)
				}
				var want []string
				for i := range 5 {
					want = append(want, key(ofS1, fmt.Sprint("e-", i)))
				}
				if diff := cmp.Diff(want, p.book.View(1).Log); diff != "" {
					t.Errorf("told (-want +got):\n%s", diff)
				}
				b.honest(p)
			})
		})
	}
}

func TestATimelineResumesWhereTheServerRemembersIt(t *testing.T) {
	inBubble(t, fanout.Config{}, func(b *bench) {
		b.model.Tell(acme, ofS1, fact("e-1", events.TypeShipmentCreated, ""))
		v := b.live(timelineOf(1, ofS1))
		b.model.Tell(acme, ofS1, fact("e-2", events.TypeDeparted, ""))
		p, c := b.again(v, timelineOf(1, ofS1))
		if got := strings.Join(kinds(p), " "); got != "welcome live ev" {
			t.Errorf("frames %s, want welcome live ev", got)
		}
		b.sameTimeline(p.book.View(1), acme, ofS1)
		b.leave(c)
		b.honest(p)

		b.restart()
		b.model.Tell(acme, ofS1, fact("e-3", events.TypeArrived, ""))
		v = p.book.View(1)
		p, c = b.again(v, timelineOf(1, ofS1))
		defer b.leave(c)
		if got := strings.Join(kinds(p), " "); got != "welcome reset snap live" {
			t.Errorf("at a new server frames %s, want welcome reset snap live", got)
		}
		b.sameTimeline(p.book.View(1), acme, ofS1)
		b.honest(p)
	})
}

func TestALogThatAClientDoesNotReadIsReset(t *testing.T) {
	inBubble(t, fanout.Config{PendingEntities: 10}, func(b *bench) {
		p := newPipe()
		c := b.connect(acme, p)
		defer b.leave(c)
		b.model.Put(acme, shipment("S-1", 1, "created"))
		b.subscribe(c, p, fanout.Request{SID: 1, Topic: fanout.Alerts})
		b.subscribe(c, p, timelineOf(2, ofS1))
		b.settle(time.Second)
		p.pause(true)
		for i := range 30 {
			b.model.Tell(acme, ofS1, fact(fmt.Sprint("e-", i), events.TypeLost, ""))
			b.settle(200 * time.Millisecond)
		}
		p.pause(false)
		b.settle(time.Second)
		for sid := range int64(2) {
			if got := p.book.View(sid + 1).Resets; !slices.Equal(got, []string{"slow"}) {
				t.Errorf("sid %d: resets %v, want slow", sid+1, got)
			}
		}
		b.sameTimeline(p.book.View(2), acme, ofS1)
		b.honest(p)
	})
}

func TestABoardThatCannotBeReadIsTriedAgainAndThenGivenUp(t *testing.T) {
	inBubble(t, fanout.Config{}, func(b *bench) {
		p := newPipe()
		c := b.connect(acme, p)
		defer b.leave(c)
		b.model.Put(acme, shipment("S-1", 1, "created"))
		b.settle(time.Second)
		b.model.SetBroken(2)
		b.subscribe(c, p, fanout.Request{SID: 1, Topic: fanout.KPIs})
		b.settle(5 * time.Second)
		b.sameKPIs(p.book.View(1), acme)
		b.model.SetBroken(3)
		b.subscribe(c, p, timelineOf(2, ofS1))
		b.settle(5 * time.Second)
		if got := p.book.View(2).Refused; got != "internal" {
			t.Errorf("refused with %q, want internal", got)
		}
		b.honest(p)
	})
}

func TestWhoMayReadATopicOfBoth(t *testing.T) {
	inBubble(t, fanout.Config{}, func(b *bench) {
		b.model.Put(acme, shipment("S-1", 1, "created"))
		p := newPipe()
		c, err := b.hub.Connect(p, fanout.Peer{Subject: "ann", Tenant: acme, Scope: []string{"read:shipments"}, Expires: time.Now().Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		defer b.leave(c)
		for _, it := range []struct {
			r    fanout.Request
			want fanout.Code
		}{
			{fanout.Request{SID: 1, Topic: fanout.KPIs}, fanout.Forbidden},
			{fanout.Request{SID: 2, Topic: fanout.Alerts}, fanout.Forbidden},
			{timelineOf(3, ofO1), fanout.Forbidden},
			{timelineOf(4, ofS1), ""},
			{fanout.Request{SID: 5, Topic: fanout.Timeline}, fanout.BadFilter},
			{fanout.Request{SID: 6, Topic: fanout.Timeline, Filter: []byte(`{"f":"shipment","op":"in","v":["S-1"]}`)}, fanout.BadFilter},
			{fanout.Request{SID: 7, Topic: fanout.Timeline, Filter: []byte(`{"f":"shipment","op":"eq","v":""}`)}, fanout.BadFilter},
		} {
			var got fanout.Code
			if err := c.Subscribe(it.r); err != nil {
				got = err.Code
			}
			if got != it.want {
				t.Errorf("%s %s: %q, want %q", it.r.Topic, it.r.Filter, got, it.want)
			}
		}
	})
}

func TestAReturningViewerGetsWhatIsThereNow(t *testing.T) {
	inBubble(t, fanout.Config{}, func(b *bench) {
		b.model.Put(acme, shipment("S-1", 1, "in_transit"))
		b.live(fanout.Request{SID: 1, Topic: fanout.KPIs})
		b.model.Put(acme, shipment("S-1", 2, "delivered"))
		b.settle(10 * time.Second)
		p := newPipe()
		c := b.connect(acme, p)
		defer b.leave(c)
		b.subscribe(c, p, fanout.Request{SID: 1, Topic: fanout.KPIs})
		b.settle(time.Second)
		b.sameKPIs(p.book.View(1), acme)
		if got := strings.Join(kinds(p), " "); got != "welcome snap live" {
			t.Errorf("frames %s, want welcome snap live", got)
		}
		b.honest(p)
	})
}

// rarely is alerts at a pace that leaves a board stale for seconds.
var rarely = fanout.Request{SID: 1, Topic: fanout.Alerts, MaxHz: 0.1}

// stale brings a board to where it knows of e-1 and not yet of e-2, with a member.
func (b *bench) stale(p *pipe) *fanout.Conn {
	b.t.Helper()
	b.model.Put(acme, shipment("S-1", 1, "created"))
	c := b.connect(acme, p)
	b.subscribe(c, p, rarely)
	b.settle(20 * time.Second)
	b.model.Tell(acme, ofS1, fact("e-1", events.TypeLost, ""))
	b.settle(time.Second)
	b.model.Tell(acme, ofS1, fact("e-2", events.TypeLost, ""))
	b.settle(time.Second)
	if got := p.book.View(1).Log; !slices.Equal(got, []string{key(ofS1, "e-1")}) {
		b.t.Fatalf("told %v, want e-1 and not yet e-2", got)
	}
	return c
}

func TestAClientAheadOfABoardIsNotToldAgain(t *testing.T) {
	inBubble(t, fanout.Config{}, func(b *bench) {
		first := newPipe()
		defer b.leave(b.stale(first))
		known := first.book.View(1) // as another server would have told it
		known.Pos, known.Log = b.model.Position(acme).Seq, append(known.Log, key(ofS1, "e-2"))
		p, c := b.again(known, rarely)
		defer b.leave(c)
		b.settle(30 * time.Second)
		if got := p.book.View(1).Log; len(got) != 2 {
			t.Errorf("told %v, want e-1 and e-2 once", got)
		}
		b.honest(p)
	})
}

func TestAnAlertIsNotLostToOneWhoCameTooLate(t *testing.T) {
	inBubble(t, fanout.Config{}, func(b *bench) {
		b.model.Tell(acme, ofS1, fact("e-0", events.TypeLost, ""))
		old := b.live(rarely)
		b.restart()
		first := newPipe()
		defer b.leave(b.stale(first))

		b.model.Latency = 100 * time.Millisecond
		p := newPipe()
		c := b.connect(acme, p)
		defer b.leave(c)
		p.book.Ask(1, old)
		r := rarely
		r.Since = old.Since()
		b.subscribe(c, p, r)
		time.Sleep(50 * time.Millisecond)
		b.model.Prune(acme, 1) // between the read of the feed and that of the log
		b.settle(30 * time.Second)
		if got := p.book.View(1).Resets; !slices.Equal(got, []string{"history"}) {
			t.Errorf("who came too late is reset with %v, want history", got)
		}
		if got := first.book.View(1).Log; !slices.Equal(got, []string{key(ofS1, "e-1"), key(ofS1, "e-2")}) {
			t.Errorf("who was there was told %v, want e-1 and e-2", got)
		}
		b.honest(p)
		b.honest(first)
	})
}
