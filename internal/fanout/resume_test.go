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

func TestAClientResumesWithWhatItMissed(t *testing.T) {
	inBubble(t, fanout.Config{}, func(b *bench) {
		r := fanout.Request{SID: 1, Topic: fanout.Shipments, Filter: onlyInTransit}
		b.model.Put(acme, shipment("S-1", 1, "in_transit"), shipment("S-2", 1, "in_transit"), shipment("S-3", 1, "lost"))
		v := b.live(r)
		b.model.Put(acme, shipment("S-1", 2, "delivered"), shipment("S-4", 1, "in_transit"), shipment("S-4", 2, "in_transit"))
		b.model.Put(acme, shipment("S-3", 2, "lost"))
		_, before := b.model.Reads()
		p, c := b.again(v, r)
		if got := strings.Join(kinds(p), " "); got != "welcome live d" {
			t.Errorf("frames %s, want welcome live d", got)
		}
		d := p.book.Frames("d")[0]
		if got := fmt.Sprintf("%d %s %d %v %d", d.P, d.Q, len(d.U), d.R, d.N); got != "3 7 1 [S-1 S-3] 4" {
			t.Errorf("p, q, rows, removals, n = %s, want 3 7 1 [S-1 S-3] 4", got)
		}
		if _, after := b.model.Reads(); after != before {
			t.Errorf("%d snapshots for a resume inside the ring", after-before)
		}
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
		{"before the ring", func(s fanout.Since) fanout.Since { s.Seq = 0; return s }, nil, fanout.ResetHistory},
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

func TestSnapshotsOfOneGroupAreReadOnce(t *testing.T) {
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
		if _, got := b.model.Reads(); got != 1 {
			t.Errorf("%d snapshots for 100 equal subscriptions, want 1", got)
		}
		for _, c := range conns {
			b.leave(c)
		}
	})
}
