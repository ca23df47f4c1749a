package watch

import (
	"cmp"
	"time"
)

// phase is where a subscription stands.
type phase int

const (
	waiting phase = iota // not live on this connection; rows are as of the position
	live                 // every change up to the position is in
	over                 // refused
)

// verdict says what is to be done after a frame.
type verdict int

const (
	fine    verdict = iota
	gap             // something is missing: ask again from the position
	restart         // the position is worth nothing: ask for a snapshot
)

// sub is one subscription, kept by the rules of the protocol.
type sub struct {
	Subscription
	sid      int64 // 0 while it is not asked for
	phase    phase
	position Position
	shape    string // with the position, what it is about; "" when there is nothing to resume from
	rows     *table
	loaded   bool
	staged   *staging
	changed  bool // a delta came since it went live

	askAt    time.Time // when to ask again; zero when that is not due
	patience time.Time // when to ask again, unless it is live by then; zero when it need not be
	strikes  int       // how often it broke, each time soon after the last
	struckAt time.Time

	reset string // why the rows last started over
	cause error  // why they start over now, although there is a connection

	checked   time.Time
	freshness Freshness // these four as last told
	since     time.Time
	err       error
	retry     time.Time
}

// staging is a snapshot that is not whole.
type staging struct {
	rows  *table
	epoch string
	page  int
	more  bool
}

func newSub(s Subscription, now time.Time) *sub {
	return &sub{Subscription: s, rows: newTable(s), since: now}
}

// request asks for the subscription, from where it stands.
func (s *sub) request(sid int64) subscribeRow {
	s.suspend()
	s.sid = sid
	r := subscribeRow{SID: sid, Topic: s.Topic, Filter: s.Filter, MaxHz: s.MaxHz}
	if s.shape != "" {
		r.Since = &sinceFrame{Epoch: s.position.Epoch, Seq: s.position.Seq, Shape: s.shape}
	}
	return r
}

// suspend notes that nothing more comes as it was asked for.
func (s *sub) suspend() {
	if s.phase == live {
		s.phase = waiting
	}
	s.sid, s.staged, s.askAt, s.patience = 0, nil, time.Time{}, time.Time{}
}

// forget makes the next request one for a snapshot. Rows stay until it is whole.
func (s *sub) forget() { s.shape = "" }

// page takes one page of a snapshot of at most limit rows.
func (s *sub) page(f *snapFrame, limit int) (verdict, error) {
	switch {
	case f.Page == 1:
		s.staged = &staging{rows: newTable(s.Subscription), epoch: f.Epoch}
	case s.staged == nil || f.Page != s.staged.page+1 || !s.staged.more || f.Epoch != s.staged.epoch:
		return restart, nil
	}
	s.staged.page, s.staged.more = f.Page, f.More
	for _, r := range f.Rows {
		s.staged.rows.put(r.id, r.row)
	}
	if limit = cmp.Or(limit, mostRows); s.staged.rows.len() > limit {
		return fine, broken("a snapshot has more than %d rows", limit)
	}
	return fine, nil
}

// live takes the end of a snapshot, or the beginning of a resumption.
func (s *sub) live(f *liveFrame) verdict {
	if f.Resumed {
		if s.shape != f.Shape || s.position != (Position{f.Epoch, f.Q}) {
			return restart
		}
		s.enter(f)
		return fine
	}
	st := s.staged
	if st == nil || st.more || st.epoch != f.Epoch || f.Rows != nil && *f.Rows != st.rows.len() {
		return restart
	}
	if s.Topic != Alerts || s.rows.len() == 0 {
		s.rows = st.rows // alerts have no past: those that came stay
	}
	s.loaded = true
	s.enter(f)
	return fine
}

func (s *sub) enter(f *liveFrame) {
	s.phase, s.staged, s.patience, s.cause, s.changed = live, nil, time.Time{}, nil, false
	s.position, s.shape = Position{f.Epoch, f.Q}, f.Shape
}

// delta takes changes, if they tile.
func (s *sub) delta(f *deltaFrame, removed []string) (verdict, error) {
	switch {
	case f.Q < f.P:
		return fine, broken("a delta goes from %d back to %d", f.P, f.Q)
	case s.phase != live:
		return fine, nil // what it says is in the snapshot to come
	case f.P != s.position.Seq:
		return gap, nil
	}
	for _, r := range f.put() {
		s.rows.put(r.id, r.row)
	}
	for _, id := range removed {
		s.rows.drop(id)
	}
	s.position.Seq, s.changed = f.Q, true
	return fine, nil
}

// sent compares what a heartbeat says was sent with what has come.
func (s *sub) sent(seq int64) verdict {
	if s.phase == live && s.position.Seq != seq {
		return gap
	}
	return fine
}

// strike is the number of times in a row, soon after each other, that the
// subscription had to be asked for anew, before this one.
func (s *sub) strike(now time.Time) int {
	if now.Sub(s.struckAt) >= 2*steady {
		s.strikes = 0
	}
	s.struckAt = now
	s.strikes++
	return s.strikes - 1
}
