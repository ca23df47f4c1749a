package gateway_test

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/waybill-io/waybill/internal/auth"
	"github.com/waybill-io/waybill/internal/fanout"
	"github.com/waybill-io/waybill/internal/fanout/fanouttest"
	"github.com/waybill-io/waybill/internal/gateway"
)

// allocated is how much was allocated in this process while do ran.
func allocated(do func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// bomb is ten megabytes of nothing, deflated as a message would be.
func bomb(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if _, err := w.Write(make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Row 97: what is too large is refused before it is in memory.
func TestATooLargeMessageIsNotTakenIntoMemory(t *testing.T) {
	s := start(t, hubConfig(), gatewayConfig())
	claim := binary.BigEndian.AppendUint64([]byte{0x81, 0x80 | 127}, 1<<62)
	part := make([]byte, 1<<16)
	many := masked(0x01, part[:1<<10])
	for range 1 << 10 {
		many = append(many, masked(0x00, part[:1<<10])...)
	}
	tests := []struct {
		name  string
		bytes []byte
		want  int
	}{
		{"97 a megabyte", masked(0x81, bytes.Repeat(part, 16)), 1009},
		{"97 a megabyte in a thousand frames", many, 1009},
		{"97 a claim of 2^62 bytes", join(claim, []byte{1, 2, 3, 4}, part), 1009},
		{"97 a claim of 2^63 bytes", join([]byte{0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4}, part), 1002},
		{"97 a deflate bomb", masked(0xc1, bomb(t)), 1002},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := s.wire("Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover")
			code := 0
			got := allocated(func() {
				w.write(tt.bytes)
				code = w.closed()
			})
			// The rest of what was written may reset the connection before its code is read.
			if code != tt.want && code != 0 {
				t.Errorf("closed with %d, want %d", code, tt.want)
			}
			eventually(t, "the end of the connection", func() bool { return s.hub.Stats().Connections == 0 })
			if closed := s.metric("waybill_ws_closes_total", fmt.Sprint(tt.want)); closed == 0 {
				t.Errorf("no connection was closed with %d", tt.want)
			}
			if got > 1<<20 {
				t.Errorf("%d KiB were allocated, want less than 1,024", got>>10)
			}
			t.Logf("%d KiB sent, %d KiB allocated", len(tt.bytes)>>10, got>>10)
		})
	}
}

// Rows 101 and 104: who sends more than it may for long is sent away.
func TestAFloodIsEnded(t *testing.T) {
	s := start(t, hubConfig(), gatewayConfig())
	s.model.Put(acme, shipment("S-1", 1, "in_transit"))
	tests := []struct {
		name  string
		frame []byte
		want  int
	}{
		{"101 pings", masked(0x89, nil), 4006},
		{"101 pongs", masked(0x8a, []byte("x")), 4006},
		{"101 commands", masked(0x81, []byte(`{"t":"pong"}`)), 4006},
		{"101 commands in one message", masked(0x81, []byte(strings.TrimSuffix(strings.Repeat("{\"t\":\"pong\"}\n", 200), "\n"))), 4006},
		{"101 empty text", masked(0x81, nil), 4500}, // each is an error, of which ten are enough
		{"104 subscriptions", masked(0x81, []byte(`{"t":"sub","sid":1,"topic":"shipments","filter":{"f":"id","op":"eq","v":"S-1"}}`+
			"\n"+`{"t":"sub","sid":1,"topic":"shipments","filter":{"f":"id","op":"eq","v":"S-2"}}`)), 4006},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := s.wire()
			done := make(chan struct{})
			go func() {
				defer close(done)
				for range 10_000 {
					if _, err := w.conn.Write(tt.frame); err != nil {
						return
					}
				}
			}()
			if got := w.closed(); got != tt.want {
				t.Errorf("closed with %d, want %d", got, tt.want)
			}
			w.conn.Close()
			<-done
		})
	}
	eventually(t, "the end of what they asked for", func() bool {
		stats := s.hub.Stats()
		return stats.Connections == 0 && stats.Groups == 0 && stats.Subscriptions[fanout.Shipments] == 0
	})
	if got := s.metric("waybill_ws_subscribes_total", "accepted"); got < 20 || got > 60 {
		t.Errorf("%v of 20,000 subscriptions were accepted, want what the budget allows: some 20", got)
	}
	if _, snapshots := s.model.Reads(); snapshots > 60 {
		t.Errorf("%d snapshots were read for a flood", snapshots)
	}
}

// Row 104.
func TestSubscriptionsAreLimitedAndAskingTwiceIsOnce(t *testing.T) {
	s := start(t, hubConfig(), gateway.Config{Commands: 100})
	s.model.Put(acme, shipment("S-1", 1, "in_transit"))
	c := s.connect(auth.Principal{})
	t.Run("104 the 17th", func(t *testing.T) {
		for i := range 17 {
			c.book.Ask(int64(i), nil)
			c.send(m{"t": "sub", "sid": i, "topic": "shipments"})
		}
		c.frame("live", 16)
		if f := c.frame("err", 1); f.Code != "limit" || f.SID == nil || *f.SID != 16 {
			t.Errorf("err %+v, want limit of sid 16", f)
		}
	})
	t.Run("104 the same twice", func(t *testing.T) {
		_, before := s.model.Reads()
		for range 5 {
			c.send(m{"t": "sub", "sid": 3, "topic": "shipments"})
		}
		s.model.Put(acme, shipment("S-1", 2, "in_transit"))
		c.frame("d", 16)
		if got := len(c.book.Frames("live")); got != 16 {
			t.Errorf("%d live frames, want the 16 of before", got)
		}
		if _, after := s.model.Reads(); after != before {
			t.Errorf("%d snapshots were read for what was there", after-before)
		}
	})
	for _, v := range c.book.Violations() {
		t.Error(v)
	}
}

// Row 109.
func TestConnectionsOfAUserAreLimitedOnBothTransports(t *testing.T) {
	s := start(t, hubConfig(), gatewayConfig())
	for range 10 {
		s.connect(auth.Principal{}).frame("welcome", 1)
		s.hear(m{"sid": 1, "topic": "orders"}).frame("welcome", 1)
	}
	t.Run("109 the 21st, a socket", func(t *testing.T) {
		if got := s.connect(auth.Principal{}).closed(); got != 4503 {
			t.Errorf("closed with %d, want 4503", got)
		}
	})
	t.Run("109 the 21st, a stream", func(t *testing.T) {
		resp, _, _ := s.knock(s.request(s.token(auth.Principal{}), []m{{"sid": 1, "topic": "orders"}}))
		if resp.StatusCode != 429 || resp.Header.Get("Retry-After") == "" {
			t.Errorf("status %d, Retry-After %q; want 429 and some", resp.StatusCode, resp.Header.Get("Retry-After"))
		}
	})
	t.Run("109 the first of another", func(t *testing.T) {
		s.connect(auth.Principal{Subject: "bob"}).frame("welcome", 1)
	})
}

// Row 110, with pace_test.go: those above the pace are told when to come back.
func TestAFloodOfHandshakesIsToldToComeBack(t *testing.T) {
	for _, tt := range []struct {
		name  string
		lines func(s *stack) []string
		in    int
	}{
		{"110 sockets", func(s *stack) []string { return s.shake("/v1/live") }, 101},
		{"110 streams", func(s *stack) []string {
			return s.request(s.token(auth.Principal{}), []m{{"sid": 1, "topic": "orders"}})
		}, 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := start(t, fanout.Config{UserConnections: 1000}, gateway.Config{Handshakes: 2})
			refused := 0
			for range 60 {
				resp, conn, _ := s.knock(tt.lines(s))
				if resp.StatusCode == 503 && resp.Header.Get("Retry-After") != "" {
					refused++
				} else if resp.StatusCode != tt.in {
					t.Errorf("status %d, want %d or 503 with Retry-After", resp.StatusCode, tt.in)
				}
				conn.Close()
			}
			if refused < 20 || refused > 50 {
				t.Errorf("%d of 60 were refused, want all above 10 and two a second", refused)
			}
		})
	}
}

// Row 110: a crowd takes few snapshots when it is new, and none when it comes
// back.
func TestACrowdTakesFewSnapshots(t *testing.T) {
	s := start(t, fanout.Config{UserConnections: 1000}, gatewayConfig())
	s.model.Latency = 100 * time.Millisecond
	for i := range 20 {
		s.model.Put(acme, shipment(fmt.Sprint("S-", i), 1, "in_transit"))
	}
	const many = 60
	come := func(from *fanouttest.View, sub m) []*client {
		all := make([]*client, many)
		var work sync.WaitGroup
		for i := range all {
			all[i] = s.dial()
			all[i].book.Ask(1, from)
		}
		for i := range all {
			work.Go(func() { all[i].hello(s.token(auth.Principal{}), sub) })
		}
		work.Wait()
		for _, c := range all {
			c.frame("live", 1)
		}
		return all
	}
	var new []*client
	t.Run("110 all new", func(t *testing.T) {
		new = come(nil, m{"sid": 1, "topic": "shipments"})
		if _, snapshots := s.model.Reads(); snapshots > many/3 {
			t.Errorf("%d snapshots for %d clients at once, want them to share", snapshots, many)
		}
	})
	t.Run("110 all come back", func(t *testing.T) {
		v := new[0].book.View(1)
		for _, c := range new {
			c.leave()
		}
		s.model.Put(acme, shipment("S-1", 2, "in_transit"))
		_, before := s.model.Reads()
		at := v.Since()
		for _, c := range come(v, m{"sid": 1, "topic": "shipments", "since": m{"epoch": at.Epoch, "seq": at.Seq, "shape": at.Shape}}) {
			c.frame("d", 1)
			for _, v := range c.book.Violations() {
				t.Error(v)
			}
		}
		if _, after := s.model.Reads(); after != before {
			t.Errorf("%d snapshots for clients that come back, want none", after-before)
		}
	})
}

// drip writes a byte at a time until it fails or stop is closed.
func drip(w io.Writer, text []byte, pause time.Duration, stop <-chan struct{}) {
	for i := range text {
		if _, err := w.Write(text[i : i+1]); err != nil {
			return
		}
		select {
		case <-stop:
			return
		case <-time.After(pause):
		}
	}
}
