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

// sink is a socket that takes everything and counts deliveries.
type sink struct {
	armed *atomic.Bool
	left  *sync.WaitGroup
}

func (s sink) Write(_ context.Context, parts [][]byte) error {
	if s.armed.Load() && parts[0][6] == 'd' {
		s.left.Done()
	}
	return nil
}

func (s sink) Ping(context.Context) error { return nil }

func (s sink) Close(fanout.CloseCode) {}

// BenchmarkDelivery is one changed row on its way to 1,000 connections of one
// group, sockets left out; the time is that of one delivery.
func BenchmarkDelivery(b *testing.B) {
	const clients = 1000
	model := fanouttest.NewModel()
	hub := fanout.New(model, model, fanout.Config{UserConnections: clients, MaxHz: 1e6, TickMin: time.Microsecond})
	ctx, stop := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- hub.Run(ctx) }()
	var left sync.WaitGroup
	var armed atomic.Bool
	conns := make([]*fanout.Conn, clients)
	for i := range conns {
		c, err := hub.Connect(sink{&armed, &left}, fanout.Peer{Subject: "ann", Tenant: acme, Scope: []string{"read"}, Expires: time.Now().Add(time.Hour)})
		if err != nil {
			b.Fatal(err)
		}
		if err := c.Subscribe(fanout.Request{SID: 1, Topic: fanout.Shipments}); err != nil {
			b.Fatal(err)
		}
		conns[i] = c
	}
	for hub.Stats().Groups == 0 || model.Position(acme).Seq < 1 {
		model.Put(acme, shipment("S-0", 1, "in_transit"))
		time.Sleep(300 * time.Millisecond)
	}
	armed.Store(true)
	b.ReportAllocs()
	b.ResetTimer()
	for v := 0; v < b.N; v += clients {
		left.Add(clients)
		model.Put(acme, shipment(fmt.Sprint("S-", v%50), int64(v+2), "in_transit"))
		left.Wait()
	}
	b.StopTimer()
	for _, c := range conns {
		c.Close(fanout.CloseNormal)
		c.Wait()
	}
	stop()
	<-done
}
