package fanout

import (
	"context"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"
)

// lagBeat is how often a connection is told of a feed that cannot be read.
const lagBeat = 2 * time.Second

// sweep looks after all connections until ctx ends: heartbeats, silent clients,
// stuck writes, tokens.
func (h *Hub) sweep(ctx context.Context) {
	ticker := time.NewTicker(h.cfg.Sweep)
	defer ticker.Stop()
	var conns []*Conn // kept, because this is often and they are many
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			var lag time.Duration
			conns, lag = h.rounds(conns, now)
			for _, c := range conns {
				c.check(now, lag)
			}
			clear(conns)
		}
	}
}

// rounds lists the connections, over a list that it may overwrite.
func (h *Hub) rounds(conns []*Conn, now time.Time) ([]*Conn, time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	conns = slices.Grow(conns[:0], len(h.conns))
	for c := range h.conns {
		conns = append(conns, c)
	}
	return conns, h.lag(now)
}

// Expel closes the connections of all who are revoked, at once: what waits for
// them is not sent. Whoever connects or renews meanwhile is closed as well.
func (h *Hub) Expel() {
	conns, _ := h.rounds(nil, time.Now())
	for _, c := range conns {
		c.expel()
	}
}

// expel closes the connection if its peer is revoked.
func (c *Conn) expel() {
	c.mu.Lock()
	peer := c.peer
	c.mu.Unlock()
	if c.hub.cfg.Revoked(peer) {
		c.Close(CloseRevoked)
	}
}

// check does what is due for one connection.
func (c *Conn) check(now time.Time, lag time.Duration) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	if code := c.overdue(now); code != 0 {
		c.mu.Unlock()
		c.end(code)
		return
	}
	c.unstick(now)
	c.remind(now, lag)
	due := c.snapshotsDue(now)
	c.mu.Unlock()
	for _, s := range due {
		c.hub.again(s)
	}
}

// end closes a connection for what the sweep has found.
func (c *Conn) end(code CloseCode) {
	if code == CloseSlow {
		c.hub.cfg.Meter.Count(CountSlow, "close", 1)
	}
	if code == CloseDrain {
		c.Goaway("age", rand.N(c.hub.cfg.ReconnectBase))
	}
	c.Close(code)
}

// overdue is the code to close with, or 0. The lock is held.
func (c *Conn) overdue(now time.Time) CloseCode {
	cfg := c.hub.cfg
	switch {
	case !c.writeAt.IsZero() && now.Sub(c.writeAt) >= cfg.StallClose:
		return CloseSlow
	case c.pinging && now.Sub(c.pinged) >= cfg.Heartbeat && now.Sub(c.heard) >= cfg.Heartbeat:
		return CloseNoPong
	case !c.renewBy.IsZero() && !now.Before(c.renewBy):
		return CloseTokenExpired
	case c.peer.Shipment != "" && !now.Before(c.peer.Expires):
		return CloseRevoked // nobody can renew a link
	case !now.Before(c.retire):
		return CloseDrain
	}
	return 0
}

// unstick drops what waits behind a write that takes too long. The lock is held.
func (c *Conn) unstick(now time.Time) {
	if c.writeAt.IsZero() || now.Sub(c.writeAt) < c.hub.cfg.StallDrop {
		return
	}
	for _, s := range c.order {
		if s.out.pending.waiting {
			c.dropPending()
			return
		}
	}
}

// remind makes heartbeats, pings and the request for a new token due. The lock
// is held.
func (c *Conn) remind(now time.Time, lag time.Duration) {
	cfg := c.hub.cfg
	c.lag = lag
	idle := now.Sub(c.wrote) >= cfg.Heartbeat
	lagging := lag > 0 && now.Sub(c.beatAt) >= lagBeat
	recovered := lag == 0 && c.lagTold
	if idle || lagging || recovered {
		c.beat = true
		c.wake()
	}
	if c.renewBy.IsZero() && !now.Before(c.peer.Expires) && c.peer.Shipment == "" {
		c.renewBy = c.peer.Expires.Add(cfg.AuthGrace)
		c.say(controlFrame("authreq", authFrame{T: "authreq", Within: max(0, ms(c.renewBy.Sub(now)))}))
	}
	// Behind a write in hand a ping would only wait; that write has its own limit.
	if now.Sub(c.pinged) >= cfg.Heartbeat && !c.pinging && c.writeAt.IsZero() {
		c.pinged, c.pinging = now, true
		c.work.Go(c.ping)
	}
}

// snapshotsDue takes the subscriptions that were reset for slowness and whose
// client reads. The lock is held.
func (c *Conn) snapshotsDue(now time.Time) []*sub {
	if !c.writeAt.IsZero() && now.Sub(c.writeAt) >= c.hub.cfg.Sweep {
		return nil
	}
	var due []*sub
	for _, s := range c.order {
		if s.out.phase == owing && !now.Before(s.out.due) {
			s.out.phase = silent
			c.slowUntil = now.Add(c.hub.cfg.SlowPause)
			due = append(due, s)
		}
	}
	return due
}

// spread is a random time around d, a fifth more or less.
func spread(d time.Duration) time.Duration { return d - d/5 + rand.N(2*(d/5)+1) }

// jitter is a random time in [from, to).
func jitter(from, to time.Duration) time.Duration { return from + rand.N(to-from) }

func sidText(sid int64) string { return strconv.FormatInt(sid, 10) }
