package scenario

import (
	"time"

	"github.com/waybill-io/waybill/events"
)

// finish adds what happens to events on their way to us, and sorts them by
// arrival.
func (t *tale) finish() *tale {
	r := &t.g.cfg.Rates
	for i := range len(t.told) {
		late, overtaken := t.d.chance(r.Late), t.d.chance(r.Reorder)
		switch e := &t.told[i]; {
		case late && isScan(e):
			t.delay(i, t.d.between(24*time.Hour, 72*time.Hour), t.d.chance(0.5))
		case overtaken:
			t.delay(i, t.d.between(5*time.Minute, 12*time.Hour), false)
		}
		if t.d.chance(r.Resend) {
			at := t.news[i].at + int64(t.d.latency(time.Second, 2*time.Hour))
			t.news = append(t.news, news{at: at, event: int32(i), again: true})
		}
		if t.d.chance(r.Copy) {
			t.copy(i)
		}
	}
	return t.sorted()
}

// isScan reports whether a carrier told it.
func isScan(e *events.Event) bool { return e.Source != shop && e.Source != warehouse }

// delay lets an event arrive later. An event that its source knew late was
// recorded late as well.
func (t *tale) delay(i int, by time.Duration, known bool) {
	e := &t.told[i]
	if known {
		e.RecordedAt = e.RecordedAt.Add(by)
	}
	e.IngestedAt = e.IngestedAt.Add(by)
	t.news[i].at = e.IngestedAt.UnixNano()
}

// copy lets an event arrive again under another id, as a relay tells it.
func (t *tale) copy(i int) {
	e := t.told[i]
	e.ID += "c"
	if isScan(&e) {
		e.Source = relay
	}
	after := t.d.latency(time.Second, 3*time.Hour)
	e.RecordedAt = e.RecordedAt.Add(after)
	e.IngestedAt = e.IngestedAt.Add(after)
	t.news = append(t.news, news{at: e.IngestedAt.UnixNano(), event: int32(len(t.told)), copied: true})
	t.told, t.of = append(t.told, e), append(t.of, t.of[i])
}
