package fanout

import (
	"bytes"
	"cmp"
	"slices"
	"time"
)

// board is what clients see of a topic that is read anew when it may have
// changed: the counts, one timeline, or the log of alerts. What differs from one
// reading to the next goes to all its members. It belongs to the hub's lock.
//
// Its position is that of its last reading while it is stale, and otherwise that
// of its tenant, because nothing that it shows has changed since.
type board struct {
	shared
	members map[*sub]struct{} // live
	waiting []*sub            // until it was read
	idle    time.Time         // since when there is nobody
	related []key             // shipments whose facts the timeline of an order shows

	seen  bool // it was read, or needs no reading to begin with
	stale bool // something changed after at
	at    int64
	rows  []entry // in order; none of a log that has no past

	recent []entry // what differed in (since, position], oldest first
	since  int64
	spans  []span // of each reading but those of a log, oldest first; the last goes on while it is not stale
	back   int64  // somebody resumes from there, which is below since

	told  int64 // up to where its members were told
	spoke time.Time

	reading  bool
	fresh    *reading // has arrived and is ahead of the tenant
	next     time.Time
	failures int
}

// reading is what a read of a board found.
type reading struct {
	from  int64 // of a log: the entries are those after it
	at    Position
	low   int64 // of a log: the feed has pruned what is at and below it
	rows  []entry
	about []key // the shipments whose facts are among them
	spent time.Duration
	err   error
}

// span is the positions at which the rows are known to have been those of one
// reading. Between two spans they may have been others: a client that has those,
// from another board or another server, cannot be told what differs.
type span struct{ from, to int64 }

// spansMost is how many a board remembers.
const spansMost = 1000

// recentMost is how many differences a board remembers for those who resume.
const recentMost = 5000

func newBoard(s shared) *board {
	return &board{shared: s, members: make(map[*sub]struct{}), back: nobody, spoke: time.Now()}
}

// position is up to where the board shows everything.
func (b *board) position(t *tenant) int64 {
	if b.stale || !b.seen {
		return b.at
	}
	return t.at.Seq
}

// touch notes that something may differ after a position.
func (b *board) touch(at int64) {
	if !b.seen || b.stale {
		return
	}
	b.stale, b.at = true, at
	if n := len(b.spans); n > 0 {
		b.spans[n-1].to = at
	}
}

// knows reports whether it is known what the rows were at a position that is not
// below since.
func (b *board) knows(seq int64) bool {
	if b.topic == Alerts {
		return true
	}
	i := len(b.spans) - 1
	for i >= 0 && b.spans[i].from > seq {
		i--
	}
	return i >= 0 && (seq <= b.spans[i].to || i == len(b.spans)-1 && !b.stale)
}

// wanted reports whether it is to be read.
func (b *board) wanted() bool {
	return !b.reading && b.fresh == nil && len(b.members)+len(b.waiting) > 0 && (!b.seen || b.stale || b.back < b.since)
}

// due is when it may be read: members wait for their turn, newcomers do not.
func (b *board) due() time.Time {
	if len(b.waiting) > 0 && b.failures == 0 {
		return time.Time{}
	}
	return b.next
}

// from is the position after which a log is to be read.
func (b *board) from() int64 { return min(b.at, b.back) }

// take makes a reading what the board shows, and returns what differs.
func (b *board) take(r *reading) (news []entry) {
	switch {
	case b.topic == Alerts:
		news = b.lengthen(r)
	case b.seen:
		news = b.compare(r)
	default:
		b.rows, b.since = r.rows, r.at.Seq
	}
	b.seen, b.stale, b.at = true, false, r.at.Seq
	if b.topic != Alerts {
		b.spans = append(b.spans, span{r.at.Seq, r.at.Seq})
		b.spans = slices.Delete(b.spans, 0, max(0, len(b.spans)-spansMost))
	}
	b.recent = append(b.recent, news...)
	if drop := len(b.recent) - recentMost; drop > 0 {
		b.since = b.recent[drop-1].seq
		b.recent = slices.DeleteFunc(b.recent, func(e entry) bool { return e.seq <= b.since })
	}
	return news
}

// compare returns what differs from the rows that were there before.
func (b *board) compare(r *reading) (news []entry) {
	old := make(map[string][]byte, len(b.rows))
	for _, e := range b.rows {
		old[e.id] = e.row
	}
	for _, e := range r.rows {
		if row, ok := old[e.id]; !ok || !bytes.Equal(row, e.row) {
			news = append(news, entry{id: e.id, seq: r.at.Seq, n: 1, row: e.row})
		}
		delete(old, e.id)
	}
	for _, e := range b.rows {
		if _, gone := old[e.id]; gone {
			news = append(news, entry{id: e.id, seq: r.at.Seq, n: 1})
		}
	}
	b.rows = r.rows
	return news
}

// lengthen returns the entries that are new to members. A reading that began
// further back is for those who resume from there.
func (b *board) lengthen(r *reading) []entry {
	known := b.at
	switch {
	case !b.seen || r.low > known: // begins here; what was missed cannot be told
		b.recent, b.since, b.back = nil, r.at.Seq, nobody
		return nil
	case r.from < b.since:
		b.recent, b.since = nil, r.from
		b.recent = append(b.recent, slices.DeleteFunc(slices.Clone(r.rows), func(e entry) bool { return e.seq > known })...)
	}
	b.back = nobody
	return newest(slices.DeleteFunc(r.rows, func(e entry) bool { return e.seq <= known }))
}

// missed is what a client lacks that has everything up to a position. Of counts
// that is all of them where it is not known what they were.
func (b *board) missed(seq int64) []entry {
	if b.topic != KPIs || seq >= b.since && b.knows(seq) {
		return b.after(seq)
	}
	all := slices.Clone(b.rows)
	for i := range all {
		all[i].seq, all[i].n = b.at, 1
	}
	return all
}

// after is what differed after a position, which is not below since.
func (b *board) after(seq int64) []entry {
	i, _ := slices.BinarySearchFunc(b.recent, seq+1, func(e entry, seq int64) int { return cmp.Compare(e.seq, seq) })
	return newest(b.recent[i:])
}

// tell hands what differs up to q to the members.
func (b *board) tell(q int64, at time.Time, news []entry, now time.Time) {
	batch := newBatch(b.topic, b.told, q, at, news)
	b.told, b.spoke = q, now
	for s := range b.members {
		s.conn.offer(s, batch)
	}
}

// whole is the board as a snapshot.
func (b *board) whole(at Position, pageRows int) *snapshot {
	s := &snapshot{at: at, ids: make(map[string]struct{}, len(b.rows))}
	for page := range slices.Chunk(b.rows, pageRows) {
		var text []byte
		for i, e := range page {
			if i > 0 {
				text = append(text, ',')
			}
			text = append(text, e.row...)
			s.ids[e.id] = struct{}{}
		}
		s.pages = append(s.pages, text)
	}
	if len(s.pages) == 0 {
		s.pages = [][]byte{nil}
	}
	return s
}
