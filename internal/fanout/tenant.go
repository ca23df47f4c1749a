package fanout

import (
	"math"
	"time"

	"github.com/waybill-io/waybill/events"
)

// tenant follows the change feed of one tenant. It belongs to the hub's lock.
type tenant struct {
	id        events.TenantID
	at        Position // zero until the feed was read once
	low       int64    // the feed has pruned what is at and below it
	reach     int64    // somebody resumes from there, whom the ring cannot serve
	committed time.Time
	ring      ring
	groups    map[string]*group
	index     *index // of groups
	boards    map[string]*board
	watched   map[key]map[*board]struct{} // boards that an entity's changes touch
	restless  map[*board]struct{}         // boards that every change touches
	subs      map[*sub]struct{}           // all but the detached
	heard     time.Time                   // when it last looked for whom it told nothing
	idle      time.Time                   // since when there are none
}

func newTenant(id events.TenantID) *tenant {
	return &tenant{
		id: id, reach: nobody, ring: newRing(0), groups: make(map[string]*group), index: newIndex(), boards: make(map[string]*board),
		watched: make(map[key]map[*board]struct{}), restless: make(map[*board]struct{}), subs: make(map[*sub]struct{}),
	}
}

// verdict is what a delta means for what clients have.
type verdict struct {
	reset ResetCode // "" when it follows
	why   string    // for the log, when the feed broke its promise
}

// nobody is the reach of a tenant of whom nobody asks for more than there is.
const nobody = math.MaxInt64

// from is where the feed is to be read from: from where the tenant stands, or
// from further back where somebody resumes whom the ring cannot serve.
func (t *tenant) from() Position {
	return Position{Epoch: t.at.Epoch, Seq: min(t.at.Seq, t.reach)}
}

// judge holds a delta against the position that it was asked from.
func (t *tenant) judge(d Delta, from int64) verdict {
	switch {
	case t.at.Epoch == "":
		return verdict{reset: ResetEpoch}
	case d.To.Epoch != t.at.Epoch:
		return verdict{reset: ResetEpoch}
	case d.To.Seq < t.at.Seq:
		return verdict{reset: ResetEpoch, why: "position went back within an epoch"}
	case d.Low > t.at.Seq:
		return verdict{reset: ResetHistory}
	case !follows(d.Changes, from, d.To.Seq):
		return verdict{reset: ResetHistory, why: "changes are not dense"}
	}
	return verdict{}
}

// follows reports whether changes are exactly those of (from, to].
func follows(changes []Change, from, to int64) bool {
	if int64(len(changes)) != to-from {
		return false
	}
	for i, c := range changes {
		if c.Seq != from+1+int64(i) {
			return false
		}
	}
	return true
}

// advance applies a delta that follows, whole. One that begins further back
// than where the tenant stands fills the ring anew; what groups know already
// they are not told again.
func (t *tenant) advance(d Delta, from int64, keep int) {
	known := t.at.Seq
	if from < known {
		t.ring = newRing(from)
	}
	t.at, t.low = d.To, d.Low
	if len(d.Changes) > 0 {
		t.committed = d.CommittedAt
	}
	for _, c := range t.ring.add(d.Changes, d.Rows, known) {
		if c.seq <= known {
			continue
		}
		t.index.apply(c, d.CommittedAt)
		t.touch(c.change, known)
	}
	t.ring.trim(keep)
}

// jump goes to a position that does not follow; nothing known before it counts.
func (t *tenant) jump(d Delta) {
	t.at, t.low, t.committed = d.To, d.Low, d.CommittedAt
	t.ring = newRing(d.To.Seq)
	clear(t.groups)
	t.index = newIndex()
	clear(t.boards)
	clear(t.watched)
	clear(t.restless)
}

// start takes the position of a snapshot for a tenant that the feed does not
// know.
func (t *tenant) start(at Position) {
	t.at, t.ring = at, newRing(at.Seq)
}

// group finds or makes the group of s.
func (t *tenant) group(s *sub, now time.Time) *group {
	g := t.groups[s.key]
	if g == nil {
		g = newGroup(s.shared, t.at.Seq, now)
		t.groups[s.key] = g
		t.index.add(g)
	}
	return g
}

// leave takes s out of its group, or off its board.
func (t *tenant) leave(s *sub) {
	if s.board != nil {
		s.board.quit(s)
		s.board = nil
	}
	g := s.group
	if g == nil {
		return
	}
	s.group = nil
	delete(g.subs, s)
	if len(g.subs) == 0 && t.groups[g.key] == g {
		delete(t.groups, g.key)
		t.index.remove(g)
	}
}

// refusal names why a position does not resume, or nothing.
func (t *tenant) refusal(s *sub, most int64) ResetCode {
	switch {
	case s.since.Shape != s.shape:
		return whatDiffers(s.since.Shape, s.shape)
	case s.since.Epoch != t.at.Epoch || s.since.Seq > t.at.Seq:
		return ResetEpoch
	case s.since.Seq < t.ring.low || t.at.Seq-s.since.Seq > most:
		return ResetHistory
	}
	return ""
}

// reachable reports whether the feed may hold what a subscription missed and
// the ring does not.
func (t *tenant) reachable(s *sub, most int64) bool {
	return s.since.Shape == s.shape && s.since.Epoch == t.at.Epoch &&
		s.since.Seq >= t.low && s.since.Seq < t.ring.low && t.at.Seq-s.since.Seq <= most
}

// silenceBeats is how often in a heartbeat the tenant looks for whom it told
// nothing: to ask every group on each turn of the loop would cost more than all
// else when there are many.
const silenceBeats = 20

// publish hands out what is due and returns when the next is. Whom nothing concerns
// is told so every heartbeat, and sooner when it would fall far behind: it could
// not resume.
func (t *tenant) publish(now time.Time, heartbeat time.Duration, far int64) (next time.Time) {
	for g := range t.index.full {
		if !now.Before(g.next) {
			g.publish(t.at.Seq, now)
			delete(t.index.full, g)
		} else if next.IsZero() || g.next.Before(next) {
			next = g.next
		}
	}
	if now.Sub(t.heard) < heartbeat/silenceBeats {
		return next
	}
	t.heard = now
	for _, g := range t.groups {
		if t.at.Seq > g.told && !g.gathered() && (now.Sub(g.next) >= heartbeat || t.at.Seq-g.told >= far) {
			g.publish(t.at.Seq, now)
		}
	}
	for _, b := range t.boards {
		if q := b.position(t); b.seen && q > b.told && (now.Sub(b.spoke) >= heartbeat || q-b.told >= far) {
			b.tell(q, time.Time{}, nil, now)
		}
	}
	return next
}
