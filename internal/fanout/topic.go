package fanout

import "slices"

// Topic names what a client can subscribe to.
type Topic string

// The state topics, whose rows may be conflated, and the log topics, whose
// entries are not.
const (
	Orders    Topic = "orders"
	Shipments Topic = "shipments"
	KPIs      Topic = "kpis"
	Timeline  Topic = "timeline"
	Alerts    Topic = "alerts"
)

// Topics are all of them.
func Topics() []Topic { return []Topic{Orders, Shipments, KPIs, Timeline, Alerts} }

// exists reports whether there is such a topic.
func (t Topic) exists() bool { return slices.Contains(Topics(), t) }

// isLog reports whether its frames are ev.
func (t Topic) isLog() bool { return t == Timeline || t == Alerts }

// onBoard reports whether a board keeps what its clients see, instead of a group.
func (t Topic) onBoard() bool { return t == KPIs || t.isLog() }
