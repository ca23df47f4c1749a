package readmodel

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/waybill-io/waybill/internal/projector"
)

// Position is where the live version stands in one partition, and who has it.
type Position struct {
	projector.Partition
	projector.Claim
	Owner   string
	Claimed time.Time
}

// AllPositions lists the positions of the live version.
func (s *Store) AllPositions(ctx context.Context) ([]Position, error) {
	const query = `-- name: all_positions
		SELECT topic, partition, epoch, next_offset, cluster_id, last_offset, last_hash, owner, claimed_at
		  FROM projection_offsets WHERE projection = $1
		 ORDER BY topic, partition`
	rows, err := s.pool.Query(ctx, query, s.projection())
	if err != nil {
		return nil, classify(fmt.Errorf("read positions: %w", err))
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (p Position, err error) {
		err = row.Scan(&p.Topic, &p.ID, &p.Epoch, &p.Next, &p.Cluster, &p.LastSeen, &p.LastHash, &p.Owner, &p.Claimed)
		return p, err
	})
	if err != nil {
		return nil, classify(fmt.Errorf("read positions: %w", err))
	}
	return list, nil
}

// Gap is a range of a partition's log that an operator gives up.
type Gap struct {
	projector.Partition
	Cause     string // log_gap, other_log or by_choice
	From, To  int64  // the position before and after
	Bounds    projector.Bounds
	Cluster   string // of the log before
	ToCluster string // of the log from now on
	Reason    string
	Who       string
}

// ErrMoved says that a position is not where it was looked at.
var ErrMoved = errors.New("the position has moved meanwhile; look again")

// ErrParked says that records of the log that is given up wait for dead letters:
// their offsets would mean others from then on.
var ErrParked = errors.New("records of the old log are parked; replay or discard the dead letters that they wait for first")

// AcceptGap moves a position and records what was given up, in one transaction.
// Whoever has the partition is fenced, and claims it again. It returns the
// position's new epoch.
func (s *Store) AcceptGap(ctx context.Context, g Gap) (epoch int64, err error) {
	const move = `-- name: move_position
		UPDATE projection_offsets
		   SET epoch = epoch + 1, next_offset = $5, cluster_id = $7, last_offset = -1, last_hash = NULL, claims = 0, claimed_at = now()
		 WHERE projection = $1 AND topic = $2 AND partition = $3 AND next_offset = $4 AND cluster_id = $6
		RETURNING epoch`
	const record = `-- name: record_lost_range
		INSERT INTO lost_ranges (projection, topic, partition, epoch, cause, from_offset, to_offset, log_start, log_end,
		                         cluster_id, to_cluster_id, reason, accepted_by)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		live, err := lockLive(ctx, tx)
		if err != nil {
			return err
		}
		projection := schemaOf(live)
		err = tx.QueryRow(ctx, move, projection, g.Topic, g.ID, g.From, g.To, g.Cluster, g.ToCluster).Scan(&epoch)
		if errors.Is(err, pgx.ErrNoRows) {
			return ErrMoved
		}
		if err != nil {
			return fmt.Errorf("move the position: %w", err)
		}
		if err := g.checkParked(ctx, tx, projection); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, record, projection, g.Topic, g.ID, epoch, g.Cause, g.From, g.To, g.Bounds.Start, g.Bounds.End,
			g.Cluster, g.ToCluster, g.Reason, g.Who)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("accept the gap of %s: %w", g.Partition, err)
	}
	return epoch, nil
}

// checkParked refuses to go over to another log while records of the old one wait.
// The position is locked, so that nobody parks any meanwhile.
func (g *Gap) checkParked(ctx context.Context, tx pgx.Tx, projection string) error {
	const query = `-- name: any_parked
		SELECT EXISTS (SELECT FROM parked_keys WHERE projection = $1 AND topic = $2 AND partition = $3)`
	if g.Cause != "other_log" {
		return nil
	}
	var parked bool
	if err := tx.QueryRow(ctx, query, projection, g.Topic, g.ID).Scan(&parked); err != nil {
		return fmt.Errorf("look for parked keys: %w", err)
	}
	if parked {
		return ErrParked
	}
	return nil
}
