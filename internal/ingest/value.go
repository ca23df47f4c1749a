package ingest

import (
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// value is a piece of an event's data that depends on a row, or not.
type value interface {
	// append writes the value as JSON. It has none, and ok is false, where the
	// columns that it needs have none.
	append(doc []byte, r *row) (out []byte, ok bool, problem *bad)
	// slot is the first column that the value needs, or -1.
	slot() int
	pos() *token.Token
}

// literal is the same in every row.
type literal struct {
	json []byte
	at   *token.Token
}

func (v *literal) append(doc []byte, _ *row) ([]byte, bool, *bad) {
	return append(doc, v.json...), true, nil
}
func (v *literal) slot() int         { return -1 }
func (v *literal) pos() *token.Token { return v.at }

// phrase is a template as a JSON string.
type phrase struct{ *template }

func (v phrase) append(doc []byte, r *row) ([]byte, bool, *bad) {
	s, slot, ok := v.text(r)
	if !ok {
		return doc, false, nil
	}
	out, err := jsontext.AppendQuote(doc, s)
	if err != nil {
		return doc, false, &bad{slot, "is not text"}
	}
	return out, true, nil
}
func (v phrase) pos() *token.Token { return v.at }

// typed is one column as something else than a text.
type typed struct {
	from   int
	at     *token.Token
	sample string
	json   func(text string) (json, why string)
}

func (v *typed) append(doc []byte, r *row) ([]byte, bool, *bad) {
	if r.sample {
		return append(doc, v.sample...), true, nil
	}
	text := r.get(v.from)
	if text == "" {
		return doc, false, nil
	}
	out, why := v.json(text)
	if why != "" {
		return doc, false, &bad{v.from, why}
	}
	return append(doc, out...), true, nil
}
func (v *typed) slot() int         { return v.from }
func (v *typed) pos() *token.Token { return v.at }

// timed is a moment as a JSON string.
type timed struct {
	*moment
	where *token.Token
}

func (v *timed) append(doc []byte, r *row) ([]byte, bool, *bad) {
	t, ok, problem := v.moment.at(r)
	if !ok || problem != nil {
		return doc, false, problem
	}
	doc = append(doc, '"')
	doc = t.AppendFormat(doc, time.RFC3339Nano)
	return append(doc, '"'), true, nil
}
func (v *timed) slot() int         { return v.slots[0] }
func (v *timed) pos() *token.Token { return v.where }

// object is left out when it needs columns and none of them has a value.
type object struct {
	members []member
	at      *token.Token
}

type member struct {
	name  string
	at    *token.Token
	value value
}

func (v *object) append(doc []byte, r *row) ([]byte, bool, *bad) {
	begin := len(doc)
	doc = append(doc, '{')
	needs, has := false, false
	for _, m := range v.members {
		undo := len(doc)
		if len(doc) > begin+1 {
			doc = append(doc, ',')
		}
		doc = append(doc, m.name...) // quoted when it was read
		doc = append(doc, ':')
		out, ok, problem := m.value.append(doc, r)
		if problem != nil {
			return doc[:begin], false, problem
		}
		if doc = out; !ok {
			doc = doc[:undo]
		}
		if m.value.slot() >= 0 {
			needs, has = true, has || ok
		}
	}
	if needs && !has {
		return doc[:begin], false, nil
	}
	return append(doc, '}'), true, nil
}

func (v *object) slot() int {
	for _, m := range v.members {
		if s := m.value.slot(); s >= 0 {
			return s
		}
	}
	return -1
}
func (v *object) pos() *token.Token { return v.at }

// array leaves out the items that have no value, and is left out when it has
// none left.
type array struct {
	items []value
	at    *token.Token
}

func (v *array) append(doc []byte, r *row) ([]byte, bool, *bad) {
	begin := len(doc)
	doc = append(doc, '[')
	for _, it := range v.items {
		undo := len(doc)
		if len(doc) > begin+1 {
			doc = append(doc, ',')
		}
		out, ok, problem := it.append(doc, r)
		if problem != nil {
			return doc[:begin], false, problem
		}
		if doc = out; !ok {
			doc = doc[:undo]
		}
	}
	if len(doc) == begin+1 {
		return doc[:begin], false, nil
	}
	return append(doc, ']'), true, nil
}

func (v *array) slot() int {
	for _, it := range v.items {
		if s := it.slot(); s >= 0 {
			return s
		}
	}
	return -1
}
func (v *array) pos() *token.Token { return v.at }

// value reads a piece of data: a text with columns in it, a number, true or
// false, a list, a mapping, or a column as another type: {$int: column}.
func (b *builder) value(n ast.Node) value {
	switch n := n.(type) {
	case *ast.StringNode, *ast.LiteralNode:
		return phrase{b.template(n, "a value")}
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return b.literal(n)
	case *ast.SequenceNode:
		list := &array{at: n.GetToken()}
		for _, it := range n.Values {
			list.items = append(list.items, b.value(it))
		}
		return list
	case *ast.MappingNode, *ast.MappingValueNode:
		return b.object(n)
	default:
		b.fail(n, "a value is a text, a number, true, false, a list or a mapping")
		return &literal{json: []byte("null"), at: n.GetToken()}
	}
}

func (b *builder) literal(n ast.Node) value {
	text := n.GetToken().Value
	if !jsontext.Value(text).IsValid() {
		b.fail(n, "%s is no JSON number; put a text in quotes", quote(text))
	}
	return &literal{json: []byte(text), at: n.GetToken()}
}

func (b *builder) object(n ast.Node) value {
	pairs := b.pairs(n, "a mapping")
	if len(pairs) > 0 && strings.HasPrefix(pairs[0].key, "$") {
		return b.typed(n, pairs)
	}
	o := &object{at: n.GetToken()}
	for _, p := range pairs {
		if strings.HasPrefix(p.key, "$") {
			b.fail(p.at, "%s stands first, with its own settings only", p.key)
		}
		name, err := jsontext.AppendQuote(nil, p.key)
		if err != nil {
			b.fail(p.at, "the key is not text")
		}
		o.members = append(o.members, member{string(name), p.at.GetToken(), b.value(p.value)})
	}
	return o
}

// find is the value at a JSON pointer, or the nearest one above it, and whether
// it is that value.
func find(v value, pointer string) (value, bool) {
	for pointer != "" {
		name, _, _ := strings.Cut(pointer[1:], "/")
		next := child(v, name)
		if next == nil {
			return v, false
		}
		v, pointer = next, pointer[len(name)+1:]
	}
	return v, true
}

func child(v value, name string) value {
	switch v := v.(type) {
	case *object:
		for _, m := range v.members {
			if m.name == `"`+name+`"` {
				return m.value
			}
		}
	case *array:
		if i, err := strconv.Atoi(name); err == nil && i >= 0 && i < len(v.items) {
			return v.items[i]
		}
	}
	return nil
}
