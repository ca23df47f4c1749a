package gateway_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/waybill-io/waybill/internal/auth"
	"github.com/waybill-io/waybill/internal/fanout"
	"github.com/waybill-io/waybill/internal/fanout/fanouttest"
	"github.com/waybill-io/waybill/internal/gateway"
)

// A client that does not read fills little more than the kernel's small buffers,
// and is closed; nobody else notices.
func TestAStreamThatIsNotReadIsClosedBeforeMuchIsSent(t *testing.T) {
	cfg := fanout.Config{StallDrop: 500 * time.Millisecond, StallClose: time.Second, PendingBytes: 256 << 10}
	s := start(t, cfg, gateway.Config{KeepAlive: 100 * time.Millisecond})
	conn := smallBuffers(t, s)
	if _, err := io.WriteString(conn, strings.Join(s.request(s.token(auth.Principal{}), []m{{"sid": 1, "topic": "shipments"}}), "\r\n")+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a group", func() bool { return s.hub.Stats().Groups == 1 })
	healthy := s.connect(auth.Principal{})
	healthy.book.Ask(1, nil)
	healthy.send(m{"t": "sub", "sid": 1, "topic": "shipments", "filter": m{"f": "id", "op": "in", "v": []string{"S-1", "S-2", "S-3"}}})
	healthy.frame("live", 1)
	written, most := 0, 0
	eventually(t, "the close of the client that does not read", func() bool {
		for i := range 10 {
			r := shipment(fmt.Sprint("S-", (written/2000+i)%2000), int64(written+1), "in_transit")
			r.LastLocation = strings.Repeat("x", 2000)
			s.model.Put(acme, r)
		}
		written += 20_000
		time.Sleep(5 * time.Millisecond)
		stats := s.hub.Stats()
		most = max(most, stats.PendingBytes)
		return stats.Connections == 1
	})
	if got := s.metric("waybill_ws_closes_total", "4003"); got != 1 {
		t.Errorf("%v connections closed with 4003, want 1", got)
	}
	eventually(t, "the end of a write that nobody reads", func() bool { return s.metric("waybill_ws_streams") == 0 })
	swallowed, _ := io.Copy(io.Discard, conn)
	if swallowed > 600<<10 || swallowed > int64(written/2) {
		t.Errorf("the client swallowed %d of %d bytes before that was noticed", swallowed, written)
	}
	if most > 2*(256<<10) {
		t.Errorf("%d bytes waited, want at most what two connections may have", most)
	}
	if v := healthy.book.View(1); len(v.Resets) != 0 || !v.Live {
		t.Errorf("the client that reads was reset: %v", v.Resets)
	}
	for _, v := range healthy.book.Violations() {
		t.Error(v)
	}
	t.Logf("%d KiB written, %d KiB swallowed, at most %d KiB waited", written>>10, swallowed>>10, most>>10)
}

// A client that reads again after a while is told that it missed too much, has no
// id to go on from, and gets a snapshot.
func TestAStreamThatIsReadAgainStartsOver(t *testing.T) {
	cfg := fanout.Config{PendingBytes: 64 << 10, StallDrop: 100 * time.Millisecond, StallClose: time.Minute, SlowPause: 10 * time.Millisecond}
	s := start(t, cfg, gatewayConfig())
	book := fanouttest.NewBook()
	book.Ask(1, nil)
	var asleep atomic.Bool
	wake := make(chan struct{})
	e := s.listen(book, func() bool {
		if asleep.Load() {
			<-wake
		}
		return false
	}, s.request(s.token(auth.Principal{}), []m{{"sid": 1, "topic": "shipments"}}))
	e.frame("live", 1)
	if tcp, ok := e.conn.(*net.TCPConn); !ok || tcp.SetReadBuffer(16<<10) != nil {
		t.Fatal("the client's buffer cannot be made small")
	}
	asleep.Store(true)
	v := int64(0)
	eventually(t, "that something is dropped", func() bool {
		v++
		r := shipment(fmt.Sprint("S-", v%50), v, "in_transit")
		r.LastLocation = strings.Repeat("x", 4000)
		s.model.Put(acme, r)
		time.Sleep(time.Millisecond)
		return s.metric("waybill_ws_slow_total", "drop") > 0
	})
	asleep.Store(false)
	close(wake)
	eventually(t, "the newest position", func() bool {
		v := book.View(1)
		return v.Live && v.Pos == s.model.Position(acme).Seq
	})
	if v := book.View(1); len(v.Resets) == 0 || v.Resets[0] != "slow" || v.Loads < 2 {
		t.Errorf("resets %v, %d snapshots; want slow and another snapshot", v.Resets, v.Loads)
	}
	e.honest()
}

func TestADrainEndsStreamsWithTheirCode(t *testing.T) {
	s := start(t, hubConfig(), gateway.Config{DrainWindow: 300 * time.Millisecond})
	var ears []*ear
	for range 5 {
		e := s.hear(m{"sid": 1, "topic": "orders"})
		e.frame("live", 1)
		ears = append(ears, e)
	}
	began := time.Now()
	s.stop()
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("the drain took %v with a window of 300 ms", took)
	}
	for _, e := range ears {
		bye := e.over()
		if bye == nil || bye.Code != 4001 || !bye.Reconnect || bye.Reason == "" {
			t.Errorf("the last event is %+v, want close with 4001", bye)
		}
		if f := e.frame("goaway", 1); f.Code != "deploy" || f.ReconnectIn < 0 || f.ReconnectIn > 600 {
			t.Errorf("goaway %+v, want deploy and at most 600 ms", f)
		}
		e.honest()
	}
	resp, _, _ := s.knock(s.request(s.token(auth.Principal{}), []m{{"sid": 1, "topic": "orders"}}))
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("a request after the drain: status %d, Retry-After %q; want 503 and some", resp.StatusCode, resp.Header.Get("Retry-After"))
	}
}

// On a stream nobody can give a new token: whoever is asked comes back with one.
func TestAStreamEndsWhenItsTokenHasExpired(t *testing.T) {
	s := start(t, fanout.Config{AuthGrace: 300 * time.Millisecond, Sweep: 10 * time.Millisecond}, gatewayConfig())
	token, expires, err := s.signer.Mint(auth.Principal{Subject: "ann", Tenant: string(acme), Scope: []string{"read"}}, time.Second)
	if err != nil {
		t.Fatalf("Mint: %v", err)
	}
	book := fanouttest.NewBook()
	book.Ask(1, nil)
	e := s.listen(book, nil, s.request(token, []m{{"sid": 1, "topic": "shipments"}}))
	if f := e.frame("authreq", 1); f.Within > 300 || time.Now().Before(expires) {
		t.Errorf("authreq %+v at %v, want at most 300 ms after %v", f, time.Now(), expires)
	}
	if bye := e.over(); bye == nil || bye.Code != 4005 || !bye.Reconnect {
		t.Errorf("the last event is %+v, want close with 4005", bye)
	}
	e.honest()
	book = fanouttest.NewBook()
	book.Ask(1, e.book.View(1))
	again := s.listen(book, nil, s.request(s.token(auth.Principal{}), []m{{"sid": 1, "topic": "shipments"}}, "Last-Event-ID: "+e.lastID()))
	again.frame("live", 1)
	if v := book.View(1); v.Resumes != 1 {
		t.Errorf("with a new token: %d resumes, want 1", v.Resumes)
	}
}

// A rebuild of the read model moves everybody to the new epoch, ids included.
func TestAStreamStartsOverWhenTheEpochMoves(t *testing.T) {
	s := start(t, hubConfig(), gatewayConfig())
	s.model.Put(acme, shipment("S-1", 1, "in_transit"))
	e := s.hear(m{"sid": 1, "topic": "shipments"})
	e.frame("live", 1)
	s.model.Rebuild(acme, "e2", 7)
	e.frame("live", 2)
	if got := e.lastID(); !strings.HasPrefix(got, "1:e2:") || !strings.HasSuffix(got, ":7") {
		t.Errorf("id %q, want one of epoch e2 at 7", got)
	}
	e.honest()
}
