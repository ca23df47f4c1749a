package readmodel

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/fanout"
)

const defaultPage = 500

// errNoRows refuses a snapshot of what has none.
var errNoRows = errors.New("the topic has no rows")

// Snapshot reads the rows of a topic and the position they are of, in one
// snapshot.
func (r *Reader) Snapshot(ctx context.Context, q fanout.Query, page func([]fanout.Row) error) (fanout.Position, error) {
	var at fanout.Position
	err := r.read(ctx, []events.TenantID{q.Tenant}, func(tx pgx.Tx) error {
		stands, err := readStands(ctx, tx, []events.TenantID{q.Tenant})
		if err != nil {
			return fmt.Errorf("read the position: %w", err)
		}
		at = stands[q.Tenant].at
		switch q.Topic {
		case fanout.Orders:
			return snapshotOrders(ctx, tx, q, page)
		case fanout.Shipments:
			return snapshotShipments(ctx, tx, q, page)
		case fanout.KPIs:
			return snapshotKPIs(ctx, tx, q, page)
		case fanout.Timeline:
			return snapshotTimeline(ctx, tx, q, page)
		case fanout.Alerts:
		}
		return errNoRows
	})
	if err != nil {
		return fanout.Position{}, fmt.Errorf("read a snapshot of %s: %w", q.Topic, err)
	}
	return at, nil
}

func snapshotShipments(ctx context.Context, tx pgx.Tx, q fanout.Query, page func([]fanout.Row) error) error {
	n := narrow(q, shipmentLookups())
	query := `-- name: snapshot_shipments
		SELECT ` + shipmentFields + ` FROM shipments s WHERE s.tenant_id = $1` + n.conditions + `
		 ORDER BY s.shipment_id`
	rows, err := tx.Query(ctx, query, n.args...)
	if err != nil {
		return err
	}
	return inPages(rows, q.PageSize, page, shipmentRow)
}

func shipmentRow(row pgx.CollectableRow) (fanout.Row, error) {
	_, s, err := scanShipment(row)
	return s, err
}

func snapshotOrders(ctx context.Context, tx pgx.Tx, q fanout.Query, page func([]fanout.Row) error) error {
	n := narrow(q, orderLookups())
	query := `-- name: snapshot_orders
		SELECT ` + orderFields + ` FROM orders o WHERE o.tenant_id = $1` + n.conditions + `
		 ORDER BY o.order_id`
	rows, err := tx.Query(ctx, query, n.args...)
	if err != nil {
		return err
	}
	return inPages(rows, q.PageSize, page, func(row pgx.CollectableRow) (fanout.Row, error) {
		_, o, err := scanOrder(row)
		return o, err
	})
}

// inPages hands rows on as they come, some at a time.
func inPages(rows pgx.Rows, size int, page func([]fanout.Row) error, scan func(pgx.CollectableRow) (fanout.Row, error)) error {
	defer rows.Close()
	if size <= 0 {
		size = defaultPage
	}
	batch := make([]fanout.Row, 0, size)
	for rows.Next() {
		row, err := scan(rows)
		if err != nil {
			return err
		}
		if batch = append(batch, row); len(batch) < size {
			continue
		}
		if err := page(batch); err != nil {
			return err
		}
		batch = make([]fanout.Row, 0, size)
	}
	if err := rows.Err(); err != nil || len(batch) == 0 {
		return err
	}
	return page(batch)
}
