package fanout_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/waybill-io/waybill/internal/fanout"
)

// A client that does not read for a while gets the newest of each row in one
// delta whose p is where it stood.
func TestWhatWaitsForASlowClientIsTheNewestOfEachRow(t *testing.T) {
	inBubble(t, fanout.Config{}, func(b *bench) {
		b.model.Put(acme, shipment("S-1", 1, "in_transit"), shipment("S-2", 1, "in_transit"))
		p := newPipe()
		c := b.connect(acme, p)
		defer b.leave(c)
		b.subscribe(c, p, fanout.Request{SID: 1, Topic: fanout.Shipments})
		b.settle(time.Second)
		p.pause(true)
		for v := range int64(20) {
			b.model.Put(acme, shipment("S-1", v+2, "in_transit"))
			b.settle(200 * time.Millisecond)
		}
		b.model.Delete(acme, fanout.Shipments, "S-2")
		b.settle(200 * time.Millisecond)
		p.pause(false)
		b.settle(time.Second)

		d := p.book.Frames("d")
		if len(d) != 2 {
			t.Fatalf("%d deltas, want 2: the one in hand when the client stopped, and one for the rest", len(d))
		}
		if got := fmt.Sprintf("%d %s %d %v %d", d[1].P, d[1].Q, len(d[1].U), d[1].R, d[1].N); got != "3 23 1 [S-2] 20" {
			t.Errorf("p, q, rows, removals, n = %s, want 3 23 1 [S-2] 20", got)
		}
		if got := b.meter.of("conflated/"); got != 18 {
			t.Errorf("%d rows were replaced before they were sent, want 18", got)
		}
		b.same(p.book.View(1), acme, fanout.Shipments, everyRow)
		b.honest(p)
	})
}

// I9: whatever happens, what waits for a client that never reads stays below the
// limit; then it is closed.
func TestAClientThatNeverReadsTakesBoundedMemoryAndIsClosed(t *testing.T) {
	cfg := fanout.Config{PendingEntities: 1000, PendingBytes: 64 << 10}
	inBubble(t, cfg, func(b *bench) {
		p := newPipe()
		c := b.connect(acme, p)
		b.subscribe(c, p, fanout.Request{SID: 1, Topic: fanout.Shipments})
		b.settle(time.Second)
		p.pause(true)
		most, seen := 0, 0
		for i := range 14_000 / 50 {
			rows := make([]fanout.Row, 20)
			for j := range rows {
				r := shipment(fmt.Sprintf("S-%d", i*20+j), 1, "in_transit")
				r.LastLocation = strings.Repeat("x", 500)
				rows[j] = r
			}
			b.model.Put(acme, rows...)
			b.settle(50 * time.Millisecond)
			waiting := b.hub.Stats().PendingBytes
			most, seen = max(most, waiting), seen+min(waiting, 1)
		}
		if most > cfg.PendingBytes || seen == 0 {
			t.Errorf("at most %d bytes waited (%d times any), want at most %d and some", most, seen, cfg.PendingBytes)
		}
		if got := b.meter.of("slow/drop"); got == 0 {
			t.Error("nothing was dropped")
		}
		if got := p.closed(); got != 0 {
			t.Errorf("closed with %d after 14 s, want to be open still", got)
		}
		b.settle(2 * time.Second)
		if got := p.closed(); got != fanout.CloseSlow {
			t.Errorf("closed with %d after 16 s, want %d", got, fanout.CloseSlow)
		}
		b.leave(c)
		if s := b.hub.Stats(); s.Connections != 0 || s.Subscriptions[fanout.Shipments] != 0 || s.Groups != 0 || s.PendingBytes != 0 {
			t.Errorf("left behind: %+v", s)
		}
	})
}

// A client that was too slow is told so when it reads again, and gets a snapshot;
// the next one not before a pause is over.
func TestASlowClientIsResetAndNotMoreOftenThanEveryPause(t *testing.T) {
	cfg := fanout.Config{PendingEntities: 5}
	inBubble(t, cfg, func(b *bench) {
		p := newPipe()
		c := b.connect(acme, p)
		defer b.leave(c)
		b.subscribe(c, p, fanout.Request{SID: 1, Topic: fanout.Shipments})
		b.subscribe(c, p, fanout.Request{SID: 2, Topic: fanout.Orders})
		b.settle(time.Second)
		for round := range int64(2) {
			p.pause(true)
			for i := range 30 {
				b.model.Put(acme, shipment(fmt.Sprint("S-", i), round+1, "in_transit"))
				b.settle(100 * time.Millisecond)
			}
			p.pause(false)
			b.settle(time.Second)
		}
		resets := p.book.Frames("reset")
		if len(resets) != 2 || resets[0].Retry != 0 || resets[1].Retry < 20_000 || resets[1].Retry > 30_000 {
			t.Fatalf("resets %+v, want two: at once, and in 20 to 30 s", resets)
		}
		if v := p.book.View(1); v.Live || v.Loads != 2 {
			t.Errorf("live %v after %d snapshots, want false after 2", v.Live, v.Loads)
		}
		b.settle(30 * time.Second)
		v := p.book.View(1)
		b.same(v, acme, fanout.Shipments, everyRow)
		if fmt.Sprint(v.Resets) != "[slow slow]" || v.Loads != 3 {
			t.Errorf("resets %v, %d snapshots, want [slow slow] and 3", v.Resets, v.Loads)
		}
		if o := p.book.View(2); len(o.Resets) != 0 || !o.Live {
			t.Errorf("the other subscription was reset as well: %v", o.Resets)
		}
		b.honest(p)
	})
}

// What waits behind a write that is stuck for 10 s is dropped, however little.
func TestAStuckWriteDropsWhatWaits(t *testing.T) {
	inBubble(t, fanout.Config{}, func(b *bench) {
		p := newPipe()
		c := b.connect(acme, p)
		defer b.leave(c)
		b.subscribe(c, p, fanout.Request{SID: 1, Topic: fanout.Shipments})
		b.settle(time.Second)
		p.pause(true)
		b.model.Put(acme, shipment("S-1", 1, "in_transit"))
		b.settle(time.Second)
		b.model.Put(acme, shipment("S-2", 1, "in_transit"))
		b.settle(8 * time.Second)
		if got := b.meter.of("slow/drop"); got != 0 {
			t.Errorf("dropped after 9 s")
		}
		b.settle(2 * time.Second)
		p.pause(false)
		b.settle(time.Second)
		v := p.book.View(1)
		if fmt.Sprint(v.Resets) != "[slow]" {
			t.Errorf("resets %v, want [slow]", v.Resets)
		}
		b.same(v, acme, fanout.Shipments, everyRow)
		b.honest(p)
	})
}

func TestAClientThatIsNotHeardOfIsClosed(t *testing.T) {
	inBubble(t, fanout.Config{}, func(b *bench) {
		dead, quiet, talks := newPipe(), newPipe(), newPipe()
		dead.mute, talks.mute = true, true
		c1, c2, c3 := b.connect(acme, dead), b.connect(acme, quiet), b.connect(acme, talks)
		for range 13 {
			b.settle(3 * time.Second)
			c3.Heard()
		}
		if got := dead.closed(); got != 0 {
			t.Errorf("closed with %d after 39 s", got)
		}
		b.settle(2 * time.Second)
		c3.Heard()
		if got := dead.closed(); got != fanout.CloseNoPong {
			t.Errorf("closed with %d after 41 s, want %d", got, fanout.CloseNoPong)
		}
		for range 10 {
			b.settle(3 * time.Second)
			c3.Heard()
		}
		if quiet.closed() != 0 || talks.closed() != 0 {
			t.Errorf("closed with %d a client that answers pings, with %d one that sends", quiet.closed(), talks.closed())
		}
		for _, c := range []*fanout.Conn{c1, c2, c3} {
			b.leave(c)
		}
	})
}

func TestAClientRenewsItsTokenOrIsClosed(t *testing.T) {
	inBubble(t, fanout.Config{}, func(b *bench) {
		p, q := newPipe(), newPipe()
		peer := fanout.Peer{Subject: "ann", Tenant: acme, Scope: []string{"read"}, Expires: time.Now().Add(time.Minute)}
		c, err := b.hub.Connect(p, peer)
		if err != nil {
			t.Fatal(err)
		}
		d, err := b.hub.Connect(q, peer)
		if err != nil {
			t.Fatal(err)
		}
		b.settle(61 * time.Second)
		if f := p.book.Frames("authreq"); len(f) != 1 || f[0].Within < 24_000 || f[0].Within > 25_000 {
			t.Fatalf("authreq %+v, want one that gives 25 s", f)
		}
		other := peer
		other.Tenant, other.Expires = "zeta", time.Now().Add(time.Hour)
		if c.Renew(other) {
			t.Error("the token of another tenant was taken")
		}
		peer.Expires = time.Now().Add(time.Hour)
		if !c.Renew(peer) {
			t.Error("the new token was not taken")
		}
		b.settle(25 * time.Second)
		if got := p.closed(); got != 0 {
			t.Errorf("closed with %d after a new token", got)
		}
		if got := q.closed(); got != fanout.CloseTokenExpired {
			t.Errorf("closed with %d without one, want %d", got, fanout.CloseTokenExpired)
		}
		b.leave(c)
		b.leave(d)
		b.honest(p)
	})
}

// R11: clients that do not read leave the others alone.
func TestAStuckClientDelaysNobody(t *testing.T) {
	inBubble(t, fanout.Config{UserConnections: 100}, func(b *bench) {
		var conns []*fanout.Conn
		healthy := newPipe()
		for i := range 50 {
			p := newPipe()
			if i == 0 {
				p = healthy
			}
			c := b.connect(acme, p)
			conns = append(conns, c)
			b.subscribe(c, p, fanout.Request{SID: 1, Topic: fanout.Shipments})
			b.settle(10 * time.Millisecond)
			p.pause(i != 0)
		}
		for v := range int64(50) {
			b.model.Put(acme, shipment("S-1", v+1, "in_transit"))
			b.settle(100 * time.Millisecond)
			if got := len(healthy.book.Frames("d")); got != int(v)+1 {
				t.Fatalf("after change %d the healthy client has %d deltas", v+1, got)
			}
		}
		for _, c := range conns {
			b.leave(c)
		}
		b.honest(healthy)
	})
}

// A heartbeat speaks of what was sent before it, not of what still waits.
func TestAHeartbeatTellsWhatWasSent(t *testing.T) {
	inBubble(t, fanout.Config{Heartbeat: time.Second}, func(b *bench) {
		p := newPipe()
		p.delay = 1500 * time.Millisecond
		c := b.connect(acme, p)
		defer b.leave(c)
		for sid := range int64(6) {
			b.subscribe(c, p, fanout.Request{SID: sid, Topic: fanout.Shipments})
		}
		b.settle(5 * time.Second)
		for i := range int64(5) {
			r := shipment("S-1", i+1, "in_transit")
			r.LastLocation = strings.Repeat("x", 20_000) // two make a message
			b.model.Put(acme, r)
			b.settle(2 * time.Second)
		}
		beats := 0
		for _, f := range p.book.Frames("hb") {
			if len(f.Q) > 2 {
				beats++
			}
		}
		if beats == 0 {
			t.Error("no heartbeat in between: the test does not reach what it is for")
		}
		b.honest(p)
	})
}
