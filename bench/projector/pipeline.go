package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/waybill-io/waybill/bench/internal/report"
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
	m := &meter{Store: store, done: cancel, begin: sync.OnceFunc(begin), expected: j.Expect, skip: j.Skip}
	p := projector.New(tap{source, m}, m, projector.Config{
		Owner: fmt.Sprintf("bench/%d", os.Getpid()), Workers: j.Workers, BatchEvents: j.BatchEvents, Attempts: store,
	}, log)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return store.Run(ctx, log) })
	g.Go(func() error { return p.Run(ctx) })
	if err := g.Wait(); err != nil {
		return figures{}, err
	}
	m.figures.Waits = report.SpreadOf(m.waits)
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
	waits   []float64

	expected, skip int // of a log that is still written; see job
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

// Claim learns what was in the read model before, as after a kill.
func (m *meter) Claim(ctx context.Context, owner, cluster string, parts []projector.Partition) (map[projector.Partition]projector.Claim, error) {
	claims, err := m.Store.Claim(ctx, owner, cluster, parts)
	m.mu.Lock()
	defer m.mu.Unlock()
	for part, c := range claims {
		m.reached(part, c.Next)
	}
	return claims, err
}

// reached says that a partition's position is there.
func (m *meter) reached(part projector.Partition, next int64) {
	if end, ok := m.open[part]; ok && next >= end {
		delete(m.open, part)
	}
	if m.expected > 0 && m.figures.Events >= m.expected || m.expected == 0 && len(m.open) == 0 {
		m.done()
	}
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
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.figures.first.IsZero() {
		m.figures.first = now
	}
	m.figures.add(b, a, took)
	if m.expected > 0 {
		m.note(b, now)
	}
	c := make(cut, len(b.Advances))
	for i, move := range b.Advances {
		c[i] = span{move.Partition.Topic, move.Partition.ID, move.From, move.To}
		m.reached(move.Partition, move.To)
	}
	m.figures.Cuts = append(m.figures.Cuts, c)
}

// note keeps how long events have waited since they came through the door.
func (m *meter) note(b projector.Batch, committed time.Time) {
	if m.figures.Events <= m.skip {
		return
	}
	for i := range b.Events {
		m.waits = append(m.waits, float64(committed.Sub(b.Events[i].IngestedAt).Microseconds())/1000)
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
