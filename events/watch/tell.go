package watch

import "time"

const (
	lagLimit  = 3 * time.Second // how far behind rows may be and be called live
	lagMemory = 5 * time.Second // how long a late delta counts as a lag
)

// lag is how far behind the server said to be, by its own clock.
type lag struct {
	amount time.Duration
	until  time.Time     // when it is over by itself; zero for at the next heartbeat
	ahead  time.Duration // how far this clock is ahead of the server's, at most
	synced bool
}

// clock compares the clocks: what travelled fastest tells most.
func (l *lag) clock(now time.Time, server int64) {
	ahead := now.Sub(time.UnixMilli(server))
	if !l.synced || ahead < l.ahead {
		l.ahead, l.synced = ahead, true
	}
}

// since is how long ago the server's clock showed at.
func (l *lag) since(now time.Time, at int64) time.Duration {
	return max(0, now.Sub(time.UnixMilli(at))-l.ahead)
}

func (l *lag) told(amount time.Duration, until time.Time) { l.amount, l.until = amount, until }

func (l *lag) at(now time.Time) time.Duration {
	if reached(l.until, now) {
		return 0
	}
	return l.amount
}

// end is when a lag is over by itself; zero when there is no such moment to come.
func (l *lag) end(now time.Time) time.Time {
	if l.at(now) == 0 {
		return time.Time{}
	}
	return l.until
}

// judge says how far the rows of s may be trusted, and what is in the way.
func (f *follower) judge(s *sub, now time.Time) (Freshness, error) {
	switch {
	case s.phase == over:
		return Refused, s.cause
	case f.ended:
		return Ended, f.why
	case s.phase == live && f.lag.at(now) > lagLimit:
		return Lagging, nil
	case s.phase == live:
		return Live, nil
	}
	err := s.cause
	if err == nil {
		err = f.why
	}
	switch {
	case !s.loaded:
		return Connecting, err
	case s.cause != nil:
		return Stale, err
	}
	return Reconnecting, err
}

// tell calls the handler of s, unless nothing is new to it.
func (f *follower) tell(s *sub, v View) {
	freshness, err := f.judge(s, time.Now())
	postponed := !f.retry.IsZero() && !f.retry.Equal(s.retry)
	if v.Event == Checked && freshness == s.freshness && text(err) == text(s.err) && !postponed {
		return
	}
	f.announce(s, v)
}

// announce calls the handler of s. What v says is what has happened; the rest is
// filled in.
func (f *follower) announce(s *sub, v View) {
	now := time.Now()
	freshness, err := f.judge(s, now)
	if freshness != s.freshness {
		s.freshness, s.since = freshness, now
	}
	s.err, s.retry = err, f.retry
	if s.phase == live {
		s.checked = f.heard
	}
	v.Topic, v.Position, v.rows = s.Topic, s.position, s.rows
	v.Freshness, v.Since, v.Checked = s.freshness, s.since, s.checked
	v.Lag, v.Reset, v.Err, v.Retry = f.lag.at(now), s.reset, err, f.retry
	s.Handle(v)
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
