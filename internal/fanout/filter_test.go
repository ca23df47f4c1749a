package fanout_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/waybill-io/waybill/events"
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
		{"bbox", `{"f":"pos","op":"bbox","v":[-10,35,30,60]}`, `"bbox" is not supported`},
		{"prefix", `{"f":"id","op":"prefix","v":"S-"}`, `"prefix" is not supported`},
		{"range", `{"f":"id","op":"range","v":["a","b"]}`, `"range" is not supported`},
		{"eq of a list", `{"f":"id","op":"eq","v":["a"]}`, "not a string"},
		{"in of a text", `{"f":"id","op":"in","v":"a"}`, "not a list"},
		{"in of numbers", `{"f":"id","op":"in","v":[1]}`, "not a list"},
		{"in of nothing", `{"f":"id","op":"in","v":[]}`, "1 to 100"},
		{"in of too many", many, "1 to 100"},
		{"an empty value", `{"f":"carrier","op":"eq","v":""}`, "1 to 128"},
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

// What the generator draws from: few values, so that filters often match.
var (
	drawStatuses = []string{"created", "in_transit", "delivered", "lost"}
	drawCarriers = []string{"UPS", "DHL", ""}
)

func drawShipment(t *rapid.T) *fanout.ShipmentRow {
	return &fanout.ShipmentRow{
		ID:      events.ShipmentID(fmt.Sprint("S-", rapid.IntRange(0, 9).Draw(t, "id"))),
		Status:  rapid.SampledFrom(drawStatuses).Draw(t, "status"),
		Carrier: events.SCAC(rapid.SampledFrom(drawCarriers).Draw(t, "carrier")),
	}
}

// want is a filter and what it means, made side by side.
type want struct {
	text  any
	match func(*fanout.ShipmentRow) bool
}

func drawFilter(t *rapid.T, depth int) want {
	kind := rapid.IntRange(0, 4).Draw(t, "kind")
	if depth == 0 {
		kind %= 2
	}
	switch kind {
	case 0:
		vs := rapid.SliceOfN(rapid.SampledFrom(drawStatuses), 1, 3).Draw(t, "statuses")
		return want{map[string]any{"f": "status", "op": "in", "v": vs},
			func(r *fanout.ShipmentRow) bool { return slices.Contains(vs, r.Status) }}
	case 1:
		v := rapid.SampledFrom([]string{"UPS", "DHL"}).Draw(t, "carrier")
		return want{map[string]any{"f": "carrier", "op": "eq", "v": v},
			func(r *fanout.ShipmentRow) bool { return string(r.Carrier) == v }}
	case 2:
		inner := drawFilter(t, depth-1)
		return want{map[string]any{"not": inner.text}, func(r *fanout.ShipmentRow) bool { return !inner.match(r) }}
	case 3:
		a, b := drawFilter(t, depth-1), drawFilter(t, depth-1)
		return want{map[string]any{"and": []any{a.text, b.text}}, func(r *fanout.ShipmentRow) bool { return a.match(r) && b.match(r) }}
	}
	a, b := drawFilter(t, depth-1), drawFilter(t, depth-1)
	return want{map[string]any{"or": []any{a.text, b.text}}, func(r *fanout.ShipmentRow) bool { return a.match(r) || b.match(r) }}
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
		text, err := json.Marshal(w.text)
		if err != nil {
			t.Fatal(err)
		}
		f, problem := fanout.ParseFilter(fanout.Shipments, text)
		if problem != nil {
			t.Fatalf("ParseFilter(%s): %v", text, problem)
		}
		again, problem := fanout.ParseFilter(fanout.Shipments, []byte(f.Canonical()))
		if problem != nil || again.Canonical() != f.Canonical() {
			t.Fatalf("canonical %s parses to %s, %v", f.Canonical(), again.Canonical(), problem)
		}
		for _, x := range []string{string(text), f.Canonical()} {
			if err := schemas.Check("sub", fmt.Appendf(nil, `{"t":"sub","sid":1,"topic":"shipments","filter":%s}`, x)); err != nil {
				t.Fatalf("filter %s is accepted and not as published: %v", x, err)
			}
		}
		statuses := f.Statuses()
		for range 10 {
			r := drawShipment(t)
			if got := f.Match(r); got != w.match(r) || got != again.Match(r) {
				t.Fatalf("%s matches %+v: %v, and again %v; want %v", text, r, got, again.Match(r), w.match(r))
			}
			if f.Match(r) && statuses != nil && !slices.Contains(statuses, r.Status) {
				t.Fatalf("%s wants %+v, which is none of its statuses %v", text, r, statuses)
			}
		}
	})
}

func TestAFilterNarrowsToStatusesWhereItCan(t *testing.T) {
	const a, b = `{"f":"status","op":"in","v":["lost","created"]}`, `{"f":"status","op":"in","v":["created","delivered"]}`
	const ups = `{"f":"carrier","op":"eq","v":"UPS"}`
	tests := []struct {
		filter string
		want   []string
	}{
		{"", nil},
		{ups, nil},
		{a, []string{"created", "lost"}},
		{`{"not":` + a + `}`, nil},
		{`{"and":[` + a + `,` + b + `,` + ups + `]}`, []string{"created"}},
		{`{"or":[` + a + `,` + b + `]}`, []string{"created", "delivered", "lost"}},
		{`{"or":[` + a + `,` + ups + `]}`, nil},
	}
	for _, tt := range tests {
		f, err := fanout.ParseFilter(fanout.Shipments, []byte(tt.filter))
		if err != nil {
			t.Fatalf("ParseFilter(%s): %v", tt.filter, err)
		}
		if diff := cmp.Diff(tt.want, f.Statuses()); diff != "" {
			t.Errorf("statuses of %s (-want +got):\n%s", tt.filter, diff)
		}
	}
}

func FuzzParseFilter(f *testing.F) {
	f.Add(`{"and":[{"f":"status","op":"in","v":["lost"]},{"not":{"f":"id","op":"eq","v":"a"}}]}`)
	f.Add(`{"or":[]}`)
	f.Add(`{"not":null}`)
	f.Fuzz(func(t *testing.T, text string) {
		filter, err := fanout.ParseFilter(fanout.Shipments, []byte(text))
		if err != nil {
			return
		}
		again, err := fanout.ParseFilter(fanout.Shipments, []byte(filter.Canonical()))
		if err != nil || again.Canonical() != filter.Canonical() {
			t.Errorf("canonical %s of %s parses to %s, %v", filter.Canonical(), text, again.Canonical(), err)
		}
	})
}
