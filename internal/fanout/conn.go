package fanout

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// ErrTooMany refuses a connection of a subject that has as many as it may.
var ErrTooMany = errors.New("too many connections of one subject")

// Conn is one client: its subscriptions and what waits to be sent to it. Its
// memory is bounded whatever the client does.
type Conn struct {
	hub    *Hub
	socket Socket
	prompt Prompt // socket, if it is one
	id     string
	user   user
	work   sync.WaitGroup // grows under mu and only while not closed
	quiet  chan struct{}  // made when it is closed, closed when the last frame was written

	mu       sync.Mutex
	peer     Peer
	order    []*sub // the subscriptions, which take turns; they are few
	control  []frame
	ctrlSize int
	closed   bool
	stood    []Place   // when it was closed
	draining bool      // a goroutine writes, or is about to
	writeAt  time.Time // when the write in hand began; zero when there is none
	retire   time.Time // when it is too old
	health
}

// health is what the sweep looks at. It belongs to the connection's lock.
type health struct {
	heard     time.Time // the last sign of life of the client
	wrote     time.Time // the end of the last write
	pinged    time.Time
	pinging   bool
	beat      bool      // a heartbeat is due
	beatAt    time.Time // when the last was sent
	lag       time.Duration
	lagTold   bool      // the last heartbeat told of a lag
	renewBy   time.Time // when a new token is due; zero while none is asked for
	slowUntil time.Time // no other snapshot for slowness before then
}

// Connect takes on a client, with the subscriptions that it asks for first: all
// of them or, with an error that is an *Error, none. The welcome frame is on its
// way when it returns. The caller calls Close and Wait in the end, whoever ended
// it.
func (h *Hub) Connect(socket Socket, peer Peer, first ...Request) (*Conn, error) {
	now := time.Now()
	peer.Scope = slices.Clone(peer.Scope)
	c := &Conn{
		hub: h, socket: socket, peer: peer, id: "c-" + rand.Text()[:10], user: user{peer.Tenant, peer.Subject},
		retire: now.Add(spread(h.cfg.MaxAge)),
		health: health{heard: now, wrote: now, pinged: now, beatAt: now},

		draining: true, // not yet, and nobody else is to begin
	}
	c.prompt, _ = socket.(Prompt)
	h.mu.Lock()
	if h.users[c.user] >= h.cfg.UserConnections {
		h.mu.Unlock()
		return nil, ErrTooMany
	}
	h.users[c.user]++
	h.conns[c] = struct{}{}
	h.mu.Unlock()
	if err := c.begin(first, now); err != nil {
		c.Close(CloseLost)
		c.Wait()
		return nil, err
	}
	c.expel()
	return c, nil
}

// begin lets the client have the welcome and what it asks for first.
func (c *Conn) begin(first []Request, now time.Time) error {
	c.mu.Lock()
	c.say(controlFrame("welcome", c.welcome(now)))
	c.mu.Unlock()
	for _, r := range first {
		if e := c.Subscribe(r); e != nil {
			return fmt.Errorf("subscription %d: %w", r.SID, e)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.engage()
	return nil
}

func (c *Conn) welcome(now time.Time) welcomeFrame {
	cfg := c.hub.cfg
	return welcomeFrame{
		T: "welcome", Conn: c.id, Heartbeat: ms(cfg.Heartbeat), Expires: max(0, ms(c.peer.Expires.Sub(now))),
		Reconnect: reconnectHints{Base: ms(cfg.ReconnectBase), Max: ms(cfg.ReconnectMax)},
		Limits:    limitHints{Subs: cfg.Subscriptions, Rows: cfg.Rows},
		Now:       now.UnixMilli(),
	}
}

// ID names the connection in logs.
func (c *Conn) ID() string { return c.id }

// Subscribe starts a subscription. One that has the same id is replaced, unless
// it is the same and no position is given: then nothing happens. What is refused
// here is for the caller to tell the client, with Refuse.
func (c *Conn) Subscribe(r Request) *Error {
	problem := c.subscribe(r)
	outcome := "accepted"
	if problem != nil {
		outcome = string(problem.Code)
	}
	c.hub.cfg.Meter.Count(CountSubscribes, outcome, 1)
	return problem
}

func (c *Conn) subscribe(r Request) *Error {
	s, problem := c.prepare(r)
	if problem != nil {
		return problem
	}
	c.mu.Lock()
	old := c.sub(r.SID)
	switch {
	case c.closed:
		c.mu.Unlock()
		return nil
	case old != nil && old.key == s.key && s.since == nil:
		c.mu.Unlock()
		return nil
	case old == nil && len(c.order) >= c.hub.cfg.Subscriptions:
		c.mu.Unlock()
		return refuse(Limit, "more than %d subscriptions", c.hub.cfg.Subscriptions)
	}
	c.remove(old)
	c.order = append(c.order, s)
	c.mu.Unlock()
	if old != nil {
		c.hub.detach(old)
	}
	c.hub.attach(s)
	return nil
}

// prepare checks a request.
func (c *Conn) prepare(r Request) (*sub, *Error) {
	c.mu.Lock()
	peer := c.peer
	c.mu.Unlock()
	q, problem := c.hub.ask(r, peer)
	if problem != nil {
		return nil, problem
	}
	hz := c.hub.cfg.MaxHz
	if r.MaxHz > 0 {
		hz = min(hz, max(r.MaxHz, slowestHz))
	}
	interval := time.Duration(float64(time.Second) / hz)
	s := &sub{conn: c, sid: r.SID, since: r.Since, shared: shared{
		question: q, tenant: peer.Tenant, scope: peer.scope(), shape: shape(peer, q), interval: interval,
	}}
	s.out = s.brought()
	s.key = peer.rights() + "\n\n" + string(q.topic) + "\n" + q.canonical() + "\n" + interval.String()
	return s, nil
}

// slowestHz is how rare a client may ask deltas to be.
const slowestHz = 0.1

// Unsubscribe ends a subscription. One that does not exist is ended already.
func (c *Conn) Unsubscribe(sid int64) {
	c.mu.Lock()
	s := c.sub(sid)
	c.remove(s)
	c.mu.Unlock()
	if s != nil {
		c.hub.detach(s)
	}
}

// Heard notes a sign of life of the client.
func (c *Conn) Heard() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard = time.Now()
}

// Renew takes the peer of a new token. It reports false when that is not the
// peer of the old one, with other rights or another name; then nothing changes.
func (c *Conn) Renew(p Peer) bool {
	defer c.expel()
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.Subject != c.peer.Subject || p.rights() != c.peer.rights() {
		return false
	}
	c.peer.Expires, c.peer.ID, c.peer.Issued = p.Expires, p.ID, p.Issued
	c.renewBy = time.Time{}
	return true
}

// Refuse tells the client of an error; sid is nil when it is of none of its
// subscriptions.
func (c *Conn) Refuse(sid *int64, e *Error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.say(controlFrame("err", errorFrame(sid, e)))
}

// Goaway tells the client to come back elsewhere after some time.
func (c *Conn) Goaway(code string, after time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.say(controlFrame("goaway", goawayFrame{T: "goaway", Code: code, Reconnect: ms(after)}))
}

// closeGrace is how long frames that were said before Close may take.
const closeGrace = time.Second

// Close ends the connection. What was said before, such as an error, is still
// sent, unless the client does not read. It does not block; Wait does.
func (c *Conn) Close(code CloseCode) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	c.stood, c.closed, c.quiet = c.places(), true, make(chan struct{})
	subs := c.order
	c.order = nil
	patient := code != CloseLost && code != CloseSlow && code != CloseNoPong && code != CloseRevoked
	if !c.draining {
		c.engage()
	}
	c.work.Go(func() { c.finish(code, patient) })
	c.mu.Unlock()
	c.hub.disconnect(c, subs)
}

// finish closes the socket once everything was written, or could not be.
func (c *Conn) finish(code CloseCode, patient bool) {
	if patient {
		timer := time.NewTimer(closeGrace)
		defer timer.Stop()
		select {
		case <-c.quiet:
		case <-timer.C:
		}
	}
	c.socket.Close(code)
}

// Wait blocks until nothing of a closed connection runs any more.
func (c *Conn) Wait() { c.work.Wait() }

// disconnect forgets a connection and its subscriptions.
func (h *Hub) disconnect(c *Conn, subs []*sub) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range subs {
		h.forget(s)
	}
	delete(h.conns, c)
	if h.users[c.user]--; h.users[c.user] <= 0 {
		delete(h.users, c.user)
	}
}

// remove takes s off the connection. The lock is held.
func (c *Conn) remove(s *sub) {
	i := slices.Index(c.order, s)
	if i < 0 {
		return
	}
	c.order = slices.Delete(c.order, i, i+1)
	s.out = outbox{}
}

// has reports whether s is still one of the subscriptions. The lock is held.
func (c *Conn) has(s *sub) bool { return !c.closed && slices.Contains(c.order, s) }

// sub is the subscription of an id, or nil. The lock is held.
func (c *Conn) sub(sid int64) *sub {
	for _, s := range c.order {
		if s.sid == sid {
			return s
		}
	}
	return nil
}

func errorFrame(sid *int64, e *Error) errFrame {
	f := errFrame{T: "err", SID: sid, Code: e.Code, Msg: e.Msg}
	if e.Code.Retryable() {
		f.Retry = ms(jitter(time.Second, 3*time.Second))
	}
	return f
}

// ping asks the client for a sign of life.
func (c *Conn) ping() {
	err := c.socket.Ping(context.Background())
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pinging = false
	if err == nil {
		c.heard = time.Now()
	}
}
