package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/projector"
	"github.com/waybill-io/waybill/internal/topic"
)

// history is the whole log in memory, decoded. The offsets of a partition begin
// at 0 and have no holes: nobody but the load has written it. What is no event
// has only its record.
type history struct {
	cluster string
	parts   []projector.Partition // sorted
	events  map[projector.Partition][]projector.Event
}

func isEvent(e *projector.Event) bool { return e.Data != nil }

// remember reads the log through a source of its own.
func remember(ctx context.Context, j job) (*history, error) {
	source, err := topic.NewSource(topic.SourceConfig{
		Brokers: j.Brokers, Group: j.Group, Topics: j.Names, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	h := &history{events: map[projector.Partition][]projector.Event{}}
	var failed error
	err = source.Run(ctx, func(ctx context.Context, s projector.Session) error {
		defer cancel()
		failed = h.read(ctx, s)
		return nil
	})
	return h, errors.Join(err, failed)
}

func (h *history) read(ctx context.Context, s projector.Session) error {
	h.cluster, h.parts = s.Assignment()
	bounds, err := s.Bounds(ctx, h.parts)
	if err != nil {
		return err
	}
	from, left := map[projector.Partition]int64{}, int64(0)
	for _, p := range h.parts {
		from[p] = 0
		left += bounds[p].End
	}
	for feed := s.Open(ctx, from); left > 0; {
		f, err := feed.Next(ctx)
		if err != nil {
			return fmt.Errorf("read the log: %w", err)
		}
		for i := range f.Records {
			h.add(&f.Records[i])
		}
		left -= int64(len(f.Records))
	}
	return nil
}

func (h *history) add(r *projector.Record) {
	event := projector.Event{Record: r}
	e, err := events.Decode(r.Message)
	if err == nil {
		if hash, err := e.ContentHash(); err == nil {
			event.Event, event.Hash = e, hash
		}
	}
	h.events[r.Partition] = append(h.events[r.Partition], event)
}

// batches makes the batches of the pipeline again, by worker.
func (h *history) batches(cuts []cut, workers int, claims map[projector.Partition]projector.Claim) [][]projector.Batch {
	of := map[projector.Partition]int{}
	for i, p := range h.parts {
		of[p] = i % workers
	}
	queues := make([][]projector.Batch, workers)
	for _, c := range cuts {
		var b projector.Batch
		for _, s := range c {
			part := projector.Partition{Topic: s.Topic, ID: s.Partition}
			all := h.events[part][s.From:s.To]
			for i := range all {
				if isEvent(&all[i]) {
					b.Events = append(b.Events, all[i])
				} else {
					b.Poison = append(b.Poison, projector.Poison{Record: *all[i].Record, Code: "no_event", Message: "it is no event"})
				}
			}
			last := all[len(all)-1].Record
			b.Advances = append(b.Advances, projector.Advance{
				Partition: part, Epoch: claims[part].Epoch, From: s.From, To: s.To, LastSeen: last.Offset, LastHash: last.Hash(),
			})
		}
		w := of[b.Advances[0].Partition]
		queues[w] = append(queues[w], b)
	}
	return queues
}

// distinct lists the first copy of every event of some partitions.
func (h *history) distinct(parts []projector.Partition) []*projector.Event {
	type identity struct {
		stream events.Stream
		source events.Source
		id     events.EventID
	}
	seen := map[identity]bool{}
	var all []*projector.Event
	for _, p := range parts {
		for i := range h.events[p] {
			e := &h.events[p][i]
			if !isEvent(e) {
				continue
			}
			if id := (identity{e.Stream(), e.Source, e.ID}); !seen[id] {
				seen[id] = true
				all = append(all, e)
			}
		}
	}
	return all
}

// byStream sorts events so that those of an order or shipment lie together, as
// they were told.
func byStream(all []*projector.Event) {
	slices.SortStableFunc(all, func(a, b *projector.Event) int {
		return cmp.Or(cmp.Compare(a.Stream().Kind, b.Stream().Kind), cmp.Compare(a.Subject, b.Subject))
	})
}
