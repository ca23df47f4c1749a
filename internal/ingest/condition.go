package ingest

import (
	"slices"

	"github.com/goccy/go-yaml/ast"
)

// condition decides whether a row makes an event.
type condition func(*row) bool

func always(*row) bool { return true }

// condition reads the name of a column that must have a value; or one of
// {column, equals}, {column, in}, {column, empty}, {not}, {all}, {any}.
func (b *builder) condition(n ast.Node) condition {
	if name, ok := text(n); ok {
		return filled(b.column(n, name))
	}
	given := map[string]ast.Node{}
	for _, p := range b.pairs(n, "a condition", "column", "equals", "in", "empty", "not", "all", "any") {
		given[p.key] = p.value
	}
	switch {
	case given["column"] != nil && len(given) <= 2:
		return b.comparison(n, given)
	case len(given) != 1:
		b.fail(n, "a condition is a column, a column with one of equals, in and empty, or one of not, all and any")
		return always
	case given["not"] != nil:
		inner := b.condition(given["not"])
		return func(r *row) bool { return !inner(r) }
	case given["all"] != nil:
		return every(b.conditions(given["all"]))
	case given["any"] != nil:
		return some(b.conditions(given["any"]))
	default:
		b.fail(n, "the condition names no column")
		return always
	}
}

// comparison reads a condition on one column.
func (b *builder) comparison(n ast.Node, given map[string]ast.Node) condition {
	slot := b.columnOf(given["column"], "column")
	switch {
	case len(given) == 1:
		return filled(slot)
	case given["equals"] != nil:
		want := b.text(given["equals"], "equals")
		return func(r *row) bool { return r.get(slot) == want }
	case given["in"] != nil:
		list := b.texts(given["in"], "in")
		return func(r *row) bool { return slices.Contains(list, r.get(slot)) }
	case given["empty"] != nil:
		want, ok := given["empty"].(*ast.BoolNode)
		if !ok {
			b.fail(given["empty"], "empty is true or false")
			return always
		}
		return func(r *row) bool { return (r.get(slot) == "") == want.Value }
	default:
		b.fail(n, "beside a column stands one of equals, in and empty")
		return always
	}
}

func (b *builder) conditions(n ast.Node) []condition {
	nodes := b.items(n, "all and any")
	list := make([]condition, len(nodes))
	for i, it := range nodes {
		list[i] = b.condition(it)
	}
	return list
}

func filled(slot int) condition {
	return func(r *row) bool { return r.get(slot) != "" }
}

func every(list []condition) condition {
	return func(r *row) bool {
		return !slices.ContainsFunc(list, func(c condition) bool { return !c(r) })
	}
}

func some(list []condition) condition {
	return func(r *row) bool {
		return slices.ContainsFunc(list, func(c condition) bool { return c(r) })
	}
}
