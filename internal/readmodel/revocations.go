package readmodel

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/waybill-io/waybill/internal/auth"
)

// Revocations returns what was revoked in the last [auth.Kept], of all tenants.
func (r *Reader) Revocations(ctx context.Context) (all []auth.Revocation, err error) {
	const query = `-- name: read_revocations
		SELECT tenant_id, subject, token_id, issued_before
		  FROM waybill.revocations
		 WHERE revoked_at > now() - $1::interval
		 ORDER BY revocation_id`
	err = r.read(ctx, nil, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT set_config('waybill.revocations', 'all', true)`); err != nil {
			return fmt.Errorf("ask for all tenants: %w", err)
		}
		rows, err := tx.Query(ctx, query, auth.Kept)
		if err != nil {
			return err
		}
		all, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (a auth.Revocation, err error) {
			err = row.Scan(&a.Tenant, &a.Subject, &a.ID, &a.Before)
			return a, err
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read revocations: %w", err)
	}
	return all, nil
}

// Revoked is a revocation with what an operator said of it.
type Revoked struct {
	auth.Revocation
	Reason string
	By     string
	At     time.Time
}

// Revoke takes back the tokens that a subject was given up to now, or the one
// with an id. It returns since when, by the database's clock.
func (s *Store) Revoke(ctx context.Context, what auth.Revocation, reason, by string) (time.Time, error) {
	var at time.Time
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) (err error) {
		at, err = revoke(ctx, tx, what, reason, by)
		return err
	})
	if err != nil {
		return at, classify(fmt.Errorf("revoke: %w", err))
	}
	return at, nil
}

func revoke(ctx context.Context, tx pgx.Tx, what auth.Revocation, reason, by string) (at time.Time, err error) {
	const statement = `-- name: revoke
		INSERT INTO waybill.revocations (tenant_id, subject, token_id, issued_before, reason, revoked_by, revoked_at)
		SELECT $1, $2, $3, n.now, $4, $5, n.now FROM (SELECT clock_timestamp()) n(now)
		RETURNING revoked_at`
	err = tx.QueryRow(ctx, statement, what.Tenant, what.Subject, what.ID, reason, by).Scan(&at)
	return at.UTC(), err
}

// Revocations lists what is revoked, the newest first; of a tenant, or of all for
// "".
func (s *Store) Revocations(ctx context.Context, tenant string) ([]Revoked, error) {
	const query = `-- name: list_revocations
		SELECT tenant_id, subject, token_id, issued_before, reason, revoked_by, revoked_at
		  FROM waybill.revocations
		 WHERE ($1 = '' OR tenant_id = $1)
		 ORDER BY revocation_id DESC`
	rows, err := s.pool.Query(ctx, query, tenant)
	if err != nil {
		return nil, classify(fmt.Errorf("list revocations: %w", err))
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (r Revoked, err error) {
		err = row.Scan(&r.Tenant, &r.Subject, &r.ID, &r.Before, &r.Reason, &r.By, &r.At)
		r.Before, r.At = r.Before.UTC(), r.At.UTC()
		return r, err
	})
	if err != nil {
		return nil, classify(fmt.Errorf("list revocations: %w", err))
	}
	return all, nil
}

// linksKept is how long a link that is over can still be listed.
const linksKept = 30 * 24 * time.Hour

// PruneAccess forgets revocations of which nothing can be in use any more, and
// links that have been over for a month. It reports how many.
func (s *Store) PruneAccess(ctx context.Context) (int64, error) {
	const query = `-- name: prune_access
		WITH revoked AS (
			DELETE FROM waybill.revocations WHERE revoked_at < now() - $1::interval RETURNING 1
		), over AS (
			DELETE FROM waybill.links WHERE least(expires_at, revoked_at) < now() - $2::interval RETURNING 1
		)
		SELECT (SELECT count(*) FROM revoked) + (SELECT count(*) FROM over)`
	var pruned int64
	if err := s.pool.QueryRow(ctx, query, auth.Kept, linksKept).Scan(&pruned); err != nil {
		return 0, classify(fmt.Errorf("prune revocations and links: %w", err))
	}
	return pruned, nil
}
