package fanout_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/waybill-io/waybill/internal/fanout"
	"github.com/waybill-io/waybill/internal/fanout/fanouttest"
)

// live brings a client to the state that has a position to resume from, and
// disconnects it.
func (b *bench) live(r fanout.Request) *fanouttest.View {
	b.t.Helper()
	p := newPipe()
	c := b.connect(acme, p)
	b.subscribe(c, p, r)
	b.settle(time.Second)
	b.leave(c)
	b.honest(p)
	v := p.book.View(r.SID)
	if !v.Live {
		b.t.Fatal("the subscription did not become live")
	}
	return v
}

// again connects anew and resumes from what v knows.
func (b *bench) again(v *fanouttest.View, r fanout.Request) (*pipe, *fanout.Conn) {
	b.t.Helper()
	p := newPipe()
	c := b.connect(acme, p)
	p.book.Ask(r.SID, v)
	if r.Since == nil {
		r.Since = v.Since()
	}
	b.subscribe(c, p, r)
	b.settle(time.Second)
	return p, c
}

// resumed is again for a position that the server can serve: without a snapshot,
// one delta says p, q, how many rows, which removals and of how many changes.
func (b *bench) resumed(v *fanouttest.View, r fanout.Request, want string) (*pipe, *fanout.Conn) {
	b.t.Helper()
	_, before := b.model.Reads()
	p, c := b.again(v, r)
	if got := strings.Join(kinds(p), " "); got != "welcome live d" {
		b.t.Errorf("frames %s, want welcome live d", got)
	}
	d := p.book.Frames("d")[0]
	if got := fmt.Sprintf("%d %s %d %v %d", d.P, d.Q, len(d.U), d.R, d.N); got != want {
		b.t.Errorf("p, q, rows, removals, n = %s, want %s", got, want)
	}
	if _, after := b.model.Reads(); after != before {
		b.t.Errorf("%d snapshots for a resume", after-before)
	}
	return p, c
}

func TestAClientResumesWithWhatItMissed(t *testing.T) {
	inBubble(t, fanout.Config{}, func(b *bench) {
		r := fanout.Request{SID: 1, Topic: fanout.Shipments, Filter: onlyInTransit}
		b.model.Put(acme, shipment("S-1", 1, "in_transit"), shipment("S-2", 1, "in_transit"), shipment("S-3", 1, "lost"))
		v := b.live(r)
		b.model.Put(acme, shipment("S-1", 2, "delivered"), shipment("S-4", 1, "in_transit"), shipment("S-4", 2, "in_transit"))
		b.model.Put(acme, shipment("S-3", 2, "lost"))
		p, c := b.resumed(v, r, "3 7 1 [S-1 S-3] 4")
		b.same(p.book.View(1), acme, fanout.Shipments, inTransit)

		// Every member of this group resumed, so nobody knows the whole set; still
		// an id that does not match is removed once.
		b.model.Put(acme, shipment("S-3", 3, "lost"), shipment("S-1", 3, "lost"), shipment("S-5", 1, "lost"))
		b.settle(time.Second)
		b.model.Put(acme, shipment("S-5", 2, "lost"))
		b.settle(time.Second)
		if got := p.book.View(1).Removed; got["S-1"] != 1 || got["S-3"] != 1 || got["S-5"] != 1 {
			t.Errorf("removals %v, want each once", got)
		}
		b.leave(c)
		b.honest(p)
	})
}

// What the ring does not hold, because the server has been started since or has
// forgotten the tenant, the feed does: nobody takes a snapshot, and who is live
// already is told nothing twice.
func TestAClientResumesFromTheFeed(t *testing.T) {
	inBubble(t, fanout.Config{}, func(b *bench) {
		r := fanout.Request{SID: 1, Topic: fanout.Shipments, Filter: onlyInTransit}
		b.model.Put(acme, shipment("S-1", 1, "in_transit"), shipment("S-2", 1, "in_transit"))
		v := b.live(r)
		b.model.Put(acme, shipment("S-1", 2, "delivered"), shipment("S-3", 1, "in_transit"))
		b.settle(10 * time.Minute) // the tenant is forgotten

		other := newPipe()
		c := b.connect(acme, other)
		b.subscribe(c, other, r)
		b.model.Put(acme, shipment("S-3", 2, "in_transit"))
		b.settle(time.Second)
		told := len(other.book.Frames("d"))
		p, resumed := b.resumed(v, r, "2 5 1 [S-1] 3")
		if got := len(other.book.Frames("d")); got != told {
			t.Errorf("who was live is told %d deltas more", got-told)
		}
		b.model.Put(acme, shipment("S-2", 2, "lost"))
		b.settle(time.Second)
		for _, pipe := range []*pipe{p, other} {
			b.same(pipe.book.View(1), acme, fanout.Shipments, inTransit)
		}
		b.leave(c)
		b.leave(resumed)
		b.honest(p)
		b.honest(other)
	})
}

// A storm of clients that come back to a server that has just started reads the
// feed, and not one snapshot (I13); one that is too far behind holds nobody up.
func TestAStormAfterARestartTakesNoSnapshot(t *testing.T) {
	inBubble(t, fanout.Config{Resume: 30}, func(b *bench) {
		r := fanout.Request{SID: 1, Topic: fanout.Shipments, Filter: onlyInTransit}
		b.model.Put(acme, shipment("S-1", 1, "in_transit"))
		late := b.live(r)
		var views []*fanouttest.View
		for n := range int64(40) {
			b.model.Put(acme, shipment(fmt.Sprintf("S-%d", n+2), 1, "in_transit"))
			if n > 20 {
				views = append(views, b.live(r))
			}
		}
		b.settle(10 * time.Minute)
		_, before := b.model.Reads()
		var conns []*fanout.Conn
		var pipes []*pipe
		for _, v := range append(views, late) {
			p := newPipe()
			c := b.connect(acme, p)
			p.book.Ask(1, v)
			again := r
			again.Since = v.Since()
			b.subscribe(c, p, again)
			conns, pipes = append(conns, c), append(pipes, p)
		}
		b.settle(time.Second)
		for i, p := range pipes {
			if resets := p.book.View(1).Resets; len(resets) > 0 != (i == len(views)) {
				t.Errorf("client %d of %d: resets %v", i, len(views), resets)
			}
			b.same(p.book.View(1), acme, fanout.Shipments, inTransit)
			b.leave(conns[i])
			b.honest(p)
		}
		if _, after := b.model.Reads(); after != before+1 {
			t.Errorf("%d snapshots, want one for the one that is too far behind", after-before)
		}
	})
}

// I6: a position that does not fit is answered by a reset that says why, and a
// snapshot.
func TestAPositionThatDoesNotFitIsReset(t *testing.T) {
	tests := []struct {
		name  string
		since func(s fanout.Since) fanout.Since
		first func(b *bench)
		want  fanout.ResetCode
	}{
		{"another epoch", func(s fanout.Since) fanout.Since { s.Epoch = "e0"; return s }, nil, fanout.ResetEpoch},
		{"no epoch", func(s fanout.Since) fanout.Since { s.Epoch = ""; return s }, nil, fanout.ResetEpoch},
		{"the future", func(s fanout.Since) fanout.Since { s.Seq += 1000; return s }, nil, fanout.ResetEpoch},
		{"before what the feed has", func(s fanout.Since) fanout.Since { s.Seq = 0; return s },
			func(b *bench) { b.model.Prune(acme, 0) }, fanout.ResetHistory},
		{"below zero", func(s fanout.Since) fanout.Since { s.Seq = -5; return s }, nil, fanout.ResetHistory},
		{"another filter", func(s fanout.Since) fanout.Since { s.Shape = "00000000" + s.Shape[8:]; return s }, nil, fanout.ResetFilter},
		{"other rights", func(s fanout.Since) fanout.Since { s.Shape = s.Shape[:8] + "00000000"; return s }, nil, fanout.ResetAuthz},
		{"no shape", func(s fanout.Since) fanout.Since { s.Shape = ""; return s }, nil, fanout.ResetAuthz},
		{"a shape of garbage", func(s fanout.Since) fanout.Since { s.Shape = strings.Repeat("ü", 500); return s }, nil, fanout.ResetAuthz},
		{"too far behind", nil, func(b *bench) {
			for v := range int64(31) {
				b.model.Put(acme, shipment("S-1", v+2, "in_transit"))
			}
		}, fanout.ResetHistory},
		{"rebuilt meanwhile", nil, func(b *bench) { b.model.Rebuild(acme, "e2", 50) }, fanout.ResetEpoch},
		{"pruned meanwhile", nil, func(b *bench) {
			b.model.Put(acme, shipment("S-2", 1, "in_transit"), shipment("S-3", 1, "in_transit"))
			b.model.Prune(acme, 1)
		}, fanout.ResetHistory},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, fanout.Config{Resume: 30}, func(b *bench) {
				b.model.Put(acme, shipment("S-1", 1, "in_transit"))
				r := fanout.Request{SID: 1, Topic: fanout.Shipments, Filter: onlyInTransit}
				v := b.live(r)
				since := *v.Since()
				if tt.first != nil {
					tt.first(b)
				}
				if tt.since != nil {
					since = tt.since(since)
				}
				r.Since = &since
				p, c := b.again(v, r)
				defer b.leave(c)
				if got := strings.Join(kinds(p), " "); got != "welcome reset snap live" {
					t.Errorf("frames %s, want welcome reset snap live", got)
				}
				if got := p.book.View(1).Resets; fmt.Sprint(got) != fmt.Sprint([]fanout.ResetCode{tt.want}) {
					t.Errorf("resets %v, want %s", got, tt.want)
				}
				b.same(p.book.View(1), acme, fanout.Shipments, inTransit)
				b.honest(p)
			})
		})
	}
}

func TestAPositionOfOneTenantIsNothingToAnother(t *testing.T) {
	inBubble(t, fanout.Config{}, func(b *bench) {
		b.model.Put(acme, shipment("acme-1", 1, "in_transit"))
		b.model.Put("zeta", shipment("zeta-1", 1, "in_transit"))
		v := b.live(fanout.Request{SID: 1, Topic: fanout.Shipments})
		p := newPipe()
		p.book.Prefix = "zeta-"
		c := b.connect("zeta", p)
		defer b.leave(c)
		b.subscribe(c, p, fanout.Request{SID: 1, Topic: fanout.Shipments, Since: v.Since()})
		b.settle(time.Second)
		if got := p.book.View(1).Resets; fmt.Sprint(got) != "[authz]" {
			t.Errorf("resets %v, want [authz]", got)
		}
		b.honest(p)
	})
}

// I13: when everybody comes back at once, nobody needs a snapshot.
func TestAStormOfReconnectsInsideTheRingReadsNoSnapshot(t *testing.T) {
	inBubble(t, fanout.Config{UserConnections: 1000}, func(b *bench) {
		b.model.Put(acme, shipment("S-1", 1, "in_transit"))
		v := b.live(fanout.Request{SID: 1, Topic: fanout.Shipments})
		b.model.Put(acme, shipment("S-1", 2, "in_transit"))
		reads, snapshots := b.model.Reads()
		var pipes []*pipe
		var conns []*fanout.Conn
		for range 300 {
			p := newPipe()
			p.book.Ask(1, v)
			c := b.connect(acme, p)
			b.subscribe(c, p, fanout.Request{SID: 1, Topic: fanout.Shipments, Since: v.Since()})
			pipes, conns = append(pipes, p), append(conns, c)
		}
		b.settle(time.Second)
		after, whole := b.model.Reads()
		if whole != snapshots || after-reads > 20 {
			t.Errorf("%d snapshots and %d reads for 300 clients in a second, want 0 and about 10", whole-snapshots, after-reads)
		}
		for i, p := range pipes {
			b.same(p.book.View(1), acme, fanout.Shipments, everyRow)
			b.honest(p)
			b.leave(conns[i])
		}
	})
}

// Those who ask while a snapshot of their group is being read share it.
func TestSnapshotsOfOneGroupAreShared(t *testing.T) {
	inBubble(t, fanout.Config{UserConnections: 1000}, func(b *bench) {
		b.model.Latency = 50 * time.Millisecond
		b.model.Put(acme, shipment("S-1", 1, "in_transit"))
		var conns []*fanout.Conn
		for range 100 {
			p := newPipe()
			c := b.connect(acme, p)
			b.subscribe(c, p, fanout.Request{SID: 1, Topic: fanout.Shipments})
			conns = append(conns, c)
		}
		b.settle(time.Second)
		if _, got := b.model.Reads(); got > 2 {
			t.Errorf("%d snapshots for 100 equal subscriptions at once, want one, or two for the latest", got)
		}
		for _, c := range conns {
			b.leave(c)
		}
	})
}

// A client that comes from another gateway may know more than this one has read:
// that is no position of the future.
func TestAPositionAheadOfTheLastReadIsNotOfTheFuture(t *testing.T) {
	inBubble(t, fanout.Config{}, func(b *bench) {
		b.model.Latency = 60 * time.Millisecond
		b.model.Put(acme, shipment("S-1", 1, "in_transit"))
		r := fanout.Request{SID: 1, Topic: fanout.Shipments}
		v := b.live(r)
		p := newPipe()
		c := b.connect(acme, p)
		b.subscribe(c, p, fanout.Request{SID: 9, Topic: fanout.Shipments})
		b.settle(time.Second)
		for i := range 20 { // some of these fall into a read that has begun
			b.model.Put(acme, shipment("S-1", int64(i+2), "in_transit"))
			v.Pos++
			v.Rows["S-1"] = encode(t, shipment("S-1", int64(i+2), "in_transit"))
			q := newPipe()
			q.book.Ask(1, v)
			d := b.connect(acme, q)
			b.subscribe(d, q, fanout.Request{SID: 1, Topic: fanout.Shipments, Since: v.Since()})
			b.settle(time.Duration(200+7*i) * time.Millisecond)
			if got := q.book.View(1); len(got.Resets) != 0 || !got.Live {
				t.Errorf("attempt %d: resets %v, live %v; want none, true", i, got.Resets, got.Live)
			}
			b.leave(d)
			b.honest(q)
		}
		b.leave(c)
	})
}

// A snapshot that took so long that the changes since are not kept any more is
// read again.
func TestASnapshotOlderThanTheRingIsReadAgain(t *testing.T) {
	inBubble(t, fanout.Config{Ring: 3, PageRows: 1}, func(b *bench) {
		b.model.Latency = 30 * time.Millisecond
		for i := range 5 {
			b.model.Put(acme, shipment(fmt.Sprint("S-", i), 1, "in_transit"))
		}
		p := newPipe()
		c := b.connect(acme, p)
		defer b.leave(c)
		b.subscribe(c, p, fanout.Request{SID: 1, Topic: fanout.Orders})
		b.settle(time.Second)
		b.subscribe(c, p, fanout.Request{SID: 2, Topic: fanout.Shipments})
		for v := range int64(10) {
			b.settle(20 * time.Millisecond)
			b.model.Put(acme, shipment("S-1", v+2, "in_transit"))
		}
		b.settle(time.Second)
		if _, got := b.model.Reads(); got < 3 {
			t.Errorf("%d snapshots: none was overtaken, the test does not reach what it is for", got)
		}
		b.same(p.book.View(2), acme, fanout.Shipments, everyRow)
		b.honest(p)
	})
}

// Who joins a group is not told what the others still wait for and it has
// already.
func TestAJoinerIsNotToldWhatItsSnapshotHas(t *testing.T) {
	inBubble(t, fanout.Config{}, func(b *bench) {
		b.model.Put(acme, shipment("S-1", 1, "in_transit"), shipment("S-2", 1, "in_transit"))
		p, q := newPipe(), newPipe()
		c, d := b.connect(acme, p), b.connect(acme, q)
		r := fanout.Request{SID: 1, Topic: fanout.Shipments, Filter: onlyInTransit, MaxHz: 0.5}
		b.subscribe(c, p, r)
		b.settle(time.Second)
		b.model.Put(acme, shipment("S-2", 2, "in_transit"))
		b.settle(200 * time.Millisecond) // sent at once; the next one 2 s later
		b.model.Put(acme, shipment("S-1", 2, "lost"), shipment("S-2", 3, "in_transit"))
		b.settle(200 * time.Millisecond)
		b.subscribe(d, q, r)
		b.settle(200 * time.Millisecond)
		if !q.book.View(1).Live || len(p.book.Frames("d")) != 1 {
			t.Fatal("the second joined too late for what is tested")
		}
		b.model.Put(acme, shipment("S-3", 1, "in_transit"))
		b.settle(3 * time.Second)
		if v := q.book.View(1); len(v.Removed) != 0 {
			t.Errorf("removals %v of rows that were not in its snapshot", v.Removed)
		}
		if f := q.book.Frames("d"); len(f) != 1 || len(f[0].U) != 1 {
			t.Errorf("deltas %+v, want one with S-3 alone", f)
		}
		for _, x := range []*pipe{p, q} {
			b.same(x.book.View(1), acme, fanout.Shipments, inTransit)
			b.honest(x)
		}
		b.leave(c)
		b.leave(d)
	})
}
