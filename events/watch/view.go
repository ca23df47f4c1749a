package watch

import (
	"iter"
	"time"
)

// Event says why a handler is called.
type Event int

// The events.
const (
	// Checked: the rows are as they were at the last call. Freshness, Err, Retry or
	// the time of the check have changed; a heartbeat is one.
	Checked Event = iota
	// Changed: a delta was applied. Put and Removed say what it did.
	Changed
	// Loaded: a snapshot has replaced all rows. Before the first one there are none.
	// Alerts have no past: those that came stay.
	Loaded
	// Emptied: the rights are others than before, and all rows were taken away. It
	// does not come where none were given.
	Emptied
)

// String is the event in lower case.
func (e Event) String() string {
	return [...]string{"checked", "changed", "loaded", "emptied"}[e]
}

// Freshness says how far the rows of a view may be trusted.
type Freshness int

// The kinds of freshness.
const (
	// Connecting: nothing was loaded yet.
	Connecting Freshness = iota
	// Live: the rows are all that the server knows.
	Live
	// Lagging: the server, or this program, is more than 3 s behind; Lag says how
	// much.
	Lagging
	// Stale: the server is there, and the rows are as they were before it said
	// that they start over. A snapshot is on its way.
	Stale
	// Reconnecting: the connection is lost; the rows are as of Checked.
	Reconnecting
	// Refused: the server does not serve the subscription, and nothing more comes.
	// Err is the [*RefusedError].
	Refused
	// Ended: the connection is lost, and Run gives up because of Err. It is the last
	// call; the rows are as of Checked.
	Ended
)

// String is the freshness in lower case.
func (f Freshness) String() string {
	return [...]string{"connecting", "live", "lagging", "stale", "reconnecting", "refused", "ended"}[f]
}

// Current reports whether nothing is known to be missing, late as it may be.
func (f Freshness) Current() bool { return f == Live || f == Lagging }

// Position is a place in the change feed. Within an epoch the positions of a
// view do not decrease.
type Position struct {
	Epoch string
	Seq   int64
}

// View is what is known of a subscription at one moment. Its rows are those of
// the server at Position, all of them and no others, once anything was loaded.
// It is valid until the handler returns.
type View struct {
	Topic    Topic
	Event    Event
	Position Position

	Put     []string // ids of Changed: rows that are new or other than before
	Removed []string // ids of Changed: rows that are gone, whether they were here or not
	Changes int      // of Changed: how many changes the delta stands for

	Freshness Freshness
	Since     time.Time     // when Freshness began
	Checked   time.Time     // when the server was last heard while the rows were current
	Lag       time.Duration // how far behind the server said to be
	Reset     string        // why the rows start over, or last did: slow, history, epoch, authz, filter, or gap for what this side found
	Err       error         // what keeps the rows from being current; nil when they are
	Retry     time.Time     // without a connection: when the next one is tried, past while it is; zero otherwise

	rows *table
}

// Len is how many rows there are.
func (v View) Len() int { return v.rows.len() }

// Row is a row by its id. That of an entry is its stream, stream_id, source and
// id, joined by spaces.
func (v View) Row(id string) (Row, bool) { return v.rows.row(id) }

// Rows are all rows by id: those of a state in no order, entries in the order in
// which they came.
func (v View) Rows() iter.Seq2[string, Row] { return v.rows.all() }
