package ingest

import (
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// row is one line of a table, as a mapping sees it: by slot.
type row struct {
	fields []string
	at     []int // by slot, the index of the field
	empty  []string
	sample bool // a rehearsal: every column has a value that fits anywhere
}

// get is a column's value; one that counts as none is "".
func (r *row) get(slot int) string {
	if r.sample {
		return sampleText
	}
	v := r.fields[r.at[slot]]
	if slices.Contains(r.empty, v) {
		return ""
	}
	return v
}

// sampleText is an id, a carrier, a number and a currency.
const sampleText = "XXX"

// bad says that a column's value does not fit.
type bad struct {
	slot   int
	reason string
}

// template is a text with the values of columns in it.
type template struct {
	parts []part
	at    *token.Token
}

// part is a piece of text, or a column.
type part struct {
	text    string
	slot    int // -1 for a piece of text
	filters []func(string) string
}

// columns tells whether a template depends on the row.
func (t *template) columns() bool {
	for _, p := range t.parts {
		if p.slot >= 0 {
			return true
		}
	}
	return false
}

// slot is the first column, or -1.
func (t *template) slot() int {
	for _, p := range t.parts {
		if p.slot >= 0 {
			return p.slot
		}
	}
	return -1
}

// text is the template's value. It has none, and ok is false, where a column has
// none; slot names that column.
func (t *template) text(r *row) (value string, slot int, ok bool) {
	if len(t.parts) == 1 && t.parts[0].slot < 0 {
		return t.parts[0].text, -1, true
	}
	var b strings.Builder
	for _, p := range t.parts {
		if p.slot < 0 {
			b.WriteString(p.text)
			continue
		}
		v := r.get(p.slot)
		for _, f := range p.filters {
			v = f(v)
		}
		if v == "" {
			return "", p.slot, false
		}
		b.WriteString(v)
	}
	return b.String(), -1, true
}

// filters are what may stand behind a column's name: ${name|upper}.
func filter(name string) func(string) string {
	switch name {
	case "upper":
		return strings.ToUpper
	case "lower":
		return strings.ToLower
	case "trim":
		return strings.TrimSpace
	case "number":
		return func(s string) string {
			return strings.ToUpper(strings.NewReplacer(" ", "", ".", "", "-", "").Replace(s))
		}
	default:
		return nil
	}
}

// template reads a text with ${column}, ${column|filter} and ${constant} in it;
// $$ is a dollar sign.
func (b *builder) template(n ast.Node, what string) *template {
	t := &template{at: n.GetToken()}
	rest := b.text(n, what)
	for rest != "" {
		before, after, found := strings.Cut(rest, "$")
		t.add(before)
		if !found {
			break
		}
		switch {
		case strings.HasPrefix(after, "$"):
			t.add("$")
			rest = after[1:]
		case strings.HasPrefix(after, "{") && strings.Contains(after, "}"):
			name, behind, _ := strings.Cut(after[1:], "}")
			b.reference(n, t, name)
			rest = behind
		default:
			b.fail(n, "%s: a $ is followed by {column}, or stands twice", what)
			return t
		}
	}
	return t
}

// reference adds ${name|filter|...} to a template.
func (b *builder) reference(n ast.Node, t *template, name string) {
	name, chain, filtered := strings.Cut(name, "|")
	name = strings.TrimSpace(name)
	if value, ok := b.constants[name]; ok && !filtered {
		t.add(value)
		return
	}
	p := part{slot: b.column(n, name)}
	for filtered {
		var word string
		word, chain, filtered = strings.Cut(chain, "|")
		f := filter(strings.TrimSpace(word))
		if f == nil {
			b.fail(n, "unknown filter %s; there are upper, lower, trim, number", quote(strings.TrimSpace(word)))
			return
		}
		p.filters = append(p.filters, f)
	}
	t.parts = append(t.parts, p)
}

func (t *template) add(text string) {
	if text == "" {
		return
	}
	if n := len(t.parts); n > 0 && t.parts[n-1].slot < 0 {
		t.parts[n-1].text += text
		return
	}
	t.parts = append(t.parts, part{text: text, slot: -1})
}
