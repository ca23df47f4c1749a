package tracking_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/tracking"
	"github.com/waybill-io/waybill/internal/tracking/trackingtest"
)

// doc is a part of an event's data; members that begin with $ belong to its
// envelope: $id, $source, $recorded and $ingested (hours).
type doc = map[string]any

// told is an event in short: whose, what, and when (hours after day0).
type told struct {
	subject string
	typ     string
	hour    float64
	data    doc
}

func tell(subject, typ string, hour float64, more []doc) told {
	data := doc{}
	for _, m := range append([]doc{givens[typ]}, more...) {
		maps.Copy(data, m)
	}
	return told{subject, typ, hour, data}
}

// s tells an event of shipment s1, o of order o1, n of the number N1.
func s(typ string, hour float64, more ...doc) told { return tell("s1", "shipment."+typ, hour, more) }
func o(typ string, hour float64, more ...doc) told { return tell("o1", "order."+typ, hour, more) }
func n(typ string, hour float64, more ...doc) told {
	return tell("trk:CPCC:N1", "shipment."+typ, hour, more)
}

// of tells the same of another subject.
func (d told) of(subject string) told {
	d.subject = subject
	return d
}

// p names a parcel, id an event's own id.
func p(id string) doc  { return doc{"parcel_id": id} }
func id(id string) doc { return doc{"$id": id} }

// retract takes back the event with the id in the stream of d.
func (d told) retract(target string, hour float64, more ...doc) told {
	kind := "shipment"
	switch {
	case strings.HasPrefix(d.typ, "order."):
		kind = "order"
	case strings.HasPrefix(d.subject, "trk:"):
		kind = "tracking"
	}
	base := doc{"stream": kind, "retracted_source": "urn:a", "retracted_id": target, "reason": "did_not_occur"}
	return tell(d.subject, "event.retracted", hour, append([]doc{base}, more...))
}

// givens is what a type needs and a test need not say.
var givens = map[string]doc{
	"shipment.created":            {"direction": "outbound", "parcels": []doc{{"parcel_id": "p1"}}},
	"shipment.tracking_assigned":  {"parcel_id": "p1", "carrier": doc{"scac": "CPCC"}, "tracking_number": "N1"},
	"shipment.departed":           {"facility": "hub"},
	"shipment.arrived":            {"facility": "hub"},
	"shipment.customs_held":       {"reason_code": "why"},
	"shipment.customs_released":   {"reason_code": "why"},
	"shipment.delivery_attempted": {"reason_code": "why"},
	"shipment.available_for_pickup": {
		"place": "shop"},
	"shipment.return_initiated":   {"reason_code": "why"},
	"shipment.returned":           {"reason_code": "why"},
	"shipment.lost":               {"reason_code": "why"},
	"shipment.damaged":            {"reason_code": "why"},
	"shipment.destroyed":          {"reason_code": "why"},
	"shipment.cancelled":          {"reason_code": "why"},
	"shipment.exception_opened":   {"exception_id": "x1", "reason_code": "why", "party": "carrier", "severity": "low"},
	"shipment.exception_resolved": {"exception_id": "x1"},
	"shipment.eta_changed":        {"provider": "carrier"},
	"shipment.position":           {"lat": 1, "lon": 2},
	"shipment.scan_unmapped":      {"raw": doc{"status": "ZZ"}},
	"order.placed":                {"number": "1", "channel": "web", "currency": "EUR", "lines": lines("l1", 2)},
	"order.on_hold":               {"reason_code": "fraud"},
	"order.paid":                  {"amount": "1.00", "currency": "EUR"},
	"order.payment_failed":        {"amount": "1.00", "currency": "EUR"},
	"order.refunded":              {"amount": "1.00", "currency": "EUR"},
	"order.promise_changed":       {"reason_code": "why", "by": "merchant"},
	"order.allocated":             {"node": "n1", "lines": lines("l1", 1)},
	"order.backordered":           {"node": "n1", "lines": lines("l1", 1)},
	"order.cancelled":             {"reason_code": "why", "by": "customer"},
	"order.merged":                {"from": []string{"o1"}, "into": []string{"o2"}},
	"order.split":                 {"from": []string{"o1"}, "into": []string{"o2"}},
	"order.return_requested":      {"return_id": "r1", "reason_code": "why", "lines": lines("l1", 1)},
	"order.return_received":       {"return_id": "r1", "reason_code": "why", "lines": lines("l1", 1)},
	"order.reshipped":             {"original_shipment_id": "s1", "new_shipment_id": "s2", "reason_code": "why"},
	"order.closed":                {"reason": "done"},
}

// lines lists quantities of order lines: a line, its quantity, and so on.
func lines(pairs ...any) []doc {
	var docs []doc
	for i := 0; i < len(pairs); i += 2 {
		docs = append(docs, doc{"line_id": pairs[i], "qty": pairs[i+1]})
	}
	return docs
}

// contents lists quantities of lines of order o1; "l1/p2" lies in parcel p2.
func contents(pairs ...any) doc {
	var docs []doc
	for i := 0; i < len(pairs); i += 2 {
		line, parcel, in := strings.Cut(pairs[i].(string), "/")
		d := doc{"order_id": "o1", "line_id": line, "qty": pairs[i+1]}
		if in {
			d["parcel_id"] = parcel
		}
		docs = append(docs, d)
	}
	return doc{"contents": docs}
}

// parcels lists parcels of a create.
func parcels(ids ...string) doc {
	var docs []doc
	for _, id := range ids {
		docs = append(docs, p(id))
	}
	return doc{"parcels": docs}
}

var day0 = trackingtest.Day0

func hour(h float64) time.Time { return day0.Add(time.Duration(h * float64(time.Hour))) }

// eventsOf reads told events as an upstream would write them. Without an id of
// its own the i-th is e1, e2, ...
func eventsOf(t testing.TB, all ...told) []events.Event {
	t.Helper()
	evs := make([]events.Event, len(all))
	for i, d := range all {
		data := maps.Clone(d.data)
		env := doc{"specversion": "1.0", "tenantid": "acme", "type": d.typ + ".v1", "subject": d.subject, "id": fmt.Sprintf("e%d", i+1), "source": "urn:a"}
		for k, v := range data {
			switch k {
			case "$id", "$source":
				env[k[1:]] = v
			case "$recorded", "$ingested":
				env[k[1:]+"time"] = hour(v.(float64))
			}
		}
		maps.DeleteFunc(data, func(k string, _ any) bool { return strings.HasPrefix(k, "$") })
		if _, ok := data["occurred_at"]; !ok {
			data["occurred_at"] = hour(d.hour)
		}
		switch {
		case strings.HasPrefix(d.typ, "order."):
			data["order_id"] = d.subject
		case strings.HasPrefix(d.typ, "shipment.") && !strings.HasPrefix(d.subject, "trk:"):
			data["shipment_id"] = d.subject
		case d.typ == "shipment.created":
			data["shipment_id"] = "s1"
		}
		env["time"], env["data"] = data["occurred_at"], data
		evs[i] = parse(t, env)
	}
	return evs
}

func parse(t testing.TB, env doc) events.Event {
	t.Helper()
	text, err := json.Marshal(env, json.Deterministic(true))
	if err != nil {
		t.Fatalf("marshal %v: %v", env, err)
	}
	e, err := events.Parse(text, time.Time{})
	if err != nil {
		t.Fatalf("Parse(%s): %v", text, err)
	}
	return e
}

// fold folds told events, and fails when the oracle reads them otherwise.
func fold(t testing.TB, all ...told) world {
	t.Helper()
	known := knownOf(t, eventsOf(t, all...)...)
	if diff := disagreement(known); diff != "" {
		t.Fatalf("the package differs from the oracle (-oracle +package):\n%s", diff)
	}
	return foldWorld(known)
}

// ship says in short where a shipment stands: its status, then its parcels
// where these are not just "p1" with the same.
func (w world) ship(id events.ShipmentID) string {
	s, ok := w.Shipments[id]
	if !ok {
		return "none"
	}
	words := []string{string(s.Status)}
	if len(s.Parcels) != 1 || s.Parcels[0].ID != "p1" || s.Parcels[0].Status != s.Status {
		for _, p := range s.Parcels {
			words = append(words, fmt.Sprintf("%s=%s", cmp.Or(p.ID, `""`), p.Status))
		}
	}
	for word, is := range map[string]bool{"disputed": s.Disputed(), "gap": s.Gap(), "damaged": s.Damaged, "customs": s.CustomsHeld} {
		if is {
			words = append(words, word)
		}
	}
	slices.Sort(words[1:])
	for _, e := range s.Exceptions {
		if e.Open {
			words = append(words, "open:"+string(e.ID))
		} else {
			words = append(words, "resolved:"+string(e.ID))
		}
	}
	return strings.Join(words, " ")
}

// odd lists the marks in short, by event id.
func (w world) odd() string {
	var words []string
	for ref, m := range w.Marks {
		if m.DuplicateOf != (tracking.Twin{}) {
			words = append(words, fmt.Sprintf("%s:duplicate_of:%s", ref.ID, m.DuplicateOf.ID))
		}
		if m.RetractedBy != (tracking.Twin{}) {
			words = append(words, fmt.Sprintf("%s:retracted_by:%s", ref.ID, m.RetractedBy.ID))
		}
		if m.Unmatched {
			words = append(words, fmt.Sprintf("%s:unmatched", ref.ID))
		}
		for _, a := range m.Anomalies {
			words = append(words, fmt.Sprintf("%s:%s", ref.ID, a))
		}
	}
	slices.Sort(words)
	return strings.Join(words, " ")
}

// order says in short where an order stands: its status, what is not zero of
// its lines, its holds and its flags.
func (w world) order(id events.OrderID) string {
	r, ok := w.Orders[id]
	if !ok {
		return "none"
	}
	words := []string{string(r.Status)}
	for _, l := range r.Lines {
		words = append(words, string(l.ID))
		for _, q := range []struct {
			name string
			n    int64
		}{
			{"ordered", l.Ordered}, {"cancelled", l.Cancelled}, {"allocated", l.Allocated}, {"backordered", l.Backordered},
			{"shipped", l.Shipped}, {"delivered", l.Delivered}, {"returned", l.Returned}, {"lost", l.Lost},
		} {
			if q.n != 0 {
				words = append(words, fmt.Sprintf("%s=%d", q.name, q.n))
			}
		}
	}
	for _, h := range r.Holds {
		words = append(words, "hold:"+h)
	}
	for _, id := range r.ReturnsOpen() {
		words = append(words, "return:"+id)
	}
	if r.Payment != "" {
		words = append(words, r.Payment)
	}
	for _, f := range r.Flags {
		words = append(words, "!"+string(f))
	}
	return strings.Join(words, " ")
}
