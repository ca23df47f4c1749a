package fanouttest

import (
	"bytes"
	"fmt"
	"io/fs"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/waybill-io/waybill/schemas"
)

// Schemas are the published schemas of the protocol, by their names.
type Schemas map[string]*jsonschema.Schema

// compiled reads the schemas once for all books.
var compiled = sync.OnceValues(compile)

// PublishedSchemas returns the schemas of all frames.
func PublishedSchemas() (Schemas, error) { return compiled() }

func compile() (Schemas, error) {
	const id = "https://github.com/waybill-io/waybill/schemas/"
	names, err := fs.Glob(schemas.WS, "ws/*.json")
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	for _, name := range names {
		text, err := schemas.WS.ReadFile(name)
		if err != nil {
			return nil, err
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if err := c.AddResource(id+name, doc); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	out := make(Schemas)
	for _, name := range names {
		s, err := c.Compile(id + name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out[strings.TrimSuffix(strings.TrimPrefix(name, "ws/"), ".json")] = s
	}
	return out, nil
}

// Check holds one frame against the schema of a name.
func (s Schemas) Check(name string, frame []byte) error {
	schema := s[name]
	if schema == nil {
		return fmt.Errorf("there is no schema %q", name)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(frame))
	if err != nil {
		return err
	}
	return schema.Validate(doc)
}
