package watch

import (
	"errors"
	"fmt"
	"time"
)

// mostRows is how many rows a subscription may have, so that memory has an end
// whatever a server sends.
const mostRows = 200_000

// frame takes in one frame; one of a kind that is not known is left out.
func (f *follower) frame(line []byte) error {
	kind, err := kindOf(line)
	if err != nil {
		return err
	}
	switch kind {
	case "welcome":
		return with(line, f.takeWelcome)
	case "snap":
		return with(line, f.takeSnap)
	case "live":
		return with(line, f.takeLive)
	case "d", "ev":
		return with(line, f.takeDelta)
	case "hb":
		return with(line, f.takeHeartbeat)
	case "reset":
		return with(line, f.takeReset)
	case "err":
		return with(line, f.takeErr)
	case "authreq":
		f.link.renew(f.cfg)
	case "goaway":
		return with(line, f.takeGoaway)
	}
	return nil
}

// with decodes a frame and hands it on.
func with[T any](line []byte, take func(*T) error) error {
	frame, err := decode[T](line)
	if err != nil {
		return err
	}
	return take(frame)
}

// of is the subscription that a frame is of; nil for one that was given up.
func (f *follower) of(sid int64) *sub {
	for _, s := range f.subs {
		if s.sid == sid && sid != 0 {
			return s
		}
	}
	return nil
}

func (f *follower) takeWelcome(w *welcomeFrame) error {
	if w.Heartbeat <= 0 {
		return broken("a welcome without heartbeats")
	}
	now := time.Now()
	if f.welcome == nil {
		f.up = now
		f.cfg.Log.Info("connection welcome", "conn", w.Conn)
	}
	f.welcome, f.retry = w, time.Time{}
	f.backoff.hint(milliseconds(w.Reconnect.Base), milliseconds(w.Reconnect.Max))
	f.lag.clock(now, w.Now)
	return nil
}

func (f *follower) takeSnap(frame *snapFrame) error {
	s := f.of(frame.SID)
	if s == nil || f.welcome == nil {
		return nil
	}
	v, err := s.page(frame, f.welcome.Limits.Rows)
	if err != nil {
		return err
	}
	return f.again(s, v, 0)
}

func (f *follower) takeLive(frame *liveFrame) error {
	s := f.of(frame.SID)
	if s == nil {
		return nil
	}
	if v := s.live(frame); v != fine {
		return f.again(s, v, 0)
	}
	if frame.Resumed {
		f.tell(s, View{})
	} else {
		f.tell(s, View{Event: Loaded})
	}
	return nil
}

func (f *follower) takeDelta(frame *deltaFrame) error {
	s := f.of(frame.SID)
	if s == nil {
		return nil
	}
	removed, err := frame.removed()
	if err != nil {
		return err
	}
	news := s.phase == live && s.changed // the first one may cover a long absence
	v, err := s.delta(frame, removed)
	if err != nil || v != fine || s.phase != live {
		return errors.Join(err, f.again(s, v, 0))
	}
	if s.rows.len() > mostRows {
		return f.refuse(s, &RefusedError{s.Topic, "limit", fmt.Sprintf("more than %d rows match", mostRows)})
	}
	if news && frame.TS > 0 {
		f.lag.told(f.lag.since(f.heard, frame.TS), f.heard.Add(lagMemory))
	}
	f.tell(s, View{Event: Changed, Put: ids(frame.put()), Removed: removed, Changes: frame.N})
	return nil
}

func ids(rows []namedRow) []string {
	out := make([]string, len(rows))
	for i, r := range rows {
		out[i] = r.id
	}
	return out
}

func (f *follower) takeHeartbeat(frame *heartbeatFrame) error {
	f.lag.clock(f.heard, frame.Now)
	f.lag.told(milliseconds(frame.Lag), time.Time{})
	for sid, seq := range frame.Q {
		s := f.of(sid)
		if s == nil {
			continue
		}
		if err := f.again(s, s.sent(seq), 0); err != nil {
			return err
		}
	}
	for _, s := range f.subs {
		if s.phase == live {
			f.announce(s, View{})
		}
	}
	return f.link.send(pongFrame{"pong"})
}

func (f *follower) takeReset(frame *resetFrame) error {
	s := f.of(frame.SID)
	if s == nil {
		return nil
	}
	sid := s.sid
	s.suspend()
	s.forget()
	s.sid = sid // the snapshot comes by itself
	s.patience = time.Now().Add(milliseconds(frame.Retry) + answerTime)
	s.reset, s.cause = frame.Code, fmt.Errorf("the rows start over (%s)", frame.Code)
	if frame.Code == "authz" {
		f.empty(s)
		return nil
	}
	f.tell(s, View{})
	return nil
}

// empty takes the rows away, if any were given.
func (f *follower) empty(s *sub) {
	if !s.loaded {
		f.tell(s, View{})
		return
	}
	s.rows.clear()
	s.loaded = false
	f.tell(s, View{Event: Emptied})
}

func (f *follower) takeErr(frame *errFrame) error {
	s := f.of(frame.SID)
	if s == nil {
		f.cfg.Log.Warn("request refused", "code", frame.Code, "msg", frame.Msg)
		return nil
	}
	s.sid = 0 // the server has ended it
	problem := &RefusedError{s.Topic, frame.Code, frame.Msg}
	if !problem.temporary() && frame.Retry == 0 {
		return f.refuse(s, problem)
	}
	s.cause = problem
	return f.again(s, gap, milliseconds(frame.Retry))
}

// refuse ends a subscription for good.
func (f *follower) refuse(s *sub, problem *RefusedError) error {
	old := s.sid
	s.suspend()
	s.phase, s.cause = over, problem
	if problem.Code == "forbidden" {
		f.empty(s)
	} else {
		f.tell(s, View{})
	}
	return f.giveUp(old)
}

func (f *follower) takeGoaway(frame *goawayFrame) error {
	f.leaveAt = time.Now().Add(milliseconds(frame.Reconnect))
	f.cfg.Log.Info("server says goodbye", "code", frame.Code, "reconnect_in", milliseconds(frame.Reconnect))
	return nil
}
