package fanout

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// condition is what all conditions share: which field, and that they say nothing
// of the texts in any.
type condition struct{ field string }

func (c condition) among(string) choice { return choice{} }

// spell writes the condition with its operator and value.
func (c condition) spell(op, value string) string {
	return `{"f":` + string(quote(c.field)) + `,"op":"` + op + `","v":` + value + `}`
}

// oneOf wants rows that have one of some texts, in a list of them too.
type oneOf struct {
	condition
	values []string // sorted, distinct, not empty
	list   bool
}

func (c oneOf) match(r Row) bool {
	v, _ := r.Field(c.field)
	return v.each(c.has)
}

func (c oneOf) has(text string) bool {
	_, found := slices.BinarySearch(c.values, text)
	return found
}

func (c oneOf) canonical() string {
	spelt := make([]string, len(c.values))
	for i, v := range c.values {
		spelt[i] = string(quote(v))
	}
	return c.spell("in", "["+strings.Join(spelt, ",")+"]")
}

func (c oneOf) among(field string) choice {
	if field != c.field {
		return choice{}
	}
	return choice{values: c.values, list: c.list}
}

// prefix wants rows with a text that begins so, in a list of them too.
type prefix struct {
	condition
	text string
}

func (c prefix) match(r Row) bool {
	v, _ := r.Field(c.field)
	return v.each(c.begins)
}

func (c prefix) begins(text string) bool { return strings.HasPrefix(text, c.text) }

func (c prefix) canonical() string { return c.spell("prefix", string(quote(c.text))) }

// counts wants rows that have one of some numbers, which are not in a row.
type counts struct {
	condition
	values []int64 // sorted, distinct, not empty
}

func (c counts) match(r Row) bool {
	v, _ := r.Field(c.field)
	_, found := slices.BinarySearch(c.values, v.n)
	return found && v.known
}

func (c counts) canonical() string {
	spelt := make([]string, len(c.values))
	for i, n := range c.values {
		spelt[i] = strconv.FormatInt(n, 10)
	}
	return c.spell("in", "["+strings.Join(spelt, ",")+"]")
}

// truth wants rows where a field is true, or false.
type truth struct {
	condition
	want bool
}

func (c truth) match(r Row) bool {
	v, _ := r.Field(c.field)
	return v.known && (v.n == 1) == c.want
}

func (c truth) canonical() string { return c.spell("in", "["+strconv.FormatBool(c.want)+"]") }

// within wants rows with a number or a time from one up to, not including,
// another.
type within struct {
	condition
	kind     Kind
	from, to int64 // unbounded and endless where there is none
}

const (
	unbounded = math.MinInt64
	endless   = math.MaxInt64
)

func (c within) match(r Row) bool {
	v, _ := r.Field(c.field)
	return v.known && c.from <= v.n && (v.n < c.to || c.to == endless)
}

func (c within) canonical() string {
	var bounds []string
	if c.from != unbounded {
		bounds = append(bounds, `"gte":`+c.bound(c.from))
	}
	if c.to != endless {
		bounds = append(bounds, `"lt":`+c.bound(c.to))
	}
	return c.spell("range", "{"+strings.Join(bounds, ",")+"}")
}

func (c within) bound(n int64) string {
	if c.kind == KindNumber {
		return strconv.FormatInt(n, 10)
	}
	return `"` + time.UnixMicro(n).UTC().Format(time.RFC3339Nano) + `"`
}

// box wants rows that are somewhere between two meridians and two parallels,
// which belong to it. West of its east it crosses the antimeridian.
type box struct {
	condition
	west, south, east, north float64
}

func (c box) match(r Row) bool {
	v, _ := r.Field(c.field)
	if !v.known {
		return false
	}
	lon, lat := v.pos[0], v.pos[1]
	if lat < c.south || lat > c.north {
		return false
	}
	return c.spans(lon) || math.Abs(lon) == antimeridian && c.spans(-lon)
}

// antimeridian is one meridian although it has two longitudes.
const antimeridian = 180

func (c box) spans(lon float64) bool {
	if c.west <= c.east {
		return c.west <= lon && lon <= c.east
	}
	return c.west <= lon || lon <= c.east
}

func (c box) canonical() string {
	spelt := make([]string, 4)
	for i, degrees := range []float64{c.west, c.south, c.east, c.north} {
		spelt[i] = jsontext.Float(degrees).String()
	}
	return c.spell("bbox", "["+strings.Join(spelt, ",")+"]")
}
