package carriers

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
)

// x12Selector says where a reference stands: L11:2I is the L11 with the
// qualifier 2I, B10-01 the first element of the B10.
type x12Selector struct {
	text      string
	segment   string
	qualifier string
	under     int // the element of the qualifier
	value     int // the element of the reference
}

// x12Qualified says where the segments of references that a qualifier tells apart
// have it, and their value.
func x12Qualified(segment string) (qualifier, value int) {
	if segment == "L11" {
		return 2, 1
	}
	return 1, 2
}

var x12SelectorOf = regexp.MustCompile(`^(?:(L11|MAN|N9|REF):([A-Z0-9]{1,3})|(B10|MS2)-(0[1-9]))$`)

// x12Selectors reads the places of a profile. Names and addresses are no places.
func x12Selectors(texts []string) ([]x12Selector, error) {
	all := make([]x12Selector, 0, len(texts))
	for _, t := range texts {
		m := x12SelectorOf.FindStringSubmatch(t)
		if m == nil {
			return nil, fmt.Errorf("%q is no place of a reference: want one such as L11:2I, MAN:CP or B10-01", t)
		}
		s := x12Selector{text: t, segment: m[1] + m[3], qualifier: m[2]}
		if m[4] != "" {
			s.value, _ = strconv.Atoi(m[4]) // digits, says the expression
		} else {
			s.under, s.value = x12Qualified(s.segment)
		}
		all = append(all, s)
	}
	return all, nil
}

// find is the reference in a segment, or "".
func (s x12Selector) find(in x12Segment) string {
	if in.id() != s.segment || s.qualifier != "" && in.at(s.under) != s.qualifier {
		return ""
	}
	return in.at(s.value)
}

// x12Scope is a loop of a transaction and the references in it. What stands in
// an outer one holds for the inner ones that have no own.
type x12Scope struct {
	outer   *x12Scope
	found   map[string][]string // by the selector's text
	remarks []string
}

func (o *x12Scope) keep(s x12Selector, value string) {
	if o.found == nil {
		o.found = map[string][]string{}
	}
	if !slices.Contains(o.found[s.text], value) {
		o.found[s.text] = append(o.found[s.text], value)
	}
}

// all are the references of the first selector that finds any, in the innermost
// loop that has it. A status is about each of them.
func (o *x12Scope) all(selectors []x12Selector) []string {
	for _, s := range selectors {
		for in := o; in != nil; in = in.outer {
			if values := in.found[s.text]; len(values) > 0 {
				return values
			}
		}
	}
	return nil
}
