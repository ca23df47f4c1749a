package fanout_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/waybill-io/waybill/internal/fanout"
	"github.com/waybill-io/waybill/internal/fanout/fanouttest"
)

// sink is a socket that takes everything at once and counts deliveries.
type sink struct{ audience *audience }

func (s sink) Write(_ context.Context, parts [][]byte) error {
	s.audience.take(parts)
	return nil
}

func (s sink) Try(parts [][]byte) (bool, error) {
	s.audience.take(parts)
	return true, nil
}

func (s sink) Finish() error { return nil }

func (s sink) Ping(context.Context) error { return nil }

func (s sink) Close(fanout.CloseCode) {}

// audience is many connections of one group, with sinks for sockets.
type audience struct {
	model *fanouttest.Model
	size  int
	armed atomic.Bool
	left  sync.WaitGroup
	v     int64
}

func gather(t testing.TB, size int) *audience {
	t.Helper()
	a := &audience{model: fanouttest.NewModel(), size: size, v: 1}
	hub := fanout.New(a.model, a.model, fanout.Config{UserConnections: size, MaxHz: 1e6, TickMin: time.Microsecond})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- hub.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		<-done
	})
	for range size {
		c, err := hub.Connect(sink{a}, fanout.Peer{Subject: "ann", Tenant: acme, Scope: []string{"read"}, Expires: time.Now().Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Subscribe(fanout.Request{SID: 1, Topic: fanout.Shipments}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			c.Close(fanout.CloseNormal)
			c.Wait()
		})
	}
	for hub.Stats().Groups == 0 || a.model.Position(acme).Seq < 1 {
		a.model.Put(acme, shipment("S-0", 1, "in_transit"))
		time.Sleep(300 * time.Millisecond)
	}
	a.armed.Store(true)
	return a
}

func (a *audience) take(parts [][]byte) {
	if a.armed.Load() && parts[0][6] == 'd' {
		a.left.Done()
	}
}

// tell changes a row and waits until everybody was told.
func (a *audience) tell() {
	a.left.Add(a.size)
	a.v++
	a.model.Put(acme, shipment(fmt.Sprint("S-", a.v%50), a.v, "in_transit"))
	a.left.Wait()
}

// BenchmarkDelivery is one changed row on its way to 1,000 connections of one
// group, sockets left out; the time is that of one delivery.
func BenchmarkDelivery(b *testing.B) {
	a := gather(b, 1000)
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n += a.size {
		a.tell()
	}
	b.StopTimer()
}

// A change takes memory, each of those who are told of it none.
func TestADeliveryTakesNoMemory(t *testing.T) {
	a := gather(t, 1000)
	if got := testing.AllocsPerRun(50, a.tell); got > float64(a.size)/5 {
		t.Errorf("telling %d clients of a change allocates %v times, want that of one change", a.size, got)
	} else {
		t.Logf("%v allocations for a change and %d clients", got, a.size)
	}
}
