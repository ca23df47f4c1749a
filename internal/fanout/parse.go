package fanout

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// What a filter may be at most.
const (
	maxLeaves = 16
	maxValues = 100
	maxValue  = 128     // bytes of one value
	maxNumber = 1 << 53 // beyond it JSON's numbers are not all there
	maxDepth  = 8
)

// ParseFilter reads a filter for a topic. Nothing and {} want every row.
// The error is a BadFilter that says what is wrong with it.
func ParseFilter(t Topic, text []byte) (Filter, *Error) {
	if len(text) == 0 {
		return Filter{}, nil
	}
	p := filterParser{sample: sample(t), topic: t}
	root, err := p.node(text, 1)
	if err != nil {
		return Filter{}, err
	}
	if a, ok := root.(all); ok && len(a) == 0 {
		root = nil
	}
	return newFilter(root), nil
}

// filterParser counts what it has read, so that a small text cannot make a large
// filter.
type filterParser struct {
	topic  Topic
	sample Row
	leaves int
}

// wireNode is any node: exactly one of its forms is filled.
type wireNode struct {
	And *[]jsontext.Value `json:"and"`
	Or  *[]jsontext.Value `json:"or"`
	Not jsontext.Value    `json:"not"`
	F   *string           `json:"f"`
	Op  *string           `json:"op"`
	V   jsontext.Value    `json:"v"`
}

func (w wireNode) forms() int {
	n := 0
	for _, there := range []bool{w.And != nil, w.Or != nil, w.Not != nil, w.F != nil || w.Op != nil || w.V != nil} {
		if there {
			n++
		}
	}
	return n
}

func (p *filterParser) node(text []byte, depth int) (node, *Error) {
	if depth > maxDepth {
		return nil, refuse(BadFilter, "filter is nested deeper than %d", maxDepth)
	}
	var w wireNode
	err := json.Unmarshal(text, &w, json.RejectUnknownMembers(true))
	if err != nil || w.forms() > 1 || bytes.TrimSpace(text)[0] != '{' {
		return nil, refuse(BadFilter, `a filter is one of {}, {"and":[...]}, {"or":[...]}, {"not":...}, {"f":...,"op":...,"v":...}`)
	}
	switch {
	case w.forms() == 0:
		return all{}, nil
	case w.And != nil:
		parts, err := p.parts(*w.And, depth)
		return conjunction(parts), err
	case w.Or != nil:
		if len(*w.Or) == 0 {
			return nil, refuse(BadFilter, "or of nothing wants no row")
		}
		parts, err := p.parts(*w.Or, depth)
		return disjunction(parts), err
	case w.Not != nil:
		part, err := p.node(w.Not, depth+1)
		return negation(part), err
	}
	return p.leaf(w)
}

func (p *filterParser) parts(texts []jsontext.Value, depth int) ([]node, *Error) {
	if len(texts) > maxLeaves {
		return nil, refuse(BadFilter, "filter has more than %d parts", maxLeaves)
	}
	parts := make([]node, 0, len(texts))
	for _, text := range texts {
		part, err := p.node(text, depth+1)
		if err != nil {
			return nil, err
		}
		parts = append(parts, part)
	}
	return parts, nil
}

func (p *filterParser) leaf(w wireNode) (node, *Error) {
	if p.leaves++; p.leaves > maxLeaves {
		return nil, refuse(BadFilter, "filter has more than %d conditions", maxLeaves)
	}
	if w.F == nil || w.Op == nil || w.V == nil {
		return nil, refuse(BadFilter, "a condition needs f, op and v")
	}
	v, ok := p.sample.Field(*w.F)
	if !ok {
		return nil, refuse(BadFilter, "rows of %s cannot be filtered by field %q", p.topic, clip(*w.F))
	}
	return wireCondition{field: *w.F, kind: v.kind, op: *w.Op, v: w.V}.node()
}

// conjunction is and in its one form: flat, sorted, without repetition, without
// parts that want everything, and no and at all around a single part.
func conjunction(parts []node) node {
	var flat []node
	for _, p := range parts {
		if inner, ok := p.(all); ok {
			flat = append(flat, inner...)
		} else {
			flat = append(flat, p)
		}
	}
	if slices.ContainsFunc(flat, wantsNothing) {
		return not{all{}}
	}
	if flat = order(flat); len(flat) == 1 {
		return flat[0]
	}
	return all(flat)
}

// wantsNothing reports whether a part is the opposite of everything.
func wantsNothing(n node) bool {
	inner, ok := n.(not)
	if !ok {
		return false
	}
	every, ok := inner.node.(all)
	return ok && len(every) == 0
}

// disjunction is or in its one form.
func disjunction(parts []node) node {
	var flat []node
	for _, p := range parts {
		switch inner := p.(type) {
		case anyOf:
			flat = append(flat, inner...)
		case all:
			if len(inner) == 0 {
				return inner // or with everything is everything
			}
			flat = append(flat, p)
		default:
			flat = append(flat, p)
		}
	}
	flat = order(slices.DeleteFunc(flat, wantsNothing))
	switch len(flat) {
	case 0:
		return not{all{}}
	case 1:
		return flat[0]
	}
	return anyOf(flat)
}

func negation(part node) node {
	switch inner := part.(type) {
	case not:
		return inner.node
	case truth: // every row has one or the other
		return truth{inner.condition, !inner.want}
	}
	return not{part}
}

func order(parts []node) []node {
	byText := func(a, b node) int { return strings.Compare(a.canonical(), b.canonical()) }
	slices.SortFunc(parts, byText)
	return slices.CompactFunc(parts, func(a, b node) bool { return a.canonical() == b.canonical() })
}

// quote writes s as a JSON string.
func quote(s string) []byte {
	b, err := jsontext.AppendQuote(nil, s)
	if err != nil { // only invalid UTF-8, which no parser let through; the result is still a string
		return b
	}
	return b
}

// clip shortens what a client sent before it is told so.
func clip(s string) string {
	const most = 32
	if len(s) <= most {
		return s
	}
	for i := most; i > 0; i-- {
		if utf8.RuneStart(s[i]) {
			return s[:i] + "..."
		}
	}
	return ""
}
