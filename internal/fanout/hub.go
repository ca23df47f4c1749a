package fanout

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"

	"github.com/waybill-io/waybill/events"
)

// Hub reads the change feed of the tenants that anyone is subscribed to and
// spreads it to their connections.
type Hub struct {
	feed      Feed
	snapshots Snapshots
	cfg       Config
	kick      chan struct{} // a read is wanted now
	turns     chan struct{} // one per snapshot that is being read
	work      sync.WaitGroup
	writers   *writers

	mu       sync.Mutex
	tenants  map[events.TenantID]*tenant
	flights  map[string]*flight
	arrived  []*board // have a reading that is not shown yet
	conns    map[*Conn]struct{}
	users    map[user]int
	ticks    uint64    // reads that have begun
	waiting  int       // subscriptions that wait for a read
	lastRead time.Time // when the last read that succeeded began
	active   time.Time // since when anyone is subscribed; zero when nobody is
}

// user is who connections are counted for.
type user struct {
	tenant  events.TenantID
	subject string
}

// New returns a hub that does nothing until Run.
func New(feed Feed, snapshots Snapshots, cfg Config) *Hub {
	cfg = cfg.withDefaults()
	return &Hub{
		feed: feed, snapshots: snapshots, cfg: cfg,
		kick:    make(chan struct{}, 1),
		turns:   make(chan struct{}, cfg.Snapshots),
		writers: newWriters(runtime.GOMAXPROCS(0)),
		tenants: make(map[events.TenantID]*tenant),
		flights: make(map[string]*flight),
		conns:   make(map[*Conn]struct{}),
		users:   make(map[user]int),
	}
}

// Run follows the feed until ctx ends and then returns nil. Connections outlive
// it: they get no more changes, and are for their owner to close.
func (h *Hub) Run(ctx context.Context) error {
	h.work.Go(func() { h.listen(ctx) })
	h.work.Go(func() { h.sweep(ctx) })
	h.loop(ctx)
	h.work.Wait()
	return nil
}

// Stats returns the gauges.
func (h *Hub) Stats() Stats {
	h.mu.Lock()
	s := Stats{
		Connections:   len(h.conns),
		Subscriptions: make(map[Topic]int),
		FeedLag:       h.lag(time.Now()).Seconds(),
	}
	for _, topic := range Topics() {
		s.Subscriptions[topic] = 0
	}
	conns := make([]*Conn, 0, len(h.conns))
	for c := range h.conns {
		conns = append(conns, c)
	}
	for _, t := range h.tenants {
		s.Groups += len(t.groups) + len(t.boards)
		for sub := range t.subs {
			s.Subscriptions[sub.topic]++
		}
	}
	h.mu.Unlock()
	for _, c := range conns {
		s.PendingBytes += c.waitingBytes()
	}
	return s
}

// lag is how old the newest read of the feed is, beyond what is usual. The
// hub's lock is held.
func (h *Hub) lag(now time.Time) time.Duration {
	if h.active.IsZero() {
		return 0
	}
	since := h.active
	if h.lastRead.After(since) {
		since = h.lastRead
	}
	if age := now.Sub(since); age > usualAge+h.cfg.TickMax {
		return age
	}
	return 0
}

// usualAge is how old a read may be before that is worth telling.
const usualAge = time.Second

// nudge asks for a read now.
func (h *Hub) nudge() {
	select {
	case h.kick <- struct{}{}:
	default:
	}
}

// attach lets s in; what comes of it is decided by the loop.
func (h *Hub) attach(s *sub) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ok := h.conns[s.conn]; !ok {
		s.state = detached
		return
	}
	t := h.tenants[s.tenant]
	if t == nil {
		t = newTenant(s.tenant)
		h.tenants[s.tenant] = t
	}
	t.subs[s] = struct{}{}
	h.wait(s)
	if h.active.IsZero() {
		h.active = time.Now()
	}
}

// wait puts s before the next read. The lock is held.
func (h *Hub) wait(s *sub) {
	s.state, s.tick = attached, h.ticks
	h.waiting++
	h.nudge()
}

// again starts s over with a snapshot, unless something else has already.
func (h *Hub) again(s *sub) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s.state != live || !s.conn.silent(s) {
		return
	}
	h.tenants[s.tenant].leave(s)
	s.since = nil
	h.wait(s)
}

// detach ends subscriptions.
func (h *Hub) detach(subs ...*sub) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range subs {
		h.forget(s)
	}
}

// forget takes s out of everything. The lock is held.
func (h *Hub) forget(s *sub) {
	if s.state == detached {
		return
	}
	s.state, s.whole = detached, nil
	t := h.tenants[s.tenant]
	if t == nil {
		return
	}
	t.leave(s)
	delete(t.subs, s)
	if len(t.subs) == 0 {
		t.idle = time.Now()
		h.rest()
	}
}

// rest notes when nobody is subscribed any more. The lock is held.
func (h *Hub) rest() {
	for _, t := range h.tenants {
		if len(t.subs) > 0 {
			return
		}
	}
	h.active = time.Time{}
}

// drop ends s with an err frame. The lock is held.
func (h *Hub) drop(s *sub, why *Error) {
	h.forget(s)
	s.conn.refuse(s, why)
}

// land takes the outcome of a flight to those who wait for it.
func (h *Hub) land(f *flight, l landing) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.flights, f.shared.key)
	for _, s := range f.waiters {
		switch {
		case s.state != snapshotting:
		case l.err == nil:
			s.state, s.tick, s.whole = joining, h.ticks, l.snapshot
			h.waiting++
		default:
			h.crash(s, l.err)
		}
	}
	h.nudge()
}

// snapshotTries is how often a snapshot may fail, each time after a read of the
// feed that did not.
const snapshotTries = 3

// crash sends s for another snapshot once the feed can be read, or gives it up.
// The lock is held.
func (h *Hub) crash(s *sub, err error) {
	told, final := errors.AsType[*Error](err)
	if s.tries++; !final && s.tries < snapshotTries {
		s.since = nil
		h.wait(s)
		return
	}
	if !final {
		told = refuse(Internal, "the snapshot could not be read")
	}
	h.drop(s, told)
}
