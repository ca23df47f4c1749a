package share

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/waybill-io/waybill/events"
)

// document is what a link shows, as JSON; the page says the same in HTML. What is
// not a field of it does not come out.
type document struct {
	Status      string    `json:"status"`
	StatusText  string    `json:"status_text"`
	StatusSince time.Time `json:"status_since,omitzero"`
	Carrier     string    `json:"carrier,omitzero"`
	Parcels     int       `json:"parcels"`
	ETA         *window   `json:"eta,omitzero"`
	Promised    *window   `json:"promised,omitzero"`
	LastScan    *scan     `json:"last_scan,omitzero"`
	Timeline    []moment  `json:"timeline"` // the newest first
	CheckedAt   time.Time `json:"checked_at"`
}

// window is when something is expected.
type window struct {
	From time.Time `json:"from,omitzero"`
	To   time.Time `json:"to"`
	Day  string    `json:"day,omitzero"` // where it is for a day
}

// scan is when and where the shipment was seen.
type scan struct {
	At    time.Time `json:"at"`
	Place string    `json:"place,omitzero"`
}

// moment is something that has happened.
type moment struct {
	Type      string           `json:"type"`
	Text      string           `json:"text"`
	At        time.Time        `json:"at"`
	Precision events.Precision `json:"precision,omitzero"` // day or hour, where no more is known
	Place     string           `json:"place,omitzero"`
}

// newDocument picks what a link shows.
func newDocument(s Shipment, now time.Time) *document {
	d := &document{
		Status: string(s.Status), StatusText: statusText(s.Status), Carrier: carrierName(s.Carrier), Parcels: s.Parcels,
		ETA: newWindow(s.ETA, time.Time{}), Promised: newWindow(s.Promise, s.PromiseDay),
		Timeline: make([]moment, 0, len(s.Events)), CheckedAt: now.UTC().Truncate(time.Second),
	}
	for _, e := range slices.Backward(s.Events) {
		if m, ok := newMoment(e); ok {
			d.Timeline = append(d.Timeline, m)
		}
	}
	if !s.LastScan.IsZero() {
		m := d.at(s.LastScan)
		d.LastScan = &scan{At: m.At, Place: m.Place}
	}
	d.StatusSince = d.at(s.StatusSince).At
	return d
}

func newWindow(s Span, day time.Time) *window {
	if s.To.IsZero() {
		return nil
	}
	w := &window{From: s.From, To: s.To}
	if !day.IsZero() {
		w.Day = day.Format(time.DateOnly)
	}
	return w
}

func newMoment(e Event) (moment, bool) {
	text, ok := wordsOf(e.Type)
	m := moment{Type: kindOf(e.Type), Text: text, At: e.At, Place: e.place()}
	if e.Precision == events.ToDay || e.Precision == events.ToHour {
		m.Precision = e.Precision
	}
	return m, ok
}

// place is the city of an event, or as near as that is known.
func (e Event) place() string {
	parts := []string{cmp.Or(e.City, e.Region), e.Country}
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), ", ")
}

// at is what happened at a time, which the timeline has by the clock of the
// place; only that time where it has nothing.
func (d *document) at(t time.Time) moment {
	found := moment{At: t}
	for _, m := range d.Timeline {
		if m.At.Equal(t) && (found.Type == "" || found.Place == "") {
			found = m
		}
	}
	return found
}
