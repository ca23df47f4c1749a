package readmodel

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/tracking"
)

// chunk is a range of streams that one transaction fills from.
type chunk struct {
	phase string
	keyRange
	events int64
}

// fill brings the version to what the timeline was while it was read. Assignments
// come first: who had a number is asked of them, whatever comes meanwhile. What
// came meanwhile, or was read half, is folded again by follow.
func (r *rebuild) fill(ctx context.Context) error {
	if r.run.phase == phasePlan {
		r.tell(phasePlan)
		if err := r.next(ctx, phaseAssignments, r.plan); err != nil {
			return err
		}
	}
	if err := r.measure(ctx); err != nil {
		return err
	}
	for _, step := range []struct {
		phase, next string
		fill        func(context.Context, pgx.Tx, chunk) (rowSet, error)
		after       func(context.Context, pgx.Tx) error
	}{
		{phaseAssignments, phaseShipments, fillAssignments, settleTies},
		{phaseShipments, phaseNumbers, fillShipments, nil},
		{phaseNumbers, phaseOrders, fillNumbers, nil},
		{phaseOrders, phaseFollow, fillOrders, nil},
	} {
		if r.run.phase != step.phase {
			continue
		}
		r.tell(step.phase)
		if err := r.fillChunks(ctx, step.phase, step.fill); err != nil {
			return fmt.Errorf("%s: %w", step.phase, err)
		}
		if err := r.next(ctx, step.next, step.after); err != nil {
			return err
		}
	}
	r.out.Events, r.out.FillSeconds, r.out.PerSecond = r.meter.filled()
	return r.analyze(ctx)
}

// next ends a phase with what must be done after it.
func (r *rebuild) next(ctx context.Context, phase string, do func(context.Context, pgx.Tx) error) error {
	err := pgx.BeginFunc(ctx, r.pool, func(tx pgx.Tx) error {
		if do != nil {
			if err := do(ctx, tx); err != nil {
				return fmt.Errorf("before %s: %w", phase, err)
			}
		}
		return r.setPhase(ctx, tx, phase)
	})
	if err == nil {
		r.run.phase = phase
	}
	return classify(err)
}

// plan cuts the streams into ranges of about as many events. The ranges of a
// tenant tile all keys, so that what comes later belongs to one too.
func (r *rebuild) plan(ctx context.Context, tx pgx.Tx) error {
	const query = `-- name: plan_chunks
		WITH streams AS (
			SELECT tenant_id, stream, stream_id, count(*) AS n FROM events GROUP BY 1, 2, 3
		), placed AS (
			SELECT *, floor((sum(n) OVER (PARTITION BY tenant_id, stream ORDER BY stream_id) - 1) / $1::bigint) AS slot FROM streams
		), slots AS (
			SELECT tenant_id, stream, slot, max(stream_id) AS last, sum(n) AS n FROM placed GROUP BY 1, 2, 3
		), ranges AS (
			SELECT tenant_id, stream, coalesce(lag(last) OVER w, '') AS after_id,
			       CASE WHEN lead(last) OVER w IS NULL THEN NULL ELSE last END AS until_id, n
			  FROM slots WINDOW w AS (PARTITION BY tenant_id, stream ORDER BY slot)
		), kinds(stream, phase) AS (
			VALUES ('shipment', 'assignments'), ('shipment', 'shipments'), ('tracking', 'numbers'), ('order', 'orders')
		)
		INSERT INTO rebuild.chunks (phase, tenant_id, after_id, until_id, events)
		SELECT k.phase, r.tenant_id, r.after_id, r.until_id, r.n FROM ranges r JOIN kinds k USING (stream)
		UNION ALL
		SELECT k.phase, t.tenant_id, '', NULL, 0 FROM (SELECT DISTINCT tenant_id FROM streams) t CROSS JOIN kinds k
		 WHERE NOT EXISTS (SELECT FROM ranges r WHERE r.tenant_id = t.tenant_id AND r.stream = k.stream)`
	tag, err := tx.Exec(ctx, query, r.cfg.ChunkEvents)
	if err != nil {
		return fmt.Errorf("plan: %w", err)
	}
	r.cfg.Log.Info("planned the rebuild", "version", r.run.version, "chunks", tag.RowsAffected())
	return nil
}

// fillChunks fills what a phase has left to do.
func (r *rebuild) fillChunks(ctx context.Context, phase string, fill func(context.Context, pgx.Tx, chunk) (rowSet, error)) error {
	left, err := r.left(ctx, phase)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	todo := make(chan chunk)
	g.Go(func() error {
		defer close(todo)
		for _, c := range left {
			select {
			case todo <- c:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	for range r.cfg.Workers {
		g.Go(func() error {
			for c := range todo {
				if err := r.fillChunk(ctx, c, fill); err != nil {
					return fmt.Errorf("%s after %q: %w", c.tenant, c.after, classify(err))
				}
			}
			return nil
		})
	}
	return g.Wait()
}

func (r *rebuild) left(ctx context.Context, phase string) ([]chunk, error) {
	const query = `-- name: chunks_left
		SELECT phase, tenant_id, after_id, until_id, events FROM rebuild.chunks WHERE phase = $1 AND NOT done ORDER BY tenant_id, after_id`
	rows, err := r.pool.Query(ctx, query, phase)
	if err != nil {
		return nil, classify(err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (c chunk, err error) {
		return c, row.Scan(&c.phase, &c.tenant, &c.after, &c.until, &c.events)
	})
}

// fillChunk fills one range in one transaction. It waits for a transaction that
// a run before this one has left behind, and does nothing when that has done it.
func (r *rebuild) fillChunk(ctx context.Context, c chunk, fill func(context.Context, pgx.Tx, chunk) (rowSet, error)) error {
	const query = `-- name: take_chunk
		UPDATE rebuild.chunks SET done = true WHERE phase = $1 AND tenant_id = $2 AND after_id = $3 AND NOT done`
	err := pgx.BeginFunc(ctx, r.pool, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, query, c.phase, string(c.tenant), c.after)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		rows, err := fill(ctx, tx, c)
		if err != nil {
			return err
		}
		return copyRows(ctx, tx, rows)
	})
	if err == nil && c.phase != phaseAssignments {
		r.did(c.phase, c.events)
	}
	return err
}

// fillAssignments writes what the shipments of a range assign.
func fillAssignments(ctx context.Context, tx pgx.Tx, c chunk) (rowSet, error) {
	const only = ` AND type IN ('` + string(events.TypeTrackingAssigned) + `', '` + string(events.TypeRetracted) + `')`
	own, err := streamFacts(ctx, tx, events.ShipmentStream, c.keyRange, only)
	if err != nil {
		return nil, err
	}
	rows := rowSet{}
	for n, its := range assignmentsIn(own) {
		for _, a := range its {
			rows.addHolding(n.tenant, tracking.Holding{Assignment: a})
		}
	}
	return rows, nil
}

// settleTies settles the numbers that were assigned more than once: each range
// knew of its own assignments only.
func settleTies(ctx context.Context, tx pgx.Tx) error {
	const query = `-- name: numbers_assigned_again
		SELECT tenant_id, carrier, tracking_number FROM tracking_numbers GROUP BY 1, 2, 3 HAVING count(*) > 1`
	rows, err := tx.Query(ctx, query)
	if err != nil {
		return err
	}
	again, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (n number, err error) {
		return n, row.Scan(&n.tenant, &n.carrier, &n.number)
	})
	if err != nil {
		return err
	}
	for part := range slices.Chunk(again, 1000) {
		assigned, err := storedAssignments(ctx, tx, part)
		if err != nil {
			return err
		}
		if err := replaceAssignments(ctx, tx, part, assigned); err != nil {
			return err
		}
	}
	return nil
}

// replaceAssignments writes the assignments of numbers anew.
func replaceAssignments(ctx context.Context, tx pgx.Tx, numbers []number, assigned map[number][]tracking.Assignment) error {
	const clear = `-- name: clear_assignments_of_numbers
		DELETE FROM tracking_numbers t USING unnest($1::text[], $2::text[], $3::text[]) x(tenant_id, carrier, tracking_number)
		 WHERE t.tenant_id = x.tenant_id AND t.carrier = x.carrier AND t.tracking_number = x.tracking_number`
	_, err := tx.Exec(ctx, clear, column(numbers, func(n number) string { return string(n.tenant) }),
		column(numbers, func(n number) string { return string(n.carrier) }),
		column(numbers, func(n number) string { return string(n.number) }))
	if err != nil {
		return err
	}
	rows := rowSet{}
	for _, n := range numbers {
		for _, h := range tracking.Resolve(assigned[n]) {
			rows.addHolding(n.tenant, h)
		}
	}
	return copyRows(ctx, tx, rows)
}

// fillShipments folds the shipments of a range with the scans of their numbers.
// What no shipment gets of a number is said by the first one that was assigned
// it.
func fillShipments(ctx context.Context, tx pgx.Tx, c chunk) (rowSet, error) {
	own, err := streamFacts(ctx, tx, events.ShipmentStream, c.keyRange, "")
	if err != nil {
		return nil, err
	}
	assigned, err := rangeAssignments(ctx, tx, c.keyRange)
	if err != nil {
		return nil, fmt.Errorf("read assignments: %w", err)
	}
	f := newFolding(assigned, func(n number) bool {
		first := slices.MinFunc(assigned[n], func(a, b tracking.Assignment) int { return cmp.Compare(a.ShipmentID, b.ShipmentID) })
		id := string(first.ShipmentID)
		return id > c.after && (c.until == nil || id <= *c.until)
	})
	if err := f.numbers(ctx, tx); err != nil {
		return nil, err
	}
	for _, key := range slices.SortedFunc(maps.Keys(own), entity.compare) {
		if _, err := f.shipment(key, own[key]); err != nil {
			return nil, err
		}
	}
	return f.rows, nil
}

// fillNumbers lists the scans of numbers that nobody ever had.
func fillNumbers(ctx context.Context, tx pgx.Tx, c chunk) (rowSet, error) {
	query := `-- name: numbers_in_range
		SELECT DISTINCT stream_id FROM events WHERE stream = 'tracking' AND ` + c.where("stream_id")
	rows, err := tx.Query(ctx, query, c.args()...)
	if err != nil {
		return nil, err
	}
	streams, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("list numbers: %w", err)
	}
	numbers := numbersIn(c.tenant, streams)
	assigned, err := storedAssignments(ctx, tx, numbers)
	if err != nil {
		return nil, fmt.Errorf("read assignments: %w", err)
	}
	nobodys := map[number][]tracking.Assignment{}
	for _, n := range numbers {
		if len(assigned[n]) == 0 {
			nobodys[n] = nil
		}
	}
	f := newFolding(nobodys, func(number) bool { return true })
	return f.rows, f.numbers(ctx, tx)
}

// numbersIn are the numbers of tracking streams.
func numbersIn(tenant events.TenantID, streams []string) []number {
	numbers := make([]number, 0, len(streams))
	for _, id := range streams {
		carrier, num := events.Stream{Kind: events.TrackingStream, ID: id}.Number()
		if num != "" {
			numbers = append(numbers, number{tenant, carrier, num})
		}
	}
	return numbers
}

// fillOrders folds the orders of a range, those too that only shipments speak
// of.
func fillOrders(ctx context.Context, tx pgx.Tx, c chunk) (rowSet, error) {
	own, err := streamFacts(ctx, tx, events.OrderStream, c.keyRange, "")
	if err != nil {
		return nil, err
	}
	carried, err := carriedIn(ctx, tx, c.keyRange)
	if err != nil {
		return nil, fmt.Errorf("read contents: %w", err)
	}
	f := newFolding(nil, nil)
	return f.rows, f.orders(own, carried)
}

// orders folds all orders that have facts or contents.
func (f *folding) orders(own map[entity][]*tracking.Fact, carried map[entity][]tracking.Carried) error {
	keys := maps.Clone(own)
	for key := range carried {
		keys[key] = own[key]
	}
	for _, key := range slices.SortedFunc(maps.Keys(keys), entity.compare) {
		if err := f.order(key, own[key], carried[key]); err != nil {
			return err
		}
	}
	return nil
}

// analyze lets the server know how large the tables have become.
func (r *rebuild) analyze(ctx context.Context) error {
	r.tell("analyze")
	for _, t := range foldTables() {
		if _, err := r.admin.Exec(ctx, `ANALYZE `+t.in(schemaOf(r.run.version))); err != nil {
			return fmt.Errorf("analyze %s: %w", t.name, classify(err))
		}
	}
	return nil
}
