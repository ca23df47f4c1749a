package events_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"github.com/waybill-io/waybill/events"
)

func eachType(t *testing.T, f func(t *testing.T, typ events.Type)) {
	for _, typ := range events.Types() {
		t.Run(string(typ), func(t *testing.T) {
			t.Parallel()
			f(t, typ)
		})
	}
}

func keys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }

// Every example of a schema is valid, decodes, and comes back equal, both as
// the bytes it was and through the Go type.
func TestSchemaExamplesSurviveTheGoTypes(t *testing.T) {
	t.Parallel()
	eachType(t, func(t *testing.T, typ events.Type) {
		s := schema(t, string(typ))
		if len(s.Examples) < 2 {
			t.Fatalf("schema has %d examples, want a minimal and a full one", len(s.Examples))
		}
		for i, example := range s.Examples {
			if err := s.Validate(example); err != nil {
				t.Errorf("example %d breaks its own schema: %v", i, err)
			}
			e, err := decodeData(t, typ, text(t, example))
			if err != nil {
				t.Errorf("example %d: Decode: %v", i, err)
				continue
			}
			written, err := events.Encode(e)
			if err != nil {
				t.Fatalf("example %d: Encode: %v", i, err)
			}
			if diff := cmp.Diff(example, tree(t, written.Value)); diff != "" {
				t.Errorf("example %d by its bytes (-want +got):\n%s", i, diff)
			}
			if diff := cmp.Diff(example, any(object(t, e.Data))); diff != "" {
				t.Errorf("example %d by the Go type (-want +got):\n%s", i, diff)
			}
		}
	})
}

// One example names every property that may stand beside the others.
func TestSchemaExamplesShowEveryProperty(t *testing.T) {
	t.Parallel()
	eachType(t, func(t *testing.T, typ events.Type) {
		s := schema(t, string(typ))
		shown := map[string]any{}
		for _, example := range s.Examples {
			maps.Copy(shown, example.(map[string]any))
		}
		for name, p := range s.Properties {
			if _, ok := shown[name]; !ok && !onlyBlank(p) {
				t.Errorf("no example shows %s", name)
			}
		}
	})
}

// onlyBlank reports that a property cannot say anything.
func onlyBlank(s *jsonschema.Schema) bool {
	return s.Enum != nil && !slices.ContainsFunc(s.Enum.Values, func(v any) bool { return v != "" && v != nil })
}

func TestGoSamplesKeepToTheSchema(t *testing.T) {
	t.Parallel()
	eachType(t, func(t *testing.T, typ events.Type) {
		s := schema(t, string(typ))
		for name, sample := range map[string]map[string]any{
			"full": object(t, fullSample(t, typ)), "minimal": minimalSample(t, typ),
		} {
			if err := s.Validate(sample); err != nil {
				t.Errorf("%s sample %s: %v", name, text(t, sample), err)
			}
			if _, err := decodeData(t, typ, text(t, sample)); err != nil {
				t.Errorf("%s sample %s: Decode: %v", name, text(t, sample), err)
			}
		}
	})
}

func TestSchemaAndGoTypeHaveTheSameFields(t *testing.T) {
	t.Parallel()
	eachType(t, func(t *testing.T, typ events.Type) {
		d, err := events.NewData(typ)
		if err != nil {
			t.Fatal(err)
		}
		sameFields(t, "", schema(t, string(typ)), reflect.TypeOf(d).Elem())
	})
}

func sameFields(t *testing.T, at string, s *jsonschema.Schema, typ reflect.Type) {
	s = resolve(s)
	fields := map[string]reflect.StructField{}
	collect(typ, fields)
	for name, f := range fields {
		p, ok := s.Properties[name]
		if !ok {
			t.Errorf("%s/%s is in the Go type only", at, name)
			continue
		}
		if !strings.Contains(f.Tag.Get("json"), "omit") && !slices.Contains(s.Required, name) {
			t.Errorf("%s/%s is always written by Go and not required by the schema", at, name)
		}
		sameKind(t, at+"/"+name, p, f.Type)
	}
	for name := range s.Properties {
		if _, ok := fields[name]; !ok {
			t.Errorf("%s/%s is in the schema only", at, name)
		}
	}
	if open, ok := s.AdditionalProperties.(bool); !ok || open {
		t.Errorf("%s takes fields that the Go type does not have", at)
	}
}

func sameKind(t *testing.T, at string, s *jsonschema.Schema, typ reflect.Type) {
	s = resolve(s)
	if typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	want := map[reflect.Kind]string{
		reflect.String: "string", reflect.Int64: "integer", reflect.Float64: "number",
		reflect.Bool: "boolean", reflect.Slice: "array", reflect.Struct: "object",
	}[typ.Kind()]
	if typ == reflect.TypeFor[time.Time]() {
		want = "string"
	}
	if !slices.Contains(typesOf(s), want) {
		t.Errorf("%s: the schema says %v, the Go type %s", at, typesOf(s), typ)
		return
	}
	switch want {
	case "object":
		sameFields(t, at, s, typ)
	case "array":
		if s.Items2020 == nil {
			t.Errorf("%s: the schema does not say what is in the list", at)
			return
		}
		sameKind(t, at+"/*", s.Items2020, typ.Elem())
	}
}

// resolve follows references to where the fields stand.
func resolve(s *jsonschema.Schema) *jsonschema.Schema {
	for s.Ref != nil && s.Properties == nil {
		s = s.Ref
	}
	return s
}

func typesOf(s *jsonschema.Schema) []string {
	if s.Types != nil {
		return s.Types.ToStrings()
	}
	types := []string{}
	if s.Enum != nil {
		for _, v := range s.Enum.Values {
			if _, ok := v.(string); ok {
				types = append(types, "string")
			}
		}
	}
	return types
}

// collect lists the fields of a struct as they appear in JSON.
func collect(typ reflect.Type, into map[string]reflect.StructField) {
	for i := range typ.NumField() {
		f := typ.Field(i)
		if f.Anonymous {
			collect(f.Type, into)
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		into[name] = f
	}
}

// mutation is one change of a JSON document.
type mutation struct {
	name  string
	apply func(doc any) any
}

// mutations lists everything that is done to a document: each property dropped,
// each object given a stranger, each value replaced by every value of the table.
// Below the properties named in light, the table's first few values must do.
func mutations(doc any, light ...string) []mutation {
	var list []mutation
	visit(doc, nil, func(path []any) {
		replacements := replacements
		if len(path) > 0 && slices.Contains(light, fmt.Sprint(path[0])) {
			replacements = replacements[:few]
		}
		at := fmt.Sprint(path)
		if len(path) > 0 {
			if _, ok := path[len(path)-1].(string); ok {
				list = append(list, mutation{"drop " + at, func(d any) any { return edit(d, path, drop) }})
			}
			for i, v := range replacements {
				list = append(list, mutation{fmt.Sprintf("%s = replacement %d", at, i), func(d any) any { return edit(d, path, v) }})
			}
		}
		stranger := append(slices.Clone(path), "stranger")
		list = append(list, mutation{"stranger in " + at, func(d any) any { return edit(d, stranger, "x") }})
	})
	return list
}

// drop stands for no value.
var drop = new(struct{})

// replacements are what hostile and careless producers write. Left out is what
// JSON Schema cannot say: 2.0 and 2e0 are integers to it.
var replacements = []any{
	nil, "", "a", true, number("1"), "2026-03-01", map[string]any{}, []any{}, // the few
	" ", "\u00a0\u2003", "zz", "ACT", "EST", "Act", "EUR", "eur", "EURO", false, []any{nil}, []any{"x"}, []any{map[string]any{}},
	strings.Repeat("i", 64), strings.Repeat("i", 65), strings.Repeat("é", 1024), strings.Repeat("é", 1025),
	strings.Repeat("r", 16<<10), strings.Repeat("r", 16<<10+1), strings.Repeat("7", 48), strings.Repeat("7", 49),
	"a/b", "a b", "a\nb", "ä", "А", "\u202eab", "a\u200bb", "%2e%2e", "1Z999", "1z999", "A_B-C",
	number("0"), number("1"), number("-1"), number("1.5"), number("0.25"), number("1e400"), number("-0.5"),
	number("89.9999"), number("90.0001"), number("-181"), number("180"), number("10000"), number("10001"), number("101"),
	number("1000000000"), number("1000000001"), number("9223372036854775807"), number("9223372036854775808"), number("9007199254740993"),
	"12", "-12.5", "1.", ".5", "+1", "1e3", "1.1234567", "123456789012345", "1234567890123456", "--1", "0x10", "٣",
	"2026-03-01", "2026-03-01T10:00:00", "2026-03-01 10:00:00Z", "2026-02-30T10:00:00Z", "2026-13-01T10:00:00Z", "2026-03-01T24:00:00Z",
	"2016-12-31T23:59:60Z", "2026-03-01T10:00:00+24:00", "2026-03-01T10:00:00+0100", "2026-03-01t10:00:00z", "2026-03-01T10:00:00,5Z",
	"1999-06-01T10:00:00Z", "2101-06-01T10:00:00Z", "0000-01-01T00:00:00Z", "12026-03-01T10:00:00Z", "9999-12-31T23:59:59Z", number("1772355600"),
}

// few of the replacements tell a type from another.
const few = 8

// shared are the properties that many types have; types with nothing else
// get the whole table for them.
var shared = []string{
	"class", "occurred_at", "tz_source", "time_precision", "raw", "order_id",
	"shipment_id", "parcel_id", "carrier", "location", "facility",
}

func number(s string) any { return json.Number(s) }

// visit calls f with the path of every value, the document first.
func visit(v any, path []any, f func(path []any)) {
	f(path)
	switch v := v.(type) {
	case map[string]any:
		for _, k := range keys(v) {
			visit(v[k], append(slices.Clone(path), k), f)
		}
	case []any:
		for i, it := range v {
			visit(it, append(slices.Clone(path), i), f)
		}
	}
}

// edit returns a copy of v with the value at path replaced. A path that leads
// nowhere changes nothing.
func edit(v any, path []any, to any) any {
	if len(path) == 0 {
		return to
	}
	switch v := v.(type) {
	case map[string]any:
		v, k := maps.Clone(v), fmt.Sprint(path[0])
		if len(path) == 1 && to == any(drop) {
			delete(v, k)
		} else if _, ok := v[k]; ok || len(path) == 1 {
			v[k] = edit(v[k], path[1:], to)
		}
		return v
	case []any:
		if i, ok := path[0].(int); ok && i < len(v) {
			v = slices.Clone(v)
			v[i] = edit(v[i], path[1:], to)
			return v
		}
	}
	return v
}

// disagree says how the verdicts of Go and of the schema differ, or "".
func disagree(t testing.TB, s *jsonschema.Schema, typ events.Type, doc any) string {
	_, inGo := decodeData(t, typ, text(t, doc))
	bySchema := s.Validate(doc)
	if (inGo == nil) == (bySchema == nil) || bySchema == nil && beyondSchema(inGo) {
		return ""
	}
	return fmt.Sprintf("Go says %v\nschema says %v\nof %.2000s", inGo, bySchema, text(t, doc))
}

// beyondSchema reports a refusal for what a JSON Schema cannot say: one key twice
// in a list.
func beyondSchema(err error) bool {
	return events.CodeOf(err) == events.CodeSchema && strings.HasSuffix(err.Error(), "twice")
}

// Whatever happens to a document, Go and the schema give the same verdict.
func TestGoAndSchemaGiveTheSameVerdict(t *testing.T) {
	t.Parallel()
	eachType(t, func(t *testing.T, typ events.Type) {
		s := schema(t, string(typ))
		full := any(object(t, fullSample(t, typ)))
		light := shared
		if typ == events.TypeOrderConfirmed || typ == events.TypePickedUp {
			light = nil
		}
		refused := 0
		for _, m := range mutations(full, light...) {
			doc := m.apply(full)
			if why := disagree(t, s, typ, doc); why != "" {
				t.Errorf("%s: %s", m.name, why)
			}
			if s.Validate(doc) != nil {
				refused++
			}
		}
		if refused == 0 {
			t.Error("no mutation was refused: the test shows nothing")
		}
	})
}

// The same for several changes at once, among them of documents that lack much.
func TestGoAndSchemaGiveTheSameVerdictOnManyChanges(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		typ := rapid.SampledFrom(events.Types()).Draw(rt, "type")
		doc := any(object(t, fullSample(t, typ)))
		if rapid.Bool().Draw(rt, "minimal") {
			doc = minimalSample(t, typ)
		}
		for range rapid.IntRange(1, 4).Draw(rt, "changes") {
			m := rapid.SampledFrom(mutations(doc)).Draw(rt, "mutation")
			doc = m.apply(doc)
		}
		if why := disagree(t, schema(t, string(typ)), typ, doc); why != "" {
			rt.Error(why)
		}
	})
}
