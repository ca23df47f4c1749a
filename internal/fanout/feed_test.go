package fanout_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/fanout"
	"github.com/waybill-io/waybill/internal/fanout/fanouttest"
)

func TestNobodySubscribedMeansNoQuery(t *testing.T) {
	inBubble(t, fanout.Config{}, func(b *bench) {
		p := newPipe()
		c := b.connect(acme, p)
		b.model.Put(acme, shipment("S-1", 1, "in_transit"))
		b.settle(time.Minute)
		if reads, whole := b.model.Reads(); reads+whole != 0 {
			t.Errorf("%d reads and %d snapshots before anyone subscribed", reads, whole)
		}
		b.subscribe(c, p, fanout.Request{SID: 1, Topic: fanout.Shipments})
		b.settle(10 * time.Second)
		reads, _ := b.model.Reads()
		if reads < 90 || reads > 110 {
			t.Errorf("%d reads in 10 quiet seconds, want about one in 100 ms", reads)
		}
		c.Unsubscribe(1)
		b.settle(time.Minute)
		if after, _ := b.model.Reads(); after > reads+1 {
			t.Errorf("%d reads after the last one unsubscribed", after-reads)
		}
		b.leave(c)
	})
}

func TestHintsMakeReadsAtMostEveryTenMilliseconds(t *testing.T) {
	inBubble(t, fanout.Config{}, func(b *bench) {
		p := newPipe()
		c := b.connect(acme, p)
		defer b.leave(c)
		b.subscribe(c, p, fanout.Request{SID: 1, Topic: fanout.Shipments})
		b.settle(time.Second)
		before, _ := b.model.Reads()
		for v := range int64(1000) {
			b.model.Put(acme, shipment("S-1", v+1, "in_transit"))
			time.Sleep(time.Millisecond)
		}
		synctest.Wait()
		after, _ := b.model.Reads()
		if got := after - before; got < 80 || got > 101 {
			t.Errorf("%d reads in a second of changes, want about 100", got)
		}
		if got := len(p.book.Frames("d")); got < 8 || got > 11 {
			t.Errorf("%d deltas in a second of changes, want about 10", got)
		}
	})
}

func TestAClientMayAskForFewerDeltas(t *testing.T) {
	inBubble(t, fanout.Config{}, func(b *bench) {
		p := newPipe()
		c := b.connect(acme, p)
		defer b.leave(c)
		b.subscribe(c, p, fanout.Request{SID: 1, Topic: fanout.Shipments, MaxHz: 2})
		b.settle(time.Second)
		for v := range int64(100) {
			b.model.Put(acme, shipment("S-1", v+1, "in_transit"))
			time.Sleep(50 * time.Millisecond)
		}
		b.settle(time.Second)
		if got := len(p.book.Frames("d")); got < 9 || got > 12 {
			t.Errorf("%d deltas in 5 s at 2 Hz, want about 10", got)
		}
		b.same(p.book.View(1), acme, fanout.Shipments, everyRow)
		b.honest(p)
	})
}

// A row that stops matching is removed once, however often it changes afterwards,
// and not at all where it never matched.
func TestARowThatStopsMatchingIsRemovedOnce(t *testing.T) {
	inBubble(t, fanout.Config{}, func(b *bench) {
		b.model.Put(acme, shipment("S-1", 1, "in_transit"), shipment("S-2", 1, "lost"))
		p := newPipe()
		c := b.connect(acme, p)
		defer b.leave(c)
		b.subscribe(c, p, fanout.Request{SID: 1, Topic: fanout.Shipments, Filter: onlyInTransit})
		b.settle(time.Second)
		for v := range int64(5) {
			b.model.Put(acme, shipment("S-1", v+2, "delivered"), shipment("S-2", v+2, "lost"))
			b.settle(200 * time.Millisecond)
		}
		b.model.Delete(acme, fanout.Shipments, "S-1")
		b.settle(time.Second)
		if got := p.book.View(1).Removed; got["S-1"] != 1 || len(got) != 1 {
			t.Errorf("removals %v, want S-1 once and nothing else", got)
		}
		b.honest(p)
	})
}

// A quiet subscription is told of positions too, or it could not resume later.
func TestAQuietSubscriptionKeepsItsPositionUp(t *testing.T) {
	inBubble(t, fanout.Config{}, func(b *bench) {
		b.model.Put(acme, shipment("S-1", 1, "in_transit"))
		p := newPipe()
		c := b.connect(acme, p)
		defer b.leave(c)
		b.subscribe(c, p, fanout.Request{SID: 1, Topic: fanout.Shipments, Filter: onlyInTransit})
		b.settle(time.Second)
		for v := range int64(50) {
			b.model.Put(acme, shipment("S-2", v+1, "lost"))
			b.settle(time.Second)
		}
		if got := p.book.View(1).Pos; got < 30 {
			t.Errorf("position %d after 50 changes that did not match, want one that keeps up", got)
		}
		if got := len(p.book.Frames("d")); got > 4 {
			t.Errorf("%d deltas for a quiet subscription in 50 s, want about one in 20 s", got)
		}
		b.honest(p)
	})
}

// While the database is away nothing is applied and nobody becomes live, the lag
// grows, readiness says so; afterwards all goes on without a gap.
func TestAnAbsentDatabaseIsToldHonestly(t *testing.T) {
	var ready []string
	cfg := fanout.Config{Ready: func(err error) {
		switch {
		case err == nil:
			ready = append(ready, "yes")
		case errors.Is(err, fanouttest.ErrAway) && (len(ready) == 0 || ready[len(ready)-1] != "no"):
			ready = append(ready, "no")
		}
	}}
	inBubble(t, cfg, func(b *bench) {
		b.model.Put(acme, shipment("S-1", 1, "in_transit"))
		p := newPipe()
		c := b.connect(acme, p)
		defer b.leave(c)
		b.subscribe(c, p, fanout.Request{SID: 1, Topic: fanout.Shipments})
		b.settle(time.Second)
		b.model.SetAway(true)
		before, _ := b.model.Reads()
		b.model.Put(acme, shipment("S-1", 2, "in_transit"))
		b.settle(time.Second)
		b.subscribe(c, p, fanout.Request{SID: 2, Topic: fanout.Orders})
		b.settle(29 * time.Second)

		if after, _ := b.model.Reads(); after-before > 25 {
			t.Errorf("%d reads in 30 s of absence, want a backoff", after-before)
		}
		if p.book.View(2).Live {
			t.Error("a subscription became live without a database")
		}
		beats := p.book.Frames("hb")
		if len(beats) < 10 {
			t.Fatalf("%d heartbeats in 30 s of absence, want one in about 2 s", len(beats))
		}
		for i, hb := range beats[1:] {
			if hb.Lag <= beats[i].Lag {
				t.Errorf("lag goes from %d ms to %d ms", beats[i].Lag, hb.Lag)
			}
		}
		if last := beats[len(beats)-1].Lag; last < 27_000 {
			t.Errorf("lag %d ms after 30 s", last)
		}

		b.model.SetAway(false)
		b.settle(6 * time.Second)
		beats = p.book.Frames("hb")
		if last := beats[len(beats)-1].Lag; last != 0 {
			t.Errorf("lag %d ms after the database came back", last)
		}
		for sid, topic := range map[int64]fanout.Topic{1: fanout.Shipments, 2: fanout.Orders} {
			v := p.book.View(sid)
			b.same(v, acme, topic, everyRow)
			if len(v.Resets) != 0 {
				t.Errorf("sid %d was reset: %v", sid, v.Resets)
			}
		}
		b.honest(p)
	})
	if got := strings.Join(ready, " "); got != "yes no yes" {
		t.Errorf("readiness went %q, want yes no yes", got)
	}
}

// brokenFeed alters what a model answers.
type brokenFeed struct {
	*fanouttest.Model
	alter func(*fanout.Delta)
}

func (f brokenFeed) Changes(ctx context.Context, after map[events.TenantID]fanout.Position) ([]fanout.Delta, error) {
	deltas, err := f.Model.Changes(ctx, after)
	for i := range deltas {
		if after[deltas[i].Tenant].Epoch != "" {
			f.alter(&deltas[i])
		}
	}
	return deltas, err
}

// A delta that does not follow is not applied; the subscriptions start over. What
// clients have in the end is right nevertheless.
func TestADeltaThatDoesNotFollowResets(t *testing.T) {
	tests := []struct {
		name  string
		alter func(*fanout.Delta)
		want  string
	}{
		{"a change is missing", func(d *fanout.Delta) { d.Changes = d.Changes[1:] }, "history"},
		{"the last change is missing", func(d *fanout.Delta) { d.Changes = d.Changes[:len(d.Changes)-1] }, "history"},
		{"a change is there twice", func(d *fanout.Delta) { d.Changes[1] = d.Changes[0] }, "history"},
		{"changes are out of order", func(d *fanout.Delta) { d.Changes[0], d.Changes[1] = d.Changes[1], d.Changes[0] }, "history"},
		{"pruned above our position", func(d *fanout.Delta) { d.Low, d.Changes = d.To.Seq, nil }, "history"},
		{"another epoch", func(d *fanout.Delta) { d.To.Epoch, d.Changes = "e2", nil }, "epoch"},
		{"back within an epoch", func(d *fanout.Delta) { d.To.Seq, d.Changes = 0, nil }, "epoch"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				model := fanouttest.NewModel()
				feed := brokenFeed{Model: model, alter: tt.alter}
				ctx, stop := context.WithCancel(t.Context())
				hub := fanout.New(feed, model, fanout.Config{})
				done := make(chan error, 1)
				go func() { done <- hub.Run(ctx) }()
				b := &bench{t: t, model: model, hub: hub}
				model.Put(acme, shipment("S-0", 1, "in_transit"))
				p := newPipe()
				c := b.connect(acme, p)
				b.subscribe(c, p, fanout.Request{SID: 1, Topic: fanout.Shipments})
				b.settle(time.Second)
				model.Put(acme, shipment("S-1", 1, "in_transit"), shipment("S-2", 1, "in_transit"), shipment("S-3", 1, "lost"))
				b.settle(50 * time.Millisecond)
				v := p.book.View(1)
				if len(v.Resets) == 0 || v.Resets[0] != tt.want {
					t.Errorf("resets %v, want %s first", v.Resets, tt.want)
				}
				if got := len(p.book.Frames("d")); got != 0 {
					t.Errorf("%d deltas were sent", got)
				}
				b.leave(c)
				b.honest(p)
				stop()
				<-done
			})
		})
	}
}

// I16: a rebuild gives the feed a new epoch, and every client a new snapshot.
func TestARebuildResetsEverySubscription(t *testing.T) {
	inBubble(t, fanout.Config{}, func(b *bench) {
		b.model.Put(acme, shipment("S-1", 1, "in_transit"))
		b.model.Put("zeta", shipment("Z-1", 1, "in_transit"))
		p, other := newPipe(), newPipe()
		c, d := b.connect(acme, p), b.connect("zeta", other)
		for sid, topic := range []fanout.Topic{fanout.Shipments, fanout.Orders, fanout.Shipments} {
			b.subscribe(c, p, fanout.Request{SID: int64(sid), Topic: topic})
		}
		b.subscribe(d, other, fanout.Request{SID: 1, Topic: fanout.Shipments})
		b.settle(time.Second)
		b.model.Rebuild(acme, "e2", 0)
		b.model.Put(acme, shipment("S-1", 1, "created"))
		b.settle(time.Second)
		for sid := range int64(3) {
			if v := p.book.View(sid); fmt.Sprint(v.Resets) != "[epoch]" || v.Epoch != "e2" || !v.Live {
				t.Errorf("sid %d: resets %v, epoch %s, live %v; want [epoch], e2, true", sid, v.Resets, v.Epoch, v.Live)
			}
		}
		if v := other.book.View(1); len(v.Resets) != 0 {
			t.Errorf("the other tenant was reset as well: %v", v.Resets)
		}
		b.leave(c)
		b.leave(d)
		b.honest(p)
	})
}

// A tenant of which nothing is known has an empty snapshot; its first fact comes
// with an epoch that nobody has seen.
func TestATenantMayBeginEmpty(t *testing.T) {
	inBubble(t, fanout.Config{}, func(b *bench) {
		p := newPipe()
		c := b.connect("new", p)
		defer b.leave(c)
		b.subscribe(c, p, fanout.Request{SID: 1, Topic: fanout.Shipments})
		b.settle(time.Second)
		if v := p.book.View(1); !v.Live || len(v.Rows) != 0 {
			t.Fatalf("live %v with %d rows, want true with none", v.Live, len(v.Rows))
		}
		b.model.Put("new", shipment("S-1", 1, "in_transit"))
		b.settle(time.Second)
		b.same(p.book.View(1), "new", fanout.Shipments, everyRow)
		b.honest(p)
	})
}

// What a group knew before a rebuild is worth nothing after it.
func TestAGroupForgetsWhatItKnewBeforeARebuild(t *testing.T) {
	inBubble(t, fanout.Config{}, func(b *bench) {
		b.model.Put(acme, shipment("S-1", 1, "in_transit"))
		p := newPipe()
		c := b.connect(acme, p)
		defer b.leave(c)
		b.subscribe(c, p, fanout.Request{SID: 1, Topic: fanout.Shipments, Filter: onlyInTransit})
		b.settle(time.Second)
		b.model.SetAway(true)
		b.model.Put(acme, shipment("S-1", 2, "lost"), shipment("S-9", 1, "in_transit"))
		b.model.Rebuild(acme, "e2", 7)
		b.model.SetAway(false)
		b.settle(6 * time.Second)
		b.same(p.book.View(1), acme, fanout.Shipments, inTransit)
		b.model.Put(acme, shipment("S-1", 3, "delivered"), shipment("S-9", 2, "lost"))
		b.settle(time.Second)
		v := p.book.View(1)
		b.same(v, acme, fanout.Shipments, inTransit)
		if v.Removed["S-9"] != 1 || len(v.Removed) != 1 {
			t.Errorf("removals %v, want S-9 once", v.Removed)
		}
		b.honest(p)
	})
}

// What waits for a client when its subscription is reset is of a state that is
// over.
func TestAResetDropsWhatWaits(t *testing.T) {
	inBubble(t, fanout.Config{}, func(b *bench) {
		b.model.Latency = 100 * time.Millisecond
		p := newPipe()
		c := b.connect(acme, p)
		defer b.leave(c)
		b.subscribe(c, p, fanout.Request{SID: 1, Topic: fanout.Shipments})
		b.settle(time.Second)
		p.pause(true)
		for v := range int64(3) {
			b.model.Put(acme, shipment("S-1", v+1, "in_transit"))
			b.settle(500 * time.Millisecond)
		}
		b.model.Rebuild(acme, "e2", 0)
		for b.meter.of("resets/epoch") == 0 {
			b.settle(10 * time.Millisecond)
		}
		p.pause(false) // the client reads before the new snapshot is there
		b.settle(time.Second)
		b.same(p.book.View(1), acme, fanout.Shipments, everyRow)
		if got := strings.Join(kinds(p), " "); got != "welcome snap live d reset snap live" {
			t.Errorf("frames %s, want welcome snap live d reset snap live", got)
		}
		b.honest(p)
	})
}

// failing fails some snapshots.
type failing struct {
	*fanouttest.Model
	left int
}

func (f *failing) Snapshot(ctx context.Context, q fanout.Query, page func([]fanout.Row) error) (fanout.Position, error) {
	if f.left--; f.left >= 0 {
		return fanout.Position{}, fanouttest.ErrAway
	}
	return f.Model.Snapshot(ctx, q, page)
}

func TestASnapshotThatFailsIsTriedAgainAndThenGivenUp(t *testing.T) {
	for failures, want := range map[int]string{0: "", 2: "", 3: "internal"} {
		synctest.Test(t, func(t *testing.T) {
			model := fanouttest.NewModel()
			hub := fanout.New(model, &failing{Model: model, left: failures}, fanout.Config{})
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- hub.Run(ctx) }()
			b := &bench{t: t, model: model, hub: hub}
			model.Put(acme, shipment("S-1", 1, "in_transit"))
			p := newPipe()
			c := b.connect(acme, p)
			b.subscribe(c, p, fanout.Request{SID: 1, Topic: fanout.Shipments})
			b.settle(5 * time.Second)
			v := p.book.View(1)
			if v.Refused != want || v.Live != (want == "") {
				t.Errorf("%d failures: refused with %q, live %v; want %q", failures, v.Refused, v.Live, want)
			}
			if f := p.book.Frames("err"); want != "" && (len(f) != 1 || f[0].Retry < 1000) {
				t.Errorf("%d failures: %+v, want one that says when to ask again", failures, f)
			}
			b.leave(c)
			b.honest(p)
			stop()
			<-done
		})
	}
}
