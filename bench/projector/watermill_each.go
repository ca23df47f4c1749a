package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/waybill-io/waybill/events"
)

// handlers is how many messages are under way at once: one per partition.
const handlers = 24

// watermillEach writes every message in a transaction of its own, and acks it
// after the commit: the event's row, and the status of its shipment or order as
// the event has it, whatever came before.
func watermillEach(ctx context.Context, j job, begin func()) (figures, error) {
	m, err := newMill(ctx, j, begin, handlers)
	if err != nil {
		return figures{}, err
	}
	err = m.run(ctx, func(ctx context.Context, r *record) error {
		if r.event != nil {
			if err := m.write(ctx, r); err != nil {
				return err // watermill hands the message over again
			}
		}
		m.committed(r)
		return nil
	})
	return m.figures, errors.Join(err, m.close())
}

func (m *mill) write(ctx context.Context, r *record) error {
	tx, err := m.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // nothing after the commit
	fresh, err := insertEvent(ctx, tx, r)
	if err != nil {
		return fmt.Errorf("insert the event: %w", err)
	}
	if fresh {
		if err := overwrite(ctx, tx, r); err != nil {
			return fmt.Errorf("apply %s: %w", r.event.Type(), err)
		}
	}
	return tx.Commit()
}

func insertEvent(ctx context.Context, tx *sql.Tx, r *record) (fresh bool, err error) {
	const query = `INSERT INTO events (tenant_id, stream, stream_id, source, event_id, type, class, occurred_at, tz_source, time_precision,
		       recorded_at, ingested_at, data, content_hash, topic, partition, "offset")
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
		ON CONFLICT DO NOTHING`
	done, err := tx.ExecContext(ctx, query, r.columns()...)
	if err != nil {
		return false, err
	}
	n, err := done.RowsAffected()
	return n > 0, err
}

// overwrite has the last event win.
func overwrite(ctx context.Context, tx *sql.Tx, r *record) error {
	e := r.event
	switch s := e.Stream(); s.Kind {
	case events.OrderStream:
		return upsertOrder(ctx, tx, r)
	case events.TrackingStream:
		ship, err := holder(ctx, tx, r)
		if err != nil || ship == "" {
			return err // nobody has that number
		}
		return upsertShipment(ctx, tx, r, ship)
	default:
		if d, ok := e.Data.(*events.TrackingAssigned); ok {
			return assign(ctx, tx, r, d)
		}
		return upsertShipment(ctx, tx, r, s.ID)
	}
}

func upsertOrder(ctx context.Context, tx *sql.Tx, r *record) error {
	const query = `INSERT INTO orders AS o (tenant_id, order_id, known, status, revision, state)
		VALUES ($1, $2, true, coalesce(nullif($3, ''), 'unknown'), 1, '{}')
		ON CONFLICT (tenant_id, order_id) DO UPDATE
		   SET status = coalesce(nullif($3, ''), o.status), revision = o.revision + 1, updated_at = now()`
	_, err := tx.ExecContext(ctx, query, string(r.event.Tenant), r.event.Stream().ID, statusOf(r.event))
	return err
}

func upsertShipment(ctx context.Context, tx *sql.Tx, r *record, id string) error {
	const query = `INSERT INTO shipments AS s (tenant_id, shipment_id, known, status, status_since, revision, order_ids, last_scan_at, last_scan_type,
		       parcel_count, open_exceptions, exception_count, disputed, gap, damaged, customs_held, state)
		VALUES ($1, $2, true, coalesce(nullif($3, ''), 'unknown'), $4, 1, $5, $4, $6, 1, 0, 0, false, false, false, false, '{}')
		ON CONFLICT (tenant_id, shipment_id) DO UPDATE
		   SET status = coalesce(nullif($3, ''), s.status), status_since = CASE WHEN $3 = '' THEN s.status_since ELSE $4 END,
		       order_ids = CASE WHEN $7 THEN $5 ELSE s.order_ids END,
		       last_scan_at = $4, last_scan_type = $6, revision = s.revision + 1, updated_at = now()`
	e := r.event
	ids := []string{}
	created, begins := e.Data.(*events.ShipmentCreated)
	if begins {
		ids = ordersIn(created)
	}
	if _, err := tx.ExecContext(ctx, query, string(e.Tenant), id, statusOf(e), e.OccurredAt(), ids, string(e.Type()), begins); err != nil {
		return err
	}
	if status := orderStatusOf(e); status != "" {
		return updateOrdersOf(ctx, tx, r, id, status)
	}
	return nil
}

func updateOrdersOf(ctx context.Context, tx *sql.Tx, r *record, ship, status string) error {
	const query = `UPDATE orders SET status = $3, revision = revision + 1, updated_at = now()
		WHERE tenant_id = $1 AND order_id = ANY (SELECT unnest(order_ids) FROM shipments WHERE tenant_id = $1 AND shipment_id = $2)`
	_, err := tx.ExecContext(ctx, query, string(r.event.Tenant), ship, status)
	return err
}

func assign(ctx context.Context, tx *sql.Tx, r *record, d *events.TrackingAssigned) error {
	const query = `INSERT INTO tracking_numbers (tenant_id, carrier, tracking_number, valid_from, shipment_id, source, event_id, valid_to, parcel_id, occurred_at, recorded_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, 'infinity', $8, $4, $9)
		ON CONFLICT DO NOTHING`
	e := r.event
	_, err := tx.ExecContext(ctx, query, string(e.Tenant), string(d.Carrier.SCAC), string(d.TrackingNumber), e.OccurredAt(), e.Stream().ID,
		string(e.Source), string(e.ID), string(d.ParcelID), e.RecordedAt)
	return err
}

// holder is the shipment that has the number of a scan, the newest if several do.
func holder(ctx context.Context, tx *sql.Tx, r *record) (ship string, err error) {
	const query = `SELECT shipment_id FROM tracking_numbers
		WHERE tenant_id = $1 AND carrier = $2 AND tracking_number = $3 ORDER BY valid_from DESC LIMIT 1`
	carrier, number := r.event.Stream().Number()
	err = tx.QueryRowContext(ctx, query, string(r.event.Tenant), string(carrier), string(number)).Scan(&ship)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return ship, err
}
