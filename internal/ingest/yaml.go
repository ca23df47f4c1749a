package ingest

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// document is a YAML file that is read strictly: it collects everything that is
// wrong with it, each with its line.
type document struct {
	file     string
	problems []error
}

// parse reads the file's only document.
func (d *document) parse(content []byte) (ast.Node, bool) {
	file, err := parser.ParseBytes(content, 0)
	if err != nil {
		d.syntax(err)
		return nil, false
	}
	var body ast.Node
	for _, doc := range file.Docs {
		switch {
		case doc.Body == nil:
		case body != nil:
			d.fail(doc.Body, "a second document begins; a mapping is one")
			return nil, false
		default:
			body = doc.Body
		}
	}
	if body == nil {
		d.problems = append(d.problems, fmt.Errorf("%s: the mapping is empty", printable(d.file)))
		return nil, false
	}
	return body, true
}

// syntax reports what the parser says, without its excerpt of the file.
func (d *document) syntax(err error) {
	told, ok := errors.AsType[interface {
		error
		GetMessage() string
		GetToken() *token.Token
	}](err)
	if !ok {
		d.problems = append(d.problems, fmt.Errorf("%s: %w", printable(d.file), err))
		return
	}
	d.at(told.GetToken(), "%s", told.GetMessage())
}

func (d *document) fail(n ast.Node, format string, args ...any) {
	d.at(n.GetToken(), format, args...)
}

func (d *document) at(t *token.Token, format string, args ...any) {
	p := Problem{File: d.file, Reason: fmt.Sprintf(format, args...)}
	if t != nil && t.Position != nil {
		p.Line, p.Column = t.Position.Line, t.Position.Column
	}
	d.problems = append(d.problems, errors.New(p.String()))
}

// pair is one entry of a YAML mapping.
type pair struct {
	key   string
	at    ast.Node
	value ast.Node
}

// pairs reads a mapping with at most the given keys; with none, any are fine.
func (d *document) pairs(n ast.Node, what string, known ...string) []pair {
	var values []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		values = n.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{n}
	default:
		d.fail(n, "%s has to be a mapping of keys to values", what)
		return nil
	}
	var all []pair
	for _, v := range values {
		key, ok := text(v.Key)
		switch {
		case !ok:
			d.fail(v.Key, "a key of %s has to be a word", what)
		case len(known) > 0 && !slices.Contains(known, key):
			d.fail(v.Key, "unknown key %s in %s; it may have %s", quote(key), what, strings.Join(known, ", "))
		case slices.ContainsFunc(all, func(p pair) bool { return p.key == key }):
			d.fail(v.Key, "the key %s stands twice", quote(key))
		default:
			all = append(all, pair{key, v.Key, v.Value})
		}
	}
	return all
}

// items reads a sequence.
func (d *document) items(n ast.Node, what string) []ast.Node {
	if s, ok := n.(*ast.SequenceNode); ok {
		return s.Values
	}
	d.fail(n, "%s has to be a list", what)
	return nil
}

// text reads a string; numbers and the like are none.
func (d *document) text(n ast.Node, what string) string {
	s, ok := text(n)
	if !ok {
		d.fail(n, "%s has to be a text; put it in quotes", what)
	}
	return s
}

// texts reads a list of strings.
func (d *document) texts(n ast.Node, what string) []string {
	nodes := d.items(n, what)
	all := make([]string, len(nodes))
	for i, it := range nodes {
		all[i] = d.text(it, "an item of "+what)
	}
	return all
}

// text is the value of a string node.
func text(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	default:
		return "", false
	}
}
