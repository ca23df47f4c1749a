package main

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/projector"
)

// latest is what a batch says last of every order, shipment and number. The
// benchmark has one tenant.
type latest struct {
	tenant  string
	orders  map[string]*last
	ships   map[string]*last
	numbers map[number]*assignment // of this batch
	holders map[number]string      // shipments, by number
}

// last is what was last said of an order or shipment.
type last struct {
	status, typ string
	at, since   time.Time
	events      int64
	contents    []string // orders, when the shipment was created; nil otherwise
	pass        string   // status to pass on to its orders
}

type number struct{ carrier, number string }

type assignment struct {
	ship, source, id, parcel string
	occurred, recorded       time.Time
}

func newLatest() *latest {
	return &latest{orders: map[string]*last{}, ships: map[string]*last{}, numbers: map[number]*assignment{}, holders: map[number]string{}}
}

func numberOf(s events.Stream) number {
	carrier, digits := s.Number()
	return number{string(carrier), string(digits)}
}

func (l *latest) assign(r *record, d *events.TrackingAssigned) {
	key := number{string(d.Carrier.SCAC), string(d.TrackingNumber)}
	e := r.event
	l.holders[key] = e.Stream().ID
	l.numbers[key] = &assignment{e.Stream().ID, string(e.Source), string(e.ID), string(d.ParcelID), e.OccurredAt(), e.RecordedAt}
}

// lookUp finds who holds the numbers that were scanned.
func (l *latest) lookUp(ctx context.Context, tx *sql.Tx, fresh []*record) error {
	const query = `SELECT DISTINCT ON (n.carrier, n.tracking_number) n.carrier, n.tracking_number, n.shipment_id
		  FROM unnest($2::text[], $3::text[]) x(carrier, tracking_number)
		  JOIN tracking_numbers n ON n.tenant_id = $1 AND n.carrier = x.carrier AND n.tracking_number = x.tracking_number
		 ORDER BY n.carrier, n.tracking_number, n.valid_from DESC`
	var carriers, numbers []string
	for _, r := range fresh {
		l.tenant = string(r.event.Tenant)
		if key := numberOf(r.event.Stream()); key.number != "" && l.holders[key] == "" {
			carriers, numbers = append(carriers, key.carrier), append(numbers, key.number)
		}
	}
	if len(numbers) == 0 {
		return nil
	}
	rows, err := tx.QueryContext(ctx, query, l.tenant, carriers, numbers)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var key number
		var ship string
		if err := rows.Scan(&key.carrier, &key.number, &ship); err != nil {
			return err
		}
		l.holders[key] = ship
	}
	return rows.Err()
}

// take has the event win over those before it.
func (l *latest) take(r *record) {
	e := r.event
	switch s := e.Stream(); s.Kind {
	case events.OrderStream:
		note(l.orders, s.ID, e)
	case events.TrackingStream:
		if ship := l.holders[numberOf(s)]; ship != "" {
			note(l.ships, ship, e)
		}
	default:
		if _, ok := e.Data.(*events.TrackingAssigned); !ok {
			note(l.ships, s.ID, e)
		}
	}
}

func note(all map[string]*last, id string, e *projector.Event) {
	was := all[id]
	if was == nil {
		was = &last{}
		all[id] = was
	}
	was.events++
	was.at, was.typ = e.OccurredAt(), string(e.Type())
	if status := statusOf(e); status != "" {
		was.status, was.since = status, was.at
	}
	if status := orderStatusOf(e); status != "" {
		was.pass = status
	}
	if d, ok := e.Data.(*events.ShipmentCreated); ok {
		was.contents = ordersIn(d)
	}
}

// passOn gives the statuses of shipments to their orders.
func (l *latest) passOn(ctx context.Context, tx *sql.Tx) error {
	const query = `SELECT s.shipment_id, o FROM shipments s, unnest(s.order_ids) o WHERE s.tenant_id = $1 AND s.shipment_id = ANY ($2::text[])`
	var ask []string
	for id, s := range l.ships {
		switch {
		case s.pass == "":
		case s.contents == nil:
			ask = append(ask, id)
		default:
			l.pass(s.contents, s)
		}
	}
	if len(ask) == 0 {
		return nil
	}
	rows, err := tx.QueryContext(ctx, query, l.tenant, ask)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var ship, order string
		if err := rows.Scan(&ship, &order); err != nil {
			return err
		}
		l.pass([]string{order}, l.ships[ship])
	}
	return rows.Err()
}

func (l *latest) pass(orders []string, ship *last) {
	for _, id := range orders {
		if l.orders[id] == nil {
			l.orders[id] = &last{}
		}
		o := l.orders[id]
		o.status = ship.pass
		o.events++
	}
}

// write upserts everything, every table sorted by key, so that two batches wait
// for each other instead of locking each other out.
func (l *latest) write(ctx context.Context, tx *sql.Tx) error {
	for _, step := range []struct {
		what string
		n    int
		do   func(context.Context, *sql.Tx) error
	}{
		{"assign numbers", len(l.numbers), l.writeNumbers}, {"upsert shipments", len(l.ships), l.writeShips}, {"upsert orders", len(l.orders), l.writeOrders},
	} {
		if step.n == 0 {
			continue
		}
		if err := step.do(ctx, tx); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
	}
	return nil
}

func (l *latest) writeNumbers(ctx context.Context, tx *sql.Tx) error {
	const query = `INSERT INTO tracking_numbers (tenant_id, carrier, tracking_number, valid_from, shipment_id, source, event_id, valid_to, parcel_id, occurred_at, recorded_at)
		SELECT $1, x.carrier, x.number, x.at, x.ship, x.source, x.id, 'infinity', x.parcel, x.at, x.recorded
		  FROM unnest($2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::text[], $7::text[], $8::text[], $9::timestamptz[])
		       x(carrier, number, at, ship, source, id, parcel, recorded)
		 ORDER BY x.carrier, x.number
		ON CONFLICT DO NOTHING`
	var carriers, numbers, ships, sources, ids, parcels []string
	var at, recorded []time.Time
	for key, a := range l.numbers {
		carriers, numbers = append(carriers, key.carrier), append(numbers, key.number)
		ships, sources, ids, parcels = append(ships, a.ship), append(sources, a.source), append(ids, a.id), append(parcels, a.parcel)
		at, recorded = append(at, a.occurred), append(recorded, a.recorded)
	}
	_, err := tx.ExecContext(ctx, query, l.tenant, carriers, numbers, at, ships, sources, ids, parcels, recorded)
	return err
}

func (l *latest) writeShips(ctx context.Context, tx *sql.Tx) error {
	const query = `INSERT INTO shipments AS s (tenant_id, shipment_id, known, status, status_since, revision, order_ids, last_scan_at, last_scan_type,
		       parcel_count, open_exceptions, exception_count, disputed, gap, damaged, customs_held, state)
		SELECT $1, x.id, true, coalesce(nullif(x.status, ''), 'unknown'), x.since, x.n, string_to_array(x.orders, chr(10)), x.at, x.typ,
		       1, 0, 0, false, false, false, false, '{}'
		  FROM unnest($2::text[], $3::text[], $4::timestamptz[], $5::bigint[], $6::text[], $7::timestamptz[], $8::text[])
		       x(id, status, since, n, orders, at, typ)
		ON CONFLICT (tenant_id, shipment_id) DO UPDATE
		   SET status = CASE WHEN excluded.status = 'unknown' THEN s.status ELSE excluded.status END,
		       status_since = CASE WHEN excluded.status = 'unknown' THEN s.status_since ELSE excluded.status_since END,
		       order_ids = CASE WHEN excluded.order_ids = '{}' THEN s.order_ids ELSE excluded.order_ids END,
		       last_scan_at = excluded.last_scan_at, last_scan_type = excluded.last_scan_type,
		       revision = s.revision + excluded.revision, updated_at = now()`
	ids := slices.Sorted(maps.Keys(l.ships))
	statuses, orders, types := make([]string, len(ids)), make([]string, len(ids)), make([]string, len(ids))
	since, at, n := make([]time.Time, len(ids)), make([]time.Time, len(ids)), make([]int64, len(ids))
	for i, id := range ids {
		s := l.ships[id]
		statuses[i], since[i], n[i], at[i], types[i], orders[i] = s.status, s.since, s.events, s.at, s.typ, joined(s.contents)
	}
	_, err := tx.ExecContext(ctx, query, l.tenant, ids, statuses, since, n, orders, at, types)
	return err
}

// joined is a list of ids as the statement takes it apart again; arrays of
// arrays do not unnest row by row.
func joined(ids []string) string { return strings.Join(ids, "\n") }

func (l *latest) writeOrders(ctx context.Context, tx *sql.Tx) error {
	const query = `INSERT INTO orders AS o (tenant_id, order_id, known, status, revision, state)
		SELECT $1, x.id, true, coalesce(nullif(x.status, ''), 'unknown'), x.n, '{}'
		  FROM unnest($2::text[], $3::text[], $4::bigint[]) x(id, status, n)
		ON CONFLICT (tenant_id, order_id) DO UPDATE
		   SET status = CASE WHEN excluded.status = 'unknown' THEN o.status ELSE excluded.status END,
		       revision = o.revision + excluded.revision, updated_at = now()`
	ids := slices.Sorted(maps.Keys(l.orders))
	statuses, n := make([]string, len(ids)), make([]int64, len(ids))
	for i, id := range ids {
		statuses[i], n[i] = l.orders[id].status, l.orders[id].events
	}
	_, err := tx.ExecContext(ctx, query, l.tenant, ids, statuses, n)
	return err
}
