package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/scenario"
	"github.com/waybill-io/waybill/internal/topic"
)

// loaded is what was published.
type loaded struct {
	events  int
	poison  int   // records that are no events, beside them
	bytes   int64 // of keys, values and headers, before compression
	seconds float64
}

// publishChunk is how many events one call publishes.
const publishChunk = 5000

// load publishes the first n of the simulated events, in the order in which they
// arrive, with poison spread over them.
func load(ctx context.Context, cfg *config, n int, brokers []string, names topic.Names) (l loaded, err error) {
	gen, err := scenario.New(cfg.story())
	if err != nil {
		return l, fmt.Errorf("tell histories: %w", err)
	}
	pub, err := topic.NewPublisher(topic.PublisherConfig{Brokers: brokers, Topics: names, Linger: 20 * time.Millisecond, BatchSize: 1000})
	if err != nil {
		return l, err
	}
	defer func() { err = errors.Join(err, pub.Close()) }()
	foul := newFouler(brokers, names, n, cfg.poison)
	defer func() { err = errors.Join(err, foul.close()) }()
	begin := time.Now()
	chunk := make([]events.Event, 0, publishChunk)
	flush := func() error {
		if err := pub.Publish(ctx, chunk); err != nil {
			return fmt.Errorf("publish: %w", err)
		}
		l.events += len(chunk)
		chunk = chunk[:0]
		return foul.upTo(ctx, l.events)
	}
	for e := range gen.Events() {
		m, err := events.Encode(e)
		if err != nil {
			return l, fmt.Errorf("encode: %w", err)
		}
		l.bytes += size(m)
		if chunk = append(chunk, e); len(chunk) == publishChunk || l.events+len(chunk) == n {
			if err := flush(); err != nil {
				return l, err
			}
		}
		if l.events == n {
			break
		}
	}
	l.poison, l.seconds = foul.written, time.Since(begin).Seconds()
	return l, nil
}

func size(m events.Message) int64 {
	n := len(m.Key) + len(m.Value)
	for _, h := range m.Headers {
		n += len(h.Key) + len(h.Value)
	}
	return int64(n)
}
