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

func rowOf(o *tracking.Order) orderRow {
	return orderRow{string(o.Status), o.Revision, list(o.Flags), o.CancelledAt, o.ShippedAt, o.DeliveredAt}
}

func lineRows(o *tracking.Order) []lineRow {
	return column(o.Lines, func(l tracking.Line) lineRow {
		return lineRow{l.ID, l.SKU, string(l.UnitPrice), l.Ordered, l.Cancelled, l.Allocated, l.Backordered, l.Shipped, l.Delivered, l.Returned, l.Lost}
	})
}

// nobody reports a placeholder that nothing speaks of any more.
func (w *orderWork) nobody() bool { return w.base.Revision == 0 && len(w.carried) == 0 }

// changedOrder is an order that is written.
type changedOrder struct {
	*orderWork
	now   tracking.Order
	lines []lineRow
}

// derive says what an order comes to, and whether there is anything to write.
func (w *orderWork) derive() (*changedOrder, bool) {
	c := &changedOrder{orderWork: w, now: w.base.With(events.OrderID(w.id), w.carried)}
	c.lines = lineRows(&c.now)
	return c, !w.exists || len(w.own) > 0 || rowOf(&c.now) != w.was || !slices.Equal(c.lines, w.lines)
}

// writeOrders writes the orders that changed and takes away placeholders that
// nothing speaks of any more. It derives them while shipments are being written.
func (u *unit) writeOrders(context.Context) error {
	var added, changed, carried []*changedOrder
	var gone []*orderWork
	for _, w := range u.sortedOrders() {
		if w.nobody() {
			if w.exists {
				gone = append(gone, w)
				u.changes.add("order", w.entity, w.touched)
			}
			continue
		}
		c, differs := w.derive()
		switch {
		case !differs:
			continue
		case !w.exists:
			added = append(added, c)
		case len(w.own) > 0:
			changed = append(changed, c)
		default:
			carried = append(carried, c)
		}
		u.changes.add("order", w.entity, w.touched)
	}
	u.deleteOrders(gone)
	totalWrites.changeAt(u.lane, orderPlaces(carried), shippedColumns(carried))
	columns, err := orderColumns(changed)
	if err != nil {
		return err
	}
	orderWrites.changeAt(u.lane, orderPlaces(changed), columns)
	if columns, err = orderColumns(added); err != nil {
		return err
	}
	orderWrites.add(u.lane, len(added), columns)
	u.writeLines(slices.Concat(carried, changed, added))
	return nil
}

func orderPlaces(orders []*changedOrder) []tuple {
	return column(orders, func(c *changedOrder) tuple { return c.at })
}

func (u *unit) deleteOrders(works []*orderWork) {
	if len(works) == 0 {
		return
	}
	const lines = `-- name: delete_placeholder_lines
		DELETE FROM order_lines l USING unnest($1::text[], $2::text[]) x(tenant_id, order_id)
		 WHERE l.tenant_id = x.tenant_id AND l.order_id = x.order_id`
	const orders = `-- name: delete_placeholders
		DELETE FROM orders o USING unnest($1::text[], $2::text[]) x(tenant_id, order_id)
		 WHERE o.tenant_id = x.tenant_id AND o.order_id = x.order_id`
	keys := column(works, func(w *orderWork) entity { return w.entity })
	u.lane.later("take lines of placeholders away", lines, tenants(keys), ids(keys))
	u.lane.later("take placeholders away", orders, tenants(keys), ids(keys))
}

// orderColumns are all of the table's, in their order.
func orderColumns(orders []*changedOrder) ([]any, error) {
	states := make([]string, len(orders))
	for i, c := range orders {
		doc, err := json.Marshal(orderState{stateFormat, c.base}, json.Deterministic(true))
		if err != nil {
			return nil, fmt.Errorf("write the state of order %s: %w", c.id, err)
		}
		states[i] = string(doc)
	}
	columns := milestoneColumns(orders)
	columns = append(columns, spanColumns(orders, func(c *changedOrder) *events.Window { return c.base.Original })...)
	columns = append(columns, spanColumns(orders, func(c *changedOrder) *events.Window { return c.base.Latest })...)
	columns = append(columns, spanColumns(orders, func(c *changedOrder) *events.Window { return c.base.Requested })...)
	columns = append(columns, totalColumns(orders)...)
	return append(columns, states), nil
}

// milestoneColumns are the first ones, up to the delivery.
func milestoneColumns(orders []*changedOrder) []any {
	return []any{
		column(orders, func(w *changedOrder) string { return string(w.tenant) }),
		column(orders, func(w *changedOrder) string { return w.id }),
		column(orders, func(w *changedOrder) bool { return w.now.Known }),
		column(orders, func(w *changedOrder) string { return string(w.now.Status) }),
		column(orders, func(w *changedOrder) int64 { return w.now.Revision }),
		column(orders, func(w *changedOrder) optText { return optTextOf(w.now.Number) }),
		column(orders, func(w *changedOrder) optText { return optTextOf(w.now.Channel) }),
		column(orders, func(w *changedOrder) optText { return optTextOf(w.now.Currency) }),
		column(orders, func(w *changedOrder) optText { return optTextOf(w.now.CustomerRef) }),
		column(orders, func(w *changedOrder) optText { return optTextOf(w.now.ShipToRef) }),
		column(orders, func(w *changedOrder) optTime { return optTime(w.now.PlacedAt) }),
		column(orders, func(w *changedOrder) optTime { return optTime(w.now.ConfirmedAt) }),
		column(orders, func(w *changedOrder) optTime { return optTime(w.now.CancelledAt) }),
		column(orders, func(w *changedOrder) optTime { return optTime(w.now.ClosedAt) }),
		column(orders, func(w *changedOrder) optTime { return optTime(w.now.ShippedAt) }),
		column(orders, func(w *changedOrder) optTime { return optTime(w.now.DeliveredAt) }),
	}
}

func spanColumns(orders []*changedOrder, of func(*changedOrder) *events.Window) []any {
	spans := column(orders, func(w *changedOrder) span { return spanOf(of(w)) })
	return []any{
		column(spans, func(s span) optTime { return optTime(s.start) }),
		column(spans, func(s span) optTime { return optTime(s.end) }),
		column(spans, func(s span) optText { return optTextOf(s.precision) }),
		column(spans, func(s span) optTime { return optTime(s.day) }),
	}
}

func totalColumns(orders []*changedOrder) []any {
	columns := []any{
		column(orders, func(w *changedOrder) string { return list(w.now.Holds) }),
		column(orders, func(w *changedOrder) string { return list(w.now.ReturnsOpen()) }),
		column(orders, func(w *changedOrder) string { return list(w.now.Flags) }),
		column(orders, func(w *changedOrder) string { return w.now.Payment }),
	}
	return append(columns, bucketColumns(orders)...)
}

// shippedColumns are what shipments can change of an order.
func shippedColumns(orders []*changedOrder) []any {
	columns := []any{
		column(orders, func(w *changedOrder) string { return string(w.tenant) }),
		column(orders, func(w *changedOrder) string { return w.id }),
		column(orders, func(w *changedOrder) string { return string(w.now.Status) }),
		column(orders, func(w *changedOrder) optTime { return optTime(w.now.ShippedAt) }),
		column(orders, func(w *changedOrder) optTime { return optTime(w.now.DeliveredAt) }),
		column(orders, func(w *changedOrder) string { return list(w.now.Flags) }),
	}
	return append(columns, bucketColumns(orders)...)
}

func bucketColumns(orders []*changedOrder) []any {
	return []any{
		column(orders, func(w *changedOrder) int64 { return w.now.Total.Ordered }),
		column(orders, func(w *changedOrder) int64 { return w.now.Total.Cancelled }),
		column(orders, func(w *changedOrder) int64 { return w.now.Total.Allocated }),
		column(orders, func(w *changedOrder) int64 { return w.now.Total.Shipped }),
		column(orders, func(w *changedOrder) int64 { return w.now.Total.Delivered }),
		column(orders, func(w *changedOrder) int64 { return w.now.Total.Returned }),
		column(orders, func(w *changedOrder) int64 { return w.now.Total.Lost }),
	}
}

// writeLines writes the lines that changed and takes away those that a fold no
// longer yields.
func (u *unit) writeLines(orders []*changedOrder) {
	var added, changed, gone []child[lineRow]
	for _, c := range orders {
		for _, l := range c.lines {
			i := slices.IndexFunc(c.orderWork.lines, func(was lineRow) bool { return was.id == l.id })
			switch {
			case i < 0:
				added = append(added, child[lineRow]{c.entity, l})
			case c.orderWork.lines[i] != l:
				changed = append(changed, child[lineRow]{c.entity, l})
			}
		}
		for _, was := range c.orderWork.lines {
			if !slices.ContainsFunc(c.lines, func(l lineRow) bool { return l.id == was.id }) {
				gone = append(gone, child[lineRow]{c.entity, was})
			}
		}
	}
	u.deleteLines(gone)
	lineWrites.change(u.lane, len(changed), lineColumns(changed))
	lineWrites.add(u.lane, len(added), lineColumns(added))
}

func (u *unit) deleteLines(rows []child[lineRow]) {
	if len(rows) == 0 {
		return
	}
	const query = `-- name: delete_vanished_lines
		DELETE FROM order_lines l USING unnest($1::text[], $2::text[], $3::text[]) x(tenant_id, order_id, line_id)
		 WHERE (l.tenant_id, l.order_id, l.line_id) = (x.tenant_id, x.order_id, x.line_id)`
	u.lane.laterAll(len(rows), "take lines away", query,
		column(rows, func(c child[lineRow]) string { return string(c.tenant) }),
		column(rows, func(c child[lineRow]) string { return c.id }),
		column(rows, func(c child[lineRow]) string { return string(c.row.id) }))
}

func lineColumns(rows []child[lineRow]) []any {
	type line = child[lineRow]
	return []any{
		column(rows, func(c line) string { return string(c.tenant) }),
		column(rows, func(c line) string { return c.id }),
		column(rows, func(c line) string { return string(c.row.id) }),
		column(rows, func(c line) optText { return optTextOf(c.row.sku) }),
		column(rows, func(c line) optText { return optTextOf(c.row.unitPrice) }),
		column(rows, func(c line) int64 { return c.row.ordered }),
		column(rows, func(c line) int64 { return c.row.cancelled }),
		column(rows, func(c line) int64 { return c.row.allocated }),
		column(rows, func(c line) int64 { return c.row.backordered }),
		column(rows, func(c line) int64 { return c.row.shipped }),
		column(rows, func(c line) int64 { return c.row.delivered }),
		column(rows, func(c line) int64 { return c.row.returned }),
		column(rows, func(c line) int64 { return c.row.lost }),
	}
}
