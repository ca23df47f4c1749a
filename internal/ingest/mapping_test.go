package ingest_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-io/waybill/internal/ingest"
)

func TestMappingsThatAreWrong(t *testing.T) {
	const good = `version: 1
source: urn:test
timezone: UTC
time_layout: YYYY-MM-DD
events:
  - type: shipment.delivered.v1
    id: ${ship}-d
    subject: ${ship}
    time: at
    data:
      shipment_id: ${ship}
      handed_to: recipient
`
	tests := []struct{ name, from, to, want string }{
		{"an unknown key", "    time: at", "    time: at\n    whne: x", `m.yaml:10:5: unknown key "whne" in an event; it may have type, when, id, subject, time, time_precision, recorded, data`},
		{"a key twice", "    time: at", "    time: at\n    time: at", `m.yaml:10:5: `},
		{"a key at the top that is unknown", "version: 1", "version: 1\nzone: UTC", `m.yaml:2:1: unknown key "zone" in the mapping`},
		{"no version", "version: 1\n", "", "the mapping has no version"},
		{"another version", "version: 1", "version: 2", "m.yaml:1:10: this version of the mapping language is not known; write 1"},
		{"no events", good[strings.Index(good, "events:"):], "events: []", "m.yaml:5:9: the mapping has no events"},
		{"an event without an id", "    id: ${ship}-d\n", "", "the event has no id"},
		{"a type that there is not", "shipment.delivered.v1", "shipment.eaten.v1", `m.yaml:6:11: "shipment.eaten.v1" is not in the vocabulary`},
		{"a type without its version", "shipment.delivered.v1", "shipment.delivered", `; write shipment.delivered.v1`},
		{"a zone that there is not", "timezone: UTC", "timezone: Mars/Base", `m.yaml:3:11: timezone: "Mars/Base" is no IANA time zone`},
		{"no zone", "timezone: UTC\n", "", "no timezone says where times were read"},
		{"no layout", "time_layout: YYYY-MM-DD\n", "", "no time_layout says how times are written"},
		{"a layout in Go's manner", "YYYY-MM-DD", `"2006-01-02"`, `m.yaml:4:14: time_layout: "2006-01-02" means nothing`},
		{"a layout without a day", "YYYY-MM-DD", "HH:mm", "a layout names at least YYYY, a month and DD"},
		{"a template that is not closed", "id: ${ship}-d", "id: ${ship-d", "m.yaml:7:9: id: a $ is followed by {column}, or stands twice"},
		{"a filter that there is not", "id: ${ship}-d", "id: ${ship|slug}", `unknown filter "slug"; there are upper, lower, trim, number`},
		{"a field that the type does not have", "handed_to: recipient", "handed_too: recipient", "m.yaml:12:19: shipment.delivered.v1: /data/handed_too: is not a field of this type"},
		{"a field of another type", "handed_to: recipient", "parcel_id: 1", "m.yaml:12:18: shipment.delivered.v1: /data/parcel_id: is no value of this field"},
		{"a column where a number is needed", "handed_to: recipient", "contents: [{order_id: o, line_id: l, qty: '${n}'}]", "/data/contents/0/qty: is no value of this field"},
		{"a word that the vocabulary does not have", "handed_to: recipient", "handed_to: dog", "m.yaml:12:18: shipment.delivered.v1: schema_violation: /data/handed_to: is not one of recipient, neighbour, locker, safe_place"},
		{"a time in the data", "handed_to: recipient", "occurred_at: x", "m.yaml:12:7: occurred_at follows from the event's time and time_precision"},
		{"a precision that there is not", "    time: at", "    time: at\n    time_precision: week", "/data/time_precision: is not one of"},
		{"a condition of nothing", "    time: at", "    time: at\n    when: {equals: x}", "the condition names no column"},
		{"a condition of two minds", "    time: at", "    time: at\n    when: {column: a, equals: x, in: [y]}", "a condition is a column, a column with one of"},
		{"a condition with a number", "    time: at", "    time: at\n    when: {column: a, equals: 1}", "equals has to be a text; put it in quotes"},
		{"a time of nothing", "    time: at", "    time: {plus: 1s}", "a time needs a column"},
		{"a span that is none", "    time: at", "    time: {column: at, plus: soon}", "plus: want a span such as 1s, 90m or -2h"},
		{"an unknown type of value", "handed_to: recipient", "handed_to: {$enum: x}", `unknown type "$enum"; there are $int, $decimal, $number, $bool, $time and $map`},
		{"a constant that is a column", "version: 1", "version: 1\nconstants: {ship: x}\ncolumns: [ship, at]", `"ship" is a column and a constant`},
		{"a column that is not declared", "version: 1", "version: 1\ncolumns: [ship]", `m.yaml:10:11: "at" is not among the columns`},
		{"a delimiter of two characters", "version: 1", "version: 1\ndelimiter: '||'", "m.yaml:2:12: delimiter: want one ASCII character or tab"},
		{"an anchor", "    time: at", "    time: &x at", "a time has to be a mapping"},
		{"what is no YAML", "    time: at", "\ttime: at", "m.yaml:9:"},
		{"two documents", "version: 1", "version: 1\n---\nversion: 1", "a second document begins"},
		{"nothing", good, "", "the mapping is empty"},
		{"a list", good, "- a", "the mapping has to be a mapping of keys to values"},
	}
	if _, err := ingest.ParseMapping("m.yaml", []byte(good)); err != nil {
		t.Fatalf("the good mapping is refused: %v", err)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if !strings.Contains(good, tt.from) {
				t.Fatalf("%q is not in the good mapping", tt.from)
			}
			_, err := ingest.ParseMapping("m.yaml", []byte(strings.Replace(good, tt.from, tt.to, 1)))
			if _, ok := errors.AsType[*ingest.MappingError](err); !ok {
				t.Fatalf("ParseMapping: %v, want a MappingError", err)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("ParseMapping: %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestAllThatIsWrongWithAMappingIsSaid(t *testing.T) {
	_, err := ingest.ParseMapping("m.yaml", []byte("version: 3\nsource: 7\nevents:\n  - {type: x}\n"))
	wrong, ok := errors.AsType[*ingest.MappingError](err)
	if !ok || len(wrong.Problems) < 6 {
		t.Errorf("ParseMapping: %v, want six problems and more", err)
	}
}

const rich = `version: 1
source: urn:${country|lower}:shop
timezone: Europe/Berlin
time_layout: DD.MM.YYYY HH:mm
delimiter: ";"
empty_values: ["-", "NULL"]
constants:
  currency: EUR
events:
  - type: order.placed.v1
    when:
      all:
        - { column: kind, in: [order, reorder] }
        - not: { column: test, equals: "yes" }
    id: ${order}$$
    subject: ${order}
    time: placed
    recorded: { latest: [placed, changed], plus: 5m }
    data:
      order_id: ${order}
      number: Nr. ${order} (${kind|upper})
      channel: shop
      currency: ${currency}
      lines:
        - line_id: "1"
          sku: ${sku}
          qty: { $int: qty }
          unit_price: { $decimal: price, comma: true }
      customer_ref: ${customer}
      promised_window:
        start: { $time: { column: from, layout: DD.MM.YYYY } }
        end: { $time: { column: until, layout: YYYY-MM-DD, timezone: America/New_York } }
        time_precision: day
  - type: shipment.arrived.v1
    when: { any: [lat, { column: kind, equals: arrival }] }
    id: ${order}-a
    subject: trk:DHL:${number|number}
    time: { earliest: [placed, changed] }
    time_precision: minute
    data:
      mode: { $map: kind, values: { arrival: road, flight: air }, default: other }
      location: { city: "${city|trim}", lat: { $number: lat }, lon: { $number: lon } }
      facility: somewhere
  - type: shipment.exception_opened.v1
    when: { column: kind, equals: trouble }
    id: ${order}-x
    subject: s-${order}
    time: placed
    data: { shipment_id: "s-${order}", exception_id: x, reason_code: lost_label, party: carrier, severity: low, action_required: { $bool: test } }
`

func TestWhatAMappingCanSay(t *testing.T) {
	const head = "kind;test;order;placed;changed;sku;qty;price;customer;from;until;number;city;lat;lon;country\n"
	tests := []struct {
		name, row string
		want      []string // "type subject id source occurred recorded data" of each event
		problems  []string
	}{
		{name: "all of an order", row: "order;no;o$1;01.02.2025 10:00;03.02.2025 11:00;;007;1.234,50;c1;05.02.2025;2025-02-07;;;;;DE", problems: []string{
			"f.csv:2:3: order: order.placed.v1: invalid_id: id: want 1 to 64 characters of A-Z a-z 0-9 . _ : -"}},
		{name: "nothing for a test", row: "order;yes;o1;01.02.2025 10:00;;;1;1;;;;;;;;DE"},
		{name: "nothing for another kind", row: "bill;no;o1;01.02.2025 10:00;;;1;1;;;;;;;;DE"},
		{name: "an arrival by number", row: "flight;no;o1;01.02.2025 10:00;01.07.2024 09:00;;;;;;;jj 12-34.5; Bonn ;50.7;7.10;DE", want: []string{
			`shipment.arrived.v1 trk:DHL:JJ12345 o1-a urn:de:shop 2024-07-01T09:00:00+02:00 2024-07-01T07:00:00Z {"occurred_at":"2024-07-01T09:00:00+02:00","tz_source":"location","time_precision":"minute","mode":"air","location":{"city":"Bonn","lat":50.7,"lon":7.10},"facility":"somewhere"}`}},
		{name: "what is empty is left out", row: "arrival;no;o1;01.02.2025 10:00;-;;;;;;;1;NULL;-;-;DE", want: []string{
			`shipment.arrived.v1 trk:DHL:1 o1-a urn:de:shop 2025-02-01T10:00:00+01:00 2025-02-01T09:00:00Z {"occurred_at":"2025-02-01T10:00:00+01:00","tz_source":"location","time_precision":"minute","mode":"road","facility":"somewhere"}`}},
		{name: "a truth", row: "trouble;Y;o1;01.02.2025 10:00;;;;;;;;;;;;DE", want: []string{
			`shipment.exception_opened.v1 s-o1 o1-x urn:de:shop 2025-02-01T10:00:00+01:00 2025-02-01T09:00:00Z {"occurred_at":"2025-02-01T10:00:00+01:00","tz_source":"location","shipment_id":"s-o1","exception_id":"x","reason_code":"lost_label","party":"carrier","severity":"low","action_required":true}`}},
		{name: "values that are none", row: "trouble;maybe;o1;01.02.2025 10:00;;;;;;;;;;;;DE", problems: []string{`f.csv:2:2: test: shipment.exception_opened.v1: "maybe" is neither true nor false`}},
		{name: "a number that is none", row: "arrival;no;o1;01.02.2025 10:00;;;;;;;;1;Bonn;NaN;7;DE", problems: []string{`f.csv:2:14: lat: shipment.arrived.v1: "NaN" is no number`}},
		{name: "a number that is too large", row: "arrival;no;o1;01.02.2025 10:00;;;;;;;;1;Bonn;95;7;DE", problems: []string{`f.csv:2:13: city: shipment.arrived.v1: schema_violation: /data/location: want lat within ±90 and lon within ±180 degrees`}},
	}
	m := mapping(t, strings.Replace(rich, "id: ${order}$$", "id: ${order}", 1))
	tests[0].row = strings.Replace(tests[0].row, "o$1", "o1", 1)
	tests[0].problems, tests[0].want = nil, []string{
		`order.placed.v1 o1 o1 urn:de:shop 2025-02-01T10:00:00+01:00 2025-02-03T10:05:00Z {"occurred_at":"2025-02-01T10:00:00+01:00","tz_source":"location","order_id":"o1","number":"Nr. o1 (ORDER)","channel":"shop","currency":"EUR","lines":[{"line_id":"1","qty":7,"unit_price":"1234.50"}],"customer_ref":"c1","promised_window":{"start":"2025-02-05T00:00:00+01:00","end":"2025-02-07T00:00:00-05:00","time_precision":"day"}}`}
	tests = append(tests, []struct {
		name, row string
		want      []string
		problems  []string
	}{
		{name: "quantities that are none", row: "order;no;o1;01.02.2025 10:00;;;1.5;1;;;;;;;;DE", problems: []string{`f.csv:2:7: qty: order.placed.v1: "1.5" is no whole number`}},
		{name: "a quantity that is missing", row: "order;no;o1;01.02.2025 10:00;;;;1;;;;;;;;DE", problems: []string{`f.csv:2:7: qty: order.placed.v1: schema_violation: /data/lines/0/qty: want a whole number from 1 to 1000000000`}},
		{name: "a price that is none", row: "order;no;o1;01.02.2025 10:00;;;1;1 EUR;;;;;;;;DE", problems: []string{`f.csv:2:8: price: order.placed.v1: "1 EUR" is no decimal number with a comma`}},
	}...)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := intake(t, ingest.CSV{Mapping: m, Now: noon}, ingest.IntakeConfig{}, file(t, "f.csv", head+tt.row+"\n"))
			check(t, o, len(tt.want), tt.problems)
			var got []string
			for _, e := range o.log {
				got = append(got, strings.Join([]string{
					string(e.Type()), e.Subject, string(e.ID), string(e.Source),
					e.OccurredAt().Format("2006-01-02T15:04:05Z07:00"), e.RecordedAt.UTC().Format("2006-01-02T15:04:05Z07:00"), string(e.Body),
				}, " "))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}

func TestATenantGivenIsStrongerThanTheMappings(t *testing.T) {
	m, err := ingest.ParseMapping("m.yaml", []byte(confirmed()))
	if err != nil {
		t.Fatal(err)
	}
	for tenant, want := range map[string]string{"": "acme", "other": "other"} {
		o := intake(t, ingest.CSV{Mapping: m.WithTenant(eventsTenant(tenant))}, ingest.IntakeConfig{}, file(t, "f.csv", "order,at\no1,2025-01-02 03:04:05"))
		if o.err != nil || string(o.log[0].Tenant) != want {
			t.Errorf("with %q the tenant is %v, want %s (%v)", tenant, o.log, want, o.err)
		}
	}
	if m.Tenant() != "acme" {
		t.Errorf("the mapping's own tenant became %s", m.Tenant())
	}
}
