package fanout

import (
	"slices"
	"strings"
)

// Filter decides which rows a subscription wants. It is the only place that
// decides: SQL narrows candidates and nothing else. The zero Filter wants every
// row.
type Filter struct {
	root  node // nil for every row
	canon string
	ids   []string // among those are all wanted rows; nil for any
}

// Match reports whether the filter wants the row.
func (f Filter) Match(r Row) bool { return f.root == nil || f.root.match(r) }

// Canonical is the filter in the one spelling that all equal filters share, up to
// order, repetition and nesting. It is JSON in the filter language.
func (f Filter) Canonical() string {
	if f.root == nil {
		return everything
	}
	return f.canon
}

// Narrow has q pass over rows that the filter cannot want.
func (f Filter) Narrow(q Query) Query {
	q.Among = make(map[string][]string)
	for _, field := range telling(q.Topic) {
		if texts := f.among(field); texts != nil {
			q.Among[field] = texts
		}
	}
	return q
}

// never reports whether no row of that id was or will be wanted: ids do not
// change.
func (f Filter) never(id string) bool {
	if f.ids == nil {
		return false
	}
	_, found := slices.BinarySearch(f.ids, id)
	return !found
}

// among returns texts of which every wanted row has one in a field; nil when
// those may be any.
func (f Filter) among(field string) []string {
	if f.root == nil {
		return nil
	}
	return f.root.among(field).values
}

const everything = `{"and":[]}`

func newFilter(root node) Filter {
	if root == nil {
		return Filter{}
	}
	f := Filter{root: root, canon: root.canonical()}
	f.ids = f.among("id")
	return f
}

// node is a part of a filter. Nodes do not change.
type node interface {
	match(r Row) bool
	canonical() string
	// among says what matching rows have in a field of texts.
	among(field string) choice
}

// choice is a superset of the texts that rows have in a field: each has one of
// them. The zero choice says nothing.
type choice struct {
	values []string // sorted; nil for any
	list   bool     // a row may have several
}

// all wants rows that every part wants; of none, every row.
type all []node

func (a all) match(r Row) bool {
	for _, n := range a {
		if !n.match(r) {
			return false
		}
	}
	return true
}

func (a all) canonical() string { return spell("and", a) }

func (a all) among(field string) choice {
	var out choice
	for _, n := range a {
		c := n.among(field)
		switch {
		case c.values == nil:
		case out.values == nil, c.list && len(c.values) < len(out.values):
			out = c
		case !c.list:
			out.values = intersect(out.values, c.values)
		}
	}
	return out
}

// anyOf wants rows that some part wants.
type anyOf []node

func (a anyOf) match(r Row) bool {
	for _, n := range a {
		if n.match(r) {
			return true
		}
	}
	return false
}

func (a anyOf) canonical() string { return spell("or", a) }

func (a anyOf) among(field string) choice {
	out := choice{values: []string{}}
	for _, n := range a {
		c := n.among(field)
		if c.values == nil {
			return choice{}
		}
		out.values, out.list = append(out.values, c.values...), c.list
	}
	slices.Sort(out.values)
	out.values = slices.Compact(out.values)
	return out
}

// not wants rows that its part does not want, those without the field included.
type not struct{ node }

func (n not) match(r Row) bool { return !n.node.match(r) }

func (n not) canonical() string { return `{"not":` + n.node.canonical() + `}` }

func (n not) among(string) choice { return choice{} }

// spell writes out parts that are in order already.
func spell(op string, parts []node) string {
	spelt := make([]string, len(parts))
	for i, p := range parts {
		spelt[i] = p.canonical()
	}
	return `{"` + op + `":[` + strings.Join(spelt, ",") + `]}`
}

// intersect returns what two sorted lists share; never nil.
func intersect(a, b []string) []string {
	out := []string{}
	for _, s := range a {
		if _, ok := slices.BinarySearch(b, s); ok {
			out = append(out, s)
		}
	}
	return out
}
