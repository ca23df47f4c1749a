package events

import (
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// checker collects the first thing that is wrong with an event's data.
type checker struct {
	err *Error
}

func (c *checker) fail(field, format string, args ...any) {
	if c.err == nil {
		c.err = refuse(CodeSchema, "/data"+field, format, args...)
	}
}

func (c *checker) id(field, value string) {
	if c.err != nil || validID(value) {
		return
	}
	if value == "" {
		c.fail(field, "is required")
		return
	}
	c.err = refuse(CodeInvalidID, "/data"+field, "want 1 to 64 characters of A-Z a-z 0-9 . _ : -")
}

func (c *checker) optionalID(field, value string) {
	if value != "" {
		c.id(field, value)
	}
}

// text requires a non-empty text.
func (c *checker) text(field, value string) {
	if strings.TrimSpace(value) == "" {
		c.fail(field, "is required")
	}
	c.optionalText(field, value)
}

// optionalText limits the length of a text that may be missing.
func (c *checker) optionalText(field, value string) {
	c.atMost(field, value, maxText)
}

func (c *checker) atMost(field, value string, most int) {
	if longer(value, most) {
		c.fail(field, "is longer than %d characters", most)
	}
}

func (c *checker) oneOf(field, value string, allowed ...string) {
	if slices.Contains(allowed, value) {
		return
	}
	if value == "" {
		c.fail(field, "is required")
		return
	}
	allowed = slices.DeleteFunc(slices.Clone(allowed), func(s string) bool { return s == "" })
	c.fail(field, "is not one of %s", strings.Join(allowed, ", "))
}

func (c *checker) qty(field string, n int64) {
	if n < 1 || n > maxQty {
		c.fail(field, "want a whole number from 1 to %d", maxQty)
	}
}

func (c *checker) count(field string, n int) {
	if n > maxItems {
		c.fail(field, "has %d items, at most %d are allowed", n, maxItems)
	}
}

func (c *checker) instant(field string, t time.Time) {
	if t.IsZero() {
		c.fail(field, "is required")
		return
	}
	if why := impossible(t); why != "" {
		c.fail(field, "%s", why)
	}
}

func (c *checker) coordinates(field string, lat, lon float64) {
	if math.Abs(lat) > 90 || math.Abs(lon) > 180 {
		c.fail(field, "want lat within ±90 and lon within ±180 degrees")
	}
}

func (c *checker) currency(field, value string) {
	if len(value) != 3 || strings.Trim(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		c.fail(field, "want an ISO 4217 code of three capital letters")
	}
}

// longer reports whether s has more than most characters.
func longer(s string, most int) bool {
	return len(s) > most && utf8.RuneCountInString(s) > most
}

// impossible says why no order or parcel has such a time, or "". The year counts
// as it was written and in UTC.
func impossible(t time.Time) string {
	for _, y := range [...]int{t.Year(), t.UTC().Year()} {
		if y < 2000 || y > 2100 {
			return "lies outside the years 2000 to 2100"
		}
	}
	return ""
}
