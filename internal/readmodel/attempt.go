package readmodel

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/waybill-io/waybill/internal/projector"
)

var _ projector.Attempts = (*Store)(nil)

// Mark notes that the records from..to of a partition are in hand. It does not
// wait for the disk: the mark is to outlive this process, not the server.
func (s *Store) Mark(ctx context.Context, part projector.Partition, epoch, from, to int64) error {
	const query = `-- name: mark_attempt
		INSERT INTO attempts AS a (projection, topic, partition, epoch, from_offset, to_offset)
		SELECT o.projection, o.topic, o.partition, o.epoch, $5, $6 FROM projection_offsets o
		 WHERE o.projection = $1 AND o.topic = $2 AND o.partition = $3 AND o.epoch = $4
		ON CONFLICT (projection, topic, partition) DO UPDATE
		   SET from_offset = excluded.from_offset, to_offset = excluded.to_offset, epoch = excluded.epoch, marked_at = now(),
		       deaths = CASE WHEN a.from_offset = excluded.from_offset AND a.to_offset = excluded.to_offset THEN a.deaths ELSE 0 END`
	if err := s.note(ctx, query, part, epoch, from, to); err != nil {
		return classify(fmt.Errorf("mark %d..%d of %s: %w", from, to, part, err))
	}
	return nil
}

// note writes what only this process may die of.
func (s *Store) note(ctx context.Context, query string, part projector.Partition, epoch int64, args ...any) error {
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SET LOCAL synchronous_commit = off`); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, query, append([]any{s.projection(), part.Topic, part.ID, epoch}, args...)...)
		if err == nil && tag.RowsAffected() == 0 {
			return projector.ErrFenced
		}
		return err
	})
}

// Try notes that records are tried in a process of their own, or no more.
func (s *Store) Try(ctx context.Context, part projector.Partition, epoch int64, a projector.Attempt) error {
	const query = `-- name: note_trial
		INSERT INTO attempts AS a (projection, topic, partition, epoch, from_offset, to_offset, marked_at, trial)
		SELECT o.projection, o.topic, o.partition, o.epoch, $5, $6, '-infinity', $7 FROM projection_offsets o
		 WHERE o.projection = $1 AND o.topic = $2 AND o.partition = $3 AND o.epoch = $4
		ON CONFLICT (projection, topic, partition) DO UPDATE SET epoch = excluded.epoch, trial = excluded.trial`
	trial := "none"
	if a.Trial {
		trial = "running"
	}
	if err := s.note(ctx, query, part, epoch, a.From, a.To, trial); err != nil {
		return classify(fmt.Errorf("note a trial of %s: %w", part, err))
	}
	return nil
}

// Absolve takes a mark back, and the death that it was counted as, whoever has the
// same in hand by now.
func (s *Store) Absolve(ctx context.Context, part projector.Partition, epoch, from, to int64) error {
	const query = `-- name: absolve
		UPDATE attempts
		   SET deaths = CASE WHEN epoch = $4 AND isfinite(marked_at) THEN deaths ELSE greatest(deaths - 1, 0) END,
		       marked_at = CASE WHEN epoch = $4 THEN '-infinity' ELSE marked_at END
		 WHERE projection = $1 AND topic = $2 AND partition = $3 AND from_offset = $5 AND to_offset = $6`
	if _, err := s.pool.Exec(ctx, query, s.projection(), part.Topic, part.ID, epoch, from, to); err != nil {
		return classify(fmt.Errorf("take the mark of %d..%d of %s back: %w", from, to, part, err))
	}
	return nil
}

// Release says of partitions that their owner leaves them in order. What has
// another owner by now is left alone.
func (s *Store) Release(ctx context.Context, epochs map[projector.Partition]int64) error {
	const query = `-- name: release
		UPDATE projection_offsets o SET claims = 0
		  FROM unnest($2::text[], $3::int[], $4::bigint[]) x(topic, partition, epoch)
		 WHERE o.projection = $1 AND o.topic = x.topic AND o.partition = x.partition AND o.epoch = x.epoch`
	parts := slices.Collect(maps.Keys(epochs))
	_, err := s.pool.Exec(ctx, query, s.projection(),
		column(parts, func(p projector.Partition) string { return p.Topic }),
		column(parts, func(p projector.Partition) int32 { return p.ID }),
		column(parts, func(p projector.Partition) int64 { return epochs[p] }))
	if err != nil {
		return classify(fmt.Errorf("release %d partitions: %w", len(parts), err))
	}
	return nil
}

// countDeath counts the death of an owner that had something in hand, but not of
// one that was killed before it came to what an earlier one had. It forgets what
// is behind the position by now, or was left in order.
func countDeath(ctx context.Context, tx pgx.Tx, projection string, part projector.Partition, c projector.Claim) (projector.Attempt, error) {
	const forget = `-- name: forget_attempt
		DELETE FROM attempts WHERE projection = $1 AND topic = $2 AND partition = $3 AND (to_offset <= $4 OR NOT $5)`
	const count = `-- name: count_death
		UPDATE attempts SET deaths = deaths + isfinite(marked_at)::int, marked_at = '-infinity', -- until somebody has it in hand again
		       trial = CASE trial WHEN 'running' THEN 'deadly' ELSE trial END
		 WHERE projection = $1 AND topic = $2 AND partition = $3
		RETURNING from_offset, to_offset, deaths, trial = 'deadly'`
	if _, err := tx.Exec(ctx, forget, projection, part.Topic, part.ID, c.Next, c.Unclean); err != nil {
		return projector.Attempt{}, fmt.Errorf("forget what was in hand: %w", err)
	}
	var a projector.Attempt
	if !c.Unclean {
		return a, nil
	}
	err := tx.QueryRow(ctx, count, projection, part.Topic, part.ID).Scan(&a.From, &a.To, &a.Deaths, &a.Trial)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return a, fmt.Errorf("count a death: %w", err)
	}
	return a, nil
}
