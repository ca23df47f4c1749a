package gateway_test

import (
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/waybill-io/waybill/internal/auth"
	"github.com/waybill-io/waybill/internal/gateway"
)

// R12: everybody is told when to come back and closed with a code for that, at
// different times; what was committed meanwhile is there for whoever resumes.
func TestADrainTellsEverybodyAndIsOverInTime(t *testing.T) {
	s := start(t, hubConfig(), gateway.Config{DrainWindow: 400 * time.Millisecond})
	s.model.Put(acme, shipment("S-1", 1, "in_transit"))
	var clients []*client
	for i := range 20 {
		c := s.connect(auth.Principal{Subject: fmt.Sprint("user", i)})
		c.book.Ask(1, nil)
		c.send(m{"t": "sub", "sid": 1, "topic": "shipments"})
		c.frame("live", 1)
		clients = append(clients, c)
	}
	silent := s.dial() // never says hello
	began := time.Now()
	s.stop()
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("the drain took %v with a window of 400 ms", took)
	}
	hints := make(map[int64]bool)
	for _, c := range clients {
		if got := c.closed(); got != 4001 {
			t.Errorf("closed with %d, want 4001", got)
		}
		f := c.frame("goaway", 1)
		if f.Code != "deploy" || f.ReconnectIn < 0 || f.ReconnectIn > 800 {
			t.Errorf("goaway %+v, want deploy and at most 800 ms", f)
		}
		hints[f.ReconnectIn] = true
		for _, v := range c.book.Violations() {
			t.Error(v)
		}
	}
	if len(hints) < 10 {
		t.Errorf("%d different times to come back for 20 clients", len(hints))
	}
	if got := silent.closed(); got != 4001 {
		t.Errorf("one without a hello: closed with %d, want 4001", got)
	}
	resp, _, _ := s.knock(s.shake("/v1/live"))
	if resp.StatusCode != 503 {
		t.Errorf("a handshake after the drain: status %d, want 503", resp.StatusCode)
	}
	if got := s.metric("waybill_ws_closes_total", "4001"); got != 21 {
		t.Errorf("%v connections closed with 4001, want 21", got)
	}
}

// A client that does not answer the close frame does not hold up the shutdown.
func TestADrainDoesNotWaitForTheDeaf(t *testing.T) {
	s := start(t, hubConfig(), gateway.Config{DrainWindow: 100 * time.Millisecond})
	for range 5 {
		s.wire() // reads nothing more
	}
	began := time.Now()
	s.stop()
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("the drain took %v", took)
	}
}

// openFiles is how many this process has open; 0 where that is not told.
func openFiles(t *testing.T) int {
	t.Helper()
	if runtime.GOOS != "linux" {
		return 0
	}
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// I14: whatever 1,000 clients do, nothing of them stays.
func TestGoroutinesReturnToWhatTheyWere(t *testing.T) {
	s := start(t, hubConfig(), gatewayConfig())
	s.model.Put(acme, shipment("S-1", 1, "in_transit"))
	token := s.token(auth.Principal{})
	cycle := func(i int) {
		resp, conn, _ := s.knock(s.shake("/v1/live"))
		if resp.StatusCode != 101 {
			t.Fatalf("status %d", resp.StatusCode)
		}
		hello := `{"t":"hello","v":1,"token":"` + token + `","subs":[{"sid":1,"topic":"shipments"}]}`
		frame := masked(0x81, []byte(hello))
		switch i % 4 {
		case 0:
			conn.Write(frame)
		case 1:
			conn.Write(frame[:len(frame)/2])
		case 2:
			conn.Write(frame)
			conn.Write(masked(0x82, []byte("x")))
		}
		conn.Close()
	}
	cycle(0)
	eventually(t, "the first one's end", func() bool { return s.hub.Stats().Connections == 0 })
	before := runtime.NumGoroutine()
	files := openFiles(t)
	for i := range 1000 {
		cycle(i)
		s.model.Put(acme, shipment("S-1", int64(i+2), "in_transit"))
	}
	eventually(t, "no more goroutines and files than before", func() bool {
		return s.hub.Stats().Connections == 0 && runtime.NumGoroutine() <= before+2 && openFiles(t) <= files+2
	})
	if got := s.hub.Stats(); got.Groups != 0 || got.PendingBytes != 0 {
		t.Errorf("left behind: %+v", got)
	}
}

func TestGaugesAndCountersTellWhatHappens(t *testing.T) {
	s := start(t, hubConfig(), gatewayConfig())
	s.model.Put(acme, shipment("S-1", 1, "in_transit"))
	c := s.connect(auth.Principal{})
	c.book.Ask(1, nil)
	c.send(m{"t": "sub", "sid": 1, "topic": "shipments"})
	c.frame("live", 1)
	s.model.Put(acme, shipment("S-1", 2, "in_transit"))
	c.frame("d", 1)
	for _, tt := range []struct {
		name   string
		labels []string
		want   float64
	}{
		{"waybill_ws_connections", nil, 1},
		{"waybill_ws_subscriptions", []string{"shipments"}, 1},
		{"waybill_ws_groups", nil, 1},
		{"waybill_ws_snapshots_total", nil, 1},
		{"waybill_ws_snapshot_rows_total", nil, 1},
		{"waybill_ws_frames_sent_total", []string{"d"}, 1},
		{"waybill_ws_subscribes_total", []string{"accepted"}, 1},
	} {
		eventually(t, fmt.Sprint(tt.name, tt.labels, " = ", tt.want), func() bool { return s.metric(tt.name, tt.labels...) == tt.want })
	}
}
