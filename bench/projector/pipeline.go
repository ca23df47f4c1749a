package main

import (
	"context"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/waybill-io/waybill/internal/ops"
	"github.com/waybill-io/waybill/internal/projector"
	"github.com/waybill-io/waybill/internal/readmodel"
	"github.com/waybill-io/waybill/internal/topic"
)

// cut is one batch of the pipeline: which records it held.
type cut []span

// span is a run of one partition's offsets.
type span struct {
	Topic     string
	Partition int32
	From, To  int64
}

// pipeline is the consumer, from the topic to the read model, until everything
// that was in the log when it began is in the read model.
func pipeline(ctx context.Context, j job, begin func()) (figures, error) {
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	ops.LimitMemory(projector.MemoryFor(j.Workers)) // as the consumer does
	source, err := topic.NewSource(topic.SourceConfig{Brokers: j.Brokers, Group: j.Group, Topics: j.Names, Log: log})
	if err != nil {
		return figures{}, err
	}
	store, err := readmodel.OpenStore(ctx, readmodel.Config{URL: j.DatabaseURL, Name: "bench pipeline", MaxConns: int32(j.Workers) + 2})
	if err != nil {
		return figures{}, err
	}
	defer store.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	m := &meter{Store: store, done: cancel, begin: begin}
	p := projector.New(tap{source, m}, m, projector.Config{Owner: "bench", Workers: j.Workers, BatchEvents: j.BatchEvents}, log)
	if err := p.Run(ctx); err != nil {
		return figures{}, err
	}
	return m.figures, nil
}

// tap looks up where the logs end before it passes a session on.
type tap struct {
	projector.Source
	meter *meter
}

func (t tap) Run(ctx context.Context, serve func(context.Context, projector.Session) error) error {
	return t.Source.Run(ctx, func(ctx context.Context, s projector.Session) error {
		_, parts := s.Assignment()
		bounds, err := s.Bounds(ctx, parts)
		if err != nil {
			return err
		}
		t.meter.expect(bounds)
		return serve(ctx, s)
	})
}

// meter is a store that counts, and says when all is done.
type meter struct {
	projector.Store
	begin func()
	done  func()

	mu      sync.Mutex
	figures figures
	open    map[projector.Partition]int64 // where partitions end that are not there yet
}

func (m *meter) expect(bounds map[projector.Partition]projector.Bounds) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.open = map[projector.Partition]int64{}
	for part, b := range bounds {
		if b.End > b.Start {
			m.open[part] = b.End
		}
	}
	m.begin()
}

func (m *meter) Apply(ctx context.Context, b projector.Batch) (projector.Applied, error) {
	start := time.Now()
	a, err := m.Store.Apply(ctx, b)
	if err == nil {
		m.count(b, a, time.Since(start))
	}
	return a, err
}

func (m *meter) count(b projector.Batch, a projector.Applied, took time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.figures.add(b, a, took)
	c := make(cut, len(b.Advances))
	for i, move := range b.Advances {
		c[i] = span{move.Partition.Topic, move.Partition.ID, move.From, move.To}
		if move.To >= m.open[move.Partition] {
			delete(m.open, move.Partition)
		}
	}
	m.figures.Cuts = append(m.figures.Cuts, c)
	if len(m.open) == 0 {
		m.done()
	}
}

func (f *figures) add(b projector.Batch, a projector.Applied, took time.Duration) {
	f.Events += len(b.Events) + len(b.Poison)
	f.Stored += a.New
	f.Duplicates += a.Duplicates
	f.Late += a.Late
	f.Refolds += a.Refolds
	f.Changes += a.Changes
	f.Batches++
	f.Commit += a.Commit.Seconds()
	f.Applying += took.Seconds()
}
