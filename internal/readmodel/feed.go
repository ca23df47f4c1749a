package readmodel

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/fanout"
)

// tickRange is how many changes of a tenant one tick reads. Whoever is further
// behind is better served by a new snapshot.
const tickRange = 20_000

// stand is where a tenant's feed stands.
type stand struct {
	at  fanout.Position
	low int64
}

// Changes reads what happened after the given positions, in one snapshot and a
// constant number of statements.
func (r *Reader) Changes(ctx context.Context, after map[events.TenantID]fanout.Position) ([]fanout.Delta, error) {
	var deltas []fanout.Delta
	all := slices.Sorted(maps.Keys(after))
	err := r.read(ctx, all, func(tx pgx.Tx) error {
		stands, err := readStands(ctx, tx, all)
		if err != nil {
			return fmt.Errorf("read the positions: %w", err)
		}
		var asked *ranges
		if deltas, asked = plan(after, stands); len(asked.tenants) == 0 {
			return nil
		}
		return fill(ctx, tx, deltas, asked)
	})
	if err != nil {
		return nil, fmt.Errorf("read the change feed: %w", err)
	}
	return deltas, nil
}

// readStands reads positions; a tenant that nothing was written for stands at
// the beginning. The epoch says of which server and which life of
// it they are, so that a restored or promoted one announces itself.
func readStands(ctx context.Context, tx pgx.Tx, tenants []events.TenantID) (map[events.TenantID]stand, error) {
	const query = `-- name: read_positions
		SELECT x.tenant_id, coalesce(t.seq, 0), coalesce(t.low, 0),
		       coalesce(t.epoch, 1) || '/' || s.system_identifier || '/' || c.timeline_id
		  FROM unnest($1::text[]) x(tenant_id) LEFT JOIN tenant_stream t USING (tenant_id),
		       pg_control_system() s, pg_control_checkpoint() c`
	rows, err := tx.Query(ctx, query, column(tenants, func(t events.TenantID) string { return string(t) }))
	if err != nil {
		return nil, err
	}
	stands := make(map[events.TenantID]stand, len(tenants))
	var tenant events.TenantID
	var st stand
	var life string
	_, err = pgx.ForEachRow(rows, []any{&tenant, &st.at.Seq, &st.low, &life}, func() error {
		sum := sha256.Sum256([]byte(life))
		st.at.Epoch = base64.RawURLEncoding.EncodeToString(sum[:6])
		stands[tenant] = st
		return nil
	})
	return stands, err
}

// ranges are the parts of the feed that a tick reads.
type ranges struct {
	tenants  []string
	from, to []int64
}

// plan decides per tenant what there is to read: nothing when it only asks
// where it stands, or cannot go on from where it is.
func plan(after map[events.TenantID]fanout.Position, stands map[events.TenantID]stand) ([]fanout.Delta, *ranges) {
	var deltas []fanout.Delta
	asked := &ranges{}
	for _, tenant := range slices.Sorted(maps.Keys(stands)) {
		st, was := stands[tenant], after[tenant]
		if was == st.at {
			continue
		}
		d := fanout.Delta{Tenant: tenant, To: st.at, Low: st.low}
		switch {
		case was.Epoch != st.at.Epoch || was.Seq < st.low || was.Seq > st.at.Seq:
		case st.at.Seq-was.Seq > tickRange:
			d.Low = st.at.Seq
		default:
			asked.tenants = append(asked.tenants, string(tenant))
			asked.from = append(asked.from, was.Seq)
			asked.to = append(asked.to, st.at.Seq)
		}
		deltas = append(deltas, d)
	}
	return deltas, asked
}

// fill reads the changes and the rows of what changed.
func fill(ctx context.Context, tx pgx.Tx, deltas []fanout.Delta, asked *ranges) error {
	byTenant := make(map[events.TenantID]*fanout.Delta, len(deltas))
	for i := range deltas {
		byTenant[deltas[i].Tenant] = &deltas[i]
	}
	if err := readChanges(ctx, tx, byTenant, asked); err != nil {
		return fmt.Errorf("read changes: %w", err)
	}
	if err := readChangedShipments(ctx, tx, byTenant, asked); err != nil {
		return fmt.Errorf("read changed shipments: %w", err)
	}
	if err := readChangedOrders(ctx, tx, byTenant, asked); err != nil {
		return fmt.Errorf("read changed orders: %w", err)
	}
	return nil
}

func readChanges(ctx context.Context, tx pgx.Tx, deltas map[events.TenantID]*fanout.Delta, asked *ranges) error {
	const query = `-- name: read_changes
		SELECT c.tenant_id, c.seq, c.kind, c.entity_id, c.changed_at
		  FROM unnest($1::text[], $2::bigint[], $3::bigint[]) x(tenant_id, low, high)
		  JOIN changes c ON c.tenant_id = x.tenant_id AND c.seq > x.low AND c.seq <= x.high
		 ORDER BY c.tenant_id, c.seq`
	rows, err := tx.Query(ctx, query, asked.tenants, asked.from, asked.to)
	if err != nil {
		return err
	}
	var tenant events.TenantID
	var c fanout.Change
	var kind string
	var at time.Time
	_, err = pgx.ForEachRow(rows, []any{&tenant, &c.Seq, &kind, &c.ID, &at}, func() error {
		c.Topic = topicOf(kind)
		d := deltas[tenant]
		d.Changes = append(d.Changes, c)
		d.CommittedAt = at
		return nil
	})
	return err
}

func topicOf(kind string) fanout.Topic {
	if kind == "order" {
		return fanout.Orders
	}
	return fanout.Shipments
}

// lateShipment is [tracking.Shipment.Late] of shipments s, against their promise.
// It looks at parcels only of those that seem to have arrived late.
const lateShipment = `coalesce(s.promise_end < CASE
		WHEN s.status IN ('returning', 'returned', 'lost', 'destroyed', 'cancelled') THEN NULL
		WHEN s.status NOT IN ('delivered', 'available_for_pickup') THEN s.eta_end
		WHEN s.status_since > s.promise_end THEN least(s.status_since, (SELECT max(least(p.available_at, p.delivered_at))
		  FROM parcels p WHERE p.tenant_id = s.tenant_id AND p.shipment_id = s.shipment_id))
	END, false)`

// shipmentFields are what scanShipment reads, of shipments s.
const shipmentFields = `s.tenant_id, s.shipment_id, s.revision, s.status, s.status_since, s.direction, s.carrier, s.service,
	s.parcel_count, s.numbers, s.order_ids, s.last_scan_at, s.last_scan_type, s.last_location, s.eta_end, s.promise_end,
	` + lateShipment + `, s.lon, s.lat, s.open_exceptions, s.disputed, s.gap`

func scanShipment(row pgx.CollectableRow) (tenant events.TenantID, s *fanout.ShipmentRow, err error) {
	s = &fanout.ShipmentRow{}
	var since, last, eta, promise *time.Time
	var carrier, service, lastType, lastPlace *string
	var lon, lat *float64
	err = row.Scan(&tenant, &s.ID, &s.Revision, &s.Status, &since, &s.Direction, &carrier, &service, &s.Parcels, &s.Numbers,
		&s.Orders, &last, &lastType, &lastPlace, &eta, &promise, &s.Late, &lon, &lat, &s.OpenExceptions, &s.Disputed, &s.Gap)
	s.StatusSince, s.LastScanAt, s.ETA, s.PromiseEnd = instant(since), instant(last), instant(eta), instant(promise)
	s.Carrier, s.Service = events.SCAC(orZero(carrier)), orZero(service)
	s.LastScanType, s.LastLocation = events.Type(orZero(lastType)), orZero(lastPlace)
	s.Pos = onEarth(lon, lat)
	return tenant, s, err
}

// onEarth is where something is, if that is on earth: what came around the checks of
// events, such as NaN, could not be written as JSON.
func onEarth(lon, lat *float64) *[2]float64 {
	if lon == nil || lat == nil || !(math.Abs(*lon) <= 180 && math.Abs(*lat) <= 90) {
		return nil
	}
	return &[2]float64{*lon, *lat}
}

// orderFields are what scanOrder reads, of orders o.
const orderFields = `o.tenant_id, o.order_id, o.revision, o.status, o.number, o.channel, o.placed_at, o.promise_original_end,
	o.holds, o.returns_open, o.flags, o.ordered, o.cancelled, o.shipped, o.delivered, o.returned, o.lost`

func scanOrder(row pgx.CollectableRow) (tenant events.TenantID, o *fanout.OrderRow, err error) {
	o = &fanout.OrderRow{}
	var number, channel *string
	var placed, promise *time.Time
	err = row.Scan(&tenant, &o.ID, &o.Revision, &o.Status, &number, &channel, &placed, &promise, &o.Holds, &o.ReturnsOpen, &o.Flags,
		&o.Ordered, &o.Cancelled, &o.Shipped, &o.Delivered, &o.Returned, &o.Lost)
	o.Number, o.Channel = orZero(number), orZero(channel)
	o.PlacedAt, o.PromiseEnd = instant(placed), instant(promise)
	return tenant, o, err
}

func readChangedShipments(ctx context.Context, tx pgx.Tx, deltas map[events.TenantID]*fanout.Delta, asked *ranges) error {
	const query = `-- name: read_changed_shipments
		SELECT ` + shipmentFields + `
		  FROM (SELECT DISTINCT c.tenant_id, c.entity_id
		          FROM unnest($1::text[], $2::bigint[], $3::bigint[]) x(tenant_id, low, high)
		          JOIN changes c ON c.tenant_id = x.tenant_id AND c.seq > x.low AND c.seq <= x.high
		         WHERE c.kind = 'shipment') e
		  JOIN shipments s ON s.tenant_id = e.tenant_id AND s.shipment_id = e.entity_id`
	return readChanged(ctx, tx, query, deltas, asked, scanShipment)
}

func readChangedOrders(ctx context.Context, tx pgx.Tx, deltas map[events.TenantID]*fanout.Delta, asked *ranges) error {
	const query = `-- name: read_changed_orders
		SELECT ` + orderFields + `
		  FROM (SELECT DISTINCT c.tenant_id, c.entity_id
		          FROM unnest($1::text[], $2::bigint[], $3::bigint[]) x(tenant_id, low, high)
		          JOIN changes c ON c.tenant_id = x.tenant_id AND c.seq > x.low AND c.seq <= x.high
		         WHERE c.kind = 'order') e
		  JOIN orders o ON o.tenant_id = e.tenant_id AND o.order_id = e.entity_id`
	return readChanged(ctx, tx, query, deltas, asked, scanOrder)
}

// readChanged adds the rows that a query finds in the asked ranges to the deltas
// of their tenants.
func readChanged[R fanout.Row](ctx context.Context, tx pgx.Tx, query string, deltas map[events.TenantID]*fanout.Delta, asked *ranges,
	scan func(pgx.CollectableRow) (events.TenantID, R, error)) error {
	rows, err := tx.Query(ctx, query, asked.tenants, asked.from, asked.to)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		tenant, row, err := scan(rows)
		if err != nil {
			return err
		}
		deltas[tenant].Rows = append(deltas[tenant].Rows, row)
	}
	return rows.Err()
}
