package fanout

import (
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
	p, q    int64
	at      time.Time // when the newest change was committed
	entries []entry
	size    int
	body    []byte // the delta frame behind its p
}

func newBatch(p, q int64, at time.Time, entries []entry) *batch {
	b := &batch{p: p, q: q, at: at, entries: entries}
	for _, e := range entries {
		b.size += e.size()
	}
	b.body = deltaBody(q, at, entries)
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
	return newBatch(seq, b.q, b.at, rest)
}

// deltaBody is a d frame from its q on; what stands before it differs between
// subscriptions.
func deltaBody(q int64, at time.Time, entries []entry) []byte {
	size := 64
	for _, e := range entries {
		size += len(e.row) + len(e.id) + 4
	}
	b := make([]byte, 0, size)
	b = strconv.AppendInt(append(b, `"q":`...), q, 10)
	if !at.IsZero() {
		b = strconv.AppendInt(append(b, `,"ts":`...), at.UnixMilli(), 10)
	}
	b = append(b, `,"u":[`...)
	comma, n := false, 0
	for _, e := range entries {
		if n += e.n; e.row == nil {
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
		b, comma = append(b, quote(e.id)...), true
	}
	b = strconv.AppendInt(append(b, `],"n":`...), int64(n), 10)
	return append(b, '}')
}

// pending is what waits to be sent to a subscription. While it is a single batch
// that is kept as it is, so that its body goes out without a copy; a second one
// makes it a table in which the newest entry of an entity wins.
type pending struct {
	q       int64
	at      time.Time
	waiting bool
	one     *batch
	merged  map[string]entry
	size    int
}

func (p *pending) entities() int {
	if p.one != nil {
		return len(p.one.entries)
	}
	return len(p.merged)
}

// add puts a batch behind what waits and reports how many entries it replaced.
func (p *pending) add(b *batch) (conflated int) {
	p.q, p.at = b.q, b.at
	if !p.waiting {
		p.waiting, p.one, p.size = true, b, b.size
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

// body is the delta frame of all that waits, behind its p.
func (p *pending) body() []byte {
	if p.one != nil {
		return p.one.body
	}
	entries := make([]entry, 0, len(p.merged))
	for _, e := range p.merged {
		entries = append(entries, e)
	}
	return deltaBody(p.q, p.at, entries)
}
