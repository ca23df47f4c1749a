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

// Statuses returns statuses that every wanted row has one of, sorted; nil when
// the filter says nothing about them.
func (f Filter) Statuses() []string {
	if f.root == nil {
		return nil
	}
	return f.root.statuses()
}

const everything = `{"and":[]}`

func newFilter(root node) Filter {
	if root == nil {
		return Filter{}
	}
	return Filter{root: root, canon: root.canonical()}
}

// node is a part of a filter. Nodes do not change.
type node interface {
	match(r Row) bool
	canonical() string
	// statuses is a superset of the statuses that matching rows have, or nil
	// when that may be any.
	statuses() []string
}

// leaf wants rows whose field has one of some values.
type leaf struct {
	field  string
	values []string // sorted, distinct, not empty
}

func (l leaf) match(r Row) bool {
	v, ok := r.Field(l.field)
	if !ok {
		return false
	}
	_, found := slices.BinarySearch(l.values, v)
	return found
}

func (l leaf) canonical() string {
	var b strings.Builder
	b.WriteString(`{"f":`)
	b.Write(quote(l.field))
	b.WriteString(`,"op":"in","v":[`)
	for i, v := range l.values {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(quote(v))
	}
	b.WriteString("]}")
	return b.String()
}

func (l leaf) statuses() []string {
	if l.field == "status" {
		return l.values
	}
	return nil
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

func (a all) statuses() []string {
	var out []string
	for _, n := range a {
		s := n.statuses()
		switch {
		case s == nil:
		case out == nil:
			out = s
		default:
			out = intersect(out, s)
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

func (a anyOf) statuses() []string {
	out := []string{}
	for _, n := range a {
		s := n.statuses()
		if s == nil {
			return nil
		}
		out = append(out, s...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// not wants rows that its part does not want, those without the field included.
type not struct{ node }

func (n not) match(r Row) bool { return !n.node.match(r) }

func (n not) canonical() string { return `{"not":` + n.node.canonical() + `}` }

func (n not) statuses() []string { return nil }

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
