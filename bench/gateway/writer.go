package main

import (
	"context"
	"fmt"
	"time"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/projector"
	"github.com/waybill-io/waybill/internal/readmodel"
	"github.com/waybill-io/waybill/internal/scenario"
)

// mark is one commit: changes up to a position were committed at a time.
type mark struct {
	Upto int64
	At   time.Time // when COMMIT was sent, about
}

// writer commits simulated histories to the read model, as the consumer does.
type writer struct {
	store *readmodel.Store
	part  projector.Partition
	epoch int64
	told  int64 // offset of the next event
	queue chan []projector.Event
	marks []mark
}

const (
	commitEvery  = 10 * time.Millisecond // what the consumer waits for its batches, about
	commitWarmup = 5 * time.Second
	underWay     = 4000 // shipments, so that a snapshot holds them
)

func newWriter(ctx context.Context, url string) (*writer, error) {
	store, err := readmodel.OpenStore(ctx, readmodel.Config{URL: url, Name: "bench writer", MaxConns: 4})
	if err != nil {
		return nil, err
	}
	w := &writer{store: store, part: projector.Partition{Topic: "bench"}, queue: make(chan []projector.Event, 1000)}
	claims, err := store.Claim(ctx, "bench", "bench", []projector.Partition{w.part})
	if err != nil {
		store.Close()
		return nil, err
	}
	w.epoch = claims[w.part].Epoch
	return w, nil
}

// tell makes events at a rate until ctx ends.
func (w *writer) tell(ctx context.Context, perSecond float64) error {
	defer close(w.queue)
	rates := scenario.DefaultRates()
	story := scenario.LiveConfig{Config: scenario.Config{Seed: 1, Tenant: tenant, Rates: rates}, Rate: perSecond, MaxOpen: underWay}
	return scenario.Live(ctx, story, func(_ context.Context, batch []events.Event) error {
		told := make([]projector.Event, len(batch))
		for i := range batch {
			e, err := w.record(&batch[i])
			if err != nil {
				return err
			}
			told[i] = e
		}
		w.queue <- told
		return nil
	})
}

// record makes of an event what the consumer reads from the log.
func (w *writer) record(e *events.Event) (projector.Event, error) {
	m, err := events.Encode(*e)
	if err != nil {
		return projector.Event{}, err
	}
	decoded, err := events.Decode(m)
	if err != nil {
		return projector.Event{}, err
	}
	hash, err := decoded.ContentHash()
	if err != nil {
		return projector.Event{}, err
	}
	w.told++
	return projector.Event{Record: &projector.Record{Partition: w.part, Offset: w.told - 1, Message: m}, Event: decoded, Hash: hash}, nil
}

// run commits what was told until there is no more.
func (w *writer) run(ctx context.Context) error {
	next, seq := int64(0), int64(0)
	for told := range w.queue {
		b := projector.Batch{Events: told}
		for n := len(w.queue); n > 0; n-- { // what has queued up meanwhile
			b.Events = append(b.Events, <-w.queue...)
		}
		last := b.Events[len(b.Events)-1].Record
		b.Advances = []projector.Advance{{
			Partition: w.part, Epoch: w.epoch, From: next, To: last.Offset + 1, LastSeen: last.Offset, LastHash: last.Hash(),
		}}
		applied, err := w.store.Apply(ctx, b)
		if err != nil {
			return fmt.Errorf("apply %d events: %w", len(b.Events), err)
		}
		next = last.Offset + 1
		seq += int64(applied.Changes)
		w.marks = append(w.marks, mark{Upto: seq, At: time.Now().Add(-applied.Commit)})
		if err := sleep(ctx, commitEvery); err != nil {
			return err
		}
	}
	return nil
}
