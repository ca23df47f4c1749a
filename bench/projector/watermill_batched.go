package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/waybill-io/waybill/events"
)

// A batch that does not fill ends after these times.
const (
	batchWait = 100 * time.Millisecond
	fewWait   = 500 * time.Microsecond // of one that cannot get large
)

// watermillBatched batches by hand: handlers put messages into the batch of their
// partition's worker, which writes it in a transaction with a few statements over
// arrays, and then has all of them acked. The next message of a partition comes
// only after the ack of the last, so that no batch can have more than one of each.
func watermillBatched(ctx context.Context, j job, begin func()) (figures, error) {
	return batching(ctx, j, begin, batcher{most: min(j.BatchEvents, handlers/j.Workers), wait: fewWait})
}

// watermillEarly acks messages as soon as they are in a batch, of up to
// BatchEvents. That is as fast as Watermill gets, and loses what is in batches
// when the process dies.
func watermillEarly(ctx context.Context, j job, begin func()) (figures, error) {
	return batching(ctx, j, begin, batcher{most: j.BatchEvents, wait: batchWait, early: true})
}

// batcher says how batches are made.
type batcher struct {
	most  int
	wait  time.Duration
	early bool // messages are acked before they are committed
}

func batching(ctx context.Context, j job, begin func(), how batcher) (figures, error) {
	m, err := newMill(ctx, j, begin, j.Workers)
	if err != nil {
		return figures{}, err
	}
	g, ctx := errgroup.WithContext(ctx)
	queues := make([]chan *record, j.Workers)
	for i := range queues {
		queues[i] = make(chan *record, how.most)
		g.Go(func() error { return m.work(ctx, queues[i], how) })
	}
	g.Go(func() error {
		defer func() {
			for _, q := range queues {
				close(q)
			}
		}()
		return m.run(ctx, func(_ context.Context, r *record) error {
			return how.put(ctx, queues[workerOf(r, len(queues))], r)
		})
	})
	err = g.Wait()
	return m.figures, errors.Join(err, m.close())
}

// put returns when the message may be acked.
func (b batcher) put(ctx context.Context, queue chan<- *record, r *record) error {
	r.done = make(chan struct{})
	select {
	case queue <- r:
	case <-ctx.Done():
		return ctx.Err()
	}
	if b.early {
		return nil
	}
	select {
	case <-r.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func workerOf(r *record, workers int) int { return int(r.part.ID) % workers }

// work writes batches until the queue is closed.
func (m *mill) work(ctx context.Context, queue <-chan *record, how batcher) error {
	for {
		batch := how.collect(queue)
		if len(batch) == 0 {
			return nil
		}
		if err := m.writeBatch(ctx, batch); err != nil {
			return fmt.Errorf("write a batch of %d: %w", len(batch), err)
		}
		for _, r := range batch {
			close(r.done)
		}
		m.committed(batch...)
	}
}

// collect waits for a first record and takes what comes after it.
func (b batcher) collect(queue <-chan *record) []*record {
	first, ok := <-queue
	if !ok {
		return nil
	}
	batch := []*record{first}
	late := time.NewTimer(b.wait)
	defer late.Stop()
	for len(batch) < b.most {
		select {
		case r, ok := <-queue:
			if !ok {
				return batch
			}
			batch = append(batch, r)
		case <-late.C:
			return batch
		}
	}
	return batch
}

// place is where a record lies in the log.
type place struct {
	topic  string
	part   int32
	offset int64
}

func (m *mill) writeBatch(ctx context.Context, all []*record) error {
	tx, err := m.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // nothing after the commit
	fresh, err := insertEvents(ctx, tx, all)
	if err != nil {
		return fmt.Errorf("insert the events: %w", err)
	}
	last := newLatest()
	if err := last.takeAll(ctx, tx, fresh); err != nil {
		return err
	}
	if err := last.write(ctx, tx); err != nil {
		return err
	}
	return tx.Commit()
}

// insertEvents stores the events of a batch and returns those that were new, in
// the order in which they came.
func insertEvents(ctx context.Context, tx *sql.Tx, all []*record) ([]*record, error) {
	const query = `INSERT INTO events (tenant_id, stream, stream_id, source, event_id, type, class, occurred_at, tz_source, time_precision,
		       recorded_at, ingested_at, data, content_hash, topic, partition, "offset")
		SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::timestamptz[], $9::text[],
		       $10::text[], $11::timestamptz[], $12::timestamptz[], $13::json[], $14::bytea[], $15::text[], $16::int[], $17::bigint[])
		ON CONFLICT DO NOTHING
		RETURNING topic, partition, "offset"`
	at := map[place]*record{}
	for _, r := range all {
		if r.event != nil {
			at[place{r.part.Topic, r.part.ID, r.offset}] = r
		}
	}
	rows, err := tx.QueryContext(ctx, query, arraysOf(all)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	stored := map[*record]bool{}
	var p place
	for rows.Next() {
		if err := rows.Scan(&p.topic, &p.part, &p.offset); err != nil {
			return nil, err
		}
		stored[at[p]] = true
	}
	var fresh []*record
	for _, r := range all {
		if stored[r] {
			fresh = append(fresh, r)
		}
	}
	return fresh, rows.Err()
}

// arraysOf turns the rows of events into arrays of their columns.
func arraysOf(all []*record) []any {
	text := func(of func(*record) string) []string { return column(all, of) }
	instant := func(of func(*record) time.Time) []time.Time { return column(all, of) }
	return []any{
		text(func(r *record) string { return string(r.event.Tenant) }),
		text(func(r *record) string { return string(r.event.Stream().Kind) }),
		text(func(r *record) string { return r.event.Stream().ID }),
		text(func(r *record) string { return string(r.event.Source) }),
		text(func(r *record) string { return string(r.event.ID) }),
		text(func(r *record) string { return string(r.event.Type()) }),
		text(func(r *record) string { return string(r.event.Class()) }),
		instant(func(r *record) time.Time { return r.event.OccurredAt() }),
		text(func(r *record) string { return string(r.event.TZSource()) }),
		text(func(r *record) string { return string(r.event.Precision()) }),
		instant(func(r *record) time.Time { return r.event.RecordedAt }),
		instant(func(r *record) time.Time { return r.event.IngestedAt }),
		text(func(r *record) string { return string(r.event.Body) }),
		column(all, func(r *record) []byte { return r.event.Hash[:] }),
		text(func(r *record) string { return r.part.Topic }),
		column(all, func(r *record) int32 { return r.part.ID }),
		column(all, func(r *record) int64 { return r.offset }),
	}
}

// column is what of says of every record that is an event.
func column[T any](all []*record, of func(*record) T) []T {
	list := make([]T, 0, len(all))
	for _, r := range all {
		if r.event != nil {
			list = append(list, of(r))
		}
	}
	return list
}

// takeAll goes through a batch in its order.
func (l *latest) takeAll(ctx context.Context, tx *sql.Tx, fresh []*record) error {
	for _, r := range fresh {
		if d, ok := r.event.Data.(*events.TrackingAssigned); ok {
			l.assign(r, d)
		}
	}
	if err := l.lookUp(ctx, tx, fresh); err != nil {
		return fmt.Errorf("look numbers up: %w", err)
	}
	for _, r := range fresh {
		l.take(r)
	}
	if err := l.passOn(ctx, tx); err != nil {
		return fmt.Errorf("find the orders of shipments: %w", err)
	}
	return nil
}
