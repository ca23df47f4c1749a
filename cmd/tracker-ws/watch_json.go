package main

import (
	"bufio"
	"encoding/json"
	"io"
	"time"

	"github.com/waybill-io/waybill/events/watch"
)

// objects prints a JSON object per change.
type objects struct {
	out  *bufio.Writer
	json *json.Encoder
	last watch.Freshness
	err  string
}

func newObjects(out io.Writer) *objects {
	o := &objects{out: bufio.NewWriter(out), last: -1}
	o.json = json.NewEncoder(o.out)
	o.json.SetEscapeHTML(false)
	return o
}

// object is one change.
type object struct {
	At        time.Time `json:"at"`
	Event     string    `json:"event"` // loaded, row, put, gone, emptied, freshness
	ID        string    `json:"id,omitempty"`
	Row       watch.Row `json:"row,omitempty"`
	Rows      *int      `json:"rows,omitempty"`
	Epoch     string    `json:"epoch,omitempty"`
	Q         *int64    `json:"q,omitempty"`
	Reset     string    `json:"reset,omitempty"`
	Freshness string    `json:"freshness,omitempty"`
	Lag       int64     `json:"lag_ms,omitempty"`
	Error     string    `json:"error,omitempty"`
}

// Show prints what a view says is new.
func (o *objects) Show(v watch.View) error {
	n, q, at := v.Len(), v.Position.Seq, time.Now().UTC()
	switch v.Event {
	case watch.Loaded:
		o.say(object{At: at, Event: "loaded", Rows: &n, Epoch: v.Position.Epoch, Q: &q, Reset: v.Reset})
		for id, row := range v.Rows() {
			o.say(object{At: at, Event: "row", ID: id, Row: row})
		}
	case watch.Emptied:
		o.say(object{At: at, Event: "emptied", Rows: &n, Reset: v.Reset})
	case watch.Changed:
		for _, id := range v.Put {
			if row, ok := v.Row(id); ok {
				o.say(object{At: at, Event: "put", ID: id, Row: row, Q: &q})
			}
		}
		for _, id := range v.Removed {
			o.say(object{At: at, Event: "gone", ID: id, Q: &q})
		}
	case watch.Checked: // its freshness is told below
	}
	if text := reason(v.Err); v.Freshness != o.last || text != o.err {
		o.last, o.err = v.Freshness, text
		o.say(object{
			At: at, Event: "freshness", Freshness: v.Freshness.String(), Rows: &n, Lag: v.Lag.Milliseconds(), Reset: resetOf(v), Error: text,
		})
	}
	return o.out.Flush()
}

// resetOf is why rows start over, while they do.
func resetOf(v watch.View) string {
	if v.Freshness.Current() {
		return ""
	}
	return v.Reset
}

// Close prints nothing more.
func (o *objects) Close() error { return o.out.Flush() }

func (o *objects) say(line object) { _ = o.json.Encode(line) } // Flush tells of errors
