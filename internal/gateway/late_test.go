package gateway_test

import (
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/waybill-io/waybill/internal/auth"
	"github.com/waybill-io/waybill/internal/fanout"
	"github.com/waybill-io/waybill/internal/fanout/fanouttest"
	"github.com/waybill-io/waybill/internal/gateway"
)

// Row 100: a message that has begun is over in time, however it is held up.
func TestAMessageIsNotWaitedForForever(t *testing.T) {
	s := start(t, hubConfig(), gateway.Config{MessageTimeout: 300 * time.Millisecond})
	long := masked(0x81, []byte(`{"t":"pong"}`+strings.Repeat(" ", 200)))
	tests := []struct {
		name string
		send func(w *wire, stop <-chan struct{})
	}{
		{"100 half a frame, then silence", func(w *wire, _ <-chan struct{}) { w.write(long[:100]) }},
		{"100 a byte at a time", func(w *wire, stop <-chan struct{}) {
			w.write(long[:8])
			drip(w.conn, long[8:], 50*time.Millisecond, stop)
		}},
		{"100 half a message, then silence", func(w *wire, _ <-chan struct{}) { w.write(masked(0x01, []byte("{"))) }},
		{"100 half a message, then pings", func(w *wire, stop <-chan struct{}) {
			w.write(masked(0x01, []byte("{")))
			for range 10 {
				drip(w.conn, masked(0x89, nil), 10*time.Millisecond, stop)
			}
		}},
		{"100 a message of empty frames without end", func(w *wire, stop <-chan struct{}) {
			w.write(masked(0x01, nil))
			for range 100 {
				drip(w.conn, masked(0x00, nil), 10*time.Millisecond, stop)
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w, stop, done := s.wire(), make(chan struct{}), make(chan struct{})
			began := time.Now()
			go func() {
				defer close(done)
				tt.send(w, stop)
			}()
			w.closed()
			if took := time.Since(began); took < 250*time.Millisecond || took > 3*time.Second {
				t.Errorf("closed after %v, want about 300 ms", took)
			}
			close(stop)
			<-done
		})
	}
	eventually(t, "the end of all connections", func() bool { return s.hub.Stats().Connections == 0 })
}

// Row 106: what a client does not take in time is replaced by newer rows, then
// dropped, and then the client is closed; it takes little memory until then.
func TestAClientThatTakesTooLittleIsClosed(t *testing.T) {
	cfg := fanout.Config{StallDrop: 500 * time.Millisecond, StallClose: time.Second, PendingBytes: 256 << 10, PendingEntities: 200}
	sub := m{"sid": 1, "topic": "shipments"}
	socket := func(s *stack) string { return strings.Join(s.shake("/v1/live"), "\r\n") + "\r\n\r\n" }
	greet := func(s *stack) string {
		return socket(s) + string(masked(0x81, []byte(`{"t":"hello","v":1,"token":"`+s.token(auth.Principal{})+`","subs":[{"sid":1,"topic":"shipments"}]}`)))
	}
	stream := func(s *stack) string {
		return strings.Join(s.request(s.token(auth.Principal{}), []m{sub}), "\r\n") + "\r\n\r\n"
	}
	tests := []struct {
		name  string
		says  func(s *stack) string
		pause time.Duration // between two bytes that are read; 0 for none ever
	}{
		{"106 never reads, until its window is 0, a socket", greet, 0},
		{"106 never reads, until its window is 0, a stream", stream, 0},
		{"106 reads a byte at a time, a socket", greet, 20 * time.Millisecond},
		{"106 reads a byte at a time, a stream", stream, 20 * time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := start(t, cfg, gatewayConfig())
			conn := smallBuffers(t, s)
			if _, err := io.WriteString(conn, tt.says(s)); err != nil {
				t.Fatal(err)
			}
			eventually(t, "a group", func() bool { return s.hub.Stats().Groups == 1 })
			if tt.pause > 0 {
				stop := make(chan struct{})
				defer close(stop)
				go sip(conn, tt.pause, stop)
			}
			most, v := 0, int64(0)
			eventually(t, "the close", func() bool {
				for i := range 20 {
					v++
					r := shipment(fmt.Sprint("S-", i), v, "in_transit")
					r.LastLocation = strings.Repeat("x", 4000)
					s.model.Put(acme, r)
				}
				time.Sleep(5 * time.Millisecond)
				stats := s.hub.Stats()
				most = max(most, stats.PendingBytes)
				return stats.Connections == 0
			})
			eventually(t, "the count of the close", func() bool { return s.metric("waybill_ws_closes_total", "4003") == 1 })
			if s.metric("waybill_ws_conflated_total") == 0 {
				t.Error("no row was replaced by a newer one while it waited")
			}
			if most == 0 || most > cfg.PendingBytes {
				t.Errorf("at most %d bytes waited, want some and at most %d", most, cfg.PendingBytes)
			}
		})
	}
}

// sip reads a byte at a time.
func sip(r io.Reader, pause time.Duration, stop <-chan struct{}) {
	var b [1]byte
	for {
		if _, err := r.Read(b[:]); err != nil {
			return
		}
		select {
		case <-stop:
			return
		case <-time.After(pause):
		}
	}
}

// Row 107.
func TestAClientThatDoesNotAnswerPingsIsClosed(t *testing.T) {
	const beat = 600 * time.Millisecond
	s := start(t, fanout.Config{Heartbeat: beat, Sweep: 10 * time.Millisecond}, gatewayConfig())
	t.Run("107 silence", func(t *testing.T) {
		w := s.wire()
		began := time.Now()
		if got := w.closed(); got != 4002 {
			t.Errorf("closed with %d, want 4002", got)
		}
		if took := time.Since(began); took < beat || took > 2*beat+time.Second {
			t.Errorf("closed after %v, want after %v to %v", took, beat, 2*beat)
		}
	})
	t.Run("107 the head of a frame, then silence", func(t *testing.T) {
		w := s.wire()
		w.write([]byte{0x81})
		if got := w.closed(); got != 4002 {
			t.Errorf("closed with %d, want 4002", got)
		}
	})
	t.Run("107 pong frames instead", func(t *testing.T) {
		w := s.wire()
		gone := make(chan int, 1)
		go func() { gone <- w.closed() }()
		until := time.After(3 * beat)
		for {
			select {
			case got := <-gone:
				t.Fatalf("closed with %d although it answers", got)
			case <-until:
				w.conn.Close()
				<-gone
				return
			case <-time.After(beat / 4):
				w.write(masked(0x81, []byte(`{"t":"pong"}`)))
			}
		}
	})
}

// Row 108; on a stream: TestAStreamEndsWhenItsTokenHasExpired.
func TestRightsEndWhileAClientIsConnected(t *testing.T) {
	var revoked atomic.Bool
	cfg := fanout.Config{
		AuthGrace: time.Second, Sweep: 10 * time.Millisecond,
		Revoked: func(p fanout.Peer) bool { return p.Subject == "eve" && revoked.Load() },
	}
	s := start(t, cfg, gatewayConfig())
	s.model.Put(acme, shipment("S-1", 1, "in_transit"))
	short := func() string {
		token, _, err := s.signer.Mint(auth.Principal{Subject: "ann", Tenant: string(acme), Scope: []string{"read"}}, time.Second)
		if err != nil {
			t.Fatalf("Mint: %v", err)
		}
		return token
	}
	sub := m{"sid": 1, "topic": "shipments"}
	t.Run("108 the token expires", func(t *testing.T) {
		c := s.dial()
		c.hello(short(), sub)
		if f := c.frame("authreq", 1); f.Within < 0 || f.Within > 1000 {
			t.Errorf("authreq %+v, want at most a second", f)
		}
		if got := c.closed(); got != 4005 {
			t.Errorf("closed with %d, want 4005", got)
		}
		s.model.Put(acme, shipment("S-1", 2, "in_transit"))
	})
	t.Run("108 the token expires and a new one comes", func(t *testing.T) {
		c := s.dial()
		c.hello(short(), sub)
		c.frame("authreq", 1)
		c.send(m{"t": "auth", "token": s.token(auth.Principal{})})
		before := len(c.book.Frames("d"))
		s.model.Put(acme, shipment("S-1", 3, "in_transit"))
		c.frame("d", before+1)
		select {
		case <-c.done:
			t.Errorf("closed: %v", c.err)
		case <-time.After(1500 * time.Millisecond):
		}
	})
	t.Run("108 the new token has another role", func(t *testing.T) {
		c := s.connect(auth.Principal{})
		c.frame("welcome", 1)
		c.send(m{"t": "auth", "token": s.token(auth.Principal{Scope: []string{"read:orders"}})})
		if got := c.closed(); got != 4007 {
			t.Errorf("closed with %d, want 4007", got)
		}
	})
	t.Run("108 the user is disabled", func(t *testing.T) {
		c := s.connect(auth.Principal{Subject: "eve"})
		c.frame("welcome", 1)
		book := fanouttest.NewBook()
		book.Ask(1, nil)
		e := s.listen(book, nil, s.request(s.token(auth.Principal{Subject: "eve"}), []m{sub}))
		e.frame("live", 1)
		began := time.Now()
		revoked.Store(true)
		s.hub.Expel()
		s.model.Put(acme, shipment("S-1", 9, "in_transit"))
		if got := c.closed(); got != 4505 {
			t.Errorf("the socket was closed with %d, want 4505", got)
		}
		if bye := e.over(); bye == nil || bye.Code != 4505 || bye.Reconnect {
			t.Errorf("the stream ended with %+v, want close with 4505 and no return", bye)
		}
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("closed after %v, want at once", took)
		}
	})
}
