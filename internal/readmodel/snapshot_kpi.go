package readmodel

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/waybill-io/waybill/internal/fanout"
)

// snapshotKPIs counts the rows of a tenant.
func snapshotKPIs(ctx context.Context, tx pgx.Tx, q fanout.Query, page func([]fanout.Row) error) error {
	const shipments = `-- name: count_shipments
		SELECT s.status, count(*), count(*) FILTER (WHERE ` + lateShipment + `), count(*) FILTER (WHERE s.open_exceptions > 0),
		       count(*) FILTER (WHERE s.disputed)
		  FROM shipments s WHERE s.tenant_id = $1 GROUP BY s.status`
	const orders = `-- name: count_orders
		SELECT o.status, count(*), count(*) FILTER (WHERE o.holds <> '{}') FROM orders o WHERE o.tenant_id = $1 GROUP BY o.status`
	c := counter{tx: tx, tenant: string(q.Tenant), counts: make(map[string]int64)}
	if err := c.count(ctx, shipments, fanout.Shipments, fanout.KPILate, fanout.KPIExceptions, fanout.KPIDisputed); err != nil {
		return err
	}
	if err := c.count(ctx, orders, fanout.Orders, fanout.KPIHeld); err != nil {
		return err
	}
	return page(fanout.KPIRows(c.counts))
}

// counter adds up the counts of a tenant.
type counter struct {
	tx     pgx.Tx
	tenant string
	counts map[string]int64
}

// count adds what a query finds: by status, and over all of them.
func (c counter) count(ctx context.Context, query string, of fanout.Topic, over ...string) error {
	rows, err := c.tx.Query(ctx, query, c.tenant)
	if err != nil {
		return err
	}
	var status string
	n := make([]int64, 1+len(over))
	into := []any{&status}
	for i := range n {
		into = append(into, &n[i])
	}
	_, err = pgx.ForEachRow(rows, into, func() error {
		c.counts[fanout.KPIOf(of, status)] += n[0]
		for i, id := range over {
			c.counts[id] += n[1+i]
		}
		return nil
	})
	return err
}
