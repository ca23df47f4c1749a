package fanouttest

import (
	"bytes"
	"fmt"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Book is what a client knows: its views, what was said to it, and how the
// server broke the protocol, if it did. It may be used from any goroutine; its
// exported fields are set before that.
type Book struct {
	// Prefix is what every id must begin with; "" for any.
	Prefix string
	// Canaries are texts that must not stand in any message, as the rows of other
	// tenants have them.
	Canaries []string
	// Heard is called with every frame, after it was taken in. It must not call the
	// Book.
	Heard func(Frame)
	// Lean has a Book of a long run keep no frames, and hold only one in 64 against
	// the published schemas.
	Lean bool

	mu         sync.Mutex
	views      map[int64]*View
	over       map[int64]bool // ids that were given up, of which nothing may come
	frames     []Frame
	seen       int // frames
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
	b.views[sid] = newView(sid, from)
	delete(b.over, sid)
}

// Drop notes that sid was given up and that the server knows it.
func (b *Book) Drop(sid int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.views, sid)
	b.over[sid] = true
}

// Otherwise notes that sid is going to be subscribed for something else: what
// comes for it may still be of what it was, until a snapshot begins. Nothing new
// comes at all when it is the same in other words.
func (b *Book) Otherwise(sid int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.views[sid].torn = true
}

// View returns a copy of what is known of sid.
func (b *Book) View(sid int64) *View {
	b.mu.Lock()
	defer b.mu.Unlock()
	v := b.views[sid]
	if v == nil {
		return nil
	}
	return v.copy()
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

func (b *Book) violate(format string, args ...any) {
	if len(b.violations) < 20 {
		b.violations = append(b.violations, fmt.Sprintf(format, args...))
	}
}

// Message takes in one message.
func (b *Book) Message(text []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, canary := range b.Canaries {
		if bytes.Contains(text, []byte(canary)) {
			b.violate("message %.300q has %q of another tenant", text, canary)
		}
	}
	for line := range bytes.SplitSeq(text, []byte("\n")) {
		b.line(line)
	}
}

func (b *Book) line(line []byte) {
	const one = 64 // of so many frames is checked when lean
	var f Frame
	if err := json.Unmarshal(line, &f, json.RejectUnknownMembers(true)); err != nil {
		b.violate("frame %.300q: %v", line, err)
		return
	}
	if b.seen++; !b.Lean || b.seen%one == 1 {
		if err := b.schemas.Check(f.T, line); err != nil {
			b.violate("frame %.300q is not as published: %v", line, err)
		}
	}
	if !b.Lean {
		b.frames = append(b.frames, f)
	}
	b.take(f)
	if b.Heard != nil {
		b.Heard(f)
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
	if v.torn && !b.fits(v, f) {
		return
	}
	switch f.T {
	case "snap":
		b.snap(v, f)
	case "live":
		b.live(v, f)
	case "d":
		b.delta(v, f)
	case "ev":
		b.events(v, f)
	case "reset":
		v.reset(f.Code)
	case "err":
		v.Live, v.Refused = false, f.Code
	}
}

// read is what a row or an entry is known by.
func (b *Book) read(v *View, row jsontext.Value) known {
	k, err := readKnown(row)
	if err != nil {
		b.violate("sid %d: %v", v.SID, err)
	}
	if id, is := k.foreign(b.Prefix); is {
		b.violate("sid %d: row %s is of another tenant", v.SID, id)
	}
	return k
}
