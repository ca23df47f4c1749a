package events_test

import (
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
	for f := range typ.Fields() {
		if f.Anonymous {
			collect(f.Type, into)
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		into[name] = f
	}
}

// disagree says how the verdicts of Go and of the schema differ, or "", and
// whether the schema refuses the document.
func disagree(t testing.TB, s *jsonschema.Schema, typ events.Type, doc any) (why string, refused bool) {
	_, inGo := decodeData(t, typ, text(t, doc))
	bySchema := s.Validate(doc)
	if (inGo == nil) == (bySchema == nil) || bySchema == nil && beyondSchema(inGo) {
		return "", bySchema != nil
	}
	return fmt.Sprintf("Go says %v\nschema says %v\nof %.2000s", inGo, bySchema, text(t, doc)), bySchema != nil
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
			why, bad := disagree(t, s, typ, m.apply(full))
			if why != "" {
				t.Errorf("%s: %s", m.name, why)
			}
			if bad {
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
		if why, _ := disagree(t, schema(t, string(typ)), typ, doc); why != "" {
			rt.Error(why)
		}
	})
}
