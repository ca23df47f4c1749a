package ingest

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // the rules of time zones must not depend on the machine

	"github.com/goccy/go-yaml/ast"

	"github.com/waybill-io/waybill/events"
)

// clock is how times are written, and where they were read.
type clock struct {
	written string // as the mapping says it, for messages
	layout  string // Go's; empty for a count since 1970
	unit    time.Duration
	offset  bool // the text names its offset
	zone    *time.Location
}

// moment is a time made of columns.
type moment struct {
	clock clock
	slots []int
	pick  func(a, b time.Time) bool // whether b is to be taken instead of a
	plus  time.Duration
}

// at reads the moment's time. It has none, and ok is false, where no column has
// one.
func (m *moment) at(r *row) (t time.Time, ok bool, problem *bad) {
	if r.sample {
		return sampleTime, true, nil
	}
	for _, slot := range m.slots {
		text := r.get(slot)
		if text == "" {
			continue
		}
		it, why := m.clock.read(text)
		if why != "" {
			return time.Time{}, false, &bad{slot, why}
		}
		if !ok || m.pick(t, it) {
			t, ok = it, true
		}
	}
	return t.Add(m.plus), ok, nil
}

// tz says where the offset of its times comes from.
func (m *moment) tz() events.TZSource {
	if m.clock.offset {
		return events.TZOffset
	}
	return events.TZLocation
}

// read understands a text. The second answer says why it does not.
func (c *clock) read(text string) (time.Time, string) {
	if c.layout == "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return time.Time{}, quote(text) + " is no whole number of " + strings.TrimPrefix(c.written, "unix_") + " since 1970"
		}
		return time.Unix(0, 0).Add(time.Duration(n) * c.unit).In(c.zone), ""
	}
	t, err := time.Parse(c.layout, text)
	if err != nil {
		return time.Time{}, quote(text) + " is no time " + c.written
	}
	if c.offset {
		return t, ""
	}
	return events.AtPlace(t, c.zone), ""
}

// tokens of a layout, in the order in which they are looked for.
func layoutTokens() []string {
	return []string{
		"YYYY", "2006", "MMM", "Jan", "MM", "01", "DD", "02", "HH", "15", "hh", "03", "mm", "04", "ss", "05",
		"SSSSSS", "000000", "SSS", "000", "a", "PM", "ZZ", "-0700", "Z", "Z07:00",
	}
}

// layoutOf turns YYYY-MM-DD HH:mm:ss into Go's layout. Text of other letters
// stands in single quotes.
func layoutOf(s string) (layout string, offset bool, err error) {
	tokens := layoutTokens()
	for s != "" {
		i := 0
		for i < len(tokens) && !strings.HasPrefix(s, tokens[i]) {
			i += 2
		}
		switch c := s[0]; {
		case i < len(tokens):
			layout += tokens[i+1]
			offset = offset || tokens[i][0] == 'Z'
			s = s[len(tokens[i]):]
		case c == '\'' && strings.Contains(s[1:], "'"):
			quoted, rest, _ := strings.Cut(s[1:], "'")
			layout, s = layout+quoted, rest
		case 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_':
			return "", false, fmt.Errorf("%s means nothing; a layout is made of YYYY MMM MM DD HH hh mm ss SSS a Z ZZ, and other letters in single quotes", quote(s))
		default:
			layout, s = layout+s[:1], s[1:]
		}
	}
	if !strings.Contains(layout, "2006") || !strings.Contains(layout, "02") {
		return "", false, fmt.Errorf("a layout names at least YYYY, a month and DD")
	}
	return layout, offset, nil
}

// readClock reads time_layout and timezone, each given or as outside.
func (b *builder) readClock(c clock, layout, zone ast.Node) clock {
	if layout != nil {
		c.written = b.text(layout, "time_layout")
		c.layout, c.unit, c.offset = "", 0, false
		switch c.written {
		case "unix":
			c.unit = time.Second
		case "unix_ms":
			c.unit = time.Millisecond
		case "rfc3339":
			c.layout, c.offset = time.RFC3339, true
		default:
			var err error
			if c.layout, c.offset, err = layoutOf(c.written); err != nil {
				b.fail(layout, "time_layout: %v", err)
			}
		}
	}
	if zone != nil {
		name := b.text(zone, "timezone")
		loc, err := time.LoadLocation(name)
		if err != nil || name == "" || name == "Local" {
			b.fail(zone, "timezone: %s is no IANA time zone such as Europe/Berlin or UTC", quote(name))
			loc = time.UTC
		}
		c.zone = loc
	}
	return c
}

// moment reads the name of a column; or {column}, {latest}, {earliest}, each with
// plus, layout and timezone.
func (b *builder) moment(n ast.Node) *moment {
	m := &moment{clock: b.clock, pick: func(time.Time, time.Time) bool { return false }}
	if name, ok := text(n); ok {
		m.slots = []int{b.column(n, name)}
		b.complete(n, m)
		return m
	}
	given := map[string]ast.Node{}
	for _, p := range b.pairs(n, "a time", "column", "latest", "earliest", "plus", "layout", "timezone") {
		given[p.key] = p.value
	}
	m.clock = b.readClock(m.clock, given["layout"], given["timezone"])
	if p := given["plus"]; p != nil {
		m.plus = b.duration(p)
	}
	b.sources(n, m, given)
	b.complete(n, m)
	return m
}

// sources reads the columns of a moment.
func (b *builder) sources(n ast.Node, m *moment, given map[string]ast.Node) {
	for _, key := range []string{"column", "latest", "earliest"} {
		from := given[key]
		if from == nil {
			continue
		}
		if m.slots != nil {
			b.fail(n, "a time has one of column, latest and earliest")
			return
		}
		if key == "column" {
			m.slots = []int{b.columnOf(from, key)}
			continue
		}
		for _, it := range b.items(from, key) {
			m.slots = append(m.slots, b.columnOf(it, key))
		}
		if m.pick = time.Time.Before; key == "earliest" {
			m.pick = time.Time.After
		}
	}
	if len(m.slots) == 0 {
		b.fail(n, "a time needs a column, or a list of columns in latest or earliest")
	}
}

// complete refuses a moment whose text cannot be understood.
func (b *builder) complete(n ast.Node, m *moment) {
	switch {
	case m.clock.written == "":
		b.fail(n, "no time_layout says how times are written, such as YYYY-MM-DD HH:mm:ss")
	case m.clock.zone == nil && m.clock.unit != 0:
		m.clock.zone, m.clock.offset = time.UTC, true
	case m.clock.zone == nil && !m.clock.offset:
		b.fail(n, "no timezone says where times were read, and time_layout has no offset")
	}
}

func (b *builder) duration(n ast.Node) time.Duration {
	d, err := time.ParseDuration(b.text(n, "plus"))
	if err != nil {
		b.fail(n, "plus: want a span such as 1s, 90m or -2h")
	}
	return d
}
