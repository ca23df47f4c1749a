package readmodel

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/waybill-io/waybill/internal/projector"
)

// A portion of copies is at most so many letters, and about so many bytes: one
// request must stay below what brokers take.
const (
	portionLetters = 100
	portionBytes   = 512 << 10
)

// outboxLock is the class of the advisory locks that one sender holds.
const outboxLock = 0x77626c // "wbl"

// markGrace is how long remembering what was published may take once the
// context has ended.
const markGrace = 3 * time.Second

// Send implements [projector.Outbox]. Whoever sends holds an advisory lock of
// its session meanwhile; it goes with the session.
func (s *Store) Send(ctx context.Context, publish func(context.Context, []projector.DeadLetter) error) (sent int, err error) {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return 0, classify(fmt.Errorf("acquire a connection: %w", err))
	}
	defer conn.Release()
	const lock = `-- name: lock_outbox
		SELECT pg_try_advisory_lock($1, hashtext($2))`
	var ours bool
	if err := conn.QueryRow(ctx, lock, outboxLock, s.projection()).Scan(&ours); err != nil {
		return 0, classify(fmt.Errorf("lock the outbox: %w", err))
	}
	if !ours {
		return 0, nil
	}
	defer s.unlockOutbox(ctx, conn)
	sent, err = s.send(ctx, conn, publish)
	return sent, classify(err)
}

// unlockOutbox lets another process send. A connection that cannot say so is
// closed, which unlocks too.
func (s *Store) unlockOutbox(ctx context.Context, conn *pgxpool.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), markGrace)
	defer cancel()
	const query = `-- name: unlock_outbox
		SELECT pg_advisory_unlock($1, hashtext($2))`
	if _, err := conn.Exec(ctx, query, outboxLock, s.projection()); err != nil {
		_ = conn.Conn().Close(ctx) // it goes either way
	}
}

func (s *Store) send(ctx context.Context, conn *pgxpool.Conn, publish func(context.Context, []projector.DeadLetter) error) (sent int, err error) {
	parts, err := s.unpublished(ctx, conn)
	if err != nil || len(parts) == 0 {
		return 0, err
	}
	var failed []error
	for _, part := range parts {
		n, err := s.sendPortion(ctx, conn, part, publish)
		sent += n
		if err != nil {
			failed = append(failed, err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return sent, errors.Join(failed...)
}

// unpublished lists the partitions with letters to send.
func (s *Store) unpublished(ctx context.Context, conn *pgxpool.Conn) ([]projector.Partition, error) {
	const query = `-- name: unpublished_partitions
		SELECT DISTINCT topic, partition FROM dead_letters WHERE projection = $1 AND published_at IS NULL ORDER BY 1, 2`
	rows, err := conn.Query(ctx, query, s.projection())
	if err != nil {
		return nil, fmt.Errorf("look for unpublished dead letters: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[projector.Partition])
}

func (s *Store) sendPortion(ctx context.Context, conn *pgxpool.Conn, part projector.Partition, publish func(context.Context, []projector.DeadLetter) error) (int, error) {
	const query = `-- name: unpublished_letters
		SELECT y.topic, y.partition, y."offset", y.key, y.value, y.headers, y.record_time, y.record_ms, y.class, y.sqlstate, y.message, y.attempts
		  FROM (SELECT x.*, row_number() OVER w AS n, sum(coalesce(octet_length(x.value), 0) + octet_length(x.headers::text)) OVER w AS bytes
		          FROM (SELECT * FROM dead_letters WHERE projection = $1 AND topic = $2 AND partition = $3 AND published_at IS NULL
		                 ORDER BY "offset" LIMIT $4) x
		        WINDOW w AS (ORDER BY x."offset")) y
		 WHERE y.n = 1 OR y.bytes <= $5
		 ORDER BY y."offset"`
	rows, err := conn.Query(ctx, query, s.projection(), part.Topic, part.ID, portionLetters, portionBytes)
	if err != nil {
		return 0, fmt.Errorf("read unpublished dead letters of %s: %w", part, err)
	}
	letters, err := pgx.CollectRows(rows, scanDeadLetter)
	if err != nil {
		return 0, fmt.Errorf("read unpublished dead letters of %s: %w", part, err)
	}
	if len(letters) == 0 {
		return 0, nil
	}
	if err := publish(ctx, letters); err != nil {
		return 0, err
	}
	return len(letters), s.markPublished(ctx, conn, letters)
}

// markPublished remembers letters of one partition whose copies are
// acknowledged, even when ctx has just ended: that spares everybody the copies
// of copies.
func (s *Store) markPublished(ctx context.Context, conn *pgxpool.Conn, letters []projector.DeadLetter) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), markGrace)
	defer cancel()
	const query = `-- name: mark_published
		UPDATE dead_letters SET published_at = now()
		 WHERE projection = $1 AND topic = $2 AND partition = $3 AND "offset" = ANY ($4::bigint[]) AND published_at IS NULL`
	part := letters[0].Partition
	_, err := conn.Exec(ctx, query, s.projection(), part.Topic, part.ID,
		column(letters, func(l projector.DeadLetter) int64 { return l.Offset }))
	if err != nil {
		return fmt.Errorf("remember %d published dead letters of %s: %w", len(letters), part, err)
	}
	return nil
}

// scanDeadLetter reads the columns topic to attempts.
func scanDeadLetter(row pgx.CollectableRow) (projector.DeadLetter, error) {
	var l projector.DeadLetter
	var k keptRecord
	err := row.Scan(&l.Partition.Topic, &l.Partition.ID, &l.Offset, &l.Key, &l.Value, &k.headers, &k.time, &k.ms,
		&l.Code, &l.SQLState, &l.Message, &l.Attempts)
	if err != nil {
		return l, err
	}
	return l, k.restore(&l.Record)
}

// keptRecord is the part of a record that is kept in another form.
type keptRecord struct {
	headers []byte
	time    *time.Time
	ms      *int64
}

func (k keptRecord) restore(r *projector.Record) (err error) {
	r.Time = instant(k.time)
	if k.ms != nil {
		r.Time = time.UnixMilli(*k.ms).UTC()
	}
	r.Headers, err = headersFrom(k.headers)
	return err
}

// Backlog implements [projector.Outbox].
func (s *Store) Backlog(ctx context.Context) (letters int, oldest time.Duration, err error) {
	const query = `-- name: unpublished_backlog
		SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::float8
		  FROM dead_letters WHERE projection = $1 AND published_at IS NULL`
	var seconds float64
	if err := s.pool.QueryRow(ctx, query, s.projection()).Scan(&letters, &seconds); err != nil {
		return 0, 0, classify(fmt.Errorf("count unpublished dead letters: %w", err))
	}
	return letters, max(0, time.Duration(seconds*float64(time.Second))), nil
}

var _ projector.Outbox = (*Store)(nil)
