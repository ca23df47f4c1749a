package readmodel

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/jackc/pgx/v5"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/tracking"
)

// orderWork is what the batch does to an order.
type orderWork struct {
	entity
	own     []*entry // new in its stream, in the order they were read
	stored  bool     // it has a row of its own facts from an earlier batch
	base    tracking.OrderBase
	carried []tracking.Carried // what shipments say of its lines, after the batch
	was     orderRow           // as stored
	lines   []lineRow          // as stored
	now     tracking.Order
	touched []tracking.Ref
}

func (w *orderWork) touch(ref tracking.Ref) { w.touched = append(w.touched, ref) }

func (u *unit) order(key entity) *orderWork {
	w, ok := u.orders[key]
	if !ok {
		w = &orderWork{entity: key}
		u.orders[key] = w
	}
	return w
}

func (u *unit) sortedOrders() []*orderWork {
	return slices.SortedFunc(maps.Values(u.orders), func(a, b *orderWork) int { return a.compare(b.entity) })
}

// foldOrders brings the orders of order events, and those whose contents
// changed, up to date.
func (u *unit) foldOrders(ctx context.Context) error {
	for _, e := range u.entries {
		if e.ref.Stream.Kind == events.OrderStream {
			w := u.order(entity{e.tenant, e.Subject})
			w.own = append(w.own, e)
			w.touch(e.ref)
		}
	}
	works := u.sortedOrders()
	if len(works) == 0 {
		return nil
	}
	if err := lockAll(ctx, u.tx, lockOrder, column(works, func(w *orderWork) entity { return w.entity })); err != nil {
		return fmt.Errorf("lock %d orders: %w", len(works), err)
	}
	if err := u.readOrders(ctx, works); err != nil {
		return fmt.Errorf("read %d orders: %w", len(works), err)
	}
	if err := u.foldBases(ctx, works); err != nil {
		return err
	}
	for _, w := range works {
		w.now = w.base.With(events.OrderID(w.id), w.carried)
	}
	return u.writeOrders(ctx, works)
}

// foldBases folds the orders with new facts of their own: new ones from the
// batch, which has all, the others from their history.
func (u *unit) foldBases(ctx context.Context, works []*orderWork) error {
	var stored []entity
	for _, w := range works {
		if w.stored && len(w.own) > 0 {
			stored = append(stored, w.entity)
		}
	}
	facts := map[entity][]*tracking.Fact{}
	if len(stored) > 0 {
		var err error
		if facts, err = history(ctx, u.tx, events.OrderStream, stored); err != nil {
			return err
		}
	}
	for _, w := range works {
		if len(w.own) == 0 {
			continue
		}
		own, ok := facts[w.entity]
		if !ok {
			own = column(w.own, func(e *entry) *tracking.Fact { return e.fact })
		}
		findLate(w.own, w.base.Newest)
		base, marks := tracking.FoldOrder(own)
		w.base = base
		u.marks.decideStream(w.entity, events.OrderStream)
		for ref, mark := range marks {
			u.marks.set(w.tenant, ref, mark)
		}
	}
	return nil
}

// readOrders reads the rows of locked orders, their lines, and what shipments say of
// them, this batch's shipments included.
func (u *unit) readOrders(ctx context.Context, works []*orderWork) error {
	keys := column(works, func(w *orderWork) entity { return w.entity })
	if err := u.readOrderRows(ctx, keys); err != nil {
		return err
	}
	if err := u.readLines(ctx, keys); err != nil {
		return fmt.Errorf("lines: %w", err)
	}
	if err := u.readCarried(ctx, keys); err != nil {
		return fmt.Errorf("contents: %w", err)
	}
	return nil
}

func (u *unit) readOrderRows(ctx context.Context, keys []entity) error {
	const query = `-- name: read_orders
		SELECT o.tenant_id, o.order_id, o.status, o.revision, array_to_string(o.flags, E'\x1f'), o.cancelled_at,
		       o.shipped_at, o.delivered_at, o.state
		  FROM unnest($1::text[], $2::text[]) x(tenant_id, order_id)
		  JOIN orders o USING (tenant_id, order_id)`
	rows, err := u.tx.Query(ctx, query, tenants(keys), ids(keys))
	if err != nil {
		return err
	}
	var k entity
	var row orderRow
	var cancelled, shipped, delivered *time.Time
	var state []byte
	_, err = pgx.ForEachRow(rows, []any{&k.tenant, &k.id, &row.status, &row.revision, &row.flags, &cancelled, &shipped, &delivered, &state}, func() error {
		row.cancelledAt, row.shippedAt, row.deliveredAt = instant(cancelled), instant(shipped), instant(delivered)
		w := u.orders[k]
		w.was, w.stored = row, row.revision > 0
		if !w.stored {
			return nil
		}
		if err := json.Unmarshal(state, &w.base); err != nil {
			return fmt.Errorf("read the state of order %s: %w", k.id, err)
		}
		return nil
	})
	return err
}

func (u *unit) readLines(ctx context.Context, keys []entity) error {
	const query = `-- name: read_order_lines
		SELECT l.tenant_id, l.order_id, l.line_id, coalesce(l.sku, ''), coalesce(l.unit_price::text, ''), l.ordered,
		       l.cancelled, l.allocated, l.backordered, l.shipped, l.delivered, l.returned, l.lost
		  FROM unnest($1::text[], $2::text[]) x(tenant_id, order_id)
		  JOIN order_lines l USING (tenant_id, order_id)
		 ORDER BY 1, 2, 3`
	rows, err := u.tx.Query(ctx, query, tenants(keys), ids(keys))
	if err != nil {
		return err
	}
	var k entity
	var l lineRow
	_, err = pgx.ForEachRow(rows, []any{&k.tenant, &k.id, &l.id, &l.sku, &l.unitPrice, &l.ordered, &l.cancelled, &l.allocated,
		&l.backordered, &l.shipped, &l.delivered, &l.returned, &l.lost}, func() error {
		w := u.orders[k]
		w.lines = append(w.lines, l)
		return nil
	})
	return err
}

func (u *unit) readCarried(ctx context.Context, keys []entity) error {
	const query = `-- name: read_carried
		SELECT c.tenant_id, c.order_id, c.shipment_id, c.line_id, c.parcel_id, c.direction, c.qty, c.shipped, c.delivered,
		       c.returned, c.lost, c.handed_over_at, c.delivered_at
		  FROM unnest($1::text[], $2::text[]) x(tenant_id, order_id)
		  JOIN shipment_contents c USING (tenant_id, order_id)`
	rows, err := u.tx.Query(ctx, query, tenants(keys), ids(keys))
	if err != nil {
		return err
	}
	var k entity
	var c tracking.Carried
	var handed, delivered *time.Time
	_, err = pgx.ForEachRow(rows, []any{&k.tenant, &k.id, &c.ShipmentID, &c.LineID, &c.ParcelID, &c.Direction, &c.Qty, &c.Shipped,
		&c.Delivered, &c.Returned, &c.Lost, &handed, &delivered}, func() error {
		c.OrderID = events.OrderID(k.id)
		c.HandedOverAt, c.DeliveredAt = instant(handed), instant(delivered)
		w := u.orders[k]
		w.carried = append(w.carried, c)
		return nil
	})
	return err
}
