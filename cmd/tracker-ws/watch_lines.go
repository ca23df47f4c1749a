package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/waybill-io/waybill/events/watch"
)

// lines prints a line per change under a line of names: the time, what happened,
// the fields. What happened to all rows is #.
type lines struct {
	out     *bufio.Writer
	columns []string
	last    watch.Freshness
	err     string
}

func newLines(out io.Writer, columns []string) *lines {
	l := &lines{out: bufio.NewWriter(out), columns: columns, last: -1}
	fmt.Fprintln(l.out, "time\twhat\t"+strings.Join(columns, "\t")) // Show flushes
	return l
}

// Show prints what a view says is new.
func (l *lines) Show(v watch.View) error {
	switch v.Event {
	case watch.Loaded:
		l.note("loaded", fmt.Sprint(v.Len(), " rows"), v.Reset)
		for _, row := range v.Rows() {
			l.row("row", row)
		}
	case watch.Emptied:
		l.note("emptied", "the rights are others than before")
	case watch.Changed:
		for _, id := range v.Put {
			if row, ok := v.Row(id); ok {
				l.row("put", row)
			}
		}
		for _, id := range v.Removed {
			l.say("gone", id)
		}
	case watch.Checked: // its freshness is told below
	}
	if text := reason(v.Err); v.Freshness != l.last || text != l.err {
		l.note(v.Freshness.String(), fmt.Sprint(v.Len(), " rows"), text)
		l.last, l.err = v.Freshness, text
	}
	return l.out.Flush()
}

// Close prints nothing more.
func (l *lines) Close() error { return l.out.Flush() }

func (l *lines) note(words ...string) { l.say("#", words...) }

func (l *lines) row(what string, row watch.Row) {
	cells, _ := cellsOf(row, l.columns) // what is no object has no cells
	l.say(what, cells...)
}

func (l *lines) say(what string, words ...string) {
	fmt.Fprintf(l.out, "%s\t%s", time.Now().Format(time.TimeOnly), what) // Flush tells of errors
	for _, w := range words {
		if w != "" || what != "#" {
			fmt.Fprint(l.out, "\t", clean(w))
		}
	}
	fmt.Fprintln(l.out)
}

func reason(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// cellsOf are fields of a row as text.
func cellsOf(row watch.Row, columns []string) ([]string, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(row, &fields); err != nil {
		return nil, fmt.Errorf("read a row: %w", err)
	}
	cells := make([]string, len(columns))
	for i, name := range columns {
		cells[i] = cell(fields[name])
	}
	return cells, nil
}

// cell is a value as text: strings without quotes, lists of strings with commas.
func cell(value json.RawMessage) string {
	var text string
	if json.Unmarshal(value, &text) == nil {
		return text
	}
	var list []string
	if json.Unmarshal(value, &list) == nil {
		return strings.Join(list, ",")
	}
	return string(value)
}
