package fanouttest

import (
	"maps"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybill-io/waybill/internal/fanout"
)

// View is what a client knows of one subscription, kept by the rules of the
// protocol. What a rule is broken by stands in the Book.
type View struct {
	SID     int64
	Live    bool
	Refused string
	Epoch   string
	Shape   string
	Pos     int64
	Rows    map[string]jsontext.Value // rows or entries, by [Key]
	Resets  []string
	Removed map[string]int // how often each was said to be removed
	Deltas  int
	Resumes int
	Loads   int // snapshots that went live

	// Of a log topic: where the snapshot was that all this goes on from, and the
	// keys of the entries that have come since, in their order.
	From int64
	Log  []string

	staged map[string]jsontext.Value
	page   int
	more   bool
	asked  *fanout.Since
	was    fanout.Position // of the last thing that the client knew
	torn   bool            // frames of what the sid was before may still come
}

// newView is a view of nothing, or one that goes on from another.
func newView(sid int64, from *View) *View {
	v := &View{SID: sid, Rows: make(map[string]jsontext.Value), Removed: make(map[string]int)}
	if from != nil {
		v.Rows, v.Epoch, v.Pos, v.Shape = maps.Clone(from.Rows), from.Epoch, from.Pos, from.Shape
		v.From, v.Log = from.From, slices.Clone(from.Log)
		v.asked, v.was = from.Since(), from.was
	}
	return v
}

// Since is the position to resume from; nil when there is none.
func (v *View) Since() *fanout.Since {
	if v.Epoch == "" {
		return nil
	}
	return &fanout.Since{Epoch: v.Epoch, Seq: v.Pos, Shape: v.Shape}
}

// copy is one that does not change any more.
func (v *View) copy() *View {
	c := *v
	c.Rows, c.Removed, c.Log, c.Resets = maps.Clone(v.Rows), maps.Clone(v.Removed), slices.Clone(v.Log), slices.Clone(v.Resets)
	return &c
}

// reset forgets the position; the rows stay as they were. If they are of another
// question, what comes is not to be compared with them.
func (v *View) reset(code string) {
	if code == string(fanout.ResetFilter) || code == string(fanout.ResetAuthz) {
		v.was = fanout.Position{}
	}
	v.Live, v.staged, v.asked, v.Epoch = false, nil, nil, ""
	v.Resets = append(v.Resets, code)
}

// begin starts a snapshot anew.
func (v *View) begin() {
	v.staged, v.page, v.Epoch, v.asked = make(map[string]jsontext.Value), 0, "", nil
}

// load makes the snapshot what the client has, as of q.
func (v *View) load(q int64, shape string) {
	v.Rows, v.staged, v.Live = v.staged, nil, true
	v.Pos, v.Shape, v.Loads = q, shape, v.Loads+1
	v.From, v.Log, v.Removed = q, nil, make(map[string]int)
	v.was = fanout.Position{Epoch: v.Epoch, Seq: q}
}

// move goes on to q.
func (v *View) move(q int64) {
	v.Pos, v.Deltas = q, v.Deltas+1
	v.was = fanout.Position{Epoch: v.Epoch, Seq: q}
}

// drop takes a row away.
func (v *View) drop(key string) {
	delete(v.Rows, key)
	v.Removed[key]++
}
