package fanout

import (
	"slices"
	"strconv"
	"time"
)

// entry is what a delta says of one entity.
type entry struct {
	id  string
	seq int64  // of the newest change that it stands for
	n   int    // how many changes it stands for
	row []byte // encoded and shared; nil when the entity does not match any more
}

// entryCost is what an entry costs beyond its row, about.
const entryCost = 64

func (e entry) size() int { return len(e.row) + len(e.id) + entryCost }

// batch is what changed for a group in (p, q]. It does not change and is shared
// by all subscriptions of the group.
type batch struct {
	topic   Topic
	p, q    int64
	at      time.Time // when the newest change was committed
	entries []entry
	size    int
	body    []byte // the delta frame behind its p
}

func newBatch(t Topic, p, q int64, at time.Time, entries []entry) *batch {
	b := &batch{topic: t, p: p, q: q, at: at, entries: entries}
	for _, e := range entries {
		b.size += e.size()
	}
	b.body = bodyOf(t, q, at, entries)
	return b
}

// after is the batch for a subscription that has (p, seq] of it already.
func (b *batch) after(seq int64) *batch {
	if seq <= b.p {
		return b
	}
	var rest []entry
	for _, e := range b.entries {
		if e.seq > seq {
			rest = append(rest, e)
		}
	}
	if len(rest) == len(b.entries) {
		return b
	}
	return newBatch(b.topic, seq, b.q, b.at, rest)
}

// bodyOf is a d or an ev frame from its q on; what stands before it differs
// between subscriptions.
func bodyOf(t Topic, q int64, at time.Time, entries []entry) []byte {
	size := 64
	for _, e := range entries {
		size += len(e.row) + len(e.id) + 4
	}
	b := strconv.AppendInt(append(make([]byte, 0, size), `"q":`...), q, 10)
	if !at.IsZero() {
		b = strconv.AppendInt(append(b, `,"ts":`...), at.UnixMilli(), 10)
	}
	if t.isLog() {
		return append(appendEntries(b, entries, `,"e":[`, appendKey), '}')
	}
	n := 0
	for _, e := range entries {
		n += e.n
	}
	b = appendEntries(b, entries, `,"u":[`, appendID)
	return append(strconv.AppendInt(append(b, `,"n":`...), int64(n), 10), '}')
}

// appendEntries appends the rows as the list that begins like first, and what is
// gone as r.
func appendEntries(b []byte, entries []entry, first string, gone func([]byte, string) []byte) []byte {
	b = append(b, first...)
	comma := false
	for _, e := range entries {
		if e.row == nil {
			continue
		}
		if comma {
			b = append(b, ',')
		}
		b, comma = append(b, e.row...), true
	}
	b, comma = append(b, `],"r":[`...), false
	for _, e := range entries {
		if e.row != nil {
			continue
		}
		if comma {
			b = append(b, ',')
		}
		b, comma = gone(b, e.id), true
	}
	return append(b, ']')
}

func appendID(b []byte, id string) []byte { return append(b, quote(id)...) }

// appendKey appends an identity, which is JSON already.
func appendKey(b []byte, key string) []byte { return append(b, key...) }

// pending is what waits to be sent to a subscription. While it is a single batch
// that is kept as it is, so that its body goes out without a copy; a second one
// makes it a table in which the newest entry of an entity wins, or, for a log,
// a list of them in their order.
type pending struct {
	topic   Topic
	q       int64
	at      time.Time
	waiting bool
	one     *batch
	merged  map[string]entry
	list    []entry // of a log
	size    int
}

func (p *pending) entities() int {
	if p.one != nil {
		return len(p.one.entries)
	}
	return len(p.merged) + len(p.list)
}

// add puts a batch behind what waits and reports how many entries it replaced.
func (p *pending) add(b *batch) (conflated int) {
	p.q, p.at = b.q, newer(p.at, b.at)
	if !p.waiting {
		p.topic, p.waiting, p.one, p.size = b.topic, true, b, b.size
		return 0
	}
	if p.topic.isLog() {
		p.append(b)
		return 0
	}
	if p.one != nil {
		p.merged = make(map[string]entry, len(p.one.entries)+len(b.entries))
		p.size = 0
		p.put(p.one.entries)
		p.one = nil
	}
	return p.put(b.entries)
}

// append puts the entries of a log behind those that wait.
func (p *pending) append(b *batch) {
	if p.one != nil {
		p.list, p.one = slices.Clone(p.one.entries), nil
	}
	p.list = newest(append(p.list, b.entries...))
	p.size = 0
	for _, e := range p.list {
		p.size += e.size()
	}
}

// newest keeps, in their order, the entries that no later one of the same id
// stands behind.
func newest(entries []entry) []entry {
	last := make(map[string]int, len(entries))
	for i, e := range entries {
		last[e.id] = i
	}
	out := make([]entry, 0, len(last))
	for i, e := range entries {
		if last[e.id] == i {
			out = append(out, e)
		}
	}
	return out
}

// newer is the later of two times; a batch that tells of silence has none.
func newer(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func (p *pending) put(entries []entry) (conflated int) {
	for _, e := range entries {
		if old, ok := p.merged[e.id]; ok {
			conflated++
			p.size -= old.size()
			e.n += old.n
		}
		p.merged[e.id] = e
		p.size += e.size()
	}
	return conflated
}

// body is the frame of all that waits, behind its p.
func (p *pending) body() []byte {
	if p.one != nil {
		return p.one.body
	}
	entries := p.list
	for _, e := range p.merged {
		entries = append(entries, e)
	}
	return bodyOf(p.topic, p.q, p.at, entries)
}
