package readmodel

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/tracking"
)

// writeShipments writes the rows of all shipments of the unit. These are locked,
// so nothing is compared again; only what changed is written.
func (u *unit) writeShipments(ctx context.Context, applied, refolded []*shipmentWork) error {
	steps := []struct {
		name string
		do   func() error
	}{
		{"moved shipments", func() error { return u.updateMoved(ctx, applied) }},
		{"folded shipments", func() error { return u.upsertFolded(ctx, refolded) }},
		{"parcels", func() error { return u.writeParcels(ctx, applied, refolded) }},
		{"exceptions", func() error { return u.writeExceptions(ctx, applied, refolded) }},
		{"contents", func() error { return u.writeContents(ctx, applied, refolded) }},
		{"estimates", func() error { return u.writeEstimates(ctx, refolded) }},
	}
	for _, step := range steps {
		if err := step.do(); err != nil {
			return fmt.Errorf("write %s: %w", step.name, err)
		}
	}
	return nil
}

// updateMoved writes what Apply may have changed.
func (u *unit) updateMoved(ctx context.Context, works []*shipmentWork) error {
	if len(works) == 0 {
		return nil
	}
	states, err := stateColumn(works)
	if err != nil {
		return err
	}
	const query = `-- name: update_moved_shipments
		UPDATE shipments s
		   SET status = x.status, status_since = x.status_since, revision = x.revision, carrier = x.carrier,
		       lat = x.lat, lon = x.lon, position_at = x.position_at, first_scan_at = x.first_scan_at,
		       last_scan_at = x.last_scan_at, last_scan_type = x.last_scan_type, last_location = x.last_location,
		       open_exceptions = x.open_exceptions, exception_count = x.exception_count, disputed = x.disputed,
		       gap = x.gap, damaged = x.damaged, customs_held = x.customs_held, state = x.state, updated_at = now()
		  FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::bigint[], $6::text[], $7::float8[],
		       $8::float8[], $9::timestamptz[], $10::timestamptz[], $11::timestamptz[], $12::text[], $13::text[],
		       $14::int[], $15::int[], $16::bool[], $17::bool[], $18::bool[], $19::bool[], $20::jsonb[])
		       x(tenant_id, shipment_id, status, status_since, revision, carrier, lat, lon, position_at, first_scan_at,
		       last_scan_at, last_scan_type, last_location, open_exceptions, exception_count, disputed, gap, damaged,
		       customs_held, state)
		 WHERE s.tenant_id = x.tenant_id AND s.shipment_id = x.shipment_id`
	_, err = u.tx.Exec(ctx, query, append(movedColumns(works), states)...)
	return err
}

func movedColumns(works []*shipmentWork) []any {
	return []any{
		column(works, func(w *shipmentWork) string { return string(w.tenant) }),
		column(works, func(w *shipmentWork) string { return w.id }),
		column(works, func(w *shipmentWork) string { return string(w.state.Status) }),
		column(works, func(w *shipmentWork) *time.Time { return nullTime(w.state.StatusSince) }),
		column(works, func(w *shipmentWork) int64 { return w.state.Revision }),
		column(works, func(w *shipmentWork) *string { return nullText(w.state.Carrier) }),
		column(works, func(w *shipmentWork) *float64 { return w.position(func(p *tracking.Position) float64 { return p.Lat }) }),
		column(works, func(w *shipmentWork) *float64 { return w.position(func(p *tracking.Position) float64 { return p.Lon }) }),
		column(works, func(w *shipmentWork) *time.Time {
			if p := w.state.Position; p != nil {
				return nullTime(p.At)
			}
			return nil
		}),
		column(works, func(w *shipmentWork) *time.Time { return nullTime(w.state.FirstScanAt) }),
		column(works, func(w *shipmentWork) *time.Time { return nullTime(w.state.LastScanAt) }),
		column(works, func(w *shipmentWork) *string { return nullText(w.state.LastScanType) }),
		column(works, func(w *shipmentWork) *string { return nullText(w.state.LastLocation) }),
		column(works, func(w *shipmentWork) int { return w.openExceptions() }),
		column(works, func(w *shipmentWork) int { return w.exceptionCount() }),
		column(works, func(w *shipmentWork) bool { return w.state.Disputed() }),
		column(works, func(w *shipmentWork) bool { return w.state.Gap() }),
		column(works, func(w *shipmentWork) bool { return w.state.Damaged }),
		column(works, func(w *shipmentWork) bool { return w.state.CustomsHeld }),
	}
}

func (w *shipmentWork) position(of func(*tracking.Position) float64) *float64 {
	if w.state.Position == nil {
		return nil
	}
	v := of(w.state.Position)
	return &v
}

// openExceptions counts from the exceptions where they are known, else keeps
// what the row says.
func (w *shipmentWork) openExceptions() int {
	if w.folded || w.touchesExceptions() {
		return w.state.OpenExceptions()
	}
	return w.cases.open
}

func (w *shipmentWork) exceptionCount() int {
	if w.folded || w.touchesExceptions() {
		return len(w.state.Exceptions)
	}
	return w.cases.all
}

func stateColumn(works []*shipmentWork) ([]string, error) {
	docs := make([]string, len(works))
	for i, w := range works {
		s := &w.state
		doc, err := json.Marshal(shipmentState{s.Guard, s.Handovers, s.Origin, s.Destination, s.Promise})
		if err != nil {
			return nil, fmt.Errorf("write the state of shipment %s: %w", w.id, err)
		}
		docs[i] = string(doc)
	}
	return docs, nil
}

// upsertFolded writes all columns, of shipments that have a row and of others.
func (u *unit) upsertFolded(ctx context.Context, works []*shipmentWork) error {
	if len(works) == 0 {
		return nil
	}
	states, err := stateColumn(works)
	if err != nil {
		return err
	}
	const query = `-- name: upsert_folded_shipments
		INSERT INTO shipments (tenant_id, shipment_id, status, status_since, revision, carrier, lat, lon, position_at,
		       first_scan_at, last_scan_at, last_scan_type, last_location, open_exceptions, exception_count, disputed, gap,
		       damaged, customs_held, state, known, direction, original_shipment_id, service, origin, destination,
		       promise_start, promise_end, promise_precision, promise_on, eta_start, eta_end, eta_provider, parcel_count,
		       numbers, order_ids)
		SELECT x.tenant_id, x.shipment_id, x.status, x.status_since, x.revision, x.carrier, x.lat, x.lon, x.position_at,
		       x.first_scan_at, x.last_scan_at, x.last_scan_type, x.last_location, x.open_exceptions, x.exception_count,
		       x.disputed, x.gap, x.damaged, x.customs_held, x.state, x.known, x.direction, x.original, x.service, x.origin,
		       x.destination, x.promise_start, x.promise_end, x.promise_precision, x.promise_on, x.eta_start, x.eta_end,
		       x.eta_provider, x.parcel_count, string_to_array(x.numbers, E'\x1f'), string_to_array(x.order_ids, E'\x1f')
		  FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::bigint[], $6::text[], $7::float8[],
		       $8::float8[], $9::timestamptz[], $10::timestamptz[], $11::timestamptz[], $12::text[], $13::text[],
		       $14::int[], $15::int[], $16::bool[], $17::bool[], $18::bool[], $19::bool[], $20::jsonb[],
		       $21::bool[], $22::text[], $23::text[], $24::text[], $25::text[], $26::text[], $27::timestamptz[],
		       $28::timestamptz[], $29::text[], $30::date[], $31::timestamptz[], $32::timestamptz[], $33::text[],
		       $34::int[], $35::text[], $36::text[])
		       x(tenant_id, shipment_id, status, status_since, revision, carrier, lat, lon, position_at, first_scan_at,
		       last_scan_at, last_scan_type, last_location, open_exceptions, exception_count, disputed, gap, damaged,
		       customs_held, state, known, direction, original, service, origin, destination, promise_start, promise_end,
		       promise_precision, promise_on, eta_start, eta_end, eta_provider, parcel_count, numbers, order_ids)
		ON CONFLICT (tenant_id, shipment_id) DO UPDATE
		   SET status = excluded.status, status_since = excluded.status_since, revision = excluded.revision,
		       carrier = excluded.carrier, lat = excluded.lat, lon = excluded.lon, position_at = excluded.position_at,
		       first_scan_at = excluded.first_scan_at, last_scan_at = excluded.last_scan_at,
		       last_scan_type = excluded.last_scan_type, last_location = excluded.last_location,
		       open_exceptions = excluded.open_exceptions, exception_count = excluded.exception_count,
		       disputed = excluded.disputed, gap = excluded.gap, damaged = excluded.damaged,
		       customs_held = excluded.customs_held, state = excluded.state, known = excluded.known,
		       direction = excluded.direction, original_shipment_id = excluded.original_shipment_id,
		       service = excluded.service, origin = excluded.origin, destination = excluded.destination,
		       promise_start = excluded.promise_start, promise_end = excluded.promise_end,
		       promise_precision = excluded.promise_precision, promise_on = excluded.promise_on,
		       eta_start = excluded.eta_start, eta_end = excluded.eta_end, eta_provider = excluded.eta_provider,
		       parcel_count = excluded.parcel_count, numbers = excluded.numbers, order_ids = excluded.order_ids,
		       updated_at = now()`
	args := append(movedColumns(works), states)
	_, err = u.tx.Exec(ctx, query, append(args, foldedColumns(works)...)...)
	return err
}

// foldedColumns are those that only a fold may change.
func foldedColumns(works []*shipmentWork) []any {
	promise := column(works, func(w *shipmentWork) span { return spanOf(w.state.Promise) })
	eta := column(works, func(w *shipmentWork) tracking.Estimate { return orZero(w.state.ETA()) })
	return []any{
		column(works, func(w *shipmentWork) bool { return w.state.Known }),
		column(works, func(w *shipmentWork) string { return string(w.state.Direction) }),
		column(works, func(w *shipmentWork) *string { return nullText(w.state.Original) }),
		column(works, func(w *shipmentWork) *string { return nullText(w.state.Service) }),
		column(works, func(w *shipmentWork) *string { return nullText(placeName(w.state.Origin)) }),
		column(works, func(w *shipmentWork) *string { return nullText(placeName(w.state.Destination)) }),
		column(promise, func(p span) *time.Time { return nullTime(p.start) }),
		column(promise, func(p span) *time.Time { return nullTime(p.end) }),
		column(promise, func(p span) *string { return nullText(p.precision) }),
		column(promise, func(p span) *time.Time { return nullTime(p.day) }),
		column(eta, func(e tracking.Estimate) *time.Time { return nullTime(e.Start) }),
		column(eta, func(e tracking.Estimate) *time.Time { return nullTime(e.End) }),
		column(eta, func(e tracking.Estimate) *string { return nullText(e.Provider) }),
		column(works, func(w *shipmentWork) int { return len(w.state.Parcels) }),
		column(works, func(w *shipmentWork) string { return list(w.state.Numbers()) }),
		column(works, func(w *shipmentWork) string { return list(w.state.Orders()) }),
	}
}

// span is a window as columns. One for days lasts from the first moment of the
// first to the last microsecond of the last, so that an instant compares with it.
type span struct {
	start, end time.Time
	precision  events.Precision
	day        time.Time // the end's local day, where the window is for a day
}

func spanOf(w *events.Window) span {
	if w == nil {
		return span{}
	}
	s := span{start: w.Start, end: w.End, precision: cmp.Or(w.Precision, events.ToSecond)}
	if s.precision == events.ToDay {
		y, m, d := w.End.Date()
		s.day = time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
		s.end = dayStart(w.End, 1).Add(-time.Microsecond)
		if !w.Start.IsZero() {
			s.start = dayStart(w.Start, 0)
		}
	}
	return s
}

// dayStart is the beginning of t's local day, or of one some days later, in the
// offset that t was written with.
func dayStart(t time.Time, later int) time.Time {
	y, m, d := t.Date()
	_, offset := t.Zone()
	return time.Date(y, m, d+later, 0, 0, 0, 0, time.FixedZone("", offset))
}

// placeName names a place for people.
func placeName(l *events.Location) string {
	if l == nil {
		return ""
	}
	return cmp.Or(l.Name, l.City, l.UNLOCODE, l.Postcode, l.Region, l.Country)
}
