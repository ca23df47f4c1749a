package ingest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// typed reads {$int: column}, {$decimal: column, comma: true}, {$number: column},
// {$bool: column}, {$time: ...} and {$map: column, values: {...}, default: ...}.
func (b *builder) typed(n ast.Node, pairs []pair) value {
	kind, rest := pairs[0], pairs[1:]
	if kind.key == "$time" {
		b.noMore(rest)
		return &timed{b.moment(kind.value), n.GetToken()}
	}
	v := &typed{at: n.GetToken(), from: b.columnOf(kind.value, kind.key)}
	switch kind.key {
	case "$int":
		v.sample, v.json = "1", integer
	case "$number":
		v.sample, v.json = "1", number
	case "$bool":
		v.sample, v.json = "true", boolean
	case "$decimal":
		v.sample, v.json = `"1"`, decimal
		if len(rest) > 0 && rest[0].key == "comma" {
			if on, ok := rest[0].value.(*ast.BoolNode); ok && on.Value {
				v.json = decimalComma
			}
			rest = rest[1:]
		}
	case "$map":
		return b.choice(n, v, rest)
	default:
		b.fail(kind.at, "unknown type %s; there are $int, $decimal, $number, $bool, $time and $map", quote(kind.key))
	}
	b.noMore(rest)
	return v
}

func (b *builder) noMore(rest []pair) {
	for _, p := range rest {
		b.fail(p.at, "unknown key %s", quote(p.key))
	}
}

// choice reads the values of a $map.
func (b *builder) choice(n ast.Node, v *typed, rest []pair) value {
	values, other := map[string]string{}, ""
	for _, p := range rest {
		switch p.key {
		case "values":
			for _, it := range b.pairs(p.value, "values") {
				values[it.key] = strconv.Quote(b.text(it.value, "a value"))
				v.sample = values[it.key]
			}
		case "default":
			other = strconv.Quote(b.text(p.value, "default"))
		default:
			b.noMore([]pair{p})
		}
	}
	if len(values) == 0 {
		b.fail(n, "$map has no values")
	}
	v.json = func(text string) (string, string) {
		if out, ok := values[text]; ok {
			return out, ""
		}
		if other != "" {
			return other, ""
		}
		return "", quote(text) + " is not among the values of the mapping"
	}
	return v
}

func integer(text string) (out, why string) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return "", quote(text) + " is no whole number"
	}
	return strconv.FormatInt(n, 10), ""
}

func number(text string) (out, why string) {
	if json.Number(text).String() == "" || !json.Valid([]byte(text)) || !strings.ContainsAny(text[:1], "-0123456789") {
		return "", quote(text) + " is no number"
	}
	return text, ""
}

func boolean(text string) (out, why string) {
	switch word := strings.ToLower(text); {
	case slices.Contains([]string{"true", "t", "yes", "y", "1"}, word):
		return "true", ""
	case slices.Contains([]string{"false", "f", "no", "n", "0"}, word):
		return "false", ""
	default:
		return "", quote(text) + " is neither true nor false"
	}
}

// decimal is an amount as it stands.
func decimal(text string) (out, why string) {
	if strings.Trim(text, "-.0123456789") != "" {
		return "", quote(text) + " is no decimal number"
	}
	return fmt.Sprintf("%q", text), ""
}

// decimalComma is an amount such as 1.234,56.
func decimalComma(text string) (out, why string) {
	if strings.Trim(text, "-.,0123456789") != "" {
		return "", quote(text) + " is no decimal number with a comma"
	}
	return decimal(strings.Replace(strings.ReplaceAll(text, ".", ""), ",", ".", 1))
}
