package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/waybill-io/waybill/events/watch"
)

// glow is how long a changed row is marked.
const glow = 3 * time.Second

// board is what the table shows: the rows of a topic, the newest change first.
type board struct {
	topic   watch.Topic
	columns []string
	zone    *time.Location

	view    watch.View // as of the last call; its rows are not used
	rows    map[string]*boardRow
	changes int
}

// boardRow is a row as it is shown.
type boardRow struct {
	id    string
	text  string
	cells []string
	n     int       // of its last change
	at    time.Time // of its last change; zero for a row of the first snapshot
}

func newBoard(topic watch.Topic, columns []string, zone *time.Location) *board {
	return &board{topic: topic, columns: columns, zone: zone, rows: make(map[string]*boardRow)}
}

// take takes over what a view says is new.
func (b *board) take(v watch.View, now time.Time) {
	switch v.Event {
	case watch.Loaded:
		b.load(v, now)
	case watch.Emptied:
		clear(b.rows)
	case watch.Changed:
		for _, id := range v.Put {
			if row, ok := v.Row(id); ok {
				b.put(id, row, now)
			}
		}
		for _, id := range v.Removed {
			delete(b.rows, id)
		}
	case watch.Checked: // the rows are the same
	}
	b.view = v
}

// load replaces all rows. Those that are the same keep their place.
func (b *board) load(v watch.View, now time.Time) {
	first := len(b.rows) == 0
	if first {
		now = time.Time{}
	}
	old := b.rows
	b.rows = make(map[string]*boardRow, v.Len())
	for id, row := range v.Rows() {
		if before := old[id]; before != nil && before.text == string(row) {
			b.rows[id] = before
			continue
		}
		b.put(id, row, now)
		if first && !inOrder(b.topic) {
			b.rows[id].n = 0
		}
	}
}

// inOrder reports whether rows of a topic come in an order that means something.
func inOrder(topic watch.Topic) bool { return topic == watch.Timeline || topic == watch.Alerts }

func (b *board) put(id string, row watch.Row, now time.Time) {
	cells, err := cellsOf(row, b.columns)
	if err != nil {
		cells = make([]string, len(b.columns))
	}
	b.changes++
	b.rows[id] = &boardRow{id: id, text: string(row), cells: cells, n: b.changes, at: now}
}

// shown are the cells of a row as they stand on the screen.
func (b *board) shown(r *boardRow, now time.Time) []string {
	out := make([]string, len(r.cells))
	for i, text := range r.cells {
		out[i] = clean(b.clock(text, now))
	}
	return out
}

// clock shortens times.
func (b *board) clock(text string, now time.Time) string {
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return text
	}
	at = at.In(b.zone)
	if at.Format(time.DateOnly) == now.In(b.zone).Format(time.DateOnly) {
		return at.Format(time.TimeOnly)
	}
	return at.Format("2006-01-02 15:04")
}

// top are the n rows that stand first.
func (b *board) top(n int) []*boardRow {
	all := make([]*boardRow, 0, len(b.rows))
	for _, r := range b.rows {
		all = append(all, r)
	}
	slices.SortFunc(all, func(x, y *boardRow) int {
		if b.topic == watch.KPIs { // counts stay where they are
			return cmp.Compare(x.id, y.id)
		}
		return cmp.Or(cmp.Compare(y.n, x.n), cmp.Compare(x.id, y.id))
	})
	return all[:min(n, len(all))]
}

// status is the line about all rows.
func (b *board) status(now time.Time) string {
	v := b.view
	rows := fmt.Sprint(len(b.rows), " rows")
	if len(b.rows) == 1 {
		rows = "1 row"
	}
	lasts := span(now.Sub(v.Since))
	var parts []string
	switch v.Freshness {
	case watch.Live:
		parts = []string{"live", rows, "checked " + span(now.Sub(v.Checked)) + " ago"}
	case watch.Lagging:
		parts = []string{"lagging " + span(v.Lag) + " behind", rows, "checked " + span(now.Sub(v.Checked)) + " ago"}
	case watch.Connecting:
		parts = []string{"connecting for " + lasts}
	case watch.Refused, watch.Ended:
		parts = []string{v.Freshness.String()}
	default:
		parts = []string{v.Freshness.String() + " for " + lasts}
	}
	if !v.Freshness.Current() && v.Freshness != watch.Connecting && !v.Checked.IsZero() {
		parts = append(parts, rows+" as of "+v.Checked.In(b.zone).Format(time.TimeOnly))
	}
	if !v.Retry.IsZero() {
		parts = append(parts, next(v.Retry.Sub(now)))
	}
	if v.Err != nil {
		parts = append(parts, clean(v.Err.Error()))
	}
	return strings.Join(parts, ", ")
}

// next says when the next connection is tried.
func next(wait time.Duration) string {
	if wait <= 0 {
		return "trying now"
	}
	return "next try in " + span(wait)
}

// span is a time for people: tenths below ten seconds.
func span(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	default:
		return fmt.Sprintf("%.0f min", d.Minutes())
	}
}
