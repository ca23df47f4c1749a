package fanout_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/waybill-io/waybill/internal/fanout"
	"github.com/waybill-io/waybill/internal/fanout/fanouttest"
)

func TestEqualFiltersHaveOneCanonicalForm(t *testing.T) {
	const s1 = `{"f":"status","op":"in","v":["created","lost"]}`
	tests := []struct {
		name string
		same []string
		want string
	}{
		{"everything", []string{"", "{}", " { } ", `{"and":[]}`, `{"and":[{}]}`, `{"or":[{"f":"id","op":"eq","v":"a"},{}]}`}, `{"and":[]}`},
		{"values in any order, twice", []string{s1, `{"f":"status","op":"in","v":["lost","created","lost"]}`,
			`{"v":["created","lost"],"op":"in","f":"status"}`, `{"and":[` + s1 + `]}`, `{"or":[` + s1 + `,` + s1 + `]}`,
			`{"not":{"not":` + s1 + `}}`}, s1},
		{"eq is in of one", []string{`{"f":"carrier","op":"eq","v":"UPS"}`, `{"f":"carrier","op":"in","v":["UPS"]}`},
			`{"f":"carrier","op":"in","v":["UPS"]}`},
		{"nesting and order", []string{
			`{"and":[{"f":"carrier","op":"eq","v":"UPS"},{"and":[` + s1 + `,{"f":"id","op":"eq","v":"a"}]}]}`,
			`{"and":[{"f":"id","op":"eq","v":"a"},` + s1 + `,{"f":"carrier","op":"eq","v":"UPS"}]}`},
			`{"and":[{"f":"carrier","op":"in","v":["UPS"]},{"f":"id","op":"in","v":["a"]},` + s1 + `]}`},
		{"nothing", []string{`{"not":{}}`, `{"and":[` + s1 + `,{"not":{}}]}`, `{"or":[{"not":{}},{"not":{"and":[]}}]}`,
			`{"not":{"f":"late","op":"in","v":[true,false]}}`}, `{"not":{"and":[]}}`},
		{"or with nothing", []string{`{"or":[` + s1 + `,{"not":{}}]}`}, s1},
		{"numbers however written", []string{`{"f":"parcels","op":"eq","v":1}`, `{"f":"parcels","op":"in","v":[1.0,1e0,10e-1]}`,
			`{"f":"parcels","op":"range","v":{"gte":1,"lt":2}}`, `{"f":"parcels","op":"range","v":{"gt":0,"lte":1}}`}, `{"f":"parcels","op":"in","v":[1]}`},
		{"zero has no sign", []string{`{"f":"parcels","op":"eq","v":-0}`, `{"f":"parcels","op":"eq","v":0}`}, `{"f":"parcels","op":"in","v":[0]}`},
		{"numbers in a row are a range", []string{`{"f":"parcels","op":"in","v":[3,1,2]}`, `{"f":"parcels","op":"range","v":{"gt":0,"lte":3}}`},
			`{"f":"parcels","op":"range","v":{"gte":1,"lt":4}}`},
		{"numbers with holes are not", []string{`{"f":"parcels","op":"in","v":[3,10,2,3]}`}, `{"f":"parcels","op":"in","v":[2,3,10]}`},
		{"the last numbers there are", []string{`{"f":"parcels","op":"in","v":[9007199254740992,9007199254740991]}`},
			`{"f":"parcels","op":"in","v":[9007199254740991,9007199254740992]}`},
		{"booleans", []string{`{"f":"late","op":"eq","v":true}`, `{"f":"late","op":"in","v":[true,true]}`,
			`{"not":{"f":"late","op":"eq","v":false}}`}, `{"f":"late","op":"in","v":[true]}`},
		{"any boolean is every row", []string{`{"f":"gap","op":"in","v":[true,false]}`}, `{"and":[]}`},
		{"times in any zone", []string{
			`{"f":"eta","op":"range","v":{"gte":"2026-03-01T09:00:00Z","lt":"2026-03-02T00:00:00Z"}}`,
			`{"f":"eta","op":"range","v":{"gt":"2026-03-01T18:59:59.999999+10:00","lte":"2026-03-01T23:59:59.999999Z"}}`,
			`{"f":"eta","op":"range","v":{"gte":"2026-03-01T08:59:59.9999999Z","lt":"2026-03-01T23:59:59.9999995Z"}}`,
			`{"f":"eta","op":"range","v":{"gt":"2026-03-01T08:59:59.9999999Z","lte":"2026-03-01T18:59:59.9999995-05:00"}}`},
			`{"f":"eta","op":"range","v":{"gte":"2026-03-01T09:00:00Z","lt":"2026-03-02T00:00:00Z"}}`},
		{"half a range", []string{`{"f":"eta","op":"range","v":{"lt":"2026-03-01T10:00:00+01:00"}}`}, `{"f":"eta","op":"range","v":{"lt":"2026-03-01T09:00:00Z"}}`},
		{"a box", []string{`{"f":"pos","op":"bbox","v":[-10.0,3.5e1,30,60]}`}, `{"f":"pos","op":"bbox","v":[-10,35,30,60]}`},
		{"a box that begins at the antimeridian", []string{`{"f":"pos","op":"bbox","v":[180,-0,-170,1]}`, `{"f":"pos","op":"bbox","v":[-180,0,-170,1]}`},
			`{"f":"pos","op":"bbox","v":[-180,0,-170,1]}`},
		{"a box that ends at the antimeridian", []string{`{"f":"pos","op":"bbox","v":[170,0,-180,1]}`, `{"f":"pos","op":"bbox","v":[170,0,180,1]}`},
			`{"f":"pos","op":"bbox","v":[170,0,180,1]}`},
		{"the antimeridian", []string{`{"f":"pos","op":"bbox","v":[-180,0,-180,1]}`, `{"f":"pos","op":"bbox","v":[180,0,-180,1]}`, `{"f":"pos","op":"bbox","v":[180,0,180,1]}`},
			`{"f":"pos","op":"bbox","v":[180,0,180,1]}`},
		{"all around", []string{`{"f":"pos","op":"bbox","v":[-180,0,180,1]}`}, `{"f":"pos","op":"bbox","v":[-180,0,180,1]}`},
		{"prefix", []string{`{"f":"orders","op":"prefix","v":"O-"}`}, `{"f":"orders","op":"prefix","v":"O-"}`},
		{"text that needs quotes", []string{`{"f":"id","op":"eq","v":"a\"\u003c\\b"}`}, `{"f":"id","op":"in","v":["a\"<\\b"]}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, text := range tt.same {
				f, err := fanout.ParseFilter(fanout.Shipments, []byte(text))
				if err != nil {
					t.Fatalf("ParseFilter(%s): %v", text, err)
				}
				if f.Canonical() != tt.want {
					t.Errorf("canonical of %s is %s, want %s", text, f.Canonical(), tt.want)
				}
			}
		})
	}
}

func TestABadFilterIsRefusedWithItsReason(t *testing.T) {
	nested := strings.Repeat(`{"not":`, 9) + `{"f":"id","op":"eq","v":"a"}` + strings.Repeat("}", 9)
	leaves := `{"and":[` + strings.Repeat(`{"or":[{"f":"id","op":"eq","v":"a"},{"f":"id","op":"eq","v":"b"}]},`, 8) +
		`{"f":"id","op":"eq","v":"c"}]}`
	many := `{"f":"id","op":"in","v":["` + strings.Repeat(`a","`, 100) + `b"]}`
	tests := []struct{ name, filter, want string }{
		{"null", "null", "one of"},
		{"a list", "[]", "one of"},
		{"a text", `"status"`, "one of"},
		{"two forms at once", `{"and":[],"or":[]}`, "one of"},
		{"an unknown field beside", `{"and":[],"x":1}`, "one of"},
		{"a field twice", `{"and":[],"and":[]}`, "one of"},
		{"or of nothing", `{"or":[]}`, "or of nothing"},
		{"no op", `{"f":"id","v":"a"}`, "f, op and v"},
		{"no value", `{"f":"id","op":"eq"}`, "f, op and v"},
		{"an unknown field", `{"f":"name","op":"eq","v":"a"}`, `field "name"`},
		{"a very long unknown field", `{"f":"` + strings.Repeat("n", 5000) + `","op":"eq","v":"a"}`, "..."},
		{"a regex", `{"f":"id","op":"regex","v":"(a+)+$"}`, "does not exist"},
		{"a very long op", `{"f":"id","op":"` + strings.Repeat("n", 5000) + `","v":"a"}`, "..."},
		{"eq of a list", `{"f":"id","op":"eq","v":["a"]}`, `field "id": v of eq is not a string`},
		{"in of a text", `{"f":"id","op":"in","v":"a"}`, `field "id": v of in is a list`},
		{"in of numbers", `{"f":"id","op":"in","v":[1]}`, `field "id": v of in is not a list of strings`},
		{"in of nothing", `{"f":"id","op":"in","v":[]}`, `field "id": v of in is a list of 1 to 100`},
		{"in of too many", many, `field "id": v of in is a list of 1 to 100`},
		{"in of null", `{"f":"id","op":"in","v":null}`, "1 to 100"},
		{"an empty value", `{"f":"carrier","op":"eq","v":""}`, `field "carrier": a value has 1 to 128`},
		{"a zero byte", `{"f":"id","op":"eq","v":"a\u0000"}`, `field "id": a value has no zero byte`},
		{"null", `{"f":"id","op":"eq","v":null}`, `field "id": v of eq is not a string`},
		{"a string for a number", `{"f":"parcels","op":"eq","v":"1"}`, `field "parcels": "1" is not a whole number`},
		{"half a parcel", `{"f":"parcels","op":"eq","v":1.5}`, `field "parcels": 1.5 is not a whole number`},
		{"a number beyond JSON's", `{"f":"parcels","op":"in","v":[9007199254740994]}`, "is not a whole number within"},
		{"a number beyond all", `{"f":"parcels","op":"eq","v":1e999}`, "is not a whole number within"},
		{"a text for a boolean", `{"f":"late","op":"eq","v":"true"}`, `field "late": v of eq is not true or false`},
		{"a number among booleans", `{"f":"late","op":"in","v":[true,1]}`, `field "late": v of in is not a list of true and false`},
		{"range of a string", `{"f":"id","op":"range","v":{"gt":"a"}}`, `field "id": op range is not for a string, which takes eq, in, prefix`},
		{"range of a list", `{"f":"orders","op":"range","v":{"gt":"a"}}`, `field "orders": op range is not for a list of strings`},
		{"range of a boolean", `{"f":"late","op":"range","v":{"gt":false}}`, `field "late": op range is not for a boolean, which takes eq, in`},
		{"range of a position", `{"f":"pos","op":"range","v":{"gt":0}}`, `field "pos": op range is not for a position, which takes bbox`},
		{"prefix of a number", `{"f":"parcels","op":"prefix","v":"1"}`, `field "parcels": op prefix is not for a number, which takes eq, in, range`},
		{"eq of a time", `{"f":"eta","op":"eq","v":"2026-03-01T09:00:00Z"}`, `field "eta": op eq is not for a time, which takes range`},
		{"bbox of a time", `{"f":"eta","op":"bbox","v":[0,0,1,1]}`, `field "eta": op bbox is not for a time`},
		{"range of a list of bounds", `{"f":"parcels","op":"range","v":[1,2]}`, `field "parcels": v of range is an object`},
		{"range of null", `{"f":"parcels","op":"range","v":null}`, `field "parcels": v of range is an object`},
		{"range without a bound", `{"f":"parcels","op":"range","v":{}}`, `field "parcels": v of range has no bound`},
		{"two lower bounds", `{"f":"parcels","op":"range","v":{"gt":1,"gte":2}}`, "gt or gte"},
		{"two upper bounds", `{"f":"parcels","op":"range","v":{"lt":1,"lte":2}}`, "lt or lte"},
		{"an unknown bound", `{"f":"parcels","op":"range","v":{"from":1}}`, "v of range is an object of gt"},
		{"an empty range", `{"f":"parcels","op":"range","v":{"gte":2,"lt":2}}`, `field "parcels": the range is empty`},
		{"nothing between two numbers", `{"f":"parcels","op":"range","v":{"gt":1,"lt":2}}`, `field "parcels": the range is empty`},
		{"nothing between two times", `{"f":"eta","op":"range","v":{"gt":"2026-03-01T09:00:00Z","lt":"2026-03-01T09:00:00.000001Z"}}`, `field "eta": the range is empty`},
		{"the wrong way round", `{"f":"eta","op":"range","v":{"gt":"2026-03-02T09:00:00Z","lt":"2026-03-01T09:00:00Z"}}`, `field "eta": the range is empty`},
		{"a number too far out", `{"f":"parcels","op":"range","v":{"gt":9007199254740992}}`, `field "parcels": 9007199254740992 is too far out`},
		{"a time too far out", `{"f":"eta","op":"range","v":{"lte":"9999-12-31T23:59:59.999999Z"}}`, "is too far out"},
		{"a time too far back", `{"f":"eta","op":"range","v":{"gt":"0001-01-01T00:00:00+01:00"}}`, "is too far out"},
		{"a day for a time", `{"f":"eta","op":"range","v":{"gte":"2026-03-01"}}`, `field "eta": "2026-03-01" is not a time like`},
		{"a number for a time", `{"f":"eta","op":"range","v":{"gte":1763700000}}`, `field "eta": 1763700000 is not a time like`},
		{"a time without a zone", `{"f":"eta","op":"range","v":{"gte":"2026-03-01T09:00:00"}}`, "is not a time like"},
		{"prefix of a list", `{"f":"numbers","op":"prefix","v":["1Z"]}`, `field "numbers": v of prefix is not a string`},
		{"an empty prefix", `{"f":"numbers","op":"prefix","v":""}`, `field "numbers": a value has 1 to 128`},
		{"three corners", `{"f":"pos","op":"bbox","v":[0,0,1]}`, `field "pos": v of bbox is [west, south, east, north]`},
		{"corners by name", `{"f":"pos","op":"bbox","v":{"west":1}}`, `field "pos": v of bbox is [west, south, east, north]`},
		{"corners in words", `{"f":"pos","op":"bbox","v":["a",0,1,1]}`, `field "pos": v of bbox is [west, south, east, north]`},
		{"no corners", `{"f":"pos","op":"bbox","v":null}`, `field "pos": v of bbox is [west, south, east, north]`},
		{"a corner that is no number", `{"f":"pos","op":"bbox","v":[NaN,0,1,1]}`, "one of"},
		{"a corner beyond all", `{"f":"pos","op":"bbox","v":[0,0,1e999,1]}`, `field "pos": v of bbox is`},
		{"too far east", `{"f":"pos","op":"bbox","v":[0,0,180.5,1]}`, `field "pos": 180.5 is not within ±180 degrees`},
		{"too far south", `{"f":"pos","op":"bbox","v":[0,-91,1,1]}`, `field "pos": -91 is not within ±90 degrees`},
		{"south above north", `{"f":"pos","op":"bbox","v":[0,50,1,40]}`, `field "pos": south 50 is above north 40`},
		{"too deep", nested, "deeper"},
		{"too many conditions", leaves, "more than 16"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := fanout.ParseFilter(fanout.Shipments, []byte(tt.filter))
			if err == nil || err.Code != fanout.BadFilter {
				t.Fatalf("ParseFilter(%.80s) error = %v, want %s", tt.filter, err, fanout.BadFilter)
			}
			if !strings.Contains(err.Msg, tt.want) || len(err.Msg) > 200 {
				t.Errorf("message %.300q, want one with %q and below 200 bytes", err.Msg, tt.want)
			}
		})
	}
	if _, err := fanout.ParseFilter(fanout.Orders, []byte(`{"f":"carrier","op":"eq","v":"UPS"}`)); err == nil {
		t.Error("orders are filtered by carrier, which they do not have")
	}
}

// A filter means what it says, its canonical form means the same, SQL's narrowing
// never excludes a wanted row, and what is accepted is as published.
func TestAFilterMeansTheSameInEveryForm(t *testing.T) {
	schemas, err := fanouttest.PublishedSchemas()
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		w := drawFilter(t, 3)
		text := drawText(t, w)
		f, problem := fanout.ParseFilter(fanout.Shipments, []byte(text))
		if problem != nil {
			t.Fatalf("ParseFilter(%s): %v", text, problem)
		}
		again, problem := fanout.ParseFilter(fanout.Shipments, []byte(f.Canonical()))
		if problem != nil || again.Canonical() != f.Canonical() {
			t.Fatalf("canonical %s parses to %s, %v", f.Canonical(), again.Canonical(), problem)
		}
		for _, x := range []string{text, f.Canonical()} {
			if err := schemas.Check("sub", fmt.Appendf(nil, `{"t":"sub","sid":1,"topic":"shipments","filter":%s}`, x)); err != nil {
				t.Fatalf("filter %s is accepted and not as published: %v", x, err)
			}
		}
		q := f.Narrow(fanout.Query{Topic: fanout.Shipments})
		for range 30 {
			r := drawShipment(t)
			if got := f.Match(r); got != w.match(r) || got != again.Match(r) {
				t.Fatalf("%s matches %+v: %v, and again %v; want %v", text, r, got, again.Match(r), w.match(r))
			}
			if f.Match(r) && !reaches(q, r) {
				t.Fatalf("%s wants %+v, which a snapshot of %+v passes over", text, r, q)
			}
		}
	})
}

// reaches reports whether a snapshot may have the row.
func reaches(q fanout.Query, r *fanout.ShipmentRow) bool {
	var numbers []string
	for _, n := range r.Numbers {
		numbers = append(numbers, string(n))
	}
	have := map[string][]string{"id": {r.Key()}, "status": {r.Status}, "carrier": {string(r.Carrier)}, "numbers": numbers}
	for field, want := range q.Among {
		if !slices.ContainsFunc(have[field], func(s string) bool { return slices.Contains(want, s) }) {
			return false
		}
	}
	return true
}

func TestAFilterNarrowsSnapshotsWhereItCan(t *testing.T) {
	const a, b = `{"f":"status","op":"in","v":["lost","created"]}`, `{"f":"status","op":"in","v":["created","delivered"]}`
	const ups, two = `{"f":"carrier","op":"eq","v":"UPS"}`, `{"f":"id","op":"in","v":["S-2","S-1"]}`
	const ofA, ofBC = `{"f":"orders","op":"eq","v":"O-A"}`, `{"f":"orders","op":"in","v":["O-B","O-C"]}`
	type among = map[string][]string
	tests := []struct {
		filter string
		want   among
	}{
		{"", among{}},
		{ups, among{"carrier": {"UPS"}}},
		{a, among{"status": {"created", "lost"}}},
		{`{"not":` + a + `}`, among{}},
		{`{"and":[` + a + `,` + b + `,` + ups + `]}`, among{"status": {"created"}, "carrier": {"UPS"}}},
		{`{"or":[` + a + `,` + b + `]}`, among{"status": {"created", "delivered", "lost"}}},
		{`{"or":[` + a + `,` + ups + `]}`, among{}},
		{`{"and":[` + two + `,` + b + `]}`, among{"id": {"S-1", "S-2"}, "status": {"created", "delivered"}}},
		{`{"and":[` + two + `,{"f":"id","op":"eq","v":"S-3"}]}`, among{"id": {}}},
		{`{"f":"id","op":"prefix","v":"S-"}`, among{}},
		{`{"or":[` + ofA + `,` + ofBC + `]}`, among{"orders": {"O-A", "O-B", "O-C"}}},
		{`{"and":[` + ofBC + `,` + ofA + `]}`, among{"orders": {"O-A"}}}, // a shipment may be of both
		{`{"f":"numbers","op":"eq","v":"1Z1"}`, among{"numbers": {"1Z1"}}},
	}
	for _, tt := range tests {
		got := mustFilter(t, fanout.Shipments, tt.filter).Narrow(fanout.Query{Topic: fanout.Shipments}).Among
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("query of %s (-want +got):\n%s", tt.filter, diff)
		}
	}
}

func FuzzParseFilter(f *testing.F) {
	f.Add(`{"and":[{"f":"status","op":"in","v":["lost"]},{"not":{"f":"id","op":"eq","v":"a"}}]}`)
	f.Add(`{"or":[]}`)
	f.Add(`{"not":null}`)
	f.Add(`{"or":[{"f":"parcels","op":"range","v":{"gt":1,"lte":5e0}},{"f":"late","op":"in","v":[true,false]}]}`)
	f.Add(`{"f":"eta","op":"range","v":{"gt":"2026-03-01T09:00:00.0000001+01:00","lt":"9999-12-31T23:59:59Z"}}`)
	f.Add(`{"f":"pos","op":"bbox","v":[180,-0.0,-180,9e1]}`)
	f.Add(`{"f":"numbers","op":"prefix","v":"1Z"}`)
	schemas, err := fanouttest.PublishedSchemas()
	if err != nil {
		f.Fatal(err)
	}
	rows := everyValue()
	f.Fuzz(func(t *testing.T, text string) {
		filter, err := fanout.ParseFilter(fanout.Shipments, []byte(text))
		if err != nil {
			return
		}
		again, err := fanout.ParseFilter(fanout.Shipments, []byte(filter.Canonical()))
		if err != nil || again.Canonical() != filter.Canonical() {
			t.Fatalf("canonical %s of %s parses to %s, %v", filter.Canonical(), text, again.Canonical(), err)
		}
		for _, r := range rows {
			if filter.Match(r) != again.Match(r) {
				t.Errorf("%s wants %+v: %v, and its canonical form does not agree", text, r, filter.Match(r))
			}
		}
		if text == "" {
			return
		}
		if err := schemas.Check("sub", fmt.Appendf(nil, `{"t":"sub","sid":1,"topic":"shipments","filter":%s}`, text)); err != nil {
			t.Errorf("filter %s is accepted and not as published: %v", text, err)
		}
	})
}
