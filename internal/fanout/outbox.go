package fanout

import (
	"slices"
	"time"
)

const (
	messageSize = 32 << 10 // a message is closed when it has reached this
	maxControl  = 64 << 10 // of frames that answer a client which does not read
)

// say queues a control frame. The lock is held.
func (c *Conn) say(f frame) {
	if c.closed {
		return
	}
	c.control = append(c.control, f)
	c.ctrlSize += f.size()
	if c.ctrlSize > maxControl {
		c.work.Go(func() { c.Close(CloseSlow) })
		return
	}
	c.wake()
}

// wake makes sure that what waits is written. The lock is held.
func (c *Conn) wake() {
	if !c.draining && !c.closed {
		c.engage()
	}
}

// engage has what waits written, by one goroutine at a time. The lock is held, and
// nobody does.
func (c *Conn) engage() {
	c.draining = true
	c.work.Add(1)
	if c.prompt != nil {
		c.hub.writers.add(c)
	} else {
		go c.drain()
	}
}

// open starts what the client sees of s: the pages of whole, live, and the
// changes of b. The hub's lock is held.
func (c *Conn) open(s *sub, whole *snapshot, live *liveFrame, b *batch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.has(s) {
		return
	}
	s.out = outbox{phase: open, pages: whole, opening: live, sent: live.Q, covered: b.q, caught: len(b.entries) == 0}
	if live.Resumed {
		s.out.epoch = live.Epoch
	}
	if len(b.entries) > 0 {
		s.out.pending.add(b)
	}
	c.wake()
}

// offer puts a batch of the group before the client. The hub's lock is held.
func (c *Conn) offer(s *sub, b *batch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	o := &s.out
	if !c.has(s) || o.phase != open || b.q <= o.covered {
		return
	}
	n := o.pending.add(b.after(o.covered))
	o.covered = b.q
	if n > 0 {
		c.hub.cfg.Meter.Count(CountConflated, "", n)
	}
	if c.draining && c.overfull() {
		c.dropPending()
	}
	c.wake()
}

// overfull reports whether more waits than may. The lock is held.
func (c *Conn) overfull() bool {
	entities, bytes := 0, 0
	for _, s := range c.order {
		entities += s.out.pending.entities()
		bytes += s.out.pending.size
	}
	return entities > c.hub.cfg.PendingEntities || bytes > c.hub.cfg.PendingBytes
}

// dropPending drops what waits; the subscriptions concerned start over when the
// client reads again. The lock is held.
func (c *Conn) dropPending() {
	for _, s := range c.order {
		if s.out.phase == open && s.out.pending.waiting {
			s.out = outbox{phase: dropped}
		}
	}
	c.hub.cfg.Meter.Count(CountSlow, "drop", 1)
}

// reset tells the client that s starts over. The hub's lock is held.
func (c *Conn) reset(s *sub, code ResetCode, retry time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.has(s) {
		return
	}
	s.out = outbox{}
	c.hub.cfg.Meter.Count(CountResets, string(code), 1)
	c.say(controlFrame("reset", resetFrame{T: "reset", SID: s.sid, Code: code, Retry: ms(retry)}))
}

// refuse ends s with an error. The hub's lock is held.
func (c *Conn) refuse(s *sub, e *Error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.has(s) {
		return
	}
	c.remove(s)
	c.say(controlFrame("err", errorFrame(&s.sid, e)))
}

// silent reports whether nothing is on its way for s. The hub's lock is held.
func (c *Conn) silent(s *sub) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.has(s) && s.out.phase == silent
}

// waitingBytes is the memory that this client's backlog takes.
func (c *Conn) waitingBytes() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.ctrlSize
	for _, s := range c.order {
		n += s.out.pending.size
	}
	return n
}

// message is some frames joined by newlines.
type message struct {
	parts  [][]byte
	size   int
	kinds  []string // of its frames
	places []Place  // where it takes the client, for a socket that wants to know
}

func newMessage() any {
	return &message{parts: make([][]byte, 0, 8), kinds: make([]string, 0, 4)}
}

// clear makes room for the next message.
func (m *message) clear() {
	clear(m.parts)
	m.parts, m.kinds, m.size = m.parts[:0], m.kinds[:0], 0
}

// count tells a meter that m was written.
func (m *message) count(meter Meter) {
	meter.Count(CountBytes, "", m.size)
	for _, kind := range m.kinds {
		meter.Count(CountFrames, kind, 1)
	}
}

var newline = []byte("\n")

func (m *message) add(f frame) {
	if m.size > 0 {
		m.parts = append(m.parts, newline)
		m.size++
	}
	for _, p := range f.parts {
		if len(p) > 0 {
			m.parts = append(m.parts, p)
		}
	}
	m.size += f.size()
	m.kinds = append(m.kinds, f.kind)
}

// take notes that the message before was written, if there was one, and puts
// together the next. It reports false when nothing waits, and then the caller
// must stop draining.
func (c *Conn) take(m *message, now time.Time) bool {
	m.clear()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.writeAt.IsZero() {
		c.writeAt, c.wrote = time.Time{}, now
	}
	c.takeControl(m)
	if !c.closed {
		c.owe(m, now)
		c.takeTurns(m, now)
		c.takeBeat(m, now)
	}
	if m.size == 0 {
		c.draining = false
		if c.closed {
			close(c.quiet)
		}
		return false
	}
	c.writeAt, m.places = now, c.places()
	return true
}

func (c *Conn) takeControl(m *message) {
	n := 0
	for n < len(c.control) && m.size < messageSize {
		c.ctrlSize -= c.control[n].size()
		m.add(c.control[n])
		n++
	}
	if c.control = slices.Delete(c.control, 0, n); len(c.control) == 0 {
		c.control = nil // it is rare that there is one
	}
}

// owe tells which subscriptions were dropped for slowness: the client reads
// again. Their snapshots come later, not more often than every SlowPause.
func (c *Conn) owe(m *message, now time.Time) {
	for _, s := range c.order {
		if s.out.phase != dropped {
			continue
		}
		due := c.slowUntil
		if due.Before(now) {
			due = now
		}
		s.out = outbox{phase: owing, due: due}
		c.hub.cfg.Meter.Count(CountResets, string(ResetSlow), 1)
		m.add(controlFrame("reset", resetFrame{T: "reset", SID: s.sid, Code: ResetSlow, Retry: ms(due.Sub(now))}))
	}
}

// takeTurns takes frames of the subscriptions in turn until the message is full.
func (c *Conn) takeTurns(m *message, now time.Time) {
	for idle := 0; idle < len(c.order) && m.size < messageSize; {
		s := c.order[0]
		last := copy(c.order, c.order[1:])
		c.order[last] = s
		committed := s.out.fresh()
		f, ok := s.out.next(s.sid)
		if !ok {
			idle++
			continue
		}
		idle = 0
		if f.kind == "d" && !committed.IsZero() {
			c.hub.cfg.Meter.Observe(TimeCommitToSend, max(0, now.Sub(committed)))
		}
		m.add(f)
	}
}

// takeBeat adds a heartbeat behind everything that it speaks of.
func (c *Conn) takeBeat(m *message, now time.Time) {
	if !c.beat {
		return
	}
	hb := heartbeatFrame{T: "hb", Now: now.UnixMilli(), Q: make(map[string]int64)}
	lag := c.lag
	for _, s := range c.order {
		if s.out.phase == open && s.out.opening == nil {
			hb.Q[sidText(s.sid)] = s.out.sent
		}
		if at := s.out.fresh(); !at.IsZero() {
			lag = max(lag, now.Sub(at))
		}
	}
	hb.Lag = ms(lag)
	c.beat, c.beatAt, c.lagTold = false, now, c.lag > 0
	m.add(controlFrame("hb", hb))
}
