package readmodel

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/tracking"
)

// number is a carrier's number within a tenant.
type number struct {
	tenant  events.TenantID
	carrier events.SCAC
	number  events.TrackingNumber
}

func (n number) compare(o number) int {
	return cmp.Or(cmp.Compare(n.tenant, o.tenant), cmp.Compare(n.carrier, o.carrier), cmp.Compare(n.number, o.number))
}

func (n number) stream() entity {
	return entity{n.tenant, events.TrackingStreamOf(n.carrier, n.number).ID}
}

// numberWork is what the batch does to a number.
type numberWork struct {
	number
	locked      bool                  // by this transaction; what belongs to no shipment is written only then
	scans       []*entry              // new in its stream
	reassigned  bool                  // an assignment of it may have changed
	retractions bool                  // its stream has taken something back
	assignments []tracking.Assignment // stored ones, of all shipments
	holdings    []tracking.Holding    // what they amount to
}

func (u *unit) number(n number) *numberWork {
	w, ok := u.numbers[n]
	if !ok {
		w = &numberWork{number: n}
		u.numbers[n] = w
	}
	return w
}

func (u *unit) sortedNumbers() []*numberWork {
	return slices.SortedFunc(maps.Values(u.numbers), func(a, b *numberWork) int { return a.compare(b.number) })
}

// resolveNumbers locks the numbers that the batch scans or may reassign, and
// finds the shipments concerned: whoever has or had one of them.
func (u *unit) resolveNumbers(ctx context.Context) error {
	if err := u.collectNumbers(ctx); err != nil || len(u.numbers) == 0 {
		return err
	}
	if err := u.lockNumbers(ctx); err != nil {
		return fmt.Errorf("lock %d numbers: %w", len(u.numbers), err)
	}
	if err := u.readAssignments(ctx, u.sortedNumbers()); err != nil {
		return err
	}
	for _, n := range u.numbers {
		u.concern(n)
	}
	return nil
}

// collectNumbers names the numbers of new scans and assignments, and those of
// shipments in which something is taken back: it may be an assignment.
func (u *unit) collectNumbers(ctx context.Context) error {
	var retracting []entity
	for _, e := range u.entries {
		if carrier, num := e.ref.Stream.Number(); num != "" {
			w := u.number(number{e.tenant, carrier, num})
			w.scans = append(w.scans, e)
			continue
		}
		switch d := e.Data.(type) {
		case *events.TrackingAssigned:
			u.number(number{e.tenant, d.Carrier.SCAC, d.TrackingNumber}).reassigned = true
		case *events.Retracted:
			if e.ref.Stream.Kind == events.ShipmentStream {
				retracting = append(retracting, entity{e.tenant, e.Subject})
			}
		}
	}
	if len(retracting) == 0 {
		return nil
	}
	held, err := numbersOf(ctx, u.tx, retracting)
	for _, n := range held {
		u.number(n).reassigned = true
	}
	return err
}

// numbersOf lists the numbers that shipments have or had. They change only with
// the shipment's own stream, which no other worker applies.
func numbersOf(ctx context.Context, tx pgx.Tx, shipments []entity) ([]number, error) {
	const query = `-- name: numbers_of
		SELECT DISTINCT t.tenant_id, t.carrier, t.tracking_number
		  FROM unnest($1::text[], $2::text[]) x(tenant_id, shipment_id)
		  JOIN tracking_numbers t USING (tenant_id, shipment_id)`
	rows, err := tx.Query(ctx, query, tenants(shipments), ids(shipments))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (n number, err error) {
		return n, row.Scan(&n.tenant, &n.carrier, &n.number)
	})
}

// lockNumbers locks the numbers, and then reads which of them have a stream that
// has taken something back.
func (u *unit) lockNumbers(ctx context.Context) error {
	const read = `-- name: read_numbers
		SELECT n.tenant_id, n.carrier, n.tracking_number
		  FROM unnest($1::text[], $2::text[], $3::text[]) x(tenant_id, carrier, tracking_number)
		  JOIN carrier_numbers n USING (tenant_id, carrier, tracking_number)
		 WHERE n.retractions`
	keys := u.sortedNumbers()
	for _, n := range keys {
		n.locked = true
	}
	if err := lockAll(ctx, u.tx, lockNumber, column(keys, func(n *numberWork) entity { return n.stream() })); err != nil {
		return err
	}
	tenant, carrier, num := numberColumns(keys)
	rows, err := u.tx.Query(ctx, read, tenant, carrier, num)
	if err != nil {
		return err
	}
	var n number
	_, err = pgx.ForEachRow(rows, []any{&n.tenant, &n.carrier, &n.number}, func() error {
		u.numbers[n].retractions = true
		return nil
	})
	return err
}

func numberColumns(numbers []*numberWork) (tenant, carrier, num []string) {
	return column(numbers, func(n *numberWork) string { return string(n.tenant) }),
		column(numbers, func(n *numberWork) string { return string(n.carrier) }),
		column(numbers, func(n *numberWork) string { return string(n.number.number) })
}

// readAssignments reads who has or had the numbers.
func (u *unit) readAssignments(ctx context.Context, numbers []*numberWork) error {
	if len(numbers) == 0 {
		return nil
	}
	const query = `-- name: read_assignments
		SELECT t.tenant_id, t.carrier, t.tracking_number, t.shipment_id, t.parcel_id, t.valid_from, t.source, t.event_id,
		       t.occurred_at, t.recorded_at
		  FROM unnest($1::text[], $2::text[], $3::text[]) x(tenant_id, carrier, tracking_number)
		  JOIN tracking_numbers t USING (tenant_id, carrier, tracking_number)`
	tenant, carrier, num := numberColumns(numbers)
	rows, err := u.tx.Query(ctx, query, tenant, carrier, num)
	if err != nil {
		return err
	}
	var n number
	var a tracking.Assignment
	var valid pgtype.Timestamptz
	var occurred, recorded time.Time
	_, err = pgx.ForEachRow(rows, []any{&n.tenant, &n.carrier, &n.number, &a.ShipmentID, &a.ParcelID, &valid, &a.Key.Source, &a.Key.ID, &occurred, &recorded}, func() error {
		a.Carrier, a.Number, a.ValidFrom = n.carrier, n.number, time.Time{}
		if valid.InfinityModifier == pgtype.Finite {
			a.ValidFrom = valid.Time.UTC()
		}
		a.Key.Kind, a.Key.When, a.Key.Recorded = events.ShipmentStream, occurred.UnixMicro(), recorded.UnixMicro()
		w := u.number(n)
		w.assignments = append(w.assignments, a)
		return nil
	})
	for _, w := range numbers {
		w.holdings = tracking.Resolve(w.assignments)
	}
	return err
}

// concern brings the shipments of a number into the unit: all of them when its
// assignments may change, else those that had it when it was scanned.
func (u *unit) concern(n *numberWork) {
	if n.reassigned {
		for _, a := range n.assignments {
			u.shipment(entity{n.tenant, string(a.ShipmentID)}).refold = true
		}
	}
	findLate(n.scans, tracking.Key{}) // of a shipment that is known, apply finds out more
	for _, e := range n.scans {
		h, ok := tracking.Holder(n.holdings, e.fact.When())
		if _, retracts := e.Data.(*events.Retracted); retracts {
			n.retractions = true
		}
		if ok {
			w := u.shipment(entity{n.tenant, string(h.ShipmentID)})
			w.scans = append(w.scans, scanEntry{e, h.ParcelID, n})
			w.touch(e.ref)
		}
	}
	if !n.retractions {
		return
	}
	for _, a := range n.assignments { // what is taken back may be a scan of any of them
		u.shipment(entity{n.tenant, string(a.ShipmentID)}).refold = true
	}
}

// keepRetractions notes on the numbers that their streams have taken something
// back, so that a later scan is not applied by itself.
func (u *unit) keepRetractions() {
	var taken []*numberWork
	for _, n := range u.sortedNumbers() {
		if slices.ContainsFunc(n.scans, func(e *entry) bool { return e.Type() == events.TypeRetracted }) {
			taken = append(taken, n)
		}
	}
	if len(taken) == 0 {
		return
	}
	const query = `-- name: keep_retractions
		INSERT INTO carrier_numbers (tenant_id, carrier, tracking_number, retractions)
		SELECT x.*, true FROM unnest($1::text[], $2::text[], $3::text[]) x
		ON CONFLICT (tenant_id, carrier, tracking_number) DO UPDATE SET retractions = true`
	tenant, carrier, num := numberColumns(taken)
	u.lane.later("keep retractions", query, tenant, carrier, num)
}
