package fanout_test

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/waybill-io/waybill/internal/fanout"
	"github.com/waybill-io/waybill/internal/fanout/fanouttest"
)

// delays lets clients watch, of whom some never read, and returns how long after
// its commit each delta reached the others, sorted.
func delays(t *testing.T, clients, deaf int) (all []time.Duration) {
	var mu sync.Mutex // of all: several writers are at work
	inBubble(t, fanout.Config{UserConnections: clients}, func(b *bench) {
		conns := make([]*fanout.Conn, clients)
		for i := range conns {
			p := newPipe()
			if i >= deaf {
				p.book.Heard = func(f fanouttest.Frame) { // the clock of a bubble moves only while everybody waits
					if f.T == "d" {
						mu.Lock()
						defer mu.Unlock()
						all = append(all, time.Since(time.UnixMilli(f.TS)))
					}
				}
			}
			conns[i] = b.connect(acme, p)
			b.subscribe(conns[i], p, fanout.Request{SID: 1, Topic: fanout.Shipments, MaxHz: float64(1 + i%10)})
			b.settle(10 * time.Millisecond)
			p.pause(i < deaf)
		}
		b.settle(2 * time.Second)
		for v := range int64(300) {
			b.model.Put(acme, shipment(fmt.Sprint("S-", v%20), v+1, "in_transit"))
			b.settle(37 * time.Millisecond)
		}
		b.settle(2 * time.Second)
		for _, c := range conns {
			b.leave(c)
		}
	})
	slices.Sort(all)
	return all
}

// I10: whether a tenth of the clients never reads makes no difference to the
// others.
func TestClientsThatNeverReadDelayNobody(t *testing.T) {
	const clients, deaf = 100, 10
	alone, beside := delays(t, clients-deaf, 0), delays(t, clients, deaf)
	p99 := func(d []time.Duration) time.Duration { return d[len(d)*99/100] }
	if len(alone) < 1000 || len(beside) < len(alone)*9/10 {
		t.Fatalf("%d deltas without the deaf, %d beside them", len(alone), len(beside))
	}
	if a, b := p99(alone), p99(beside); b > a*12/10+time.Millisecond {
		t.Errorf("99 %% of the deltas come within %v beside clients that never read, within %v without them", b, a)
	}
}

// I11: nothing is sent after a token has expired and the time to renew it is over.
func TestNoFrameComesAfterATokenIsOver(t *testing.T) {
	inBubble(t, fanout.Config{}, func(b *bench) {
		expires := time.Now().Add(time.Minute)
		p := newPipe()
		var last atomic.Int64
		p.book.Heard = func(fanouttest.Frame) { last.Store(time.Now().UnixNano()) }
		c, err := b.hub.Connect(p, fanout.Peer{Subject: "ann", Tenant: acme, Scope: []string{"read"}, Expires: expires})
		if err != nil {
			t.Fatal(err)
		}
		defer b.leave(c)
		b.subscribe(c, p, fanout.Request{SID: 1, Topic: fanout.Shipments})
		for v := range int64(1200) {
			b.model.Put(acme, shipment("S-1", v+1, "in_transit"))
			b.settle(100 * time.Millisecond)
		}
		if p.closed() != fanout.CloseTokenExpired {
			t.Errorf("closed with %d, want %d", p.closed(), fanout.CloseTokenExpired)
		}
		if over := time.Unix(0, last.Load()).Sub(expires); over < 20*time.Second || over > 26*time.Second {
			t.Errorf("the last frame came %v after the token had expired, want up to 25 s", over)
		}
		b.honest(p)
	})
}
