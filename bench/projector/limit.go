package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/waybill-io/waybill/internal/projector"
	"github.com/waybill-io/waybill/internal/readmodel"
)

// gcPercent keeps the collector from walking the whole log in memory more often
// than a consumer's would walk its few batches.
const gcPercent = 300

// sqlOnly applies the batches of the pipeline from memory: what the store and
// the database alone can do.
func sqlOnly(ctx context.Context, j job, begin func()) (figures, error) {
	h, err := remember(ctx, j)
	if err != nil {
		return figures{}, err
	}
	store, err := readmodel.OpenStore(ctx, readmodel.Config{URL: j.DatabaseURL, Name: "bench sql", MaxConns: int32(j.Workers) + 2})
	if err != nil {
		return figures{}, err
	}
	defer store.Close()
	claims, err := store.Claim(ctx, "bench", h.cluster, h.parts)
	if err != nil {
		return figures{}, err
	}
	queues := h.batches(j.Cuts, j.Workers, claims)
	h = nil
	debug.SetGCPercent(gcPercent)
	runtime.GC()
	begin()
	return applyAll(ctx, store, queues)
}

// applyAll applies queues of batches side by side and forgets each batch.
func applyAll(ctx context.Context, store *readmodel.Store, queues [][]projector.Batch) (figures, error) {
	var mu sync.Mutex
	var f figures
	g, ctx := errgroup.WithContext(ctx)
	for _, queue := range queues {
		g.Go(func() error {
			for i := range queue {
				start := time.Now()
				a, err := store.Apply(ctx, queue[i])
				if err != nil {
					return err
				}
				mu.Lock()
				f.add(queue[i], a, time.Since(start))
				mu.Unlock()
				queue[i] = projector.Batch{}
			}
			return nil
		})
	}
	return f, g.Wait()
}

// copyOnly copies the same events into the timeline's table with its primary
// key, and nothing else: one COPY per worker. COPY cannot refuse duplicates, so
// they are left out beforehand.
func copyOnly(ctx context.Context, j job, begin func()) (figures, error) {
	h, err := remember(ctx, j)
	if err != nil {
		return figures{}, err
	}
	queues := make([][]*projector.Event, j.Workers)
	for w := range queues {
		var mine []projector.Partition
		for i := w; i < len(h.parts); i += j.Workers {
			mine = append(mine, h.parts[i])
		}
		queues[w] = h.distinct(mine)
	}
	debug.SetGCPercent(gcPercent)
	runtime.GC()
	var f figures
	g, ctx := errgroup.WithContext(ctx)
	conns, err := connect(ctx, j.DatabaseURL, j.Workers)
	if err != nil {
		return figures{}, err
	}
	begin()
	for w, queue := range queues {
		f.Events += len(queue)
		g.Go(func() error { return copyEvents(ctx, conns[w], queue) })
	}
	f.Stored, f.Batches = f.Events, j.Workers
	return f, g.Wait()
}

func connect(ctx context.Context, url string, n int) ([]*pgx.Conn, error) {
	conns := make([]*pgx.Conn, n)
	for i := range conns {
		var err error
		if conns[i], err = pgx.Connect(ctx, url); err != nil {
			return nil, fmt.Errorf("connect: %w", err)
		}
	}
	return conns, nil
}

var eventColumns = []string{
	"tenant_id", "stream", "stream_id", "source", "event_id", "type", "class", "occurred_at", "tz_source", "time_precision",
	"recorded_at", "ingested_at", "data", "content_hash", "topic", "partition", "offset",
}

func copyEvents(ctx context.Context, conn *pgx.Conn, all []*projector.Event) error {
	rows := pgx.CopyFromSlice(len(all), func(i int) ([]any, error) {
		e := all[i]
		s := e.Stream()
		return []any{
			string(e.Tenant), string(s.Kind), s.ID, string(e.Source), string(e.ID), string(e.Type()), string(e.Class()), e.OccurredAt(),
			string(e.TZSource()), string(e.Precision()), e.RecordedAt, e.IngestedAt, string(e.Body), e.Hash[:],
			e.Record.Partition.Topic, e.Record.Partition.ID, e.Record.Offset,
		}, nil
	})
	_, err := conn.CopyFrom(ctx, pgx.Identifier{"waybill", "events"}, eventColumns, rows)
	return err
}
