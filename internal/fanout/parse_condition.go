package fanout

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// wireCondition is a condition as it came, of a field that there is.
type wireCondition struct {
	field string
	kind  Kind
	op    string
	v     jsontext.Value
}

// node makes the condition in its one form: two of the same field that want the
// same rows are the same.
func (w wireCondition) node() (node, *Error) {
	if !slices.Contains(w.kind.operators(), w.op) {
		return nil, w.wrongOp()
	}
	switch w.op {
	case "eq":
		return w.either([]jsontext.Value{w.v})
	case "in":
		var list []jsontext.Value
		if err := json.Unmarshal(w.v, &list); err != nil || len(list) == 0 || len(list) > maxValues {
			return nil, w.refuse("v of in is a list of 1 to %d values", maxValues)
		}
		return w.either(list)
	case "prefix":
		text, err := w.text(w.v)
		return prefix{condition{w.field}, text}, err
	case "range":
		return w.within()
	}
	return w.box()
}

// operators are those that fit the kind.
func (k Kind) operators() []string {
	switch k {
	case KindText, KindTexts:
		return []string{"eq", "in", "prefix"}
	case KindNumber:
		return []string{"eq", "in", "range"}
	case KindBoolean:
		return []string{"eq", "in"}
	case KindTime:
		return []string{"range"}
	case KindPlace:
		return []string{"bbox"}
	}
	return nil
}

// String names the kind.
func (k Kind) String() string {
	switch k {
	case KindText:
		return "string"
	case KindTexts:
		return "list of strings"
	case KindNumber:
		return "number"
	case KindBoolean:
		return "boolean"
	case KindTime:
		return "time"
	case KindPlace:
		return "position"
	}
	return "nothing"
}

// refuse says what is wrong with the condition of this field.
func (w wireCondition) refuse(format string, args ...any) *Error {
	return refuse(BadFilter, "field %q: %s", w.field, fmt.Sprintf(format, args...))
}

func (w wireCondition) wrongOp() *Error {
	if !slices.Contains([]string{"eq", "in", "range", "prefix", "bbox"}, w.op) {
		return w.refuse("op %q does not exist", clip(w.op))
	}
	return w.refuse("op %s is not for a %s, which takes %s", w.op, w.kind, strings.Join(w.kind.operators(), ", "))
}

// either is eq and in.
func (w wireCondition) either(list []jsontext.Value) (node, *Error) {
	switch w.kind {
	case KindNumber:
		return w.counts(list)
	case KindBoolean:
		return w.truth(list)
	default:
		values, err := distinct(list, w.text)
		return oneOf{condition{w.field}, values, w.kind == KindTexts}, err
	}
}

// distinct reads values, sorts them and drops those that come twice.
func distinct[T int64 | string](list []jsontext.Value, read func(jsontext.Value) (T, *Error)) ([]T, *Error) {
	values := make([]T, len(list))
	for i, text := range list {
		var err *Error
		if values[i], err = read(text); err != nil {
			return nil, err
		}
	}
	slices.Sort(values)
	return slices.Compact(values), nil
}

func (w wireCondition) text(v jsontext.Value) (string, *Error) {
	var text string
	if v.Kind() != '"' || json.Unmarshal(v, &text) != nil {
		return "", w.refuse("v of %s is not %s", w.op, w.wanted("a string", "a list of strings"))
	}
	if text == "" || len(text) > maxValue {
		return "", w.refuse("a value has 1 to %d bytes", maxValue)
	}
	if strings.Contains(text, "\x00") {
		return "", w.refuse("a value has no zero byte")
	}
	return text, nil
}

// wanted says what v should be: one value, or several where the operator is in.
func (w wireCondition) wanted(one, several string) string {
	if w.op == "in" {
		return several
	}
	return one
}

// counts are numbers in their one form: numbers in a row are a range.
func (w wireCondition) counts(list []jsontext.Value) (node, *Error) {
	values, err := distinct(list, w.number)
	if err != nil {
		return nil, err
	}
	n := len(values)
	if row := values[n-1]-values[0] == int64(n-1); row && n > 1 && values[n-1] < maxNumber {
		return within{condition{w.field}, KindNumber, values[0], values[n-1] + 1}, nil
	}
	return counts{condition{w.field}, values}, nil
}

func (w wireCondition) number(v jsontext.Value) (int64, *Error) {
	var n float64
	if v.Kind() != '0' || json.Unmarshal(v, &n) != nil || n != math.Trunc(n) || math.Abs(n) > maxNumber {
		return 0, w.refuse("%s is not a whole number within ±2^53", clip(string(v)))
	}
	return int64(n), nil
}

// truth is a boolean in its one form: true or false is everything.
func (w wireCondition) truth(list []jsontext.Value) (node, *Error) {
	var want [2]bool
	for _, v := range list {
		switch v.Kind() {
		case 't':
			want[1] = true
		case 'f':
			want[0] = true
		default:
			return nil, w.refuse("v of %s is not %s", w.op, w.wanted("true or false", "a list of true and false"))
		}
	}
	if want[0] && want[1] {
		return all{}, nil
	}
	return truth{condition{w.field}, want[1]}, nil
}

// wireRange is the value of range.
type wireRange struct {
	GT  jsontext.Value `json:"gt"`
	GTE jsontext.Value `json:"gte"`
	LT  jsontext.Value `json:"lt"`
	LTE jsontext.Value `json:"lte"`
}

// within is a range in its one form: from a bound that belongs to it to one that
// does not. A single number is no range.
func (w wireCondition) within() (node, *Error) {
	var r wireRange
	err := json.Unmarshal(w.v, &r, json.RejectUnknownMembers(true))
	if err != nil || w.v.Kind() != '{' || r.GT != nil && r.GTE != nil || r.LT != nil && r.LTE != nil {
		return nil, w.refuse("v of range is an object of gt or gte, and lt or lte")
	}
	if r.GT == nil && r.GTE == nil && r.LT == nil && r.LTE == nil {
		return nil, w.refuse("v of range has no bound")
	}
	c := within{condition: condition{w.field}, kind: w.kind}
	var problem *Error
	if c.from, problem = w.bound(r.GTE, r.GT, unbounded); problem != nil {
		return nil, problem
	}
	if c.to, problem = w.bound(r.LT, r.LTE, endless); problem != nil {
		return nil, problem
	}
	switch {
	case c.from >= c.to:
		return nil, w.refuse("the range is empty")
	case c.kind == KindNumber && c.from == c.to-1:
		return counts{c.condition, []int64{c.from}}, nil
	}
	return c, nil
}

// bound is the smallest value that is not below at, or that is above past.
func (w wireCondition) bound(at, past jsontext.Value, none int64) (int64, *Error) {
	given := at
	if at == nil {
		given = past
	}
	if given == nil {
		return none, nil
	}
	n, exact, err := w.measure(given)
	if err != nil {
		return 0, err
	}
	if !exact || at == nil {
		n++
	}
	if w.beyond(n) {
		return 0, w.refuse("%s is too far out", clip(string(given)))
	}
	return n, nil
}

// measure reads a number or a time, in microseconds and rounded down, and
// whether it is not between two of them.
func (w wireCondition) measure(v jsontext.Value) (n int64, exact bool, err *Error) {
	if w.kind == KindNumber {
		n, err = w.number(v)
		return n, true, err
	}
	var t time.Time
	if v.Kind() != '"' || json.Unmarshal(v, &t) != nil {
		return 0, false, w.refuse(`%s is not a time like "2026-03-01T09:00:00Z"`, clip(string(v)))
	}
	return t.UnixMicro(), t.Nanosecond()%int(time.Microsecond) == 0, nil
}

// beyond reports whether a bound cannot be written.
func (w wireCondition) beyond(n int64) bool {
	if w.kind == KindNumber {
		return n > maxNumber
	}
	year := time.UnixMicro(n).UTC().Year()
	return year < 1 || year > 9999
}

// box is a box in its one form: the antimeridian is west of what begins there
// and east of what ends there.
func (w wireCondition) box() (node, *Error) {
	var v []float64
	if err := json.Unmarshal(w.v, &v); err != nil || len(v) != 4 {
		return nil, w.refuse("v of bbox is [west, south, east, north] in degrees")
	}
	for i := range v {
		v[i] += 0 // of the two zeroes, the one without a sign
		if limit := []float64{180, 90}[i%2]; math.Abs(v[i]) > limit {
			return nil, w.refuse("%v is not within ±%v degrees", v[i], limit)
		}
	}
	b := box{condition{w.field}, v[0], v[1], v[2], v[3]}
	if b.south > b.north {
		return nil, w.refuse("south %v is above north %v", b.south, b.north)
	}
	switch whole := b.west == -antimeridian && b.east == antimeridian; {
	case whole:
	case math.Abs(b.west) == antimeridian && math.Abs(b.east) == antimeridian:
		b.west, b.east = antimeridian, antimeridian
	case b.west == antimeridian:
		b.west = -antimeridian
	case b.east == -antimeridian:
		b.east = antimeridian
	}
	return b, nil
}
