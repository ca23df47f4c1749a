package fanout_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"pgregory.net/rapid"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/fanout"
	"github.com/waybill-io/waybill/internal/fanout/fanouttest"
)

// question is something to subscribe to, beside what it means. What it means is
// written without the code that reads filters.
type question struct {
	topic  fanout.Topic
	filter string
	want   func(fanout.Row) bool
	answer func(*fanouttest.Model, events.TenantID) map[string]fanout.Row
}

// anyQuestion asks for anything that there is.
func anyQuestion(rng *rand.Rand, tenant events.TenantID) question {
	switch rng.IntN(8) {
	case 0:
		return question{topic: fanout.KPIs, answer: func(m *fanouttest.Model, tenant events.TenantID) map[string]fanout.Row {
			return byKey(m.Counts(tenant))
		}}
	case 1, 2:
		of := anyStream(rng, tenant)
		return question{
			topic: fanout.Timeline, filter: spell(string(of.Kind), "eq", of.ID),
			answer: func(m *fanouttest.Model, tenant events.TenantID) map[string]fanout.Row {
				return byKey(m.Entries(tenant, of))
			},
		}
	case 3:
		return stateQuestion(rng, tenant, fanout.Alerts, alertConditions)
	case 4:
		return stateQuestion(rng, tenant, fanout.Orders, orderConditions)
	default:
		return stateQuestion(rng, tenant, fanout.Shipments, shipmentConditions)
	}
}

func stateQuestion(rng *rand.Rand, tenant events.TenantID, topic fanout.Topic, of func(*rand.Rand, events.TenantID) filter) question {
	f := anyFilter(rng, 3, func() filter { return of(rng, tenant) })
	if rng.IntN(5) == 0 {
		f = filter{"", everyRow}
	}
	return question{topic: topic, filter: f.text, want: f.want, answer: func(m *fanouttest.Model, tenant events.TenantID) map[string]fanout.Row {
		return m.Rows(tenant, topic, f.want)
	}}
}

func byKey(rows []fanout.Row) map[string]fanout.Row {
	out := make(map[string]fanout.Row, len(rows))
	for _, r := range rows {
		out[r.Key()] = r
	}
	return out
}

// filter is a filter beside what it means.
type filter struct {
	text string
	want func(fanout.Row) bool
}

// anyFilter is a condition, or some of them put together.
func anyFilter(rng *rand.Rand, depth int, leaf func() filter) filter {
	kind := rng.IntN(6)
	if depth == 0 || kind > 2 {
		return leaf()
	}
	if kind == 0 {
		f := anyFilter(rng, depth-1, leaf)
		return filter{`{"not":` + f.text + `}`, func(r fanout.Row) bool { return !f.want(r) }}
	}
	var parts []filter
	var texts []string
	for range 1 + rng.IntN(3) {
		f := anyFilter(rng, depth-1, leaf)
		parts, texts = append(parts, f), append(texts, f.text)
	}
	name, all := "or", kind == 2
	if all {
		name = "and"
	}
	return filter{`{"` + name + `":[` + strings.Join(texts, ",") + `]}`, func(r fanout.Row) bool {
		return all != slices.ContainsFunc(parts, func(f filter) bool { return f.want(r) != all })
	}}
}

func spell(field, op string, value any) string {
	return textOf(map[string]any{"f": field, "op": op, "v": value})
}

func textOf(v any) string {
	text, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		panic(err)
	}
	return string(text)
}

// among is a condition on a text that the row has, "" for none: eq or in.
func among(rng *rand.Rand, field string, values []string, of func(fanout.Row) string) filter {
	if rng.IntN(2) == 0 {
		one := values[rng.IntN(len(values))]
		return filter{spell(field, "eq", one), func(r fanout.Row) bool { return of(r) == one }}
	}
	var some []string
	for range 1 + rng.IntN(3) {
		some = append(some, values[rng.IntN(len(values))])
	}
	return filter{spell(field, "in", some), func(r fanout.Row) bool { return slices.Contains(some, of(r)) }}
}

var statuses = []string{"created", "in_transit", "delivered", "lost"}

func ids(tenant events.TenantID) []string {
	out := make([]string, 12)
	for i := range out {
		out[i] = fmt.Sprint(tenant, "-", i)
	}
	return out
}

// shipmentConditions are those of the generator that filters are held to, and
// conditions on ids.
func shipmentConditions(rng *rand.Rand, tenant events.TenantID) filter {
	switch rng.IntN(8) {
	case 0:
		return among(rng, "id", ids(tenant), fanout.Row.Key)
	case 1:
		id := anyOne(rng, ids(tenant))
		return filter{spell("orders", "eq", id), func(r fanout.Row) bool {
			return slices.Contains(r.(*fanout.ShipmentRow).Orders, events.OrderID(id))
		}}
	case 2:
		begin := anyOne(rng, []string{string(tenant), string(tenant) + "-1", "nobody"})
		return filter{spell("id", "prefix", begin), func(r fanout.Row) bool { return strings.HasPrefix(r.Key(), begin) }}
	default:
		drawn := rapid.Custom(drawCondition).Example(rng.Int())
		return filter{textOf(drawn.text), func(r fanout.Row) bool { return drawn.match(r.(*fanout.ShipmentRow)) }}
	}
}

func orderConditions(rng *rand.Rand, tenant events.TenantID) filter {
	switch rng.IntN(4) {
	case 0:
		return among(rng, "id", ids(tenant), fanout.Row.Key)
	case 1:
		held := rng.IntN(2) == 0
		return filter{spell("held", "eq", held), func(r fanout.Row) bool { return len(r.(*fanout.OrderRow).Holds) > 0 == held }}
	case 2:
		most := rng.Int64N(5)
		return filter{spell("ordered", "range", map[string]any{"lte": most}), func(r fanout.Row) bool { return r.(*fanout.OrderRow).Ordered <= most }}
	default:
		return among(rng, "status", statuses, fanout.Row.StatusName)
	}
}

func alertConditions(rng *rand.Rand, tenant events.TenantID) filter {
	switch rng.IntN(4) {
	case 0:
		return among(rng, "order", ids(tenant), func(r fanout.Row) string { return string(r.(*fanout.EntryRow).Order) })
	case 1:
		return among(rng, "source", sources, func(r fanout.Row) string { return string(r.(*fanout.EntryRow).Source) })
	case 2:
		return among(rng, "type", types, func(r fanout.Row) string { return string(r.(*fanout.EntryRow).Type) })
	default:
		return among(rng, "shipment", ids(tenant), func(r fanout.Row) string { return string(r.(*fanout.EntryRow).Shipment) })
	}
}

var (
	sources = []string{"erp", "carrier"}
	types   = []string{"shipment.lost.v1", "shipment.departed.v1", "order.on_hold.v1"}
)

func anyOne[T any](rng *rand.Rand, list []T) T { return list[rng.IntN(len(list))] }

func anyStream(rng *rand.Rand, tenant events.TenantID) events.Stream {
	kinds := []events.StreamKind{events.OrderStream, events.ShipmentStream}
	return events.Stream{Kind: anyOne(rng, kinds), ID: anyOne(rng, ids(tenant))}
}

func anyFact(rng *rand.Rand, n int64) fanouttest.Fact {
	id := events.EventID(fmt.Sprint("e-", n))
	if rng.IntN(3) == 0 { // one that is known, perhaps
		id = events.EventID(fmt.Sprint("e-", rng.Int64N(n+1)))
	}
	return fanouttest.Fact{
		Source: events.Source(anyOne(rng, sources)), ID: id, Type: events.Type(anyOne(rng, types)),
		Mark: anyOne(rng, []string{"", "regression"}), Alert: rng.IntN(3) == 0,
	}
}

func anyShipment(rng *rand.Rand, tenant events.TenantID, v int64) *fanout.ShipmentRow {
	r := rapid.Custom(drawShipment).Example(rng.Int())
	r.ID, r.Revision = events.ShipmentID(anyOne(rng, ids(tenant))), v
	r.Disputed, r.OpenExceptions = rng.IntN(5) == 0, rng.IntN(3)
	for range rng.IntN(3) {
		if id := events.OrderID(anyOne(rng, ids(tenant))); !slices.Contains(r.Orders, id) {
			r.Orders = append(r.Orders, id)
		}
	}
	return r
}

func anyOrder(rng *rand.Rand, tenant events.TenantID, v int64) *fanout.OrderRow {
	r := &fanout.OrderRow{ID: events.OrderID(anyOne(rng, ids(tenant))), Revision: v, Status: anyOne(rng, statuses), Ordered: rng.Int64N(6)}
	if rng.IntN(3) == 0 {
		r.Holds = []string{"fraud"}
	}
	return r
}

// change commits something random to a tenant.
func change(m *fanouttest.Model, rng *rand.Rand, tenant events.TenantID, v int64) {
	switch kind := rng.IntN(40); {
	case kind == 0:
		m.Delete(tenant, fanout.Shipments, anyOne(rng, ids(tenant)))
	case kind == 1:
		m.Prune(tenant, rng.IntN(5))
	case kind == 2:
		m.Rebuild(tenant, fmt.Sprint("e", v), rng.Int64N(100))
	case kind == 3:
		m.SetAway(true)
		time.Sleep(time.Duration(rng.IntN(300)) * time.Millisecond)
		m.SetAway(false)
	case kind < 16:
		m.Tell(tenant, anyStream(rng, tenant), anyFact(rng, v), anyFact(rng, v))
	case kind == 16:
		m.Untell(tenant, anyStream(rng, tenant), anyFact(rng, v), anyFact(rng, v))
	default:
		m.Put(tenant, anyRows(rng, tenant, v)...)
	}
}

func anyRows(rng *rand.Rand, tenant events.TenantID, v int64) []fanout.Row {
	rows := make([]fanout.Row, 0, 4)
	for range 1 + rng.IntN(4) {
		if rng.IntN(4) == 0 {
			rows = append(rows, anyOrder(rng, tenant, v))
		} else {
			rows = append(rows, anyShipment(rng, tenant, v))
		}
	}
	return rows
}
