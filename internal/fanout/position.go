package fanout

import (
	"cmp"
	"slices"
)

// Place is where a client stands with one of its subscriptions. It may go on
// from there on another connection.
type Place struct {
	SID int64
	Since
}

// Tracker is a Socket whose messages say where the client stands, for clients
// that keep no position themselves.
type Tracker interface {
	// Track is called before each Write. The places are what the client has once
	// it has read that message, by subscription; one is left out when there is
	// nothing to go on from: no complete snapshot, or a reset since.
	Track(places []Place)
}

// places are what the client has once it has read all that was taken; nil for a
// socket that does not want to know. The lock is held.
func (c *Conn) places() []Place {
	if _, ok := c.socket.(Tracker); !ok {
		return nil
	}
	if c.closed {
		return c.stood
	}
	var places []Place
	for _, s := range c.order {
		if s.out.epoch != "" {
			places = append(places, Place{SID: s.sid, Since: Since{Epoch: s.out.epoch, Seq: s.out.sent, Shape: s.shape}})
		}
	}
	slices.SortFunc(places, func(a, b Place) int { return cmp.Compare(a.SID, b.SID) })
	return places
}

// track tells the socket where the message that is written next takes the
// client.
func (c *Conn) track(m *message) {
	if t, ok := c.socket.(Tracker); ok {
		t.Track(m.places)
	}
}

// brought is the outbox of a subscription whose client says what it has, which
// holds until it is answered.
func (s *sub) brought() outbox {
	if s.since == nil || s.since.Shape != s.shape || s.since.Seq < 0 {
		return outbox{}
	}
	return outbox{epoch: s.since.Epoch, sent: s.since.Seq}
}
