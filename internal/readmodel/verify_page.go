package readmodel

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/waybill-io/waybill/events"
)

// all judges every stream that has an event or a row, page by page.
func (v *verifier) all(ctx context.Context) error {
	tenants, err := v.tenants(ctx)
	if err != nil {
		return err
	}
	for _, tenant := range tenants {
		for _, kind := range []events.StreamKind{events.ShipmentStream, events.TrackingStream, events.OrderStream} {
			if err := v.allOf(ctx, tenant, kind); err != nil {
				return fmt.Errorf("%ss of %s: %w", kind, tenant, err)
			}
		}
	}
	return nil
}

func (v *verifier) allOf(ctx context.Context, tenant events.TenantID, kind events.StreamKind) error {
	for last, n := "", v.cfg.Streams; n == v.cfg.Streams; {
		err := v.look(ctx, func(tx pgx.Tx) (streams, error) {
			page, err := v.page(ctx, tx, tenant, kind, last)
			if n = len(page); n > 0 {
				last = page[n-1]
			}
			of := newStreams()
			for _, id := range page {
				of.add(tenant, events.Stream{Kind: kind, ID: id})
			}
			return of, err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// tenants lists the tenants with an event or a row.
func (v *verifier) tenants(ctx context.Context) ([]events.TenantID, error) {
	if v.cfg.Tenant != "" {
		return []events.TenantID{v.cfg.Tenant}, nil
	}
	var all []events.TenantID
	err := v.look(ctx, func(tx pgx.Tx) (streams, error) {
		parts := []string{`SELECT tenant_id FROM waybill.events`}
		for _, t := range comparedTables() {
			parts = append(parts, `SELECT tenant_id FROM `+t.name)
		}
		rows, err := tx.Query(ctx, "-- name: all_tenants\n"+strings.Join(parts, ` UNION `)+` ORDER BY 1`)
		if err != nil {
			return newStreams(), err
		}
		all, err = pgx.CollectRows(rows, pgx.RowTo[events.TenantID])
		return newStreams(), err
	})
	if err != nil {
		return nil, fmt.Errorf("list tenants: %w", err)
	}
	return all, nil
}

// page lists the ids of a kind after one, in their order: of streams with
// events, and of those that only rows speak of.
func (v *verifier) page(ctx context.Context, tx pgx.Tx, tenant events.TenantID, kind events.StreamKind, after string) ([]string, error) {
	const part = `(SELECT DISTINCT %[1]s FROM %[2]s WHERE tenant_id = $1 AND %[3]s AND %[1]s > $2 ORDER BY 1 LIMIT $3)`
	ofKind := fmt.Sprintf("stream = '%s'", kind)
	parts := []string{fmt.Sprintf(part, "stream_id", "waybill.events", ofKind), fmt.Sprintf(part, "stream_id", marksTable, ofKind)}
	column := map[events.StreamKind]string{events.ShipmentStream: "shipment_id", events.OrderStream: "order_id"}[kind]
	for _, t := range comparedTables() {
		if slices.Contains(t.columns, column) {
			parts = append(parts, fmt.Sprintf(part, column, t.name, "true"))
		}
	}
	if kind == events.TrackingStream {
		parts = append(parts, fmt.Sprintf(part, "stream_id", unmatchedTable, ofKind))
	}
	rows, err := tx.Query(ctx, "-- name: page_of_streams\n"+strings.Join(parts, "\nUNION ")+"\nORDER BY 1 LIMIT $3", string(tenant), after, v.cfg.Streams)
	if err != nil {
		return nil, err
	}
	page, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("list streams: %w", err)
	}
	return page, nil
}
