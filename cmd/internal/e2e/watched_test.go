package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"

	"github.com/waybill-io/waybill/internal/fanout/fanouttest"
	"github.com/waybill-io/waybill/internal/tracking"
)

// watched is a subscription beside the SQL that says what it must show in the
// end. What a filter means is said twice, so that one can be wrong.
type watched struct {
	topic  string
	filter any
	hz     float64

	// where is what orders o or shipments s have to fulfil; of the other topics
	// the whole query, which yields (id, text).
	where string
	args  []any
}

func (w *watched) frame(sid int64) m {
	f := m{"sid": sid, "topic": w.topic}
	if w.filter != nil {
		f["filter"] = w.filter
	}
	if w.hz > 0 {
		f["max_hz"] = w.hz
	}
	return f
}

func is(field, op string, value any) m { return m{"f": field, "op": op, "v": value} }

// underway are the statuses of shipments that are not over.
var underway = []string{"created", "info_received", "picked_up", "in_transit", "out_for_delivery", "delivery_attempted", "available_for_pickup"}

const isUnderway = `s.status = ANY (ARRAY['created','info_received','picked_up','in_transit','out_for_delivery','delivery_attempted','available_for_pickup'])`

// kinds are what people watch, each as often as it stands there, for watcher n.
func (f *fleet) kinds(n int) []watched {
	hz := []float64{10, 4, 1, 0.5}[n%4]
	v := f.voyages[n%len(f.voyages)]
	one, digit := string(v.shipment()), fmt.Sprintf("s-%x", n%16)
	west, south := float64(n%36-8), float64(36+n%20)
	moving := is("status", "in", underway)
	all := func(more m) m { return m{"and": []any{moving, more}} }
	shipments := func(filter any, where string, args ...any) watched {
		return watched{topic: "shipments", filter: filter, hz: hz, where: where, args: args}
	}
	timeline := func(kind, id, query string) watched {
		return watched{topic: "timeline", filter: is(kind, "eq", id), where: query, args: []any{id}}
	}
	const ofShipment = `SELECT jsonb_build_array(stream, stream_id, source, event_id)::text, '' FROM waybill.events WHERE tenant_id = $1 AND stream = 'shipment' AND stream_id = $2`
	const ofOrder = `SELECT jsonb_build_array(stream, stream_id, source, event_id)::text, '' FROM waybill.events WHERE tenant_id = $1 AND
		(stream = 'order' AND stream_id = $2 OR stream = 'shipment' AND stream_id IN (SELECT shipment_id FROM waybill.shipment_contents WHERE tenant_id = $1 AND order_id = $2))`
	return []watched{
		shipments(all(is("carrier", "eq", v.carrier)), isUnderway+` AND s.carrier = $2`, v.carrier),
		shipments(all(is("id", "prefix", digit)), isUnderway+` AND starts_with(s.shipment_id, $2)`, digit),
		shipments(all(is("pos", "bbox", []float64{west, south, west + 2, south + 2})),
			isUnderway+` AND s.lon BETWEEN $2 AND $3 AND s.lat BETWEEN $4 AND $5`, west, west+2, south, south+2),
		shipments(all(is("open_exceptions", "range", m{"gte": 1})), isUnderway+` AND s.open_exceptions >= 1`),
		shipments(is("status", "eq", "out_for_delivery"), `s.status = 'out_for_delivery'`),
		shipments(all(m{"not": is("status", "eq", "in_transit")}), isUnderway+` AND s.status <> 'in_transit'`),
		shipments(is("id", "in", []string{one, "nothing"}), `s.shipment_id = $2`, one),
		{topic: "orders", filter: m{"and": []any{is("status", "in", []string{"placed", "shipped"}), is("id", "prefix", "o"+digit[1:])}}, hz: hz,
			where: `o.status IN ('placed', 'shipped') AND starts_with(o.order_id, $2)`, args: []any{"o" + digit[1:]}},
		timeline("shipment", one, ofShipment),
		timeline("order", string(v.order()), ofOrder),
		{topic: "kpis", where: `SELECT 'shipments.' || status, count(*)::text FROM waybill.shipments WHERE tenant_id = $1 GROUP BY 1
			UNION ALL SELECT 'orders.' || status, count(*)::text FROM waybill.orders WHERE tenant_id = $1 GROUP BY 1
			UNION ALL SELECT 'shipments.exceptions', count(*)::text FROM waybill.shipments WHERE tenant_id = $1 AND open_exceptions > 0`},
		{topic: "alerts", filter: is("type", "eq", "shipment.exception_opened.v1")},
	}
}

// wants is what one watcher subscribes to: one in 50 watches everything that is
// under way.
func (f *fleet) wants(n int) []watched {
	if n%50 == 0 {
		return []watched{{topic: "shipments", filter: is("status", "in", underway), hz: 1, where: isUnderway}}
	}
	kinds := f.kinds(n)
	first := kinds[n%len(kinds)]
	if n%3 > 0 {
		return []watched{first}
	}
	return []watched{first, kinds[(n/3+5)%len(kinds)]}
}

// truths reads what subscriptions must show, each query once.
type truths struct {
	p     *platform
	known map[string]map[string]string
}

// of returns rows by id: revision and status, or what the query says.
func (t *truths) of(w *watched) map[string]string {
	t.p.t.Helper()
	query := w.where
	switch w.topic {
	case "shipments":
		query = `SELECT s.shipment_id, s.revision || ' ' || s.status FROM waybill.shipments s WHERE s.tenant_id = $1 AND ` + w.where
	case "orders":
		query = `SELECT o.order_id, o.revision || ' ' || o.status FROM waybill.orders o WHERE o.tenant_id = $1 AND ` + w.where
	}
	key := fmt.Sprint(query, w.args)
	if rows, ok := t.known[key]; ok {
		return rows
	}
	list, _ := t.p.pool.Query(context.WithoutCancel(t.p.t.Context()), query, append([]any{tenant}, w.args...)...) // the error is ForEachRow's too
	rows := map[string]string{}
	var id, text string
	if _, err := pgx.ForEachRow(list, []any{&id, &text}, func() error { rows[id] = text; return nil }); err != nil {
		t.p.t.Fatalf("%s: %v", query, err)
	}
	t.known[key] = rows
	return rows
}

// alerts are the identities that changes after a position tell of, in order.
func (t *truths) alerts(from int64) []string {
	t.p.t.Helper()
	types := []string{}
	for _, typ := range tracking.AlertTypes() {
		types = append(types, string(typ))
	}
	rows, _ := t.p.pool.Query(context.WithoutCancel(t.p.t.Context()), `
		SELECT e.stream, e.stream_id, e.source, e.event_id FROM waybill.changes c CROSS JOIN json_array_elements(c.entries) r
		  JOIN waybill.events e ON e.tenant_id = c.tenant_id AND e.stream = r ->> 0 AND e.stream_id = r ->> 1 AND e.source = r ->> 2 AND e.event_id = r ->> 3
		 WHERE c.tenant_id = $1 AND c.seq > $2 AND e.type = 'shipment.exception_opened.v1' AND e.type = ANY ($3)
		 ORDER BY c.seq, e.occurred_at, e.event_id`, tenant, from, types) // the error is CollectRows' too
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (string, error) {
		var stream, of, source, id string
		err := row.Scan(&stream, &of, &source, &id)
		return fanouttest.EntryKey(stream, of, source, id), err
	})
	if err != nil {
		t.p.t.Fatal(err)
	}
	return list
}

// check compares what a client shows with what SQL says.
func (t *truths) check(tb testing.TB, who string, w *watched, v *fanouttest.View) {
	tb.Helper()
	if w.topic == "alerts" {
		if diff := cmp.Diff(t.alerts(v.From), v.Log, cmpopts.EquateEmpty()); diff != "" {
			tb.Errorf("%s heard of alerts since %d (-SQL +client):\n%.2000s", who, v.From, diff)
		}
		return
	}
	want, got := t.of(w), shown(tb, w, v)
	if w.topic == "kpis" { // counts of nothing are left out by SQL, and some are not asked for
		for id := range got {
			if _, asked := want[id]; !asked {
				delete(got, id)
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		tb.Errorf("%s: %s %v (-SQL +client):\n%.2000s", who, w.topic, w.filter, diff)
	}
}

// shown is what the client shows, as [truths.of] says it.
func shown(tb testing.TB, w *watched, v *fanouttest.View) map[string]string {
	tb.Helper()
	got := make(map[string]string, len(v.Rows))
	for key, text := range v.Rows {
		var r struct {
			V      int64  `json:"v"`
			N      *int64 `json:"n"`
			Status string `json:"status"`
		}
		if err := json.Unmarshal(text, &r); err != nil {
			tb.Fatal(err)
		}
		switch {
		case w.topic == "timeline":
			got[spaced(key)] = ""
		case r.N != nil:
			got[key] = fmt.Sprint(*r.N)
		default:
			got[key] = fmt.Sprintf("%d %s", r.V, r.Status)
		}
	}
	return got
}

// spaced writes an identity as Postgres does.
func spaced(identity string) string {
	var list []string
	if json.Unmarshal([]byte(identity), &list) != nil {
		return identity
	}
	out := "["
	for i, text := range list {
		if i > 0 {
			out += ", "
		}
		quoted, _ := json.Marshal(text) // a string always is JSON
		out += string(quoted)
	}
	return out + "]"
}

// settled reports whether a client has everything up to a position.
func settled(v *fanouttest.View, seq int64) error {
	if !v.Live || v.Pos < seq {
		return fmt.Errorf("sid %d is at %d of %d, live %t, refused %q, resets %v", v.SID, v.Pos, seq, v.Live, v.Refused, slices.Compact(v.Resets))
	}
	return nil
}
