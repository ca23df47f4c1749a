package readmodel

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/waybill-io/waybill/internal/fault"
	"github.com/waybill-io/waybill/internal/projector"
)

// Store applies batches. It implements [projector.Store].
type Store struct {
	pool *pgxpool.Pool
	live atomic.Int32 // the version that it writes; a claim finds out when that is another one

	recent *recent
}

// projection is the schema of the version it writes, which names its positions
// too.
func (s *Store) projection() string { return schemaOf(s.live.Load()) }

// OpenStore connects to the live version of the read model.
func OpenStore(ctx context.Context, cfg Config) (*Store, error) {
	version, err := liveVersion(ctx, cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("open the read model: %w", err)
	}
	s := &Store{recent: newRecent()}
	s.live.Store(version)
	s.pool, err = open(ctx, cfg, projectorRole, func(ctx context.Context, conn *pgx.Conn) error {
		return follow(ctx, conn, s.live.Load())
	})
	if err != nil {
		return nil, fmt.Errorf("open the read model: %w", err)
	}
	if err := s.pool.Ping(ctx); err != nil {
		s.pool.Close()
		return nil, fmt.Errorf("open the read model as %s: %w", projectorRole, err)
	}
	return s, nil
}

// Close ends its connections once they are idle.
func (s *Store) Close() { s.pool.Close() }

// Ping reports whether the database answers.
func (s *Store) Ping(ctx context.Context) error { return s.pool.Ping(ctx) }

// Claim takes partitions over, in one transaction sorted by partition. It waits
// for the transaction that an earlier owner has open, and sees its outcome. It
// is of the version that is live then, which the Store writes from now on.
func (s *Store) Claim(ctx context.Context, owner, cluster string, parts []projector.Partition) (map[projector.Partition]projector.Claim, error) {
	claims := make(map[projector.Partition]projector.Claim, len(parts))
	var live int32
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) (err error) {
		if live, err = lockLive(ctx, tx); err != nil {
			return err
		}
		for _, part := range parts {
			claim, err := claimOne(ctx, tx, schemaOf(live), owner, cluster, part)
			if err != nil {
				return fmt.Errorf("claim %s: %w", part, err)
			}
			claims[part] = claim
		}
		return readParked(ctx, tx, schemaOf(live), claims)
	})
	if err != nil {
		return nil, classify(err)
	}
	s.live.Store(live)
	return claims, nil
}

func claimOne(ctx context.Context, tx pgx.Tx, projection, owner, cluster string, part projector.Partition) (projector.Claim, error) {
	const query = `-- name: claim
		INSERT INTO projection_offsets AS o (projection, topic, partition, epoch, next_offset, owner, cluster_id, claims)
		VALUES ($1, $2, $3, 1, 0, $4, $5, 1)
		ON CONFLICT (projection, topic, partition) DO UPDATE
		   SET epoch = o.epoch + 1, owner = excluded.owner, claimed_at = now(), claims = o.claims + 1,
		       cluster_id = CASE WHEN o.next_offset = 0 AND o.last_offset < 0 THEN excluded.cluster_id ELSE o.cluster_id END
		RETURNING o.epoch, o.next_offset, o.cluster_id, o.last_offset, o.last_hash, o.claims > 1`
	var c projector.Claim
	err := tx.QueryRow(ctx, query, projection, part.Topic, part.ID, owner, cluster).
		Scan(&c.Epoch, &c.Next, &c.Cluster, &c.LastSeen, &c.LastHash, &c.Unclean)
	if err != nil {
		return c, err
	}
	c.Attempt, err = countDeath(ctx, tx, projection, part, c)
	return c, err
}

// Positions reads where partitions stand.
func (s *Store) Positions(ctx context.Context, parts []projector.Partition) (map[projector.Partition]projector.Claim, error) {
	const query = `-- name: positions
		SELECT o.topic, o.partition, o.epoch, o.next_offset, o.cluster_id, o.last_offset, o.last_hash
		  FROM projection_offsets o
		  JOIN unnest($2::text[], $3::int[]) x(topic, partition) USING (topic, partition)
		 WHERE o.projection = $1`
	rows, err := s.pool.Query(ctx, query, s.projection(),
		column(parts, func(p projector.Partition) string { return p.Topic }),
		column(parts, func(p projector.Partition) int32 { return p.ID }))
	if err != nil {
		return nil, classify(fmt.Errorf("read positions: %w", err))
	}
	claims := make(map[projector.Partition]projector.Claim, len(parts))
	var part projector.Partition
	var c projector.Claim
	_, err = pgx.ForEachRow(rows, []any{&part.Topic, &part.ID, &c.Epoch, &c.Next, &c.Cluster, &c.LastSeen, &c.LastHash}, func() error {
		claims[part] = projector.Claim{Epoch: c.Epoch, Next: c.Next, Cluster: c.Cluster, LastSeen: c.LastSeen, LastHash: slices.Clone(c.LastHash)}
		return nil
	})
	if err != nil {
		return nil, classify(fmt.Errorf("read positions: %w", err))
	}
	return claims, nil
}

// Apply applies a batch in one transaction and, once that is committed, wakes
// the gateways.
func (s *Store) Apply(ctx context.Context, b projector.Batch) (projector.Applied, error) {
	applied, err := s.apply(ctx, b)
	if errors.Is(err, errKnown) {
		s.recent.wrong()
		applied, err = s.apply(ctx, b)
	}
	if err != nil {
		return projector.Applied{}, classify(err)
	}
	if applied.Changes > 0 {
		fault.Point("before_wake")
		s.notify(ctx)
	}
	return applied, nil
}

func (s *Store) apply(ctx context.Context, b projector.Batch) (projector.Applied, error) {
	u := newUnit(s.projection(), b)
	u.recent = s.recent
	var commit time.Duration
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		u.tx, u.projection = tx, schemaOf(sessionVersion(tx.Conn()))
		return u.run(ctx)
	}, &commit)
	u.applied.Commit = commit
	return u.applied, err
}

func (s *Store) inTx(ctx context.Context, do func(pgx.Tx) error, commit *time.Duration) error {
	tx, err := s.pool.Begin(ctx)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer tx.Rollback(context.WithoutCancel(ctx)) // no effect after the commit
	if err := do(tx); err != nil {
		return err
	}
	start := time.Now()
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	fault.Point("committed")
	*commit = time.Since(start)
	return nil
}

// notify is a hint in a transaction of its own: inside the batch's it would
// queue all commits of the database. A lost one costs the gateways a tick.
func (s *Store) notify(ctx context.Context) {
	_, _ = s.pool.Exec(ctx, `SELECT pg_notify('changes', '')`)
}
