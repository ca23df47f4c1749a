package readmodel

import (
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
func (u *unit) writeParcels() {
	var added, changed, gone []child[storedParcel]
	for _, w := range slices.Concat(u.moved, u.folded) {
		for _, p := range w.state.Parcels {
			was := w.parcel(p.ID)
			switch {
			case was == nil:
				added = append(added, child[storedParcel]{w.entity, storedParcel{Parcel: p}})
			case was.Parcel != p:
				changed = append(changed, child[storedParcel]{w.entity, storedParcel{p, was.at}})
			}
		}
		for _, p := range w.parcels {
			if !slices.ContainsFunc(w.state.Parcels, func(now tracking.Parcel) bool { return now.ID == p.ID }) {
				gone = append(gone, child[storedParcel]{w.entity, p})
			}
		}
	}
	u.deleteParcels(gone)
	parcelWrites.changeAt(u.lane, column(changed, func(c child[storedParcel]) tuple { return c.row.at }), parcelColumns(changed))
	parcelWrites.add(u.lane, len(added), parcelColumns(added))
}

// parcel finds a parcel as it is stored.
func (w *shipmentWork) parcel(id events.ParcelID) *storedParcel {
	for i := range w.parcels {
		if w.parcels[i].ID == id {
			return &w.parcels[i]
		}
	}
	return nil
}

func (u *unit) deleteParcels(rows []child[storedParcel]) {
	if len(rows) == 0 {
		return
	}
	const query = `-- name: delete_vanished_parcels
		DELETE FROM parcels p USING unnest($1::text[], $2::text[], $3::text[]) x(tenant_id, shipment_id, parcel_id)
		 WHERE (p.tenant_id, p.shipment_id, p.parcel_id) = (x.tenant_id, x.shipment_id, x.parcel_id)`
	u.lane.later("take parcels away", query,
		column(rows, func(c child[storedParcel]) string { return string(c.tenant) }),
		column(rows, func(c child[storedParcel]) string { return c.id }),
		column(rows, func(c child[storedParcel]) string { return string(c.row.ID) }))
}

func parcelColumns(rows []child[storedParcel]) []any {
	type parcel = child[storedParcel]
	return []any{
		column(rows, func(c parcel) string { return string(c.tenant) }),
		column(rows, func(c parcel) string { return c.id }),
		column(rows, func(c parcel) string { return string(c.row.ID) }),
		column(rows, func(c parcel) string { return string(c.row.Status) }),
		column(rows, func(c parcel) optTime { return optTime(c.row.StatusSince) }),
		column(rows, func(c parcel) optTime { return optTime(c.row.FirstScanAt) }),
		column(rows, func(c parcel) optTime { return optTime(c.row.LastScanAt) }),
		column(rows, func(c parcel) optText { return optTextOf(c.row.LastScanType) }),
		column(rows, func(c parcel) optText { return optTextOf(c.row.LastLocation) }),
		column(rows, func(c parcel) optTime { return optTime(c.row.HandedOverAt) }),
		column(rows, func(c parcel) optTime { return optTime(c.row.AvailableAt) }),
		column(rows, func(c parcel) optTime { return optTime(c.row.FirstAttemptAt) }),
		column(rows, func(c parcel) int { return c.row.Attempts }),
		column(rows, func(c parcel) optTime { return optTime(c.row.DeliveredAt) }),
		column(rows, func(c parcel) optTime { return optTime(c.row.DeliveredOn) }),
		column(rows, func(c parcel) bool { return c.row.Disputed }),
		column(rows, func(c parcel) bool { return c.row.Gap }),
	}
}

// writeExceptions replaces the cases of refolded shipments and of those that
// the batch opens or resolves some of.
func (u *unit) writeExceptions() {
	var works []*shipmentWork
	for _, w := range slices.Concat(u.moved, u.folded) {
		if w.folded || w.touchesExceptions() {
			works = append(works, w)
		}
	}
	const clear = `-- name: clear_exceptions
		DELETE FROM exceptions e USING unnest($1::text[], $2::text[]) x(tenant_id, shipment_id)
		 WHERE e.tenant_id = x.tenant_id AND e.shipment_id = x.shipment_id`
	if keys := keysOf(works); len(keys) > 0 {
		u.lane.later("clear exceptions", clear, tenants(keys), ids(keys))
	}
	var rows []child[tracking.Exception]
	for _, w := range works {
		for _, e := range w.state.Exceptions {
			rows = append(rows, child[tracking.Exception]{w.entity, e})
		}
	}
	u.insertExceptions(rows)
}

func (u *unit) insertExceptions(rows []child[tracking.Exception]) {
	if len(rows) == 0 {
		return
	}
	const query = `-- name: insert_exceptions
		INSERT INTO exceptions (tenant_id, shipment_id, exception_id, parcel_id, status, reason_code, party, severity,
		       action_required, opened_at, resolved_at)
		SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
		       $8::text[], $9::bool[], $10::timestamptz[], $11::timestamptz[])`
	type exception = child[tracking.Exception]
	u.lane.later("write exceptions", query,
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
		column(rows, func(c exception) optText { return optTextOf(c.row.ReasonCode) }),
		column(rows, func(c exception) optText { return optTextOf(c.row.Party) }),
		column(rows, func(c exception) optText { return optTextOf(c.row.Severity) }),
		column(rows, func(c exception) bool { return c.row.ActionRequired }),
		column(rows, func(c exception) optTime { return optTime(c.row.OpenedAt) }),
		column(rows, func(c exception) optTime { return optTime(c.row.ResolvedAt) }))
}

// writeEstimates replaces the ETA history of refolded shipments, and adds to that
// of others.
func (u *unit) writeEstimates() {
	const clear = `-- name: clear_estimates
		DELETE FROM eta_history h USING unnest($1::text[], $2::text[]) x(tenant_id, shipment_id)
		 WHERE h.tenant_id = x.tenant_id AND h.shipment_id = x.shipment_id`
	if keys := keysOf(u.folded); len(keys) > 0 {
		u.lane.later("clear estimates", clear, tenants(keys), ids(keys))
	}
	var rows []child[tracking.Estimate]
	for _, w := range slices.Concat(u.moved, u.folded) { // those that moved have only new ones
		for _, e := range w.state.Estimates {
			rows = append(rows, child[tracking.Estimate]{w.entity, e})
		}
	}
	u.insertEstimates(rows)
}

func (u *unit) insertEstimates(rows []child[tracking.Estimate]) {
	if len(rows) == 0 {
		return
	}
	const query = `-- name: insert_estimates
		INSERT INTO eta_history (tenant_id, shipment_id, stream, stream_id, source, event_id, type, class, eta_start,
		       eta_end, provider, confidence, reason_code, known_at)
		SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
		       $8::text[], $9::timestamptz[], $10::timestamptz[], $11::text[], $12::float8[], $13::text[], $14::timestamptz[])
		ON CONFLICT (tenant_id, stream, stream_id, source, event_id) DO UPDATE SET shipment_id = excluded.shipment_id`
	type est = child[tracking.Estimate]
	u.lane.later("write estimates", query,
		column(rows, func(c est) string { return string(c.tenant) }),
		column(rows, func(c est) string { return c.id }),
		column(rows, func(c est) string { return string(c.row.Ref.Stream.Kind) }),
		column(rows, func(c est) string { return c.row.Ref.Stream.ID }),
		column(rows, func(c est) string { return string(c.row.Ref.Source) }),
		column(rows, func(c est) string { return string(c.row.Ref.ID) }),
		column(rows, func(c est) string { return string(c.row.Type) }),
		column(rows, func(c est) string { return string(c.row.Class) }),
		column(rows, func(c est) optTime { return optTime(c.row.Start) }),
		column(rows, func(c est) time.Time { return c.row.End }),
		column(rows, func(c est) optText { return optTextOf(c.row.Provider) }),
		column(rows, func(c est) *float64 { return c.row.Confidence }),
		column(rows, func(c est) optText { return optTextOf(c.row.ReasonCode) }),
		column(rows, func(c est) time.Time { return c.row.KnownAt }))
}
