package readmodel

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/tracking"
)

// orderRow is what shipments can change of an order beside its lines. Whatever
// else a row says follows from the order's own facts, and their number.
type orderRow struct {
	status                              string
	revision                            int64
	flags                               string
	cancelledAt, shippedAt, deliveredAt time.Time
}

// lineRow is a line as it is stored.
type lineRow struct {
	id                                         events.LineID
	sku, unitPrice                             string
	ordered, cancelled, allocated, backordered int64
	shipped, delivered, returned, lost         int64
}

func (w *orderWork) row() orderRow {
	o := &w.now
	return orderRow{string(o.Status), o.Revision, list(o.Flags), o.CancelledAt, o.ShippedAt, o.DeliveredAt}
}

func (w *orderWork) lineRows() []lineRow {
	return column(w.now.Lines, func(l tracking.Line) lineRow {
		return lineRow{l.ID, l.SKU, string(l.UnitPrice), l.Ordered, l.Cancelled, l.Allocated, l.Backordered, l.Shipped, l.Delivered, l.Returned, l.Lost}
	})
}

// nobody reports a placeholder that nothing speaks of any more.
func (w *orderWork) nobody() bool { return w.base.Revision == 0 && len(w.carried) == 0 }

// changed reports whether there is anything to write.
func (w *orderWork) changed() bool {
	return len(w.own) > 0 || w.row() != w.was || !slices.Equal(w.lineRows(), w.lines)
}

// writeOrders writes the orders that changed and takes away placeholders that
// nothing speaks of any more.
func (u *unit) writeOrders(ctx context.Context, works []*orderWork) error {
	var changed, gone []*orderWork
	for _, w := range works {
		switch {
		case w.nobody() && w.was == (orderRow{}): // it has no row, and needs none
		case w.nobody():
			gone = append(gone, w)
			u.changes.add("order", w.entity, w.touched)
		case w.changed():
			changed = append(changed, w)
			u.changes.add("order", w.entity, w.touched)
		}
	}
	if err := u.deleteOrders(ctx, gone); err != nil {
		return fmt.Errorf("take placeholders away: %w", err)
	}
	if err := u.upsertOrders(ctx, changed); err != nil {
		return fmt.Errorf("write orders: %w", err)
	}
	if err := u.writeLines(ctx, changed); err != nil {
		return fmt.Errorf("write order lines: %w", err)
	}
	return nil
}

func (u *unit) deleteOrders(ctx context.Context, works []*orderWork) error {
	if len(works) == 0 {
		return nil
	}
	const lines = `-- name: delete_placeholder_lines
		DELETE FROM order_lines l USING unnest($1::text[], $2::text[]) x(tenant_id, order_id)
		 WHERE l.tenant_id = x.tenant_id AND l.order_id = x.order_id`
	const orders = `-- name: delete_placeholders
		DELETE FROM orders o USING unnest($1::text[], $2::text[]) x(tenant_id, order_id)
		 WHERE o.tenant_id = x.tenant_id AND o.order_id = x.order_id`
	keys := column(works, func(w *orderWork) entity { return w.entity })
	if _, err := u.tx.Exec(ctx, lines, tenants(keys), ids(keys)); err != nil {
		return err
	}
	_, err := u.tx.Exec(ctx, orders, tenants(keys), ids(keys))
	return err
}

// upsertOrders writes all columns, of orders that have a row and of others.
func (u *unit) upsertOrders(ctx context.Context, works []*orderWork) error {
	if len(works) == 0 {
		return nil
	}
	states := make([]string, len(works))
	for i, w := range works {
		doc, err := json.Marshal(w.base, json.Deterministic(true))
		if err != nil {
			return fmt.Errorf("write the state of order %s: %w", w.id, err)
		}
		states[i] = string(doc)
	}
	const query = `-- name: upsert_orders
		INSERT INTO orders (tenant_id, order_id, known, status, revision, number, channel, currency, customer_ref,
		       ship_to_ref, placed_at, confirmed_at, cancelled_at, closed_at, shipped_at, delivered_at,
		       promise_original_start, promise_original_end, promise_original_precision, promise_original_on,
		       promise_latest_start, promise_latest_end, promise_latest_precision, promise_latest_on,
		       requested_start, requested_end, requested_precision, requested_on,
		       holds, returns_open, flags, payment, ordered, cancelled, allocated, shipped, delivered, returned, lost, state)
		SELECT x.tenant_id, x.order_id, x.known, x.status, x.revision, x.number, x.channel, x.currency, x.customer_ref,
		       x.ship_to_ref, x.placed_at, x.confirmed_at, x.cancelled_at, x.closed_at, x.shipped_at, x.delivered_at,
		       x.os, x.oe, x.op, x.oo, x.ls, x.le, x.lp, x.lo, x.rs, x.re, x.rp, x.ro,
		       string_to_array(x.holds, E'\x1f'), string_to_array(x.returns_open, E'\x1f'), string_to_array(x.flags, E'\x1f'), x.payment,
		       x.ordered, x.cancelled, x.allocated, x.shipped, x.delivered, x.returned, x.lost, x.state
		  FROM unnest($1::text[], $2::text[], $3::bool[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::text[],
		       $9::text[], $10::text[], $11::timestamptz[], $12::timestamptz[], $13::timestamptz[], $14::timestamptz[],
		       $15::timestamptz[], $16::timestamptz[],
		       $17::timestamptz[], $18::timestamptz[], $19::text[], $20::date[],
		       $21::timestamptz[], $22::timestamptz[], $23::text[], $24::date[],
		       $25::timestamptz[], $26::timestamptz[], $27::text[], $28::date[],
		       $29::text[], $30::text[], $31::text[], $32::text[], $33::bigint[], $34::bigint[], $35::bigint[],
		       $36::bigint[], $37::bigint[], $38::bigint[], $39::bigint[], $40::jsonb[])
		       x(tenant_id, order_id, known, status, revision, number, channel, currency, customer_ref, ship_to_ref, placed_at,
		       confirmed_at, cancelled_at, closed_at, shipped_at, delivered_at, os, oe, op, oo, ls, le, lp, lo, rs, re, rp, ro,
		       holds, returns_open, flags, payment, ordered, cancelled, allocated, shipped, delivered, returned, lost, state)
		ON CONFLICT (tenant_id, order_id) DO UPDATE
		   SET known = excluded.known, status = excluded.status, revision = excluded.revision, number = excluded.number,
		       channel = excluded.channel, currency = excluded.currency, customer_ref = excluded.customer_ref,
		       ship_to_ref = excluded.ship_to_ref, placed_at = excluded.placed_at, confirmed_at = excluded.confirmed_at,
		       cancelled_at = excluded.cancelled_at, closed_at = excluded.closed_at, shipped_at = excluded.shipped_at,
		       delivered_at = excluded.delivered_at, promise_original_start = excluded.promise_original_start,
		       promise_original_end = excluded.promise_original_end,
		       promise_original_precision = excluded.promise_original_precision,
		       promise_original_on = excluded.promise_original_on, promise_latest_start = excluded.promise_latest_start,
		       promise_latest_end = excluded.promise_latest_end, promise_latest_precision = excluded.promise_latest_precision,
		       promise_latest_on = excluded.promise_latest_on, requested_start = excluded.requested_start,
		       requested_end = excluded.requested_end, requested_precision = excluded.requested_precision,
		       requested_on = excluded.requested_on, holds = excluded.holds,
		       returns_open = excluded.returns_open, flags = excluded.flags,
		       payment = excluded.payment, ordered = excluded.ordered, cancelled = excluded.cancelled,
		       allocated = excluded.allocated, shipped = excluded.shipped, delivered = excluded.delivered,
		       returned = excluded.returned, lost = excluded.lost, state = excluded.state, updated_at = now()`
	args := append(orderColumns(works), spanColumns(works, func(w *orderWork) *events.Window { return w.base.Original })...)
	args = append(args, spanColumns(works, func(w *orderWork) *events.Window { return w.base.Latest })...)
	args = append(args, spanColumns(works, func(w *orderWork) *events.Window { return w.base.Requested })...)
	args = append(args, totalColumns(works)...)
	_, err := u.tx.Exec(ctx, query, append(args, states)...)
	return err
}

func orderColumns(works []*orderWork) []any {
	return []any{
		column(works, func(w *orderWork) string { return string(w.tenant) }),
		column(works, func(w *orderWork) string { return w.id }),
		column(works, func(w *orderWork) bool { return w.now.Known }),
		column(works, func(w *orderWork) string { return string(w.now.Status) }),
		column(works, func(w *orderWork) int64 { return w.now.Revision }),
		column(works, func(w *orderWork) *string { return nullText(w.now.Number) }),
		column(works, func(w *orderWork) *string { return nullText(w.now.Channel) }),
		column(works, func(w *orderWork) *string { return nullText(w.now.Currency) }),
		column(works, func(w *orderWork) *string { return nullText(w.now.CustomerRef) }),
		column(works, func(w *orderWork) *string { return nullText(w.now.ShipToRef) }),
		column(works, func(w *orderWork) *time.Time { return nullTime(w.now.PlacedAt) }),
		column(works, func(w *orderWork) *time.Time { return nullTime(w.now.ConfirmedAt) }),
		column(works, func(w *orderWork) *time.Time { return nullTime(w.now.CancelledAt) }),
		column(works, func(w *orderWork) *time.Time { return nullTime(w.now.ClosedAt) }),
		column(works, func(w *orderWork) *time.Time { return nullTime(w.now.ShippedAt) }),
		column(works, func(w *orderWork) *time.Time { return nullTime(w.now.DeliveredAt) }),
	}
}

func spanColumns(works []*orderWork, of func(*orderWork) *events.Window) []any {
	spans := column(works, func(w *orderWork) span { return spanOf(of(w)) })
	return []any{
		column(spans, func(s span) *time.Time { return nullTime(s.start) }),
		column(spans, func(s span) *time.Time { return nullTime(s.end) }),
		column(spans, func(s span) *string { return nullText(s.precision) }),
		column(spans, func(s span) *time.Time { return nullTime(s.day) }),
	}
}

func totalColumns(works []*orderWork) []any {
	return []any{
		column(works, func(w *orderWork) string { return list(w.now.Holds) }),
		column(works, func(w *orderWork) string { return list(w.now.ReturnsOpen()) }),
		column(works, func(w *orderWork) string { return list(w.now.Flags) }),
		column(works, func(w *orderWork) string { return w.now.Payment }),
		column(works, func(w *orderWork) int64 { return w.now.Total.Ordered }),
		column(works, func(w *orderWork) int64 { return w.now.Total.Cancelled }),
		column(works, func(w *orderWork) int64 { return w.now.Total.Allocated }),
		column(works, func(w *orderWork) int64 { return w.now.Total.Shipped }),
		column(works, func(w *orderWork) int64 { return w.now.Total.Delivered }),
		column(works, func(w *orderWork) int64 { return w.now.Total.Returned }),
		column(works, func(w *orderWork) int64 { return w.now.Total.Lost }),
	}
}

// writeLines writes the lines that changed and takes away those that a fold no
// longer yields.
func (u *unit) writeLines(ctx context.Context, works []*orderWork) error {
	var changed, gone []child[lineRow]
	for _, w := range works {
		now := w.lineRows()
		for _, l := range now {
			if !slices.Contains(w.lines, l) {
				changed = append(changed, child[lineRow]{w.entity, l})
			}
		}
		for _, l := range w.lines {
			if !slices.ContainsFunc(now, func(n lineRow) bool { return n.id == l.id }) {
				gone = append(gone, child[lineRow]{w.entity, l})
			}
		}
	}
	if err := u.deleteLines(ctx, gone); err != nil {
		return err
	}
	return u.upsertLines(ctx, changed)
}

func (u *unit) deleteLines(ctx context.Context, rows []child[lineRow]) error {
	if len(rows) == 0 {
		return nil
	}
	const query = `-- name: delete_vanished_lines
		DELETE FROM order_lines l USING unnest($1::text[], $2::text[], $3::text[]) x(tenant_id, order_id, line_id)
		 WHERE (l.tenant_id, l.order_id, l.line_id) = (x.tenant_id, x.order_id, x.line_id)`
	_, err := u.tx.Exec(ctx, query,
		column(rows, func(c child[lineRow]) string { return string(c.tenant) }),
		column(rows, func(c child[lineRow]) string { return c.id }),
		column(rows, func(c child[lineRow]) string { return string(c.row.id) }))
	return err
}

func (u *unit) upsertLines(ctx context.Context, rows []child[lineRow]) error {
	if len(rows) == 0 {
		return nil
	}
	const query = `-- name: upsert_order_lines
		INSERT INTO order_lines (tenant_id, order_id, line_id, sku, unit_price, ordered, cancelled, allocated,
		       backordered, shipped, delivered, returned, lost)
		SELECT x.tenant_id, x.order_id, x.line_id, x.sku, x.unit_price::numeric, x.ordered, x.cancelled, x.allocated,
		       x.backordered, x.shipped, x.delivered, x.returned, x.lost
		  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[],
		       $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[])
		       x(tenant_id, order_id, line_id, sku, unit_price, ordered, cancelled, allocated, backordered, shipped,
		       delivered, returned, lost)
		ON CONFLICT (tenant_id, order_id, line_id) DO UPDATE
		   SET sku = excluded.sku, unit_price = excluded.unit_price, ordered = excluded.ordered,
		       cancelled = excluded.cancelled, allocated = excluded.allocated, backordered = excluded.backordered,
		       shipped = excluded.shipped, delivered = excluded.delivered, returned = excluded.returned, lost = excluded.lost`
	type line = child[lineRow]
	_, err := u.tx.Exec(ctx, query,
		column(rows, func(c line) string { return string(c.tenant) }),
		column(rows, func(c line) string { return c.id }),
		column(rows, func(c line) string { return string(c.row.id) }),
		column(rows, func(c line) *string { return nullText(c.row.sku) }),
		column(rows, func(c line) *string { return nullText(c.row.unitPrice) }),
		column(rows, func(c line) int64 { return c.row.ordered }),
		column(rows, func(c line) int64 { return c.row.cancelled }),
		column(rows, func(c line) int64 { return c.row.allocated }),
		column(rows, func(c line) int64 { return c.row.backordered }),
		column(rows, func(c line) int64 { return c.row.shipped }),
		column(rows, func(c line) int64 { return c.row.delivered }),
		column(rows, func(c line) int64 { return c.row.returned }),
		column(rows, func(c line) int64 { return c.row.lost }))
	return err
}
