package readmodel

import (
	"slices"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/tracking"
)

// contentWork is what the batch does to what shipments carry.
type contentWork struct {
	added, changed, gone []contentRow
}

type contentRow struct {
	child[storedContent]
	direction events.Direction
}

// compareContents finds the contents that changed, and brings the orders
// concerned into the unit.
func (u *unit) compareContents() {
	for _, w := range slices.Concat(u.moved, u.folded) {
		if w.settled {
			u.contents.compare(w)
		}
	}
	for _, c := range slices.Concat(u.contents.added, u.contents.changed, u.contents.gone) {
		u.order(entity{c.tenant, string(c.row.OrderID)})
	}
}

func (c *contentWork) compare(w *shipmentWork) {
	turned := w.was != w.state.Direction
	for _, now := range w.state.Contents {
		i := slices.IndexFunc(w.before, func(b storedContent) bool { return b.ContentKey == now.ContentKey })
		switch {
		case i < 0:
			c.added = append(c.added, contentRow{child[storedContent]{w.entity, storedContent{Content: now}}, w.state.Direction})
		case turned || w.before[i].Content != now:
			c.changed = append(c.changed, contentRow{child[storedContent]{w.entity, storedContent{now, w.before[i].at}}, w.state.Direction})
		}
	}
	for _, b := range w.before {
		if !slices.ContainsFunc(w.state.Contents, func(now tracking.Content) bool { return now.ContentKey == b.ContentKey }) {
			c.gone = append(c.gone, contentRow{child[storedContent]{w.entity, b}, w.was})
		}
	}
}

// carry says what the shipments of the unit carry of an order beside what others
// do: what is stored, changed as the unit will write it.
func (c *contentWork) carry(orders map[entity]*orderWork) {
	for _, row := range c.gone {
		w := row.order(orders)
		w.carried = slices.DeleteFunc(w.carried, row.is)
	}
	for _, row := range c.changed {
		w := row.order(orders)
		w.carried = append(slices.DeleteFunc(w.carried, row.is), row.carried())
	}
	for _, row := range c.added {
		w := row.order(orders)
		w.carried = append(w.carried, row.carried())
	}
}

func (r contentRow) order(orders map[entity]*orderWork) *orderWork {
	return orders[entity{r.tenant, string(r.row.OrderID)}]
}

func (r contentRow) is(c tracking.Carried) bool {
	return string(c.ShipmentID) == r.id && c.ContentKey == r.row.ContentKey
}

func (r contentRow) carried() tracking.Carried {
	return tracking.Carried{Content: r.row.Content, ShipmentID: events.ShipmentID(r.id), Direction: r.direction}
}

func (c *contentWork) write(l *lane) {
	if len(c.gone) > 0 {
		const query = `-- name: delete_vanished_contents
			DELETE FROM shipment_contents c
			 USING unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[]) x(tenant_id, shipment_id, order_id, line_id, parcel_id)
			 WHERE (c.tenant_id, c.shipment_id, c.order_id, c.line_id, c.parcel_id)
			     = (x.tenant_id, x.shipment_id, x.order_id, x.line_id, x.parcel_id)`
		l.later("take contents away", query, contentKeys(c.gone)...)
	}
	contentWrites.changeAt(l, column(c.changed, func(r contentRow) tuple { return r.row.at }), contentColumns(c.changed))
	contentWrites.add(l, len(c.added), contentColumns(c.added))
}

func contentKeys(rows []contentRow) []any {
	return []any{
		column(rows, func(c contentRow) string { return string(c.tenant) }),
		column(rows, func(c contentRow) string { return c.id }),
		column(rows, func(c contentRow) string { return string(c.row.OrderID) }),
		column(rows, func(c contentRow) string { return string(c.row.LineID) }),
		column(rows, func(c contentRow) string { return string(c.row.ParcelID) }),
	}
}

func contentColumns(rows []contentRow) []any {
	return append(contentKeys(rows),
		column(rows, func(c contentRow) string { return string(c.direction) }),
		column(rows, func(c contentRow) int64 { return c.row.Qty }),
		column(rows, func(c contentRow) int64 { return c.row.Shipped }),
		column(rows, func(c contentRow) int64 { return c.row.Delivered }),
		column(rows, func(c contentRow) int64 { return c.row.Returned }),
		column(rows, func(c contentRow) int64 { return c.row.Lost }),
		column(rows, func(c contentRow) optTime { return optTime(c.row.HandedOverAt) }),
		column(rows, func(c contentRow) optTime { return optTime(c.row.DeliveredAt) }))
}
