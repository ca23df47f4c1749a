package ingest

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/waybill-io/waybill/events"
)

// Mapping says which events the rows of a table are. How it is
// written stands in examples/mapping.md.
type Mapping struct {
	tenant    string // empty where the file leaves it open
	source    *template
	delimiter byte
	empty     []string // values that count as none, beside ""
	only      []string // the columns that a table may have; nil for any
	uses      []string // the columns that the mapping needs
	events    []*mappedEvent
}

// mappedEvent is one event of a row.
type mappedEvent struct {
	typ       events.Type
	when      condition
	id        *template
	subject   *template
	time      *moment
	recorded  *moment // nil for the same as time
	precision string
	data      *object
}

// MappingError lists all that is wrong with a mapping, a line each.
type MappingError struct {
	Problems []error
}

// Error joins the problems.
func (e *MappingError) Error() string { return errors.Join(e.Problems...).Error() }

// LoadMapping reads a mapping from a file.
func LoadMapping(path string) (*Mapping, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return ParseMapping(path, content)
}

// ParseMapping reads a mapping. The tables' columns apart, all of it is checked:
// unknown keys, types and zones, and whether its data can be that of its events.
// The error is a [*MappingError].
func ParseMapping(file string, content []byte) (*Mapping, error) {
	d := &document{file: file}
	root, ok := d.parse(content)
	if !ok {
		return nil, &MappingError{d.problems}
	}
	b := &builder{document: d, m: &Mapping{delimiter: ','}, constants: map[string]string{}}
	b.mapping(root)
	if len(d.problems) == 0 {
		b.rehearse()
	}
	if len(d.problems) > 0 {
		return nil, &MappingError{d.problems}
	}
	return b.m, nil
}

// WithTenant returns the mapping for a tenant. An empty one is the mapping's own.
func (m *Mapping) WithTenant(tenant events.TenantID) *Mapping {
	own := *m
	if tenant != "" {
		own.tenant = string(tenant)
	}
	return &own
}

// Tenant is whose the events are; empty where nobody said so.
func (m *Mapping) Tenant() events.TenantID { return events.TenantID(m.tenant) }

// builder reads a mapping from its document.
type builder struct {
	*document
	m         *Mapping
	constants map[string]string
	clock     clock // how times are written, and where
}

var mappingKeys = []string{
	"version", "source", "tenant", "timezone", "time_layout", "delimiter", "empty_values", "columns", "constants", "events",
}

func (b *builder) mapping(root ast.Node) {
	pairs := b.pairs(root, "the mapping", mappingKeys...)
	given := map[string]ast.Node{}
	for _, p := range pairs {
		given[p.key] = p.value
	}
	for _, key := range []string{"version", "source", "events"} {
		if given[key] == nil {
			b.fail(root, "the mapping has no %s", key)
		}
	}
	if n, ok := given["version"].(*ast.IntegerNode); given["version"] != nil && (!ok || n.Token.Value != "1") {
		b.fail(given["version"], "this version of the mapping language is not known; write 1")
	}
	b.settings(given)
	if n := given["source"]; n != nil {
		b.m.source = b.template(n, "source")
	}
	if n := given["events"]; n != nil {
		for _, it := range b.items(n, "events") {
			b.event(it)
		}
		if len(b.m.events) == 0 && len(b.problems) == 0 {
			b.fail(n, "the mapping has no events")
		}
	}
}

// settings reads what the events refer to.
func (b *builder) settings(given map[string]ast.Node) {
	if n := given["constants"]; n != nil {
		for _, p := range b.pairs(n, "constants") {
			b.constants[p.key] = b.text(p.value, "a constant")
		}
	}
	if n := given["columns"]; n != nil {
		b.m.only = b.texts(n, "columns")
		for _, name := range b.m.only {
			if _, ok := b.constants[name]; ok {
				b.fail(n, "%s is a column and a constant", quote(name))
			}
		}
	}
	if n := given["tenant"]; n != nil {
		b.m.tenant = b.text(n, "tenant")
	}
	if n := given["empty_values"]; n != nil {
		b.m.empty = b.texts(n, "empty_values")
	}
	if n := given["delimiter"]; n != nil {
		comma, err := commaOf(b.text(n, "delimiter"))
		if err != nil {
			b.fail(n, "delimiter: %v", err)
		}
		b.m.delimiter = comma
	}
	b.clock = b.readClock(clock{}, given["time_layout"], given["timezone"])
}

var eventKeys = []string{
	"type", "when", "id", "subject", "time", "time_precision", "recorded", "data",
}

func (b *builder) event(n ast.Node) {
	e := &mappedEvent{when: always, data: &object{}}
	given := map[string]ast.Node{}
	for _, p := range b.pairs(n, "an event", eventKeys...) {
		given[p.key] = p.value
		switch p.key {
		case "type":
			e.typ = b.eventType(p.value)
		case "when":
			e.when = b.condition(p.value)
		case "id":
			e.id = b.template(p.value, "id")
		case "subject":
			e.subject = b.template(p.value, "subject")
		case "time":
			e.time = b.moment(p.value)
		case "recorded":
			e.recorded = b.moment(p.value)
		case "time_precision":
			e.precision = b.text(p.value, "time_precision")
		case "data":
			e.data = b.data(p.value)
		}
	}
	for _, key := range []string{"type", "id", "subject", "time", "data"} {
		if given[key] == nil {
			b.fail(n, "the event has no %s", key)
		}
	}
	b.m.events = append(b.m.events, e)
}

func (b *builder) eventType(n ast.Node) events.Type {
	t := events.Type(b.text(n, "type"))
	if _, err := events.NewData(t); err != nil {
		hint := ""
		if _, err := events.NewData(t + ".v1"); err == nil {
			hint = "; write " + string(t) + ".v1"
		}
		b.fail(n, "%s is not in the vocabulary%s", quote(string(t)), hint)
	}
	return t
}

// data reads an event's data.
func (b *builder) data(n ast.Node) *object {
	o, ok := b.value(n).(*object)
	if !ok {
		b.fail(n, "data has to be a mapping of fields to values")
		return &object{}
	}
	for _, m := range o.members {
		switch m.name {
		case `"occurred_at"`, `"tz_source"`, `"time_precision"`:
			b.at(m.at, "%s follows from the event's time and time_precision", strings.Trim(m.name, `"`))
		}
	}
	return o
}

// column notes that the mapping needs a column, and returns its slot.
func (b *builder) column(n ast.Node, name string) int {
	if b.m.only != nil && !slices.Contains(b.m.only, name) {
		b.fail(n, "%s is not among the columns", quote(name))
	}
	if _, ok := b.constants[name]; ok {
		b.fail(n, "%s is a constant, a column is needed here", quote(name))
	}
	if i := slices.Index(b.m.uses, name); i >= 0 {
		return i
	}
	b.m.uses = append(b.m.uses, name)
	return len(b.m.uses) - 1
}

// columnOf reads the name of a column.
func (b *builder) columnOf(n ast.Node, what string) int {
	name := b.text(n, what)
	if strings.Contains(name, "${") {
		b.fail(n, "%s has to be the name of a column, without ${}", what)
		return 0
	}
	return b.column(n, name)
}

// bind finds the mapping's columns in a table.
func (m *Mapping) bind(names []string) (*rows, *Problem) {
	at := make(map[string]int, len(names))
	for i, name := range names {
		switch _, twice := at[name]; {
		case name == "":
			return nil, &Problem{Column: i + 1, Reason: "the column has no name"}
		case twice:
			return nil, &Problem{Column: i + 1, Name: name, Reason: "the column stands twice"}
		case m.only != nil && !slices.Contains(m.only, name):
			return nil, &Problem{Column: i + 1, Name: name, Reason: "the mapping does not know this column"}
		}
		at[name] = i
	}
	var missing []string
	r := &rows{m: m, at: make([]int, len(m.uses))}
	for slot, name := range m.uses {
		i, ok := at[name]
		if !ok {
			missing = append(missing, name)
		}
		r.at[slot] = i
	}
	if len(missing) > 0 {
		return nil, &Problem{Reason: fmt.Sprintf("the first line does not name the column %s, which the mapping needs", strings.Join(missing, ", "))}
	}
	return r, nil
}

// sampleTime is when everything happens in a rehearsal.
var sampleTime = time.Date(2020, 2, 3, 4, 5, 6, 0, time.UTC)
