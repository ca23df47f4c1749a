package readmodel

import (
	"context"
	"fmt"
	"maps"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/tracking"
)

// followStreams is how many streams one transaction folds again.
const followStreams = 1000

// followPatience is how many rounds in a row may leave no fewer streams than one
// before them.
const followPatience = 5

// follow folds what came since, until there is little left. Where it gets no
// less it is enough that the swap can fold it in the pause that it may take.
func (r *rebuild) follow(ctx context.Context) error {
	r.tell(phaseFollow)
	for least, rounds := int64(math.MaxInt64), 0; ; {
		began, before := time.Now(), r.out.Followed
		left, err := r.followRound(ctx)
		if err != nil {
			return err
		}
		rate := float64(r.out.Followed-before) / time.Since(began).Seconds()
		r.rest = max(2*int64(r.cfg.SwapStreams), int64(rate*r.cfg.MaxPause.Seconds()))
		if left <= int64(r.cfg.SwapStreams) {
			return nil
		}
		if left < least {
			least, rounds = left, 0
		} else if rounds++; rounds >= followPatience {
			if left <= r.rest {
				return nil
			}
			return fmt.Errorf("%d streams are left and get no fewer at %.0f streams/s: try again under less load", left, rate)
		}
		r.cfg.Log.Info("following", "version", r.run.version, "streams_left", left, "streams_per_second", int64(rate))
	}
}

// followRound folds the streams that wait now, and says how many wait then.
func (r *rebuild) followRound(ctx context.Context) (left int64, err error) {
	waiting, err := r.waiting(ctx, r.pool)
	if err != nil {
		return 0, err
	}
	for folded := int64(0); folded < waiting; {
		var n int
		err := pgx.BeginTxFunc(ctx, r.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead}, func(tx pgx.Tx) (err error) {
			if err := r.notePositions(ctx, tx); err != nil {
				return err
			}
			n, err = catchUp(ctx, tx, followStreams)
			return err
		})
		if err != nil {
			return 0, classify(err)
		}
		if n == 0 {
			break
		}
		folded += int64(n)
		r.out.Followed += int64(n)
	}
	return r.waiting(ctx, r.pool)
}

type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// waiting is how many streams were told more of.
func (r *rebuild) waiting(ctx context.Context, db querier) (n int64, err error) {
	const query = `-- name: touched_streams
		SELECT count(*) FROM (SELECT DISTINCT tenant_id, stream, stream_id FROM rebuild.touched) t`
	if err := db.QueryRow(ctx, query).Scan(&n); err != nil {
		return 0, fmt.Errorf("count touched streams: %w", classify(err))
	}
	return n, nil
}

// notePositions says that the version is as far as the live one, which is true
// once the streams that wait in the same snapshot are folded.
func (r *rebuild) notePositions(ctx context.Context, tx pgx.Tx) error {
	const query = `-- name: note_positions
		INSERT INTO waybill.projection_offsets AS o (projection, topic, partition, epoch, next_offset, owner, cluster_id, last_offset, last_hash)
		SELECT $2, topic, partition, epoch, next_offset, owner, cluster_id, last_offset, last_hash
		  FROM waybill.projection_offsets WHERE projection = $1
		ON CONFLICT (projection, topic, partition) DO UPDATE
		   SET epoch = excluded.epoch, next_offset = excluded.next_offset, owner = excluded.owner,
		       cluster_id = excluded.cluster_id, last_offset = excluded.last_offset, last_hash = excluded.last_hash`
	if _, err := tx.Exec(ctx, query, schemaOf(r.run.live), schemaOf(r.run.version)); err != nil {
		return fmt.Errorf("note the positions: %w", err)
	}
	return nil
}

// catchUp folds some of the streams that wait, and all that these concern, and
// writes their rows anew.
func catchUp(ctx context.Context, tx pgx.Tx, most int) (int, error) {
	touched, n, err := takeTouched(ctx, tx, most)
	if err != nil || n == 0 {
		return 0, err
	}
	c, err := foldConcerned(ctx, tx, touched)
	if err != nil {
		return 0, fmt.Errorf("fold %d streams: %w", n, err)
	}
	if err := c.clear(ctx, tx); err != nil {
		return 0, fmt.Errorf("clear the rows of %d streams: %w", n, err)
	}
	if err := replaceAssignments(ctx, tx, c.numbers, c.assigned); err != nil {
		return 0, fmt.Errorf("write assignments: %w", err)
	}
	if err := copyRows(ctx, tx, c.rows); err != nil {
		return 0, err
	}
	return n, c.refoldOrders(ctx, tx)
}

// takeTouched takes streams off the list of those that wait.
func takeTouched(ctx context.Context, tx pgx.Tx, most int) (streams, int, error) {
	const query = `-- name: take_touched
		WITH taken AS (
			SELECT DISTINCT tenant_id, stream, stream_id FROM rebuild.touched ORDER BY 1, 2, 3 LIMIT $1
		), gone AS (
			DELETE FROM rebuild.touched t USING taken s
			 WHERE t.tenant_id = s.tenant_id AND t.stream = s.stream AND t.stream_id = s.stream_id
		)
		SELECT tenant_id, stream, stream_id FROM taken`
	touched, n := newStreams(), 0
	rows, err := tx.Query(ctx, query, most)
	if err != nil {
		return touched, 0, err
	}
	var tenant events.TenantID
	var of events.Stream
	_, err = pgx.ForEachRow(rows, []any{&tenant, &of.Kind, &of.ID}, func() error {
		touched.add(tenant, of)
		n++
		return nil
	})
	if err != nil {
		return touched, 0, fmt.Errorf("take touched streams: %w", err)
	}
	return touched, n, nil
}

// clear takes away all rows that the folding yields anew, and notes the orders
// that the shipments carried lines of.
func (c *concerned) clear(ctx context.Context, tx pgx.Tx) error {
	const orders = `-- name: orders_of_shipments
		SELECT DISTINCT tenant_id, order_id FROM unnest($1::text[], $2::text[]) x(tenant_id, shipment_id)
		  JOIN shipment_contents USING (tenant_id, shipment_id)`
	rows, err := tx.Query(ctx, orders, tenants(c.shipments), ids(c.shipments))
	if err != nil {
		return err
	}
	var key entity
	if _, err := pgx.ForEachRow(rows, []any{&key.tenant, &key.id}, func() error { c.orders[key] = true; return nil }); err != nil {
		return err
	}
	for _, t := range []string{shipmentsTable, parcelsTable, contentsTable, exceptionsTable, estimatesTable} {
		if err := clearRows(ctx, tx, t, "shipment_id", c.shipments); err != nil {
			return err
		}
	}
	numbers := column(c.numbers, number.stream)
	if err := clearRows(ctx, tx, unmatchedTable, "stream_id", numbers); err != nil {
		return err
	}
	if err := clearMarks(ctx, tx, events.ShipmentStream, c.shipments); err != nil {
		return err
	}
	if err := clearMarks(ctx, tx, events.TrackingStream, numbers); err != nil {
		return err
	}
	return c.clearGiven(ctx, tx)
}

// clearGiven takes away the marks of the scans that shipments got of numbers
// which are not themselves concerned.
func (c *concerned) clearGiven(ctx context.Context, tx pgx.Tx) error {
	var refs []markKey
	for key, its := range c.given {
		for _, it := range its {
			refs = append(refs, markKey{key.tenant, it.Ref()})
		}
	}
	if len(refs) == 0 {
		return nil
	}
	const query = `-- name: clear_marks_of_scans
		DELETE FROM event_marks m
		 USING unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[]) x(tenant_id, stream, stream_id, source, event_id)
		 WHERE (m.tenant_id, m.stream, m.stream_id, m.source, m.event_id)
		     = (x.tenant_id, x.stream, x.stream_id, x.source, x.event_id)`
	_, err := tx.Exec(ctx, query, markColumns(refs)...)
	return err
}

// clearRows takes the rows of entities away, which a column names.
func clearRows(ctx context.Context, tx pgx.Tx, table, column string, keys []entity) error {
	query := `-- name: clear_` + table + `
		DELETE FROM ` + table + ` t USING unnest($1::text[], $2::text[]) x(tenant_id, id)
		 WHERE t.tenant_id = x.tenant_id AND t.` + column + ` = x.id`
	if _, err := tx.Exec(ctx, query, tenants(keys), ids(keys)); err != nil {
		return fmt.Errorf("clear %s: %w", table, err)
	}
	return nil
}

func clearMarks(ctx context.Context, tx pgx.Tx, kind events.StreamKind, keys []entity) error {
	const query = `-- name: clear_marks
		DELETE FROM event_marks t USING unnest($2::text[], $3::text[]) x(tenant_id, id)
		 WHERE t.tenant_id = x.tenant_id AND t.stream = $1 AND t.stream_id = x.id`
	if _, err := tx.Exec(ctx, query, string(kind), tenants(keys), ids(keys)); err != nil {
		return fmt.Errorf("clear marks: %w", err)
	}
	return nil
}

// refoldOrders folds the orders concerned once their shipments are written.
func (c *concerned) refoldOrders(ctx context.Context, tx pgx.Tx) error {
	keys := sortedEntities(c.orders)
	if len(keys) == 0 {
		return nil
	}
	own, err := factsOf(ctx, tx, events.OrderStream, keys)
	if err != nil {
		return err
	}
	carried, err := carriedOf(ctx, tx, keys)
	if err != nil {
		return fmt.Errorf("read contents: %w", err)
	}
	for _, t := range []string{ordersTable, linesTable} {
		if err := clearRows(ctx, tx, t, "order_id", keys); err != nil {
			return err
		}
	}
	if err := clearMarks(ctx, tx, events.OrderStream, keys); err != nil {
		return err
	}
	f := newFolding(nil, nil)
	if err := f.orders(own, carried); err != nil {
		return err
	}
	return copyRows(ctx, tx, f.rows)
}

// carriedBy joins what the folded shipments say of orders with what the stored
// ones that were not folded say.
func (c *concerned) carriedBy(stored map[entity][]tracking.Carried) map[entity][]tracking.Carried {
	folded := map[entity]bool{}
	for _, key := range c.shipments {
		folded[key] = true
	}
	all := maps.Clone(c.carried)
	for order, its := range stored {
		for _, it := range its {
			if !folded[entity{order.tenant, string(it.ShipmentID)}] {
				all[order] = append(all[order], it)
			}
		}
	}
	return all
}
