package topic_test

import (
	"context"
	"fmt"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/projector"
	"github.com/waybill-io/waybill/internal/topic"
)

// large returns n events of about 600 bytes, as they are on the wire.
func large(n int) []events.Event {
	list := orders(n, 5000)
	for i := range list {
		id := list[i].Subject
		lines := make([]events.OrderLine, 2)
		for j := range lines {
			lines[j] = events.OrderLine{LineID: events.LineID(fmt.Sprintf("l-%d", j)), SKU: fmt.Sprintf("sku-%d", i*j), Qty: int64(j + 1), UnitPrice: "12.50"}
		}
		list[i].Data = &events.OrderPlaced{
			OrderFact: events.OrderFact{Fact: events.Fact{OccurredAt: list[i].Time}, OrderID: events.OrderID(id)},
			Number:    id, Channel: "web", Currency: "EUR", Lines: lines,
		}
	}
	return list
}

func wireSize(b *testing.B, list []events.Event) int64 {
	n := 0
	for _, m := range messages(b, list...) {
		n += len(m.Key) + len(m.Value)
		for _, h := range m.Headers {
			n += len(h.Key) + len(h.Value)
		}
	}
	return int64(n / len(list))
}

// publishAll writes the events in calls of size each, from 8 goroutines.
func publishAll(b *testing.B, p *topic.Publisher, list []events.Event, size int) {
	var g errgroup.Group
	g.SetLimit(8)
	for len(list) > 0 {
		part := list[:min(size, len(list))]
		list = list[len(part):]
		g.Go(func() error { return p.Publish(context.Background(), part) })
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkPublish(b *testing.B) {
	for _, size := range []int{1, 100, 5000} {
		b.Run(fmt.Sprintf("calls-of-%d", size), func(b *testing.B) {
			r := newRig(b, 12)
			p := r.publisher()
			list := large(max(b.N, size))
			publishAll(b, p, list[:size], size)
			b.SetBytes(wireSize(b, list[:1]))
			b.ResetTimer()
			publishAll(b, p, list[:b.N], size)
		})
	}
}

// BenchmarkFetch reads what was written in batches of about so many records.
func BenchmarkFetch(b *testing.B) {
	for _, size := range []int{5, 500} {
		b.Run(fmt.Sprintf("batches-of-%d", size), func(b *testing.B) {
			r := newRig(b, 12)
			const many = 60_000
			list := large(many)
			publishAll(b, r.publisher(func(c *topic.PublisherConfig) { c.BatchSize = size }), list, 6000)
			ctx, s := r.session()
			b.SetBytes(wireSize(b, list[:1]))
			b.ReportAllocs()
			b.ResetTimer()
			for left := b.N; left > 0; {
				left -= drain(b, s.Open(ctx, fromStart(s)), min(left, many))
			}
		})
	}
}

func drain(b *testing.B, f projector.Feed, n int) int {
	got := 0
	for got < n {
		part, err := f.Next(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		got += len(part.Records)
	}
	return got
}
