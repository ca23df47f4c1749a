package watch

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Filter says which rows are wanted: JSON in the filter language of track.v1,
// which these functions write too. The zero Filter wants every row.
type Filter json.RawMessage

// Value is what a field is compared with.
type Value interface {
	~string | ~bool | ~int | ~int64 | ~float64
}

// Eq wants rows whose field is v; of a list, one element is enough.
func Eq[V Value](field string, v V) Filter { return condition(field, "eq", v) }

// In wants rows whose field is one of vs.
func In[V Value](field string, vs ...V) Filter { return condition(field, "in", vs) }

// Prefix wants rows whose field begins with text.
func Prefix(field, text string) Filter { return condition(field, "prefix", text) }

// Bounds are the ends of a range; a zero end is open. Times are written in RFC
// 3339, or given as a [time.Time].
type Bounds struct {
	GT  any `json:"gt,omitempty"`
	GTE any `json:"gte,omitempty"`
	LT  any `json:"lt,omitempty"`
	LTE any `json:"lte,omitempty"`
}

// Range wants rows whose field, a time or a number, lies within bounds.
func Range(field string, bounds Bounds) Filter { return condition(field, "range", bounds) }

// Box wants rows whose position lies in a box of degrees; one whose west is east
// of its east crosses the antimeridian.
func Box(field string, west, south, east, north float64) Filter {
	return condition(field, "bbox", [4]float64{west, south, east, north})
}

// And wants rows that all filters want.
func And(filters ...Filter) Filter { return join("and", filters) }

// Or wants rows that one of the filters wants.
func Or(filters ...Filter) Filter { return join("or", filters) }

// Not wants rows that the filter does not want.
func Not(filter Filter) Filter { return encodeFilter(map[string]Filter{"not": filter}) }

// MarshalJSON returns the filter; a zero one is {}.
func (f Filter) MarshalJSON() ([]byte, error) {
	if len(f) == 0 {
		return []byte("{}"), nil
	}
	return f, f.broken()
}

// UnmarshalJSON keeps the text.
func (f *Filter) UnmarshalJSON(text []byte) error {
	*f = append((*f)[:0], text...)
	return nil
}

// String is the filter's JSON.
func (f Filter) String() string { return string(f) }

func (f Filter) check() error {
	if len(f) == 0 {
		return nil
	}
	if err := f.broken(); err != nil {
		return fmt.Errorf("Filter: %w", err)
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(f, &object); err != nil {
		return fmt.Errorf("Filter: %w", err)
	}
	if object == nil {
		return errors.New("Filter: null is no filter")
	}
	return nil
}

func condition(field, op string, v any) Filter {
	return encodeFilter(struct {
		F  string `json:"f"`
		Op string `json:"op"`
		V  any    `json:"v"`
	}{field, op, v})
}

func join(op string, filters []Filter) Filter {
	if filters == nil {
		filters = []Filter{}
	}
	return encodeFilter(map[string][]Filter{op: filters})
}

// noJSON begins what could not be written as JSON.
const noJSON = "no JSON: "

// encodeFilter answers what is no JSON, such as a number that is not finite, with
// a filter that New refuses, so that filters can be written as expressions.
func encodeFilter(v any) Filter {
	text, err := json.Marshal(v)
	if err != nil {
		return Filter(noJSON + err.Error())
	}
	return text
}

// broken is why the filter could not be written.
func (f Filter) broken() error {
	if why, ok := strings.CutPrefix(string(f), noJSON); ok {
		return errors.New(why)
	}
	return nil
}
