package readmodel_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/fanout"
	"github.com/waybill-io/waybill/internal/tracking/trackingtest"
)

// The texts that random rows and filters share.
var (
	someStatuses  = []string{"unknown", "created", "in_transit", "delivered", "lost", "available_for_pickup", "placed", "closed"}
	someNames     = []string{"UPS", "DHL", "web", "hub", "O-1", "O-2", "O-3", "1Z1", "1Z2", "JD1", "fraud"}
	someFields    = []string{"carrier", "service", "direction", "last_location", "numbers", "orders"}
	someOfOrders  = []string{"number", "channel", "holds", "returns_open", "flags"}
	someTimes     = []string{"eta", "status_since", "last_scan_at", "promise_end"}
	someTimesThen = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
)

// orNull is nil as often as not.
func orNull[T any](rng *rand.Rand, v T) *T {
	if rng.IntN(2) == 0 {
		return nil
	}
	return &v
}

func oneOf(rng *rand.Rand, from []string) string { return from[rng.IntN(len(from))] }

func someOf(rng *rand.Rand, from []string) []string {
	out := []string{}
	for _, s := range from {
		if rng.IntN(4) == 0 {
			out = append(out, s)
		}
	}
	return out
}

// degrees are now and then what no event may say.
func degrees(rng *rand.Rand, most int) float64 {
	if rng.IntN(20) == 0 {
		return []float64{math.NaN(), math.Inf(1), 500}[rng.IntN(3)]
	}
	return float64(rng.IntN(2*most+1) - most)
}

func someTime(rng *rand.Rand) *time.Time {
	return orNull(rng, someTimesThen.Add(time.Duration(rng.IntN(4))*time.Hour))
}

// fillShipments writes random shipments, NULL in every column that may be, with
// the contents and numbers that their lists are made of.
func (r *rig) fillShipments(t *testing.T, rng *rand.Rand, tenant string, n int) {
	t.Helper()
	const shipment = `INSERT INTO rm_1.shipments (tenant_id, shipment_id, known, status, status_since, revision, direction, carrier, service,
			promise_end, eta_end, lat, lon, parcel_count, numbers, order_ids, last_scan_at, last_scan_type, last_location,
			open_exceptions, exception_count, disputed, gap, damaged, customs_held, state)
		VALUES ($1, $2, true, $3, $4, 1, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, 0, $19, $20, false, false, '{}')`
	const content = `INSERT INTO rm_1.shipment_contents (tenant_id, shipment_id, order_id, line_id, parcel_id, direction, qty, shipped, delivered, returned, lost)
		SELECT $1, $2, unnest($3::text[]), 'l', '', '', 1, 0, 0, 0, 0`
	const held = `INSERT INTO rm_1.tracking_numbers (tenant_id, carrier, tracking_number, valid_from, shipment_id, source, event_id, valid_to, parcel_id, occurred_at, recorded_at)
		SELECT $1, $4, unnest($3::text[]), '-infinity', $2, 's', 'e', 'infinity', '', now(), now()`
	for i := range n {
		id := fmt.Sprintf("S-%03d", i)
		numbers, orders := someOf(rng, someNames[7:10]), someOf(rng, someNames[4:7])
		args := []any{tenant, id, oneOf(rng, someStatuses[:6]), someTime(rng), oneOf(rng, []string{"", "outbound", "return"}),
			orNull(rng, oneOf(rng, someNames[:2])), orNull(rng, oneOf(rng, someNames)), someTime(rng), someTime(rng),
			orNull(rng, degrees(rng, 90)), orNull(rng, degrees(rng, 180)), rng.IntN(3), numbers, orders, someTime(rng),
			orNull(rng, "shipment.departed.v1"), orNull(rng, "hub"), rng.IntN(2), rng.IntN(2) == 0, rng.IntN(2) == 0}
		if _, err := r.conn.Exec(t.Context(), shipment, args...); err != nil {
			t.Fatalf("insert a shipment: %v", err)
		}
		if _, err := r.conn.Exec(t.Context(), content, tenant, id, orders); err != nil {
			t.Fatalf("insert contents: %v", err)
		}
		if _, err := r.conn.Exec(t.Context(), held, tenant, id, numbers, oneOf(rng, someNames[:3])); err != nil {
			t.Fatalf("insert numbers: %v", err)
		}
	}
}

func (r *rig) fillOrders(t *testing.T, rng *rand.Rand, tenant string, n int) {
	t.Helper()
	const order = `INSERT INTO rm_1.orders (tenant_id, order_id, known, status, revision, number, channel, placed_at, promise_original_end,
			holds, returns_open, flags, ordered, lost, state)
		VALUES ($1, $2, true, $3, 1, $4, $5, $6, $7, $8, $9, $10, $11, $12, '{}')`
	for i := range n {
		args := []any{tenant, fmt.Sprintf("S-%03d", i), oneOf(rng, someStatuses[3:]), orNull(rng, oneOf(rng, someNames)), orNull(rng, oneOf(rng, someNames)),
			someTime(rng), someTime(rng), someOf(rng, someNames), someOf(rng, someNames), someOf(rng, someNames), rng.IntN(3), rng.IntN(3)}
		if _, err := r.conn.Exec(t.Context(), order, args...); err != nil {
			t.Fatalf("insert an order: %v", err)
		}
	}
}

// drawRowFilter draws any filter of a topic.
func drawRowFilter(t *rapid.T, topic fanout.Topic, depth int) any {
	if depth == 0 || rapid.IntRange(0, 2).Draw(t, "leaf") == 0 {
		return drawRowCondition(t, topic)
	}
	switch rapid.IntRange(0, 3).Draw(t, "node") {
	case 0:
		return map[string]any{"not": drawRowFilter(t, topic, depth-1)}
	case 1:
		return map[string]any{"or": []any{drawRowFilter(t, topic, depth-1), drawRowFilter(t, topic, depth-1)}}
	}
	return map[string]any{"and": []any{drawRowFilter(t, topic, depth-1), drawRowFilter(t, topic, depth-1)}}
}

func drawRowCondition(t *rapid.T, topic fanout.Topic) any {
	cond := func(f, op string, v any) any { return map[string]any{"f": f, "op": op, "v": v} }
	fields, times := someFields, someTimes
	if topic == fanout.Orders {
		fields, times = someOfOrders, []string{"placed_at", "promise_end"}
	}
	switch rapid.IntRange(0, 6).Draw(t, "condition") {
	case 0:
		ids := rapid.SliceOfN(rapid.IntRange(0, 120), 1, 20).Draw(t, "ids")
		var v []string
		for _, id := range ids {
			v = append(v, fmt.Sprintf("S-%03d", id))
		}
		return cond("id", "in", v)
	case 1:
		return cond("status", "in", rapid.SliceOfN(rapid.SampledFrom(someStatuses), 1, 4).Draw(t, "statuses"))
	case 2:
		bound := rapid.SampledFrom([]string{"gt", "gte", "lt", "lte"}).Draw(t, "bound")
		return cond(rapid.SampledFrom(times).Draw(t, "time"), "range", map[string]any{bound: someTimesThen.Add(time.Duration(rapid.IntRange(0, 4).Draw(t, "hours")) * time.Hour)})
	case 3:
		if topic == fanout.Shipments {
			return cond("pos", "bbox", []int{rapid.IntRange(-180, 180).Draw(t, "w"), -90, rapid.IntRange(-180, 180).Draw(t, "e"), rapid.IntRange(-90, 90).Draw(t, "n")})
		}
		return cond("held", "eq", rapid.Bool().Draw(t, "held"))
	case 4:
		return cond(rapid.SampledFrom(fields).Draw(t, "field"), "prefix", rapid.SampledFrom([]string{"1Z", "O-", "U"}).Draw(t, "prefix"))
	}
	return cond(rapid.SampledFrom(fields).Draw(t, "field"), "in", rapid.SliceOfN(rapid.SampledFrom(someNames), 1, 3).Draw(t, "names"))
}

// snapshotOf reads rows as SQL narrows them.
func snapshotOf(ctx context.Context, t rapid.TB, reader fanout.Snapshots, q fanout.Query) (rows []fanout.Row) {
	t.Helper()
	if _, err := reader.Snapshot(ctx, q, func(page []fanout.Row) error {
		rows = append(rows, page...)
		return nil
	}); err != nil {
		t.Fatalf("Snapshot(%+v): %v", q, err)
	}
	return rows
}

// wanted are the rows that a filter wants.
func wanted(f fanout.Filter, rows []fanout.Row) (out []fanout.Row) {
	for _, r := range rows {
		if f.Match(r) {
			out = append(out, r)
		}
	}
	return out
}

// SQL narrows what a snapshot reads and never decides: with any filter, over any
// rows, NULL wherever it may be, nothing that the filter wants is lost.
func TestSnapshotsLoseNothingThatAFilterWants(t *testing.T) {
	r := newRig(t)
	rng := rand.New(rand.NewPCG(6, 3))
	for _, tenant := range []string{"a", "b"} {
		r.fillShipments(t, rng, tenant, 120)
		r.fillOrders(t, rng, tenant, 120)
	}
	reader := r.reader(t)
	for _, topic := range []fanout.Topic{fanout.Shipments, fanout.Orders} {
		t.Run(string(topic), func(t *testing.T) {
			all := fanout.Query{Tenant: "a", Topic: topic}
			every := snapshotOf(t.Context(), t, reader, all)
			if _, err := json.Marshal(every); err != nil {
				t.Fatalf("rows are not JSON: %v", err)
			}
			narrowed, found := 0, 0
			rapid.Check(t, func(t *rapid.T) {
				text, err := json.Marshal(drawRowFilter(t, topic, 3))
				if err != nil {
					t.Fatal(err)
				}
				f, problem := fanout.ParseFilter(topic, text)
				if problem != nil {
					t.Fatalf("ParseFilter(%s): %v", text, problem)
				}
				rows := snapshotOf(t.Context(), t, reader, f.Narrow(all))
				want := wanted(f, every)
				if diff := cmp.Diff(want, wanted(f, rows)); diff != "" {
					t.Fatalf("%s, read as %+v (-wanted +snapshot):\n%s", text, f.Narrow(all), diff)
				}
				if found += len(want); len(rows) < len(every) {
					narrowed++
				}
			})
			if narrowed == 0 || found == 0 {
				t.Errorf("%d snapshots were narrowed, %d rows found: the test does not reach what it is for", narrowed, found)
			}
		})
	}
}

// Snapshots find shipments by order and by number through tables from which the
// columns of the row are made; whatever happened, these have all of them.
func TestListsOfShipmentsAreInTheTablesTheyAreFoundBy(t *testing.T) {
	r := newRig(t)
	tenants := 0
	rapid.Check(t, func(rt *rapid.T) {
		tenants++
		evs := trackingtest.Arbitrary(25).Draw(rt, "events")
		for left := ofTenant(events.TenantID(fmt.Sprint("t", tenants)), evs); len(left) > 0; {
			n := rapid.IntRange(1, len(left)).Draw(rt, "batch")
			r.apply(t, left[:n])
			left = left[n:]
		}
	})
	const missing = `
		SELECT (SELECT count(*) FROM rm_1.shipments s CROSS JOIN unnest(s.order_ids) o(id) WHERE NOT EXISTS (
		         SELECT FROM rm_1.shipment_contents c WHERE (c.tenant_id, c.shipment_id, c.order_id) = (s.tenant_id, s.shipment_id, o.id))),
		       (SELECT count(*) FROM rm_1.shipments s CROSS JOIN unnest(s.numbers) n(id) WHERE NOT EXISTS (
		         SELECT FROM rm_1.tracking_numbers t WHERE (t.tenant_id, t.shipment_id, t.tracking_number) = (s.tenant_id, s.shipment_id, n.id))),
		       (SELECT count(*) FROM rm_1.shipments s WHERE s.order_ids <> '{}'), (SELECT count(*) FROM rm_1.shipments s WHERE s.numbers <> '{}')`
	var orders, numbers, withOrders, withNumbers int
	if err := r.conn.QueryRow(t.Context(), missing).Scan(&orders, &numbers, &withOrders, &withNumbers); err != nil {
		t.Fatal(err)
	}
	if orders+numbers > 0 || withOrders == 0 || withNumbers == 0 {
		t.Errorf("%d orders of %d shipments and %d numbers of %d cannot be found by them", orders, withOrders, numbers, withNumbers)
	}
}
