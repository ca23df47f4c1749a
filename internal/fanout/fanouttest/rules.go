package fanouttest

import (
	"bytes"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybill-io/waybill/internal/fanout"
)

// heartbeat holds what the server says that it sent against what came.
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

// fits reports whether a frame goes on with what is known, which one of the
// subscription that had the sid before need not. A first page always begins
// anew.
func (b *Book) fits(v *View, f Frame) bool {
	switch f.T {
	case "snap":
		if f.Page == 1 {
			v.reset("")
			v.Resets, v.was = v.Resets[:len(v.Resets)-1], fanout.Position{}
		}
		return f.Page == 1 || v.staged != nil && v.more && f.Page == v.page+1
	case "live":
		return f.Resumed && v.asked != nil || v.staged != nil && !v.more
	case "d", "ev":
		return v.Live && f.P == v.Pos
	}
	return true
}

// snap holds that pages follow each other, and nothing is twice on them.
func (b *Book) snap(v *View, f Frame) {
	switch {
	case v.Live:
		b.violate("sid %d: a page of a snapshot while live, without a reset", v.SID)
	case f.Page == 1 && v.staged == nil:
		v.begin()
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
		key := b.read(v, r).key()
		if _, ok := v.staged[key]; ok {
			b.violate("sid %d: %s is twice in a snapshot", v.SID, key)
		}
		v.staged[key] = r
	}
}

// live holds that nobody is live on less than a snapshot, or a position that it
// asked to resume from.
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
	if v.was.Epoch == f.Epoch {
		b.notBack(v, q)
	}
	v.load(q, f.Shape)
}

// notBack holds that a snapshot of the epoch that the client was in is no older
// than what it had, as a whole and row by row.
func (b *Book) notBack(v *View, q int64) {
	if q < v.was.Seq {
		b.violate("sid %d: a snapshot at %d after position %d of the same epoch", v.SID, q, v.was.Seq)
	}
	for key, row := range v.staged {
		b.forward(v, key, row, b.read(v, row))
	}
}

// forward holds that a row's revision does not go back.
func (b *Book) forward(v *View, key string, row jsontext.Value, k known) {
	old, ok := v.Rows[key]
	if !ok || bytes.Equal(old, row) {
		return
	}
	if before, err := readKnown(old); err == nil && before.Revision > k.Revision {
		b.violate("sid %d: %s goes from revision %d back to %d", v.SID, key, before.Revision, k.Revision)
	}
}

// tile holds that a delta follows what the client has.
func (b *Book) tile(v *View, f Frame) (follows bool) {
	q := b.seq(f)
	switch {
	case !v.Live:
		b.violate("sid %d: %s (%d, %d] while not live", v.SID, f.T, f.P, q)
		return false
	case f.P != v.Pos:
		b.violate("sid %d: %s (%d, %d] at position %d does not tile", v.SID, f.T, f.P, q, v.Pos)
	case q < f.P:
		b.violate("sid %d: %s (%d, %d] goes back", v.SID, f.T, f.P, q)
	}
	v.move(q)
	return true
}

// delta puts and drops rows of a state topic.
func (b *Book) delta(v *View, f Frame) {
	if !b.tile(v, f) {
		return
	}
	if f.N < len(f.U)+len(f.R) {
		b.violate("sid %d: delta of %d rows and %d removals stands for %d changes", v.SID, len(f.U), len(f.R), f.N)
	}
	for _, r := range f.U {
		k := b.read(v, r)
		b.forward(v, k.key(), r, k)
		v.Rows[k.key()] = r
	}
	for _, key := range f.R {
		v.drop(string(key))
	}
}

// events puts and drops entries of a log topic. One frame says nothing twice.
func (b *Book) events(v *View, f Frame) {
	if !b.tile(v, f) {
		return
	}
	said := make(map[string]bool, len(f.E)+len(f.R))
	say := func(key string) {
		if said[key] {
			b.violate("sid %d: ev (%d, %s] speaks of %s twice", v.SID, f.P, f.Q, key)
		}
		said[key] = true
	}
	for _, e := range f.E {
		key := b.read(v, e).key()
		say(key)
		v.Rows[key] = e
		v.Log = append(v.Log, key)
	}
	for _, key := range f.R {
		say(string(key))
		v.drop(string(key))
	}
}

func (b *Book) seq(f Frame) int64 {
	q, err := f.seq()
	if err != nil {
		b.violate("%v", err)
	}
	return q
}
