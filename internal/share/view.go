package share

import (
	"html/template"
	"net/http"
	"time"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/tracking"
)

// view is what the page is made of: a document, or why there is none.
type view struct {
	Doc     *document
	Refusal refusal
}

// Expected reports whether the shipment is still to come.
func (d *document) Expected() bool { return !over(tracking.Status(d.Status)) }

// Late reports whether it is expected after what was promised.
func (d *document) Late() bool {
	return d.Expected() && d.ETA != nil && d.Promised != nil && d.ETA.To.After(d.Promised.To)
}

// refusal says why there is nothing to see.
type refusal struct{ Title, Text string }

func refusalOf(status int) refusal {
	switch status {
	case http.StatusNotFound:
		return refusal{"There is nothing to see", "This link is not valid, or not any more. Ask whoever gave it to you for a new one."}
	case http.StatusTooManyRequests:
		return refusal{"Too many requests", "Please wait a moment, then look again."}
	case http.StatusMethodNotAllowed:
		return refusal{"This cannot be done here", "A link can only be looked at."}
	}
	return refusal{"Not available now", "Please look again in a moment."}
}

// problem is a refusal as JSON (RFC 9457).
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
}

func problemOf(status int) problem {
	return problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: refusalOf(status).Text}
}

// phrases are what the page says of times.
func phrases() template.FuncMap {
	iso := func(t time.Time) string { return t.Format(time.RFC3339) }
	return template.FuncMap{"stamp": stamp, "during": during, "when": whenOf, "iso": iso}
}

const (
	onDay  = "2 January 2006"
	atTime = "15:04"
)

// zone says which clock a time is by.
func zone(t time.Time) string {
	if _, offset := t.Zone(); offset == 0 {
		return "UTC"
	}
	return t.Format("UTC-07:00")
}

// stamp reads 2 March 2026, 14:05 (UTC+01:00).
func stamp(t time.Time) string { return t.Format(onDay+", "+atTime) + " (" + zone(t) + ")" }

// whenOf is the time of a moment, as exactly as it is known.
func whenOf(m moment) string {
	switch m.Precision {
	case events.ToDay:
		return m.At.Format(onDay)
	case events.ToHour:
		return m.At.Format(onDay+", about "+atTime) + " (" + zone(m.At) + ")"
	case events.ToMinute, events.ToSecond, events.ToMillisecond:
	}
	return stamp(m.At)
}

// during reads 5 March 2026, or 5 March 2026, 09:00 to 12:00 (UTC), or by 5 March
// 2026, 12:00 (UTC), or that time without by where it is the only one.
func during(w *window) string {
	if w.Day != "" {
		if day, err := time.Parse(time.DateOnly, w.Day); err == nil {
			return day.Format(onDay)
		}
	}
	switch {
	case w.From.IsZero():
		return "by " + stamp(w.To)
	case stamp(w.From) == stamp(w.To):
		return stamp(w.To)
	case w.From.Format(onDay) == w.To.Format(onDay):
		return w.From.Format(onDay+", "+atTime) + " to " + w.To.Format(atTime) + " (" + zone(w.To) + ")"
	}
	return w.From.Format(onDay+", "+atTime) + " to " + stamp(w.To)
}
