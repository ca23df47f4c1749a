package readmodel

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/jackc/pgx/v5"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/tracking"
)

// stateFormat is raised when Apply relies on something that states did not hold
// before: what is stored with another one is folded from its history.
const stateFormat = 2

// shipmentState is what the state column keeps: what Apply needs and no SQL
// user asks for.
type shipmentState struct {
	Format      int                 `json:"format"`
	Guard       tracking.Guard      `json:"guard"`
	Handovers   []tracking.Handover `json:"handovers,omitempty"`
	Origin      *events.Location    `json:"origin,omitzero"`
	Destination *events.Location    `json:"destination,omitzero"`
	Promise     *events.Window      `json:"promise,omitzero"`
}

// caseCount is what a shipment's row says of its exceptions.
type caseCount struct{ open, all int }

// readShipments reads the rows of locked shipments with their parcels, and the exceptions of
// those that the batch opens or resolves some of.
func (u *unit) readShipments(ctx context.Context, works []*shipmentWork) error {
	keys := column(works, func(w *shipmentWork) entity { return w.entity })
	if err := u.readShipmentRows(ctx, keys); err != nil {
		return err
	}
	var stored, withCases []entity
	for _, w := range works {
		if !w.stored {
			continue
		}
		stored = append(stored, w.entity)
		if w.touchesExceptions() {
			withCases = append(withCases, w.entity)
		}
	}
	if len(stored) == 0 {
		return nil
	}
	if err := u.readParcels(ctx, stored); err != nil {
		return fmt.Errorf("parcels: %w", err)
	}
	if len(withCases) == 0 {
		return nil
	}
	return u.readExceptions(ctx, withCases)
}

func (w *shipmentWork) touchesExceptions() bool {
	is := func(e *entry) bool {
		return e.Type() == events.TypeExceptionOpened || e.Type() == events.TypeExceptionResolved
	}
	return slices.ContainsFunc(w.own, is) || slices.ContainsFunc(w.scans, func(e scanEntry) bool { return is(e.entry) })
}

// readShipmentRows reads what Apply may change, and the state.
func (u *unit) readShipmentRows(ctx context.Context, keys []entity) error {
	const query = `-- name: read_shipments
		SELECT s.tenant_id, s.shipment_id, s.known, s.status, s.status_since, s.revision, s.direction, s.carrier,
		       s.lat, s.lon, s.position_at, s.first_scan_at, s.last_scan_at, s.last_scan_type, s.last_location,
		       s.open_exceptions, s.exception_count, s.damaged, s.customs_held, s.state, s.ctid
		  FROM unnest($1::text[], $2::text[]) x(tenant_id, shipment_id)
		  JOIN shipments s USING (tenant_id, shipment_id)`
	rows, err := u.tx.Query(ctx, query, tenants(keys), ids(keys))
	if err != nil {
		return err
	}
	var k entity
	var s tracking.Shipment
	var cases caseCount
	var carrier, lastType, lastPlace *string
	var lat, lon *float64
	var since, position, first, last *time.Time
	var state []byte
	var at tuple
	_, err = pgx.ForEachRow(rows, []any{&k.tenant, &k.id, &s.Known, &s.Status, &since, &s.Revision, &s.Direction, &carrier,
		&lat, &lon, &position, &first, &last, &lastType, &lastPlace, &cases.open, &cases.all, &s.Damaged, &s.CustomsHeld, &state, &at}, func() error {
		w := u.shipments[k]
		w.stored, w.at, w.cases, w.state, w.was = true, at, cases, s, s.Direction
		w.state.ID = events.ShipmentID(k.id)
		w.state.StatusSince, w.state.FirstScanAt, w.state.LastScanAt = instant(since), instant(first), instant(last)
		w.state.Carrier, w.state.LastScanType = events.SCAC(orZero(carrier)), events.Type(orZero(lastType))
		w.state.LastLocation = orZero(lastPlace)
		if lat != nil && lon != nil {
			w.state.Position = &tracking.Position{Lat: *lat, Lon: *lon, At: instant(position)}
		}
		return w.readState(state)
	})
	return err
}

func (w *shipmentWork) readState(doc []byte) error {
	var st shipmentState
	if err := json.Unmarshal(doc, &st); err != nil {
		return fmt.Errorf("read the state of shipment %s: %w", w.id, err)
	}
	w.refold = w.refold || st.Format != stateFormat
	s := &w.state
	s.Guard, s.Handovers = st.Guard, st.Handovers
	s.Origin, s.Destination, s.Promise = st.Origin, st.Destination, st.Promise
	return nil
}

func (u *unit) readParcels(ctx context.Context, keys []entity) error {
	const query = `-- name: read_parcels
		SELECT p.tenant_id, p.shipment_id, p.parcel_id, p.status, p.status_since, p.first_scan_at, p.last_scan_at,
		       p.last_scan_type, p.last_location, p.handed_over_at, p.available_at, p.first_attempt_at, p.attempts,
		       p.delivered_at, p.delivered_on, p.disputed, p.gap, p.ctid
		  FROM unnest($1::text[], $2::text[]) x(tenant_id, shipment_id)
		  JOIN parcels p USING (tenant_id, shipment_id)
		 ORDER BY 1, 2, 3`
	rows, err := u.tx.Query(ctx, query, tenants(keys), ids(keys))
	if err != nil {
		return err
	}
	var k entity
	var p storedParcel
	var lastType, lastPlace *string
	var since, first, last, handed, available, attempt, delivered, day *time.Time
	_, err = pgx.ForEachRow(rows, []any{&k.tenant, &k.id, &p.ID, &p.Status, &since, &first, &last, &lastType, &lastPlace,
		&handed, &available, &attempt, &p.Attempts, &delivered, &day, &p.Disputed, &p.Gap, &p.at}, func() error {
		p.StatusSince, p.FirstScanAt, p.LastScanAt = instant(since), instant(first), instant(last)
		p.HandedOverAt, p.AvailableAt, p.FirstAttemptAt = instant(handed), instant(available), instant(attempt)
		p.DeliveredAt, p.DeliveredOn = instant(delivered), instant(day)
		p.LastScanType, p.LastLocation = events.Type(orZero(lastType)), orZero(lastPlace)
		w := u.shipments[k]
		w.state.Parcels = append(w.state.Parcels, p.Parcel)
		w.parcels = append(w.parcels, p)
		return nil
	})
	return err
}

func (u *unit) readExceptions(ctx context.Context, keys []entity) error {
	const query = `-- name: read_exceptions
		SELECT e.tenant_id, e.shipment_id, e.exception_id, e.parcel_id, e.status = 'open', e.reason_code, e.party,
		       e.severity, e.action_required, e.opened_at, e.resolved_at
		  FROM unnest($1::text[], $2::text[]) x(tenant_id, shipment_id)
		  JOIN exceptions e USING (tenant_id, shipment_id)
		 ORDER BY 1, 2, 3`
	rows, err := u.tx.Query(ctx, query, tenants(keys), ids(keys))
	if err != nil {
		return err
	}
	var k entity
	var e tracking.Exception
	var reason, party, severity *string
	var opened, resolved *time.Time
	_, err = pgx.ForEachRow(rows, []any{&k.tenant, &k.id, &e.ID, &e.ParcelID, &e.Open, &reason, &party, &severity, &e.ActionRequired, &opened, &resolved}, func() error {
		e.ReasonCode, e.Party, e.Severity = orZero(reason), events.Party(orZero(party)), orZero(severity)
		e.OpenedAt, e.ResolvedAt = instant(opened), instant(resolved)
		w := u.shipments[k]
		w.state.Exceptions = append(w.state.Exceptions, e)
		return nil
	})
	return err
}

// readContents reads what the shipments carry as it is stored, before the batch
// writes it anew.
func (u *unit) readContents(ctx context.Context, works []*shipmentWork) error {
	var keys []entity
	for _, w := range works {
		if w.settled = true; w.stored {
			keys = append(keys, w.entity)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	const query = `-- name: read_contents
		SELECT c.tenant_id, c.shipment_id, c.order_id, c.line_id, c.parcel_id, c.qty, c.shipped, c.delivered, c.returned,
		       c.lost, c.handed_over_at, c.delivered_at, c.ctid
		  FROM unnest($1::text[], $2::text[]) x(tenant_id, shipment_id)
		  JOIN shipment_contents c USING (tenant_id, shipment_id)
		 ORDER BY 1, 2, 3, 4, 5`
	rows, err := u.tx.Query(ctx, query, tenants(keys), ids(keys))
	if err != nil {
		return err
	}
	var k entity
	var c storedContent
	var handed, delivered *time.Time
	_, err = pgx.ForEachRow(rows, []any{&k.tenant, &k.id, &c.OrderID, &c.LineID, &c.ParcelID, &c.Qty, &c.Shipped, &c.Delivered, &c.Returned, &c.Lost, &handed, &delivered, &c.at}, func() error {
		c.HandedOverAt, c.DeliveredAt = instant(handed), instant(delivered)
		w := u.shipments[k]
		w.before = append(w.before, c)
		return nil
	})
	return err
}

// milestone reports whether a parcel reached, or left, something that its
// contents follow.
func (w *shipmentWork) milestone() bool {
	for i, p := range w.state.Parcels {
		was := w.parcels[i]
		if p.HandedOverAt != was.HandedOverAt || p.DeliveredAt != was.DeliveredAt || outcome(p.Status) != outcome(was.Status) {
			return true
		}
	}
	return false
}

// outcome is the status as far as contents care.
func outcome(s tracking.Status) tracking.Status {
	switch s {
	case tracking.Unknown, tracking.Lost, tracking.Destroyed, tracking.Returned, tracking.Cancelled:
		return s
	default:
		return ""
	}
}
