package fanouttest

import (
	"bytes"
	"fmt"
	"maps"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybill-io/waybill/internal/fanout"
)

// Frame is any frame of the server.
type Frame struct {
	T           string           `json:"t"`
	SID         *int64           `json:"sid"`
	Epoch       string           `json:"epoch"`
	Page        int              `json:"page"`
	Rows        jsontext.Value   `json:"rows"`
	More        bool             `json:"more"`
	Shape       string           `json:"shape"`
	P           int64            `json:"p"`
	Q           jsontext.Value   `json:"q"`
	Resumed     bool             `json:"resumed"`
	TS          int64            `json:"ts"`
	U           []jsontext.Value `json:"u"`
	R           []string         `json:"r"`
	N           int              `json:"n"`
	Code        string           `json:"code"`
	Msg         string           `json:"msg"`
	Retry       int64            `json:"retry_ms"`
	Lag         int64            `json:"lag_ms"`
	Conn        string           `json:"conn"`
	Heartbeat   int64            `json:"hb_ms"`
	Expires     int64            `json:"exp_ms"`
	Within      int64            `json:"within_ms"`
	Reconnect   jsontext.Value   `json:"reconnect"`
	ReconnectIn int64            `json:"reconnect_in_ms"`
	Limits      jsontext.Value   `json:"limits"`
	Now         int64            `json:"now"`
	Quarantined int              `json:"quarantined"`
}

// View is what a client knows of one subscription, kept by the rules of the
// protocol.
type View struct {
	SID     int64
	Live    bool
	Refused string
	Epoch   string
	Shape   string
	Pos     int64
	Rows    map[string]jsontext.Value
	Resets  []string
	Removed map[string]int // how often each id was said to be removed
	Deltas  int
	Resumes int
	Loads   int // snapshots that went live

	staged map[string]jsontext.Value
	page   int
	more   bool
	asked  *fanout.Since
}

// Since is the position to resume from; nil when there is none.
func (v *View) Since() *fanout.Since {
	if v.Epoch == "" {
		return nil
	}
	return &fanout.Since{Epoch: v.Epoch, Seq: v.Pos, Shape: v.Shape}
}

// Book is what a client knows: its views, what was said to it, and how the
// server broke the protocol, if it did. It may be used from any goroutine.
type Book struct {
	Prefix string // every id must begin with it; "" for any

	mu         sync.Mutex
	views      map[int64]*View
	over       map[int64]bool // ids that were given up, of which nothing may come
	frames     []Frame
	violations []string
	schemas    Schemas
}

// NewBook returns a client that knows nothing.
func NewBook() *Book {
	b := &Book{views: make(map[int64]*View), over: make(map[int64]bool)}
	var err error
	if b.schemas, err = PublishedSchemas(); err != nil {
		b.violate("published schemas: %v", err)
	}
	return b
}

// Ask notes that sid is going to be subscribed. What from knows, if it is not
// nil, goes on from its position.
func (b *Book) Ask(sid int64, from *View) {
	b.mu.Lock()
	defer b.mu.Unlock()
	v := &View{SID: sid, Rows: make(map[string]jsontext.Value), Removed: make(map[string]int)}
	if from != nil {
		v.Rows, v.Epoch, v.Pos, v.Shape = maps.Clone(from.Rows), from.Epoch, from.Pos, from.Shape
		v.asked = from.Since()
	}
	b.views[sid] = v
	delete(b.over, sid)
}

// Drop notes that sid was given up and that the server knows it.
func (b *Book) Drop(sid int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.views, sid)
	b.over[sid] = true
}

// View returns a copy of what is known of sid.
func (b *Book) View(sid int64) *View {
	b.mu.Lock()
	defer b.mu.Unlock()
	v := b.views[sid]
	if v == nil {
		return nil
	}
	c := *v
	c.Rows, c.Removed = maps.Clone(v.Rows), maps.Clone(v.Removed)
	return &c
}

// Frames returns the frames of a kind, or all for "".
func (b *Book) Frames(kind string) []Frame {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []Frame
	for _, f := range b.frames {
		if kind == "" || f.T == kind {
			out = append(out, f)
		}
	}
	return out
}

// Violations returns how the server broke the protocol.
func (b *Book) Violations() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.violations...)
}

// Message takes in one message.
func (b *Book) Message(text []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for line := range bytes.SplitSeq(text, []byte("\n")) {
		var f Frame
		if err := json.Unmarshal(line, &f, json.RejectUnknownMembers(true)); err != nil {
			b.violate("frame %q: %v", line, err)
			continue
		}
		if err := b.schemas.Check(f.T, line); err != nil {
			b.violate("frame %.300q is not as published: %v", line, err)
		}
		b.frames = append(b.frames, f)
		b.take(f)
	}
}

func (b *Book) violate(format string, args ...any) {
	if len(b.violations) < 20 {
		b.violations = append(b.violations, fmt.Sprintf(format, args...))
	}
}

func (b *Book) take(f Frame) {
	if f.T == "hb" {
		b.heartbeat(f)
	}
	if f.SID == nil {
		return
	}
	v := b.views[*f.SID]
	if v == nil {
		if b.over[*f.SID] {
			b.violate("%s of sid %d, which is over", f.T, *f.SID)
		}
		return
	}
	switch f.T {
	case "snap":
		b.snap(v, f)
	case "live":
		b.live(v, f)
	case "d":
		b.delta(v, f)
	case "reset":
		v.Live, v.staged, v.asked, v.Epoch = false, nil, nil, ""
		v.Resets = append(v.Resets, f.Code)
	case "err":
		v.Live, v.Refused = false, f.Code
	}
}

func (b *Book) heartbeat(f Frame) {
	var q map[int64]int64
	if err := json.Unmarshal(f.Q, &q); err != nil {
		b.violate("hb: q %s: %v", f.Q, err)
	}
	for sid, seq := range q {
		if v := b.views[sid]; v != nil && v.Live && v.Pos != seq {
			b.violate("hb says that sid %d was sent %d, and it has %d", sid, seq, v.Pos)
		}
	}
}

func (b *Book) snap(v *View, f Frame) {
	switch {
	case v.Live:
		b.violate("sid %d: a page of a snapshot while live, without a reset", v.SID)
	case f.Page == 1 && v.staged == nil:
		v.staged, v.page, v.Epoch = make(map[string]jsontext.Value), 0, ""
		v.asked = nil
	case f.Page != v.page+1 || !v.more:
		b.violate("sid %d: page %d after page %d (more %v)", v.SID, f.Page, v.page, v.more)
		return
	}
	v.page, v.more, v.Epoch = f.Page, f.More, f.Epoch
	var rows []jsontext.Value
	if err := json.Unmarshal(f.Rows, &rows); err != nil {
		b.violate("sid %d: snap rows: %v", v.SID, err)
	}
	for _, r := range rows {
		id := b.id(v, r)
		if _, ok := v.staged[id]; ok {
			b.violate("sid %d: %s is twice in a snapshot", v.SID, id)
		}
		v.staged[id] = r
	}
}

func (b *Book) live(v *View, f Frame) {
	q := b.seq(f)
	if f.Resumed {
		if v.asked == nil || v.asked.Epoch != f.Epoch || v.asked.Shape != f.Shape || v.asked.Seq != q {
			b.violate("sid %d: live resumed at %s/%d (%s), asked was %+v", v.SID, f.Epoch, q, f.Shape, v.asked)
		}
		v.Live, v.Resumes = true, v.Resumes+1
		return
	}
	if v.staged == nil || v.more || v.Epoch != f.Epoch {
		b.violate("sid %d: live without a complete snapshot", v.SID)
		return
	}
	var rows int
	if err := json.Unmarshal(f.Rows, &rows); err != nil || rows != len(v.staged) {
		b.violate("sid %d: live with %s rows after a snapshot of %d", v.SID, f.Rows, len(v.staged))
	}
	v.Rows, v.staged, v.Live = v.staged, nil, true
	v.Pos, v.Shape, v.Loads = q, f.Shape, v.Loads+1
	v.Removed = make(map[string]int)
}

func (b *Book) delta(v *View, f Frame) {
	q := b.seq(f)
	switch {
	case !v.Live:
		b.violate("sid %d: delta (%d, %d] while not live", v.SID, f.P, q)
		return
	case f.P != v.Pos:
		b.violate("sid %d: delta (%d, %d] at position %d does not tile", v.SID, f.P, q, v.Pos)
	case q < f.P:
		b.violate("sid %d: delta (%d, %d] goes back", v.SID, f.P, q)
	case f.N < len(f.U)+len(f.R):
		b.violate("sid %d: delta of %d rows and %d removals stands for %d changes", v.SID, len(f.U), len(f.R), f.N)
	}
	v.Pos = q
	v.Deltas++
	for _, r := range f.U {
		id := b.id(v, r)
		if old, ok := v.Rows[id]; ok && revision(old) > revision(r) {
			b.violate("sid %d: %s goes from revision %d back to %d", v.SID, id, revision(old), revision(r))
		}
		v.Rows[id] = r
	}
	for _, id := range f.R {
		delete(v.Rows, id)
		v.Removed[id]++
	}
}

func (b *Book) seq(f Frame) int64 {
	var q int64
	if err := json.Unmarshal(f.Q, &q); err != nil {
		b.violate("%s: q %s: %v", f.T, f.Q, err)
	}
	return q
}

func (b *Book) id(v *View, row jsontext.Value) string {
	var r struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(row, &r); err != nil || r.ID == "" {
		b.violate("sid %d: row %s: %v", v.SID, row, err)
	}
	if len(r.ID) < len(b.Prefix) || r.ID[:len(b.Prefix)] != b.Prefix {
		b.violate("sid %d: row %s is of another tenant", v.SID, r.ID)
	}
	return r.ID
}

func revision(row jsontext.Value) int64 {
	var r struct {
		V int64 `json:"v"`
	}
	if json.Unmarshal(row, &r) != nil {
		return -1
	}
	return r.V
}
