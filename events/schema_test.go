package events_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"path"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/schemas"
)

const schemaBase = "https://github.com/waybill-io/waybill/schemas/events/"

// compiler knows every schema file and nothing else: what does not resolve
// offline fails.
var compiler = sync.OnceValues(func() (*jsonschema.Compiler, error) {
	c := jsonschema.NewCompiler()
	c.UseLoader(jsonschema.SchemeURLLoader{})
	c.AssertFormat()
	names, err := fs.Glob(schemas.Events, "events/*.json")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		doc, err := fs.ReadFile(schemas.Events, name)
		if err != nil {
			return nil, err
		}
		tree, err := jsonschema.UnmarshalJSON(bytes.NewReader(doc))
		if err != nil {
			return nil, err
		}
		if err := c.AddResource(schemaBase+path.Base(name), tree); err != nil {
			return nil, err
		}
	}
	return c, nil
})

var compiling sync.Mutex // a Compiler serves one goroutine at a time

// schema compiles a file of schemas/events by its name without the suffix.
func schema(tb testing.TB, name string) *jsonschema.Schema {
	tb.Helper()
	compiling.Lock()
	defer compiling.Unlock()
	c, err := compiler()
	if err != nil {
		tb.Fatalf("load the schemas: %v", err)
	}
	s, err := c.Compile(schemaBase + name + ".json")
	if err != nil {
		tb.Fatalf("compile schema %s: %v", name, err)
	}
	return s
}

// tree reads JSON without losing a digit.
func tree(tb testing.TB, doc []byte) any {
	tb.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(doc))
	if err != nil {
		tb.Fatalf("read %s: %v", doc, err)
	}
	return v
}

// text writes what tree read.
func text(tb testing.TB, v any) []byte {
	tb.Helper()
	doc, err := json.Marshal(v)
	if err != nil {
		tb.Fatalf("write %v: %v", v, err)
	}
	return doc
}

func TestEverySchemaFileIsOfATypeAndEveryTypeHasItsFile(t *testing.T) {
	want := map[string]bool{"common": true, "envelope": true}
	for _, typ := range events.Types() {
		want[string(typ)] = true
	}
	names, err := fs.Glob(schemas.Events, "events/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range names {
		name := strings.TrimSuffix(path.Base(file), ".json")
		if !want[name] {
			t.Errorf("%s describes no type of the vocabulary", file)
		}
		delete(want, name)
		doc, err := fs.ReadFile(schemas.Events, file)
		if err != nil {
			t.Fatal(err)
		}
		top, _ := tree(t, doc).(map[string]any)
		if top["$id"] != schemaBase+name+".json" {
			t.Errorf("%s: $id = %v, want its own name", file, top["$id"])
		}
		if top["$schema"] != "https://json-schema.org/draft/2020-12/schema" {
			t.Errorf("%s: $schema = %v, want draft 2020-12", file, top["$schema"])
		}
	}
	for name := range want {
		t.Errorf("%s has no schema", name)
	}
}

// A schema is read by people: every property of every object says what it is.
func TestEveryPropertyIsDescribed(t *testing.T) {
	for _, typ := range append(events.Types(), "common", "envelope") {
		file := "events/" + string(typ) + ".json"
		doc, err := fs.ReadFile(schemas.Events, file)
		if err != nil {
			t.Fatal(err)
		}
		top, _ := tree(t, doc).(map[string]any)
		if top["title"] == nil || top["description"] == nil {
			t.Errorf("%s has no title or no description", file)
		}
		undescribed(t, file, top)
	}
}

// undescribed looks below properties and $defs; conditions only narrow them.
func undescribed(t *testing.T, at string, s map[string]any) {
	for _, list := range []string{"properties", "$defs"} {
		members, _ := s[list].(map[string]any)
		for name, it := range members {
			member, _ := it.(map[string]any)
			if d, _ := member["description"].(string); d == "" {
				t.Errorf("%s: %s %s has no description", at, list, name)
			}
			undescribed(t, at+"/"+name, member)
		}
	}
}
