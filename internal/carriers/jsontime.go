package carriers

import (
	"strings"
	"time"

	"github.com/waybill-io/waybill/events"
)

// layouts are the ways in which tracking services write a time.
var layouts = [...]struct {
	layout    string
	offset    bool
	precision events.Precision
}{
	{time.RFC3339, true, events.ToSecond},
	{"2006-01-02T15:04:05-0700", true, events.ToSecond},
	{"2006-01-02T15:04Z07:00", true, events.ToMinute},
	{"2006-01-02T15:04:05", false, events.ToSecond},
	{"2006-01-02T15:04", false, events.ToMinute},
	{time.DateOnly, false, events.ToDay},
}

// wallOf reads a time with or without an offset, or a date.
func wallOf(s string) (wall, bool) {
	for _, l := range layouts {
		t, err := time.Parse(l.layout, s)
		if err != nil || strings.Contains(s, ",") { // which time.Parse takes for a point
			continue
		}
		w := wall{clock: t, offset: l.offset, precision: l.precision}
		if t.Nanosecond() != 0 {
			w.precision = events.ToMillisecond
		}
		return w, true
	}
	return wall{}, false
}

// placeOf is where something happened, or nil where nothing is known.
func placeOf(l events.Location) *events.Location {
	if l == (events.Location{}) {
		return nil
	}
	return &l
}

// knownAt is when a service knew, which the profile's clock is for where it has
// no offset. It is zero where there is no such time.
func knownAt(s string) wall {
	w, _ := wallOf(s)
	return w
}

// day is w as a date without a time.
func (w wall) day() wall {
	w.clock = time.Date(w.clock.Year(), w.clock.Month(), w.clock.Day(), 0, 0, 0, 0, time.UTC)
	w.offset, w.precision = false, events.ToDay
	return w
}

// midnight reports whether w is the beginning of a day in UTC.
func (w wall) midnight() bool {
	_, offset := w.clock.Zone()
	return offset == 0 && w.clock.Equal(w.clock.Truncate(24*time.Hour))
}
