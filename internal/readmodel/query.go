package readmodel

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/fanout"
	"github.com/waybill-io/waybill/internal/query"
)

// Shipment returns a shipment as it is now.
func (r *Reader) Shipment(ctx context.Context, tenant events.TenantID, id events.ShipmentID) (query.Shipment, error) {
	const statement = `-- name: read_shipment
		SELECT ` + shipmentFields + ` FROM shipments s WHERE s.tenant_id = $1 AND s.shipment_id = $2`
	row, err := readOne(ctx, r, tenant, statement, string(id), scanShipment)
	if err != nil {
		return query.Shipment{}, fmt.Errorf("read shipment %s: %w", id, err)
	}
	return query.Shipment(*row), nil
}

// Order returns an order as it is now.
func (r *Reader) Order(ctx context.Context, tenant events.TenantID, id events.OrderID) (query.Order, error) {
	const statement = `-- name: read_order
		SELECT ` + orderFields + ` FROM orders o WHERE o.tenant_id = $1 AND o.order_id = $2`
	row, err := readOne(ctx, r, tenant, statement, string(id), scanOrder)
	if err != nil {
		return query.Order{}, fmt.Errorf("read order %s: %w", id, err)
	}
	return query.Order(*row), nil
}

func readOne[T fanout.ShipmentRow | fanout.OrderRow](ctx context.Context, r *Reader, tenant events.TenantID, statement, id string,
	scan func(pgx.CollectableRow) (events.TenantID, *T, error)) (one *T, err error) {
	err = r.read(ctx, []events.TenantID{tenant}, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, statement, string(tenant), id)
		if err != nil {
			return err
		}
		one, err = pgx.CollectExactlyOneRow(rows, func(row pgx.CollectableRow) (*T, error) {
			_, it, err := scan(row)
			return it, err
		})
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, query.ErrNotFound
	}
	return one, err
}
