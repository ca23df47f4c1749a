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
	exists  bool     // it has a row, be it a placeholder
	at      tuple
	stored  bool // it has a row of its own facts from an earlier batch
	base    tracking.OrderBase
	old     bool               // base is of another format: it may lack what Apply needs
	carried []tracking.Carried // what shipments say of its lines, after the batch
	was     orderRow           // as stored
	lines   []lineRow          // as stored
	touched []tracking.Ref
}

// orderState is what the state column keeps.
type orderState struct {
	Format int `json:"format"`
	tracking.OrderBase
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

// foldOrders folds what order events say, and collects what shipments say beside
// it, of the orders of both. What that amounts to is found out when they are
// written: see writeOrders.
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
	u.contents.carry(u.orders)
	return u.foldBases(ctx, works)
}

// foldBases folds the orders with new facts of their own: new ones from the
// batch, which has all, the others by applying the facts to what is stored, or
// from their history where these do not simply come after it.
func (u *unit) foldBases(ctx context.Context, works []*orderWork) error {
	var refold []*orderWork
	for _, w := range works {
		if len(w.own) == 0 {
			continue
		}
		findLate(w.own, w.base.Newest)
		switch {
		case !w.stored:
			u.foldBase(w, column(w.own, func(e *entry) *tracking.Fact { return e.fact }))
		case w.old || !w.apply():
			refold = append(refold, w)
		}
	}
	if len(refold) == 0 {
		return nil
	}
	facts, err := history(ctx, u.tx, events.OrderStream, column(refold, func(w *orderWork) entity { return w.entity }))
	if err != nil {
		return err
	}
	for _, w := range refold {
		u.foldBase(w, facts[w.entity])
	}
	return nil
}

// apply tries to bring an order up to date without its history.
func (w *orderWork) apply() bool {
	facts := column(w.own, func(e *entry) *tracking.Fact { return e.fact })
	slices.SortFunc(facts, func(a, b *tracking.Fact) int { return a.Key.Compare(b.Key) })
	for _, f := range facts {
		if !w.base.Apply(f) {
			return false
		}
	}
	return true
}

func (u *unit) foldBase(w *orderWork, own []*tracking.Fact) {
	base, marks := tracking.FoldOrder(own)
	w.base = base
	u.marks.decideStream(w.entity, events.OrderStream)
	for ref, mark := range marks {
		u.marks.set(w.tenant, ref, mark)
	}
}

// readOrders reads the rows of locked orders, and what shipments say of them
// before the batch. The lines follow from the two.
func (u *unit) readOrders(ctx context.Context, works []*orderWork) error {
	keys := column(works, func(w *orderWork) entity { return w.entity })
	if err := u.readOrderRows(ctx, keys); err != nil {
		return err
	}
	if err := u.readCarried(ctx, keys); err != nil {
		return fmt.Errorf("contents: %w", err)
	}
	for _, w := range works {
		if w.exists {
			now := w.base.With(events.OrderID(w.id), w.carried)
			w.lines = lineRows(&now)
		}
	}
	return nil
}

func (u *unit) readOrderRows(ctx context.Context, keys []entity) error {
	const query = `-- name: read_orders
		SELECT o.tenant_id, o.order_id, o.status, o.revision, array_to_string(o.flags, E'\x1f'), o.cancelled_at,
		       o.shipped_at, o.delivered_at, o.state, o.ctid
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
	var at tuple
	_, err = pgx.ForEachRow(rows, []any{&k.tenant, &k.id, &row.status, &row.revision, &row.flags, &cancelled, &shipped, &delivered, &state, &at}, func() error {
		row.cancelledAt, row.shippedAt, row.deliveredAt = instant(cancelled), instant(shipped), instant(delivered)
		w := u.orders[k]
		w.exists, w.at, w.was, w.stored = true, at, row, row.revision > 0
		if !w.stored {
			return nil
		}
		var st orderState
		if err := json.Unmarshal(state, &st); err != nil {
			return fmt.Errorf("read the state of order %s: %w", k.id, err)
		}
		w.base, w.old = st.OrderBase, st.Format != stateFormat
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
