package fanout

import (
	"time"

	"github.com/waybill-io/waybill/events"
)

// Request asks for a subscription.
type Request struct {
	SID    int64
	Topic  Topic
	Filter []byte  // JSON in the filter language; nil for every row
	MaxHz  float64 // 0 for as often as the server allows
	Since  *Since  // nil for a snapshot
}

// Since is the position up to which a client has everything, as frames of an
// earlier subscription told it.
type Since struct {
	Epoch string
	Seq   int64
	Shape string
}

// shared is what subscriptions of one group have in common.
type shared struct {
	question
	key      string
	tenant   events.TenantID
	scope    scope // what the peers may see
	shape    string
	interval time.Duration // between two deltas, at least
}

// state is where a subscription stands, as the hub sees it.
type state int

const (
	attached     state = iota // waits for a read of the feed that began later
	snapshotting              // waits for a flight
	joining                   // has a snapshot, waits for the feed to reach it
	live                      // member of a group
	detached                  // over
)

// sub is one subscription of one connection.
type sub struct {
	shared
	conn  *Conn
	sid   int64
	since *Since

	// Of the hub's lock.
	state state
	tick  uint64 // of the last read that had begun when the state was entered
	tries int    // snapshots that failed since it was last live
	asked bool   // the feed was asked for what it missed, which the ring does not hold
	whole *snapshot
	group *group
	board *board

	// Of the connection's lock.
	out outbox
}

// phase is where a subscription stands, as its client sees it.
type phase int

const (
	silent  phase = iota // nothing to say: no snapshot yet, or a reset was sent
	open                 // pages, live and deltas go out
	dropped              // what waited was dropped: owes a reset
	owing                // the reset was sent: owes a snapshot, not before due
)

// outbox is what is on its way to the client for one subscription.
type outbox struct {
	phase   phase
	pages   *snapshot // until its last page is taken
	page    int
	opening *liveFrame // until it is taken
	sent    int64      // the client's position once it has read what was taken
	epoch   string     // of sent; "" while the client has nothing to go on from
	covered int64      // the end of what was taken or waits
	pending pending
	head    []byte    // of the delta that was taken last
	caught  bool      // the first delta was taken: later ones are news
	due     time.Time // when owing: the time of the snapshot
}

// fresh is when the newest of what waits was committed; zero when nothing waits,
// or when it only catches up with what a snapshot or an absence missed.
func (o *outbox) fresh() time.Time {
	if !o.pending.waiting || !o.caught {
		return time.Time{}
	}
	return o.pending.at
}

// next takes the next frame, if there is one.
func (o *outbox) next(sid int64) (frame, bool) {
	switch {
	case o.phase != open:
		return frame{}, false
	case o.pages != nil:
		f := o.pages.frame(sid, o.page)
		if o.page++; o.page == len(o.pages.pages) {
			o.pages = nil
		}
		return f, true
	case o.opening != nil:
		f := controlFrame("live", *o.opening)
		o.sent, o.epoch, o.opening = o.opening.Q, o.opening.Epoch, nil
		return f, true
	case o.pending.waiting:
		f := deltaFrame(o.head, o.pending.topic, sid, o.sent, o.pending.body())
		o.head = f.parts[0] // not taken again before it is written
		o.sent, o.caught, o.pending = o.pending.q, true, pending{}
		return f, true
	}
	return frame{}, false
}
