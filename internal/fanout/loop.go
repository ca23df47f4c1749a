package fanout

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/waybill-io/waybill/events"
)

// pace decides when the loop reads next.
type pace struct {
	last     time.Time // when the last read began
	hinted   bool      // something may have been committed since
	failures int
	retry    time.Time // not before, after a failure
	publish  time.Time // when a group has something due; zero for never
}

// wake is when the loop has something to do at the latest; zero for when it is
// asked.
func (p *pace) wake(cfg Config, active bool) time.Time {
	var at time.Time
	if active {
		at = p.due(cfg)
	}
	if !p.publish.IsZero() && (at.IsZero() || p.publish.Before(at)) {
		at = p.publish
	}
	return at
}

// due is when the next read is.
func (p *pace) due(cfg Config) time.Time {
	if p.failures > 0 {
		return p.retry
	}
	if p.hinted {
		return p.last.Add(cfg.TickMin)
	}
	return p.last.Add(cfg.TickMax)
}

// failed puts the next read off, longer each time, up to 5 s, at random within
// the upper half.
func (p *pace) failed(now time.Time) {
	const first, most = 100 * time.Millisecond, 5 * time.Second
	wait := min(first<<min(p.failures, 10), most)
	p.failures++
	p.retry = now.Add(wait/2 + rand.N(wait/2+1))
}

// loop reads and publishes until ctx ends. It alone moves tenants along.
func (h *Hub) loop(ctx context.Context) {
	var p pace
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.kick:
			p.hinted = true
		case <-timer.C:
		}
		now := time.Now()
		active := h.anyone()
		if active && !now.Before(p.due(h.cfg)) {
			h.tick(ctx, &p)
			active = h.anyone()
		}
		p.publish = sooner(h.publish(time.Now()), h.refresh(ctx, time.Now()))
		if at := p.wake(h.cfg, active); !at.IsZero() {
			timer.Reset(time.Until(at))
		} else {
			timer.Reset(h.cfg.Linger)
		}
	}
}

// listen turns the feed's hints into reads.
func (h *Hub) listen(ctx context.Context) {
	var p pace
	for ctx.Err() == nil {
		if err := h.feed.Wait(ctx); err == nil {
			p.failures = 0
			h.nudge()
			continue
		}
		now := time.Now()
		p.failed(now)
		sleep(ctx, p.retry.Sub(now))
	}
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// anyone reports whether anybody is subscribed, and forgets tenants that nobody
// was for long.
func (h *Hub) anyone() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	for id, t := range h.tenants {
		t.tidy(now, h.cfg.Linger)
		if len(t.subs) == 0 && now.Sub(t.idle) >= h.cfg.Linger {
			delete(h.tenants, id)
		}
	}
	return !h.active.IsZero()
}

// tick reads the feed once and applies what it says, whole or not at all.
func (h *Hub) tick(ctx context.Context, p *pace) {
	began := time.Now()
	p.last, p.hinted = began, false
	after, n := h.begin()
	deltas, err := h.read(ctx, after)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		h.cfg.Meter.Count(CountTickFailures, "", 1)
		h.cfg.Log.Warn("change feed cannot be read", "error", err, "failures", p.failures+1)
		h.cfg.Ready(fmt.Errorf("read change feed: %w", err))
		p.failed(time.Now())
		return
	}
	if p.failures > 0 || n == 1 {
		h.cfg.Ready(nil)
	}
	p.failures = 0
	h.end(ctx, began, n, after, deltas)
	h.cfg.Meter.Observe(TimeTick, time.Since(began))
}

func (h *Hub) read(ctx context.Context, after map[events.TenantID]Position) ([]Delta, error) {
	ctx, cancel := context.WithTimeout(ctx, h.cfg.ReadTimeout)
	defer cancel()
	return h.feed.Changes(ctx, after)
}

// begin says what to read. What was asked for before it can rely on the read
// being later.
func (h *Hub) begin() (after map[events.TenantID]Position, n uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ticks++
	after = make(map[events.TenantID]Position, len(h.tenants))
	for id, t := range h.tenants {
		if len(t.subs) > 0 {
			after[id] = t.from()
		}
	}
	return after, h.ticks
}

// end applies what read number n found, and settles the subscriptions that
// waited for it.
func (h *Hub) end(ctx context.Context, began time.Time, n uint64, after map[events.TenantID]Position, deltas []Delta) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lastRead = began
	for id := range after {
		if t := h.tenants[id]; t != nil {
			t.reach = nobody
		}
	}
	for _, d := range deltas {
		if t := h.tenants[d.Tenant]; t != nil {
			h.apply(ctx, t, d, after[d.Tenant].Seq)
		}
	}
	h.hang(time.Now())
	if h.waiting == 0 {
		return
	}
	h.waiting = 0
	for _, t := range h.tenants {
		for s := range t.subs {
			h.settle(ctx, t, s, n)
		}
	}
}

// apply moves a tenant to where the delta leads, which was read from a position
// or, for those who resume, from one further back. If it is pruned that far by
// now it has no changes, and the next one is read from where the tenant stands.
func (h *Hub) apply(ctx context.Context, t *tenant, d Delta, from int64) {
	if t.at.Epoch == d.To.Epoch && from < t.at.Seq && from < d.Low {
		t.low = d.Low
		return
	}
	v := t.judge(d, from)
	if v.reset == "" {
		t.advance(d, from, h.cfg.Ring)
		return
	}
	if v.why != "" {
		h.cfg.Log.Error("change feed broke its promise", "tenant", d.Tenant, "why", v.why,
			"from", t.at.Seq, "to", d.To.Seq, "changes", len(d.Changes))
	}
	t.jump(d)
	for s := range t.subs {
		seated := s.board != nil
		s.group, s.board = nil, nil
		switch {
		case s.state == live:
			s.since = nil
			s.conn.reset(s, v.reset, 0)
			h.load(ctx, t, s)
		case seated:
			h.seat(t, s)
		}
	}
}

// load sends s for the whole of what it asked for.
func (h *Hub) load(ctx context.Context, t *tenant, s *sub) {
	if s.topic.onBoard() {
		h.seat(t, s)
		return
	}
	h.fly(ctx, s)
}

// settle moves one subscription along after read number n.
func (h *Hub) settle(ctx context.Context, t *tenant, s *sub, n uint64) {
	if s.state != attached && s.state != joining {
		return
	}
	if s.tick >= n {
		h.waiting++
		return
	}
	if s.state == joining {
		h.join(ctx, t, s)
	} else {
		h.open(ctx, t, s)
	}
}

// open resumes s where its position allows it, or sends it for a snapshot.
func (h *Hub) open(ctx context.Context, t *tenant, s *sub) {
	if s.since == nil || s.topic.onBoard() {
		h.load(ctx, t, s)
		return
	}
	if !s.asked && t.reachable(s, h.cfg.Resume) {
		h.wait(s)
		s.asked, t.reach = true, min(t.reach, s.since.Seq)
		return
	}
	if code := t.refusal(s, h.cfg.Resume); code != "" {
		h.cfg.Meter.Count(CountResumes, string(code), 1)
		s.conn.reset(s, code, 0)
		h.fly(ctx, s)
		return
	}
	h.cfg.Meter.Count(CountResumes, "accepted", 1)
	g := t.group(s, time.Now())
	b := g.resume(s, t.ring.after(s.since.Seq, s.topic), t.at.Seq, t.committed)
	s.state, s.group = live, g
	s.conn.open(s, nil, &liveFrame{T: "live", SID: s.sid, Epoch: t.at.Epoch, Shape: s.shape, Q: s.since.Seq, Resumed: true}, b)
}

// join makes s live from its snapshot on, if the feed covers what came after.
func (h *Hub) join(ctx context.Context, t *tenant, s *sub) {
	at := s.whole.at
	if t.at.Epoch == "" {
		t.start(at)
	}
	switch {
	case at.Epoch != t.at.Epoch || at.Seq < t.ring.low:
		s.whole = nil
		h.fly(ctx, s)
		return
	case at.Seq > t.at.Seq: // the next read reaches it
		s.tick = h.ticks
		h.waiting++
		return
	}
	g := t.group(s, time.Now())
	b := g.join(s, t.ring.after(at.Seq, s.topic), t.at.Seq, t.committed)
	t.index.add(g) // it may be complete only now
	rows := len(s.whole.ids)
	s.conn.open(s, s.whole, &liveFrame{T: "live", SID: s.sid, Epoch: at.Epoch, Shape: s.shape, Q: at.Seq, Rows: &rows}, b)
	s.state, s.group, s.whole, s.tries = live, g, nil, 0
}

// publish hands out what groups have due, and returns when the next is.
func (h *Hub) publish(now time.Time) (next time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, t := range h.tenants {
		if at := t.publish(now, h.cfg.Heartbeat, max(1, h.cfg.Resume/4)); !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next
}
