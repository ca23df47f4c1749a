package watch

import (
	"context"
	"math/rand/v2"
	"time"
)

// answerTime is how long a server may take to make a subscription live.
const answerTime = time.Minute

// follower is one Run: what is known, on whatever connection.
type follower struct {
	cfg     Config
	subs    []*sub
	backoff backoff

	// Of the connection in hand.
	link    *link
	welcome *welcomeFrame // nil before it came
	up      time.Time     // when it came; zero before
	heard   time.Time     // when the last message came
	lastSID int64
	lag     lag
	leaveAt time.Time // when to leave because the server asked to; zero otherwise

	why   error     // why the last connection ended
	ended bool      // it was the last one
	retry time.Time // when the next one is tried; zero when one is there
}

func newFollower(cfg Config) *follower {
	f := &follower{cfg: cfg, backoff: newBackoff()}
	now := time.Now()
	for _, s := range cfg.Subscriptions {
		f.subs = append(f.subs, newSub(s, now))
	}
	return f
}

// connect opens a connection and follows it to its end.
func (f *follower) connect(ctx context.Context) error {
	f.welcome, f.up, f.lastSID, f.leaveAt, f.lag = nil, time.Time{}, 0, time.Time{}, lag{}
	token, err := tokenOf(ctx, f.cfg)
	if err != nil {
		return err
	}
	if f.link, err = dial(ctx, f.cfg); err != nil {
		return err
	}
	defer f.link.end()
	if err := f.greet(token); err != nil {
		return err
	}
	f.link.listen(2 * f.heartbeat())
	return f.follow(ctx)
}

// greet says hello and waits for the welcome.
func (f *follower) greet(token string) error {
	if err := f.hello(token); err != nil {
		return err
	}
	for f.welcome == nil {
		text, err := f.link.read(dialTimeout)
		if err != nil {
			return err
		}
		if err := f.message(text); err != nil {
			return err
		}
	}
	return nil
}

// hello asks for as many subscriptions as fit into one message of ours, and for
// the others in messages of their own.
func (f *follower) hello(token string) error {
	h := helloFrame{T: "hello", V: 1, Token: token, Client: f.cfg.Client, Subs: []subscribeRow{}}
	var more []subscribeRow
	size := len(token)
	for _, s := range f.subs {
		if s.phase == over {
			continue
		}
		r := f.request(s)
		if size += len(r.Filter) + 256; size < sendLimit {
			h.Subs = append(h.Subs, r)
		} else {
			more = append(more, r)
		}
	}
	if err := f.link.send(h); err != nil {
		return err
	}
	for _, r := range more {
		if err := f.link.send(subscribeFrame{"sub", r}); err != nil {
			return err
		}
	}
	return nil
}

// request asks for s under an id that was not used on this connection: what
// comes under an older one is not for it.
func (f *follower) request(s *sub) subscribeRow {
	f.lastSID++
	r := s.request(f.lastSID)
	s.patience = time.Now().Add(answerTime)
	return r
}

// follow takes in messages until the connection ends.
func (f *follower) follow(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for f.refusals() == nil {
		select {
		case <-ctx.Done():
			f.link.leave()
			return ctx.Err()
		case text, ok := <-f.link.messages:
			if !ok {
				return f.link.err
			}
			if err := f.message(text); err != nil {
				return err
			}
		case r := <-f.link.renewals:
			if err := f.renewed(r); err != nil {
				return err
			}
		case <-timer.C:
		}
		if err := f.due(time.Now()); err != nil {
			return err
		}
		timer.Reset(f.idle(time.Now()))
	}
	f.link.leave()
	return nil
}

// message takes in the frames of one message.
func (f *follower) message(text []byte) error {
	f.heard = time.Now()
	for line, err := range lines(text) {
		if err == nil {
			err = f.frame(line)
		}
		if err != nil {
			return err
		}
	}
	for _, s := range f.subs {
		if s.phase == live {
			s.checked = f.heard
		}
	}
	return nil
}

// renewed hands on the token that the server asked for. Where there is none the
// server closes, and the next connection asks again.
func (f *follower) renewed(r renewal) error {
	f.link.renewing = false
	if r.err != nil {
		f.cfg.Log.Warn("token cannot be renewed", "error", r.err)
		return nil
	}
	return f.link.send(authFrame{"auth", r.token})
}

// due does what time has come for.
func (f *follower) due(now time.Time) error {
	if !f.leaveAt.IsZero() && !now.Before(f.leaveAt) {
		f.link.leave()
		return errLeave
	}
	for _, s := range f.subs {
		if reached(s.patience, now) {
			if err := f.again(s, gap, 0); err != nil {
				return err
			}
		}
		if reached(s.askAt, now) {
			if err := f.link.send(subscribeFrame{"sub", f.request(s)}); err != nil {
				return err
			}
		}
		f.tell(s, View{}) // a lag may be over
	}
	return nil
}

func reached(at, now time.Time) bool { return !at.IsZero() && !now.Before(at) }

// idle is how long nothing is due.
func (f *follower) idle(now time.Time) time.Duration {
	next := now.Add(time.Hour)
	sooner := func(at time.Time) {
		if !at.IsZero() && at.Before(next) {
			next = at
		}
	}
	sooner(f.leaveAt)
	sooner(f.lag.end(now))
	for _, s := range f.subs {
		sooner(s.askAt)
		sooner(s.patience)
	}
	return next.Sub(now)
}

// again gives up what s was asked for as and asks anew: at once the first time,
// later and later when it keeps breaking.
func (f *follower) again(s *sub, v verdict, atLeast time.Duration) error {
	if v == fine {
		return nil
	}
	now, old := time.Now(), s.sid
	s.suspend()
	if v == restart {
		s.forget()
	}
	if s.cause == nil {
		s.reset, s.cause = "gap", errGap
	}
	wait := atLeast
	if n := s.strike(now); n > 0 {
		wait = max(wait, rand.N(full(f.backoff.base, f.backoff.most, n)+1))
	}
	s.askAt = now.Add(wait)
	f.tell(s, View{})
	return f.giveUp(old)
}

// giveUp ends what was asked for as sid; 0 for what the server has ended.
func (f *follower) giveUp(sid int64) error {
	if sid == 0 {
		return nil
	}
	return f.link.send(unsubscribeFrame{"unsub", sid})
}

// lost tells that there is no connection any more, why, and when the next one is
// tried, if one is.
func (f *follower) lost(now time.Time, err error) {
	f.why, f.backoff.leave, f.lag = err, f.leaveAt, lag{}
	if f.ended = final(err); !f.ended {
		f.retry = now.Add(f.backoff.pause(now, f.upFor(now), err))
	}
	for _, s := range f.subs {
		if s.phase != over {
			s.suspend()
			s.cause = nil
			f.tell(s, View{})
		}
	}
}

// upFor is how long the last connection was a good one.
func (f *follower) upFor(now time.Time) time.Duration {
	if f.up.IsZero() {
		return 0
	}
	return now.Sub(f.up)
}

func (f *follower) heartbeat() time.Duration { return milliseconds(f.welcome.Heartbeat) }

// milliseconds is a time that a server gave, within reason.
func milliseconds(n int64) time.Duration {
	return time.Duration(min(max(n, 0), longest.Milliseconds())) * time.Millisecond
}
