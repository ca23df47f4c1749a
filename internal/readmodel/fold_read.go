package readmodel

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/tracking"
)

// keyRange is a part of a tenant's ids: after one, up to another or to the end.
type keyRange struct {
	tenant events.TenantID
	after  string
	until  *string
}

// where is the condition on a column that parameters 1, 2 and, if it ends, 3
// give values for.
func (r keyRange) where(column string) string {
	if r.until == nil {
		return "tenant_id = $1 AND " + column + " > $2"
	}
	return "tenant_id = $1 AND " + column + " > $2 AND " + column + " <= $3"
}

func (r keyRange) args() []any {
	if r.until == nil {
		return []any{string(r.tenant), r.after}
	}
	return []any{string(r.tenant), r.after, *r.until}
}

const factColumns = `stream_id, source, event_id, type, occurred_at, recorded_at, ingested_at, data, content_hash`

// streamFacts are the facts of the streams of one kind that lie in a range.
func streamFacts(ctx context.Context, tx pgx.Tx, kind events.StreamKind, in keyRange, condition string) (map[entity][]*tracking.Fact, error) {
	query := `-- name: facts_in_range
		SELECT ` + factColumns + ` FROM events WHERE stream = '` + string(kind) + `' AND ` + in.where("stream_id") + condition + `
		 ORDER BY stream_id`
	rows, err := tx.Query(ctx, query, in.args()...)
	if err != nil {
		return nil, err
	}
	facts := map[entity][]*tracking.Fact{}
	var last entity
	var its []*tracking.Fact
	err = eachFact(rows, in.tenant, func(f *tracking.Fact) {
		if f.Subject != last.id {
			if last.id != "" {
				facts[last] = its
			}
			last, its = entity{in.tenant, f.Subject}, nil
		}
		its = append(its, f)
	})
	if last.id != "" {
		facts[last] = its
	}
	if err != nil {
		return nil, fmt.Errorf("read the facts of a range of %ss: %w", kind, err)
	}
	return facts, nil
}

func eachFact(rows pgx.Rows, tenant events.TenantID, do func(*tracking.Fact)) error {
	defer rows.Close()
	for rows.Next() {
		s := events.Stored{Tenant: tenant}
		var body, hash []byte
		if err := rows.Scan(&s.Subject, (*string)(&s.Source), (*string)(&s.ID), (*string)(&s.Type), &s.OccurredAt, &s.RecordedAt, &s.IngestedAt, &body, &hash); err != nil {
			return err
		}
		s.Body = body
		e, err := s.Restore()
		if err != nil {
			return fmt.Errorf("restore event %s of %s: %w", s.ID, s.Subject, err)
		}
		do(tracking.NewFact(e, [32]byte(hash)))
	}
	return rows.Err()
}

// storedAssignments reads the assignments of numbers that are in the version,
// by number.
func storedAssignments(ctx context.Context, tx pgx.Tx, numbers []number) (map[number][]tracking.Assignment, error) {
	const query = `-- name: assignments_of_numbers
		SELECT t.tenant_id, t.carrier, t.tracking_number, t.shipment_id, t.parcel_id, t.valid_from, t.source, t.event_id,
		       t.occurred_at, t.recorded_at
		  FROM unnest($1::text[], $2::text[], $3::text[]) x(tenant_id, carrier, tracking_number)
		  JOIN tracking_numbers t USING (tenant_id, carrier, tracking_number)`
	all := map[number][]tracking.Assignment{}
	if len(numbers) == 0 {
		return all, nil
	}
	rows, err := tx.Query(ctx, query, column(numbers, func(n number) string { return string(n.tenant) }),
		column(numbers, func(n number) string { return string(n.carrier) }),
		column(numbers, func(n number) string { return string(n.number) }))
	if err != nil {
		return nil, err
	}
	return all, eachAssignment(rows, func(n number, a tracking.Assignment) { all[n] = append(all[n], a) })
}

// rangeAssignments reads all assignments of the numbers that shipments of a
// range have or had.
func rangeAssignments(ctx context.Context, tx pgx.Tx, in keyRange) (map[number][]tracking.Assignment, error) {
	query := `-- name: assignments_in_range
		SELECT t.tenant_id, t.carrier, t.tracking_number, t.shipment_id, t.parcel_id, t.valid_from, t.source, t.event_id,
		       t.occurred_at, t.recorded_at
		  FROM (SELECT DISTINCT tenant_id, carrier, tracking_number FROM tracking_numbers WHERE ` + in.where("shipment_id") + `) x
		  JOIN tracking_numbers t USING (tenant_id, carrier, tracking_number)`
	rows, err := tx.Query(ctx, query, in.args()...)
	if err != nil {
		return nil, err
	}
	all := map[number][]tracking.Assignment{}
	return all, eachAssignment(rows, func(n number, a tracking.Assignment) { all[n] = append(all[n], a) })
}

func eachAssignment(rows pgx.Rows, do func(number, tracking.Assignment)) error {
	defer rows.Close()
	for rows.Next() {
		var n number
		var a tracking.Assignment
		var valid pgtype.Timestamptz
		var occurred, recorded time.Time
		err := rows.Scan(&n.tenant, &n.carrier, &n.number, &a.ShipmentID, &a.ParcelID, &valid, &a.Key.Source, &a.Key.ID, &occurred, &recorded)
		if err != nil {
			return err
		}
		a.Carrier, a.Number = n.carrier, n.number
		if valid.InfinityModifier == pgtype.Finite {
			a.ValidFrom = valid.Time.UTC()
		}
		a.Key.Kind, a.Key.When, a.Key.Recorded = events.ShipmentStream, occurred.UnixMicro(), recorded.UnixMicro()
		do(n, a)
	}
	return rows.Err()
}

// carriedIn reads what stored shipments say of the orders of a range.
func carriedIn(ctx context.Context, tx pgx.Tx, in keyRange) (map[entity][]tracking.Carried, error) {
	query := `-- name: carried_in_range
		SELECT ` + carriedColumns + ` FROM shipment_contents WHERE ` + in.where("order_id")
	rows, err := tx.Query(ctx, query, in.args()...)
	if err != nil {
		return nil, err
	}
	return collectCarried(rows)
}

// carriedOf reads what stored shipments say of orders.
func carriedOf(ctx context.Context, tx pgx.Tx, orders []entity) (map[entity][]tracking.Carried, error) {
	const query = `-- name: carried_of_orders
		SELECT ` + carriedColumns + `
		  FROM unnest($1::text[], $2::text[]) x(tenant_id, order_id) JOIN shipment_contents c USING (tenant_id, order_id)`
	rows, err := tx.Query(ctx, query, tenants(orders), ids(orders))
	if err != nil {
		return nil, err
	}
	return collectCarried(rows)
}

const carriedColumns = `tenant_id, order_id, shipment_id, line_id, parcel_id, direction, qty, shipped, delivered, returned, lost,
	handed_over_at, delivered_at`

func collectCarried(rows pgx.Rows) (map[entity][]tracking.Carried, error) {
	defer rows.Close()
	all := map[entity][]tracking.Carried{}
	for rows.Next() {
		var k entity
		var c tracking.Carried
		var handed, delivered *time.Time
		err := rows.Scan(&k.tenant, &k.id, &c.ShipmentID, &c.LineID, &c.ParcelID, &c.Direction, &c.Qty, &c.Shipped,
			&c.Delivered, &c.Returned, &c.Lost, &handed, &delivered)
		if err != nil {
			return nil, err
		}
		c.OrderID = events.OrderID(k.id)
		c.HandedOverAt, c.DeliveredAt = instant(handed), instant(delivered)
		all[k] = append(all[k], c)
	}
	return all, rows.Err()
}
