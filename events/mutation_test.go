package events_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// mutation is one change of a JSON document.
type mutation struct {
	name  string
	apply func(doc any) any
}

// mutations lists everything that is done to a document: each property dropped,
// each object given a stranger, each value replaced by every value of the table.
// Below the properties named in light, the table's first few values must do.
func mutations(doc any, light ...string) []mutation {
	var list []mutation
	visit(doc, nil, func(path []any) {
		replacements := replacements
		if len(path) > 0 && slices.Contains(light, fmt.Sprint(path[0])) {
			replacements = replacements[:few]
		}
		at := fmt.Sprint(path)
		if len(path) > 0 {
			if _, ok := path[len(path)-1].(string); ok {
				list = append(list, mutation{"drop " + at, func(d any) any { return edit(d, path, drop) }})
			}
			for i, v := range replacements {
				if s, ok := v.(string); ok && len(s) > 4096 && path[len(path)-1] != "text" {
					continue // the others end long before
				}
				list = append(list, mutation{fmt.Sprintf("%s = replacement %d", at, i), func(d any) any { return edit(d, path, v) }})
			}
		}
		stranger := append(slices.Clone(path), "stranger")
		list = append(list, mutation{"stranger in " + at, func(d any) any { return edit(d, stranger, "x") }})
	})
	return list
}

// drop stands for no value.
var drop = new(struct{})

// replacements are what hostile and careless producers write. Left out is what
// JSON Schema cannot say: 2.0 and 2e0 are integers to it.
var replacements = []any{
	nil, "", "a", true, number("1"), "2026-03-01", map[string]any{}, []any{}, // the few
	" ", "\u00a0\u2003", "zz", "ACT", "EST", "Act", "EUR", "eur", "EURO", false, []any{nil}, []any{"x"}, []any{map[string]any{}},
	strings.Repeat("i", 64), strings.Repeat("i", 65), strings.Repeat("é", 1024), strings.Repeat("é", 1025),
	strings.Repeat("r", 16<<10), strings.Repeat("r", 16<<10+1), strings.Repeat("7", 48), strings.Repeat("7", 49),
	"a/b", "a b", "a\nb", "ä", "А", "\u202eab", "a\u200bb", "%2e%2e", "1Z999", "1z999", "A_B-C",
	number("0"), number("1"), number("-1"), number("1.5"), number("0.25"), number("1e400"), number("-0.5"),
	number("89.9999"), number("90.0001"), number("-181"), number("180"), number("10000"), number("10001"), number("101"),
	number("1000000000"), number("1000000001"), number("9223372036854775807"), number("9223372036854775808"), number("9007199254740993"),
	"12", "-12.5", "1.", ".5", "+1", "1e3", "1.1234567", "123456789012345", "1234567890123456", "--1", "0x10", "٣",
	"2026-03-01", "2026-03-01T10:00:00", "2026-03-01 10:00:00Z", "2026-02-30T10:00:00Z", "2026-13-01T10:00:00Z", "2026-03-01T24:00:00Z",
	"2016-12-31T23:59:60Z", "2026-03-01T10:00:00+24:00", "2026-03-01T10:00:00+0100", "2026-03-01t10:00:00z", "2026-03-01T10:00:00,5Z",
	"1999-06-01T10:00:00Z", "2101-06-01T10:00:00Z", "0000-01-01T00:00:00Z", "12026-03-01T10:00:00Z", "9999-12-31T23:59:59Z", number("1772355600"),
}

// few of the replacements tell a type from another.
const few = 8

// shared are the properties that many types have; types with nothing else
// get the whole table for them.
var shared = []string{
	"class", "occurred_at", "tz_source", "time_precision", "raw", "order_id",
	"shipment_id", "parcel_id", "carrier", "location", "facility",
}

func number(s string) any { return json.Number(s) }

// visit calls f with the path of every value, the document first.
func visit(v any, path []any, f func(path []any)) {
	f(path)
	switch v := v.(type) {
	case map[string]any:
		for _, k := range keys(v) {
			visit(v[k], append(slices.Clone(path), k), f)
		}
	case []any:
		for i, it := range v {
			visit(it, append(slices.Clone(path), i), f)
		}
	}
}

// edit returns a copy of v with the value at path replaced. A path that leads
// nowhere changes nothing.
func edit(v any, path []any, to any) any {
	if len(path) == 0 {
		return to
	}
	switch v := v.(type) {
	case map[string]any:
		v, k := maps.Clone(v), fmt.Sprint(path[0])
		if len(path) == 1 && to == any(drop) {
			delete(v, k)
		} else if _, ok := v[k]; ok || len(path) == 1 {
			v[k] = edit(v[k], path[1:], to)
		}
		return v
	case []any:
		if i, ok := path[0].(int); ok && i < len(v) {
			v = slices.Clone(v)
			v[i] = edit(v[i], path[1:], to)
			return v
		}
	}
	return v
}
