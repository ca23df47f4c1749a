package topic

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/segmentio/kafka-go"

	"github.com/waybill-io/waybill/events"
)

// delivery is one call to Publish.
type delivery struct {
	parcels []parcel
	size    int64

	mu    sync.Mutex
	cause error // of the last try that failed
}

// parcel is one event on its way.
type parcel struct {
	msg     kafka.Message
	acked   atomic.Bool
	sent    atomic.Bool // the writer had it: it may be in the log
	refused atomic.Bool // for good
}

// newDelivery encodes the events. A record's time is now, the same in every try:
// Kafka removes records by it, and events that are older than the retention,
// as imported ones are, would go before anyone reads them. When an event was
// ingested stands in its headers.
func (p *Publisher) newDelivery(batch []events.Event) (*delivery, error) {
	d := &delivery{parcels: make([]parcel, len(batch))}
	now := time.Now()
	for i := range batch {
		m, err := events.Encode(batch[i])
		if err != nil {
			return nil, fmt.Errorf("encode event %d (%s): %w", i, batch[i].ID, err)
		}
		pc := &d.parcels[i]
		pc.msg = kafka.Message{
			Topic:      p.cfg.Topics.of(batch[i].Stream()),
			Key:        m.Key,
			Value:      m.Value,
			Headers:    writeHeaders(m.Headers),
			Time:       now,
			WriterData: pc,
		}
		d.size += sizeOf(m)
	}
	return d, nil
}

func writeHeaders(in []events.Header) []kafka.Header {
	out := make([]kafka.Header, len(in))
	for i, h := range in {
		out[i] = kafka.Header{Key: h.Key, Value: h.Value}
	}
	return out
}

// sizeOf is about what a record takes in memory.
func sizeOf(m events.Message) int64 {
	const record, header = 128, 40
	n := record + len(m.Key) + len(m.Value)
	for _, h := range m.Headers {
		n += header + len(h.Key) + len(h.Value)
	}
	return int64(n)
}

// acknowledge is the writer's callback for every batch, also those whose caller
// has gone.
func acknowledge(msgs []kafka.Message, err error) {
	for i := range msgs {
		if pc, ok := msgs[i].WriterData.(*parcel); ok && err == nil {
			pc.acked.Store(true)
		}
	}
}

// deliver tries until everything is acknowledged or refused, ctx ends, or the
// publisher is closed. A try that has begun is waited for.
func (p *Publisher) deliver(ctx context.Context, d *delivery) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-p.closing:
			cancel()
		case <-ctx.Done():
		}
	}()
	try := func() error { return d.try(ctx, p.writer) }
	tell := func(err error, next time.Duration) {
		p.cfg.Log.Debug("write failed, trying again", "error", err, "in", next)
	}
	// What comes of it stands in the parcels.
	_ = backoff.RetryNotify(try, backoff.WithContext(newBackOff(time.Second), ctx), tell)
}

// try writes what is still to be written. The writer's own context has no end:
// it could not stop a write, and would hide whether there was one.
func (d *delivery) try(ctx context.Context, w *kafka.Writer) error {
	which, msgs := d.pending()
	before := make([]bool, len(which))
	for i, pc := range which {
		before[i] = pc.sent.Swap(true)
	}
	err := w.WriteMessages(context.WithoutCancel(ctx), msgs...)
	if err == nil {
		return nil
	}
	var each kafka.WriteErrors
	handedOver := errors.As(err, &each)
	left := 0
	for i, pc := range which {
		cause := err
		if handedOver {
			cause = each[i]
		} else {
			pc.sent.Store(before[i])
		}
		if permanent(cause) {
			pc.refused.Store(true)
		} else if cause != nil {
			left++
		}
	}
	err = summarize(err)
	d.mu.Lock()
	d.cause = err
	d.mu.Unlock()
	if left == 0 {
		return backoff.Permanent(err)
	}
	return err
}

func (d *delivery) pending() ([]*parcel, []kafka.Message) {
	var which []*parcel
	var msgs []kafka.Message
	for i := range d.parcels {
		if pc := &d.parcels[i]; !pc.acked.Load() && !pc.refused.Load() {
			which, msgs = append(which, pc), append(msgs, pc.msg)
		}
	}
	return which, msgs
}

// result counts what became of the events.
func (d *delivery) result(ctx context.Context) error {
	e := &PublishError{}
	for i := range d.parcels {
		switch pc := &d.parcels[i]; {
		case pc.acked.Load():
			e.Acked++
		case pc.sent.Load():
			e.Unknown++
		default:
			e.Unsent++
		}
	}
	if e.Acked == len(d.parcels) {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	e.Err = errors.Join(ctx.Err(), d.cause)
	if e.Err == nil {
		e.Err = ErrClosed
	}
	return e
}
