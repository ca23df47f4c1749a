package fanout

import (
	"fmt"

	"github.com/go-json-experiment/json"
)

// key names an entity within a tenant.
type key struct {
	topic Topic
	id    string
}

// change is the newest that is known of an entity: its row as of the newest
// change, which is its row now. It belongs to the hub's lock.
type change struct {
	key
	seq     int64
	row     Row // nil when the entity is gone
	encoded []byte
}

// json encodes the row once for all who want it.
func (c *change) json() []byte {
	if c.encoded == nil {
		c.encoded = encodeRow(c.row)
	}
	return c.encoded
}

// encodeRow panics where a row cannot be JSON, which its type rules out.
func encodeRow(r Row) []byte {
	b, err := json.Marshal(r)
	if err != nil {
		panic(fmt.Sprintf("fanout: row %T does not encode: %v", r, err))
	}
	return b
}

// ring holds the changes of a tenant in (low, hi], and for each entity among
// them the newest. It belongs to the hub's lock.
type ring struct {
	low, hi int64
	keys    []key // keys[i] changed at low+1+i
	newest  map[key]*change
	past    map[mark][]tally // what after has found since the last change
}

// mark is a place in the feed of a topic.
type mark struct {
	seq   int64
	topic Topic
}

// pastMost is how many answers of after are kept: clients that come back together
// were cut off together.
const pastMost = 32

func newRing(at int64) ring {
	return ring{low: at, hi: at, newest: make(map[key]*change)}
}

// add appends the changes of one delta, which follow hi without a gap, and
// returns the newest change of each entity with how often it changed above
// known. Rows that are missing are gone.
func (r *ring) add(changes []Change, rows []Row, known int64) []tally {
	clear(r.past)
	now := make(map[key]Row, len(rows))
	for _, row := range rows {
		now[key{row.Topic(), row.Key()}] = row
	}
	index := make(map[key]int, len(rows))
	var out []tally
	for _, c := range changes {
		k := key{c.Topic, c.ID}
		r.keys = append(r.keys, k)
		i, ok := index[k]
		if !ok {
			i = len(out)
			index[k] = i
			out = append(out, tally{change: &change{key: k, row: now[k]}})
		}
		out[i].seq = c.Seq
		if c.Seq > known {
			out[i].n++
		}
	}
	for _, t := range out {
		r.newest[t.key] = t.change
	}
	r.hi += int64(len(changes))
	return out
}

// trim forgets the oldest changes above most.
func (r *ring) trim(most int) {
	drop := len(r.keys) - most
	if drop <= 0 {
		return
	}
	for _, k := range r.keys[:drop] {
		r.low++
		if c := r.newest[k]; c != nil && c.seq == r.low {
			delete(r.newest, k)
		}
	}
	r.keys = append(r.keys[:0], r.keys[drop:]...)
}

// tally is a change and how many changes of its entity it stands for.
type tally struct {
	*change
	n int
}

// after returns the newest change of each entity of a topic that changed above
// seq, which must not be below low. The list is shared.
func (r *ring) after(seq int64, topic Topic) []tally {
	m := mark{seq, topic}
	out, ok := r.past[m]
	if ok {
		return out
	}
	if r.past == nil || len(r.past) == pastMost {
		r.past = make(map[mark][]tally)
	}
	out = r.collect(seq, topic)
	r.past[m] = out
	return out
}

func (r *ring) collect(seq int64, topic Topic) (out []tally) {
	index := make(map[key]int)
	for _, k := range r.keys[seq-r.low:] {
		if k.topic != topic {
			continue
		}
		i, ok := index[k]
		if !ok {
			i = len(out)
			index[k] = i
			out = append(out, tally{change: r.newest[k]})
		}
		out[i].n++
	}
	return out
}
