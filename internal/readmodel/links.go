package readmodel

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/auth"
	"github.com/waybill-io/waybill/internal/share"
)

// Link returns the link that a secret opens, or [share.ErrNotFound]: to a secret
// that no link has, and to one whose link has expired or was revoked, the same
// statement answers the same.
func (r *Reader) Link(ctx context.Context, secret share.Secret) (l share.Link, err error) {
	const query = `-- name: open_link
		SELECT link_id, tenant_id, shipment_id, created_at, expires_at
		  FROM waybill.links
		 WHERE secret_hash = $1 AND revoked_at IS NULL AND expires_at > now()`
	digest := secret.Digest()
	err = r.read(ctx, nil, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT set_config('waybill.link', $1, true)`, digest.String()); err != nil {
			return fmt.Errorf("name the link: %w", err)
		}
		return tx.QueryRow(ctx, query, digest[:]).Scan(&l.ID, &l.Tenant, &l.Shipment, &l.Created, &l.Expires)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return share.Link{}, share.ErrNotFound
	}
	if err != nil {
		return share.Link{}, fmt.Errorf("open a link: %w", err)
	}
	return l, nil
}

// CreateLink keeps a new link to a shipment, which must be there, for a time from
// now on.
func (s *Store) CreateLink(ctx context.Context, secret share.Secret, tenant events.TenantID, shipment events.ShipmentID, life time.Duration, by string) (share.Link, error) {
	const statement = `-- name: create_link
		INSERT INTO waybill.links (secret_hash, link_id, tenant_id, shipment_id, created_by, created_at, expires_at)
		SELECT $1, $2, s.tenant_id, s.shipment_id, $5, now(), now() + $6::interval
		  FROM waybill.shipments s WHERE s.tenant_id = $3 AND s.shipment_id = $4
		RETURNING created_at, expires_at`
	digest := secret.Digest()
	l := share.Link{ID: digest.ID(), Tenant: tenant, Shipment: shipment}
	err := s.pool.QueryRow(ctx, statement, digest[:], l.ID, string(tenant), string(shipment), by, life).Scan(&l.Created, &l.Expires)
	if errors.Is(err, pgx.ErrNoRows) {
		return share.Link{}, missing(fmt.Sprintf("tenant %s has no shipment %s", tenant, shipment))
	}
	if err != nil {
		return share.Link{}, classify(fmt.Errorf("create a link: %w", err))
	}
	return l, nil
}

// Links lists the links of a tenant that are good, the newest first, or with over
// also those that are not any more; of one shipment, or of all for "".
func (s *Store) Links(ctx context.Context, tenant events.TenantID, shipment events.ShipmentID, over bool) ([]share.Link, error) {
	const query = `-- name: list_links
		SELECT link_id, tenant_id, shipment_id, created_at, expires_at, revoked_at
		  FROM waybill.links
		 WHERE tenant_id = $1 AND ($2 = '' OR shipment_id = $2)
		   AND ($3 OR revoked_at IS NULL AND expires_at > now())
		 ORDER BY created_at DESC, link_id`
	rows, err := s.pool.Query(ctx, query, string(tenant), string(shipment), over)
	if err != nil {
		return nil, classify(fmt.Errorf("list links: %w", err))
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (l share.Link, err error) {
		var revoked *time.Time
		err = row.Scan(&l.ID, &l.Tenant, &l.Shipment, &l.Created, &l.Expires, &revoked)
		l.Created, l.Expires, l.Revoked = l.Created.UTC(), l.Expires.UTC(), instant(revoked)
		return l, err
	})
	if err != nil {
		return nil, classify(fmt.Errorf("list links: %w", err))
	}
	return all, nil
}

// RevokeLink takes a link back, for those who have it open too. Of one that was
// revoked already it returns when, and changes nothing; one that is not the
// tenant's is [share.ErrNotFound].
func (s *Store) RevokeLink(ctx context.Context, tenant events.TenantID, id, reason, by string) (already time.Time, err error) {
	const lock = `-- name: lock_link
		SELECT revoked_at FROM waybill.links WHERE tenant_id = $1 AND link_id = $2 FOR UPDATE`
	const statement = `-- name: revoke_link
		UPDATE waybill.links SET revoked_at = clock_timestamp() WHERE tenant_id = $1 AND link_id = $2`
	var before *time.Time
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, lock, string(tenant), id).Scan(&before); err != nil || before != nil {
			return err
		}
		if _, err := tx.Exec(ctx, statement, string(tenant), id); err != nil {
			return err
		}
		_, err := revoke(ctx, tx, auth.Revocation{Tenant: string(tenant), ID: id}, reason, by)
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return time.Time{}, missing(fmt.Sprintf("tenant %s has no link %s", tenant, id))
	}
	if err != nil {
		return time.Time{}, classify(fmt.Errorf("revoke a link: %w", err))
	}
	return instant(before), nil
}

// missing is [share.ErrNotFound] for an operator, who may know what is not there.
type missing string

// Error names it.
func (m missing) Error() string { return string(m) }

// Is reports that it is [share.ErrNotFound].
func (missing) Is(target error) bool { return target == share.ErrNotFound }
