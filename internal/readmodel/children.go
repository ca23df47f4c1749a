package readmodel

import (
	"context"
	"slices"
	"time"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/tracking"
)

// child is a row that belongs to a shipment.
type child[T any] struct {
	entity
	row T
}

// keysOf lists the shipments that had rows before, whose vanished children must
// go.
func keysOf(works []*shipmentWork) []entity {
	var keys []entity
	for _, w := range works {
		if w.stored {
			keys = append(keys, w.entity)
		}
	}
	return keys
}

// writeParcels writes the parcels that changed, and takes away those that a
// fold no longer yields.
func (u *unit) writeParcels(ctx context.Context, applied, refolded []*shipmentWork) error {
	var changed, gone []child[tracking.Parcel]
	for _, w := range slices.Concat(applied, refolded) {
		for _, p := range w.state.Parcels {
			if !slices.Contains(w.parcels, p) {
				changed = append(changed, child[tracking.Parcel]{w.entity, p})
			}
		}
		for _, p := range w.parcels {
			if !slices.ContainsFunc(w.state.Parcels, func(now tracking.Parcel) bool { return now.ID == p.ID }) {
				gone = append(gone, child[tracking.Parcel]{w.entity, p})
			}
		}
	}
	if err := u.deleteParcels(ctx, gone); err != nil {
		return err
	}
	return u.upsertParcels(ctx, changed)
}

func (u *unit) deleteParcels(ctx context.Context, rows []child[tracking.Parcel]) error {
	if len(rows) == 0 {
		return nil
	}
	const query = `-- name: delete_vanished_parcels
		DELETE FROM parcels p USING unnest($1::text[], $2::text[], $3::text[]) x(tenant_id, shipment_id, parcel_id)
		 WHERE (p.tenant_id, p.shipment_id, p.parcel_id) = (x.tenant_id, x.shipment_id, x.parcel_id)`
	_, err := u.tx.Exec(ctx, query,
		column(rows, func(c child[tracking.Parcel]) string { return string(c.tenant) }),
		column(rows, func(c child[tracking.Parcel]) string { return c.id }),
		column(rows, func(c child[tracking.Parcel]) string { return string(c.row.ID) }))
	return err
}

func (u *unit) upsertParcels(ctx context.Context, rows []child[tracking.Parcel]) error {
	if len(rows) == 0 {
		return nil
	}
	const query = `-- name: upsert_parcels
		INSERT INTO parcels AS p (tenant_id, shipment_id, parcel_id, status, status_since, first_scan_at, last_scan_at,
		       last_scan_type, last_location, handed_over_at, available_at, first_attempt_at, attempts, delivered_at,
		       delivered_on, disputed, gap)
		SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::timestamptz[],
		       $7::timestamptz[], $8::text[], $9::text[], $10::timestamptz[], $11::timestamptz[], $12::timestamptz[],
		       $13::int[], $14::timestamptz[], $15::date[], $16::bool[], $17::bool[])
		ON CONFLICT (tenant_id, shipment_id, parcel_id) DO UPDATE
		   SET status = excluded.status, status_since = excluded.status_since, first_scan_at = excluded.first_scan_at,
		       last_scan_at = excluded.last_scan_at, last_scan_type = excluded.last_scan_type,
		       last_location = excluded.last_location, handed_over_at = excluded.handed_over_at,
		       available_at = excluded.available_at, first_attempt_at = excluded.first_attempt_at,
		       attempts = excluded.attempts, delivered_at = excluded.delivered_at, delivered_on = excluded.delivered_on,
		       disputed = excluded.disputed, gap = excluded.gap`
	type parcel = child[tracking.Parcel]
	_, err := u.tx.Exec(ctx, query,
		column(rows, func(c parcel) string { return string(c.tenant) }),
		column(rows, func(c parcel) string { return c.id }),
		column(rows, func(c parcel) string { return string(c.row.ID) }),
		column(rows, func(c parcel) string { return string(c.row.Status) }),
		column(rows, func(c parcel) *time.Time { return nullTime(c.row.StatusSince) }),
		column(rows, func(c parcel) *time.Time { return nullTime(c.row.FirstScanAt) }),
		column(rows, func(c parcel) *time.Time { return nullTime(c.row.LastScanAt) }),
		column(rows, func(c parcel) *string { return nullText(c.row.LastScanType) }),
		column(rows, func(c parcel) *string { return nullText(c.row.LastLocation) }),
		column(rows, func(c parcel) *time.Time { return nullTime(c.row.HandedOverAt) }),
		column(rows, func(c parcel) *time.Time { return nullTime(c.row.AvailableAt) }),
		column(rows, func(c parcel) *time.Time { return nullTime(c.row.FirstAttemptAt) }),
		column(rows, func(c parcel) int { return c.row.Attempts }),
		column(rows, func(c parcel) *time.Time { return nullTime(c.row.DeliveredAt) }),
		column(rows, func(c parcel) *time.Time { return nullTime(c.row.DeliveredOn) }),
		column(rows, func(c parcel) bool { return c.row.Disputed }),
		column(rows, func(c parcel) bool { return c.row.Gap }))
	return err
}

// writeExceptions replaces the cases of refolded shipments and of those that
// the batch opens or resolves some of.
func (u *unit) writeExceptions(ctx context.Context, applied, refolded []*shipmentWork) error {
	var works []*shipmentWork
	for _, w := range slices.Concat(applied, refolded) {
		if w.folded || w.touchesExceptions() {
			works = append(works, w)
		}
	}
	const clear = `-- name: clear_exceptions
		DELETE FROM exceptions e USING unnest($1::text[], $2::text[]) x(tenant_id, shipment_id)
		 WHERE e.tenant_id = x.tenant_id AND e.shipment_id = x.shipment_id`
	if keys := keysOf(works); len(keys) > 0 {
		if _, err := u.tx.Exec(ctx, clear, tenants(keys), ids(keys)); err != nil {
			return err
		}
	}
	var rows []child[tracking.Exception]
	for _, w := range works {
		for _, e := range w.state.Exceptions {
			rows = append(rows, child[tracking.Exception]{w.entity, e})
		}
	}
	return u.insertExceptions(ctx, rows)
}

func (u *unit) insertExceptions(ctx context.Context, rows []child[tracking.Exception]) error {
	if len(rows) == 0 {
		return nil
	}
	const query = `-- name: insert_exceptions
		INSERT INTO exceptions (tenant_id, shipment_id, exception_id, parcel_id, status, reason_code, party, severity,
		       action_required, opened_at, resolved_at)
		SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
		       $8::text[], $9::bool[], $10::timestamptz[], $11::timestamptz[])`
	type exception = child[tracking.Exception]
	_, err := u.tx.Exec(ctx, query,
		column(rows, func(c exception) string { return string(c.tenant) }),
		column(rows, func(c exception) string { return c.id }),
		column(rows, func(c exception) string { return string(c.row.ID) }),
		column(rows, func(c exception) string { return string(c.row.ParcelID) }),
		column(rows, func(c exception) string {
			if c.row.Open {
				return "open"
			}
			return "resolved"
		}),
		column(rows, func(c exception) *string { return nullText(c.row.ReasonCode) }),
		column(rows, func(c exception) *string { return nullText(c.row.Party) }),
		column(rows, func(c exception) *string { return nullText(c.row.Severity) }),
		column(rows, func(c exception) bool { return c.row.ActionRequired }),
		column(rows, func(c exception) *time.Time { return nullTime(c.row.OpenedAt) }),
		column(rows, func(c exception) *time.Time { return nullTime(c.row.ResolvedAt) }))
	return err
}

// writeEstimates replaces the ETA history of refolded shipments.
func (u *unit) writeEstimates(ctx context.Context, refolded []*shipmentWork) error {
	const clear = `-- name: clear_estimates
		DELETE FROM eta_history h USING unnest($1::text[], $2::text[]) x(tenant_id, shipment_id)
		 WHERE h.tenant_id = x.tenant_id AND h.shipment_id = x.shipment_id`
	if keys := keysOf(refolded); len(keys) > 0 {
		if _, err := u.tx.Exec(ctx, clear, tenants(keys), ids(keys)); err != nil {
			return err
		}
	}
	var rows []child[tracking.Estimate]
	for _, w := range refolded {
		for _, e := range w.state.Estimates {
			rows = append(rows, child[tracking.Estimate]{w.entity, e})
		}
	}
	return u.insertEstimates(ctx, rows)
}

func (u *unit) insertEstimates(ctx context.Context, rows []child[tracking.Estimate]) error {
	if len(rows) == 0 {
		return nil
	}
	const query = `-- name: insert_estimates
		INSERT INTO eta_history (tenant_id, shipment_id, stream, stream_id, source, event_id, type, class, eta_start,
		       eta_end, provider, confidence, reason_code, known_at)
		SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
		       $8::text[], $9::timestamptz[], $10::timestamptz[], $11::text[], $12::float8[], $13::text[], $14::timestamptz[])
		ON CONFLICT (tenant_id, stream, stream_id, source, event_id) DO UPDATE SET shipment_id = excluded.shipment_id`
	type est = child[tracking.Estimate]
	_, err := u.tx.Exec(ctx, query,
		column(rows, func(c est) string { return string(c.tenant) }),
		column(rows, func(c est) string { return c.id }),
		column(rows, func(c est) string { return string(c.row.Ref.Stream.Kind) }),
		column(rows, func(c est) string { return c.row.Ref.Stream.ID }),
		column(rows, func(c est) string { return string(c.row.Ref.Source) }),
		column(rows, func(c est) string { return string(c.row.Ref.ID) }),
		column(rows, func(c est) string { return string(c.row.Type) }),
		column(rows, func(c est) string { return string(c.row.Class) }),
		column(rows, func(c est) *time.Time { return nullTime(c.row.Start) }),
		column(rows, func(c est) time.Time { return c.row.End }),
		column(rows, func(c est) *string { return nullText(c.row.Provider) }),
		column(rows, func(c est) *float64 { return c.row.Confidence }),
		column(rows, func(c est) *string { return nullText(c.row.ReasonCode) }),
		column(rows, func(c est) time.Time { return c.row.KnownAt }))
	return err
}

// writeContents writes the contents that changed, takes away those that a fold
// no longer yields, and brings the orders concerned into the unit.
func (u *unit) writeContents(ctx context.Context, applied, refolded []*shipmentWork) error {
	var changed, gone []contentRow
	for _, w := range slices.Concat(applied, refolded) {
		if !w.settled {
			continue
		}
		turned := w.was != w.state.Direction
		for _, c := range w.state.Contents {
			if turned || !slices.Contains(w.before, c) {
				changed = append(changed, contentRow{child[tracking.Content]{w.entity, c}, w.state.Direction})
			}
		}
		for _, c := range w.before {
			if !slices.ContainsFunc(w.state.Contents, func(now tracking.Content) bool { return now.ContentKey == c.ContentKey }) {
				gone = append(gone, contentRow{child[tracking.Content]{w.entity, c}, w.was})
			}
		}
	}
	for _, c := range slices.Concat(changed, gone) {
		u.order(entity{c.tenant, string(c.row.OrderID)})
	}
	if err := u.deleteContents(ctx, gone); err != nil {
		return err
	}
	return u.upsertContents(ctx, changed)
}

type contentRow struct {
	child[tracking.Content]
	direction events.Direction
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

func (u *unit) deleteContents(ctx context.Context, rows []contentRow) error {
	if len(rows) == 0 {
		return nil
	}
	const query = `-- name: delete_vanished_contents
		DELETE FROM shipment_contents c
		 USING unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[]) x(tenant_id, shipment_id, order_id, line_id, parcel_id)
		 WHERE (c.tenant_id, c.shipment_id, c.order_id, c.line_id, c.parcel_id)
		     = (x.tenant_id, x.shipment_id, x.order_id, x.line_id, x.parcel_id)`
	_, err := u.tx.Exec(ctx, query, contentKeys(rows)...)
	return err
}

func (u *unit) upsertContents(ctx context.Context, rows []contentRow) error {
	if len(rows) == 0 {
		return nil
	}
	const query = `-- name: upsert_contents
		INSERT INTO shipment_contents (tenant_id, shipment_id, order_id, line_id, parcel_id, direction, qty, shipped,
		       delivered, returned, lost, handed_over_at, delivered_at)
		SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[],
		       $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::timestamptz[], $13::timestamptz[])
		ON CONFLICT (tenant_id, shipment_id, order_id, line_id, parcel_id) DO UPDATE
		   SET direction = excluded.direction, qty = excluded.qty, shipped = excluded.shipped,
		       delivered = excluded.delivered, returned = excluded.returned, lost = excluded.lost,
		       handed_over_at = excluded.handed_over_at, delivered_at = excluded.delivered_at`
	_, err := u.tx.Exec(ctx, query, append(contentKeys(rows),
		column(rows, func(c contentRow) string { return string(c.direction) }),
		column(rows, func(c contentRow) int64 { return c.row.Qty }),
		column(rows, func(c contentRow) int64 { return c.row.Shipped }),
		column(rows, func(c contentRow) int64 { return c.row.Delivered }),
		column(rows, func(c contentRow) int64 { return c.row.Returned }),
		column(rows, func(c contentRow) int64 { return c.row.Lost }),
		column(rows, func(c contentRow) *time.Time { return nullTime(c.row.HandedOverAt) }),
		column(rows, func(c contentRow) *time.Time { return nullTime(c.row.DeliveredAt) }))...)
	return err
}
