package scenario

import (
	"container/heap"
	"time"

	"github.com/waybill-io/waybill/events"
)

// merge brings tales into one sequence by arrival. It begins a tale when its
// first event may be next, and forgets it with its last one.
type merge struct {
	g    *Generator
	open queue
	pair int  // the next one to tell
	gate gate // nil where all may begin
	now  int64
}

// gate says whether another pair of orders may begin. It is told of every tale
// and of every arrival.
type gate interface {
	admits() bool
	began(*tale)
	arrived(arrival)
}

// arrival is one event of a tale as it arrives.
type arrival struct {
	news
	tale *tale
}

func newMerge(g *Generator) *merge { return &merge{g: g} }

// next returns the earliest arrival that is still to come.
func (m *merge) next() (arrival, bool) {
	for m.begins() {
		m.begin()
	}
	if len(m.open) == 0 {
		return arrival{}, false
	}
	c := m.open[0]
	a := arrival{c.tale.news[c.pos], c.tale}
	m.now = c.at()
	if c.pos++; c.pos == len(c.tale.news) {
		heap.Pop(&m.open)
	} else {
		heap.Fix(&m.open, 0)
	}
	if m.gate != nil {
		m.gate.arrived(a)
	}
	return a, true
}

// begin tells the next pair: later than planned where it had to wait.
func (m *merge) begin() {
	wait := time.Duration(max(0, m.now-m.g.start(2*m.pair).UnixNano()))
	for _, t := range m.g.tales(m.pair) {
		if m.gate != nil {
			t.shift = wait
			m.gate.began(t)
		}
		heap.Push(&m.open, &cursor{tale: t})
	}
	m.pair++
}

// begins reports whether the next pair may have something to say before all
// others.
func (m *merge) begins() bool {
	first := 2 * m.pair
	if n := m.g.cfg.Orders; n > 0 && first >= n {
		return false
	}
	start := m.g.start(first)
	if start.Year() > lastYear {
		return false
	}
	if len(m.open) == 0 {
		return true
	}
	return start.UnixNano() <= m.open[0].at() && (m.gate == nil || m.gate.admits())
}

// lastYear is the last one in which an order is placed: its history ends well
// before 2100.
const lastYear = 2098

// cursor is how far a tale is told.
type cursor struct {
	tale *tale
	pos  int
}

func (c *cursor) at() int64 { return c.tale.news[c.pos].at + int64(c.tale.shift) }

// queue is a heap of tales by their next arrival, then by their number.
type queue []*cursor

func (q queue) Len() int { return len(q) }

func (q queue) Less(i, j int) bool {
	if a, b := q[i].at(), q[j].at(); a != b {
		return a < b
	}
	return q[i].tale.number < q[j].tale.number
}

func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push is for package heap.
func (q *queue) Push(x any) { *q = append(*q, x.(*cursor)) }

// Pop is for package heap.
func (q *queue) Pop() any {
	old := *q
	last := len(old) - 1
	c := old[last]
	old[last] = nil
	*q = old[:last]
	return c
}

// arrivals lists a tale's events as they arrive.
func (t *tale) arrivals() []events.Event {
	all := make([]events.Event, len(t.news))
	for i, n := range t.news {
		all[i] = t.told[n.event]
	}
	return all
}
