package fanout

import (
	"context"
	"time"

	"github.com/waybill-io/waybill/events"
)

// Position is a place in a tenant's change feed. Positions of different epochs
// do not compare.
type Position struct {
	Epoch string // moves on rebuild, restore and failover
	Seq   int64  // dense, in commit order
}

// Feed reads the change feed that the projector commits with the rows.
type Feed interface {
	// Changes reads, of one moment, what happened in every named tenant after
	// the given position. Tenants without news are left out. The zero Position
	// asks where a tenant stands: its delta need not have changes or rows.
	Changes(ctx context.Context, after map[events.TenantID]Position) ([]Delta, error)
	// Wait blocks until something may have been committed, or ctx ends. It is a
	// hint: it may return early and may miss a commit.
	Wait(ctx context.Context) error
}

// Delta is all that happened in one tenant between two positions. Changes and
// rows are of the same snapshot as To.
type Delta struct {
	Tenant      events.TenantID
	To          Position
	Low         int64     // changes at and below this seq are pruned
	CommittedAt time.Time // when the newest change was written, by the database's clock
	Changes     []Change  // in order of Seq; complete from the asked position to To, unless that was below Low or of another epoch
	Rows        []Row     // the changed entities as they are at To; one that is missing is gone
}

// Change says that an entity changed.
type Change struct {
	Seq   int64
	Topic Topic
	ID    string
}

// Snapshots reads all rows of a topic at one moment.
type Snapshots interface {
	// Snapshot calls page with the rows that q may want, ordered by id, and
	// returns the position that they are of. Rows that q does not want may be
	// among them; none that it wants is missing. An error of page ends it and is
	// returned, wrapped or not. The position has an epoch; a tenant that nothing
	// is known of has no rows and any position that stays the same.
	Snapshot(ctx context.Context, q Query, page func([]Row) error) (Position, error)
}

// Query narrows a snapshot.
type Query struct {
	Tenant   events.TenantID
	Topic    Topic         // any but Alerts
	Of       events.Stream // whose timeline
	PageSize int

	// Among are, by fields that hold texts, those of which wanted rows have one. A
	// field that is not there may hold anything.
	Among map[string][]string
}

// AlertLog reads the facts that somebody should look at.
type AlertLog interface {
	// Alerts reads those that became known, or count otherwise, after a position
	// in a tenant's feed, and tells where the feed stands. Of a position below
	// Low, of another epoch or of none it knows no entries.
	Alerts(ctx context.Context, tenant events.TenantID, after Position) (Log, error)
}

// Log is a part of a log.
type Log struct {
	To      Position
	Low     int64      // changes at and below this seq are pruned, or too far back
	Entries []LogEntry // sorted by Seq
}

// LogEntry is an entry and the change that tells of it.
type LogEntry struct {
	Seq int64
	Row Row
}

// Socket carries messages to one client.
type Socket interface {
	// Write sends one text message, which is parts joined. It blocks until the
	// socket has taken it, and is never called twice at a time. The parts are not
	// its own: it neither changes nor keeps them.
	Write(ctx context.Context, parts [][]byte) error
	// Ping returns when the client has answered.
	Ping(ctx context.Context) error
	// Close ends the connection: pending calls return, with an error.
	Close(code CloseCode)
}

// Prompt is a Socket that can be written to without waiting for its client.
type Prompt interface {
	Socket
	// Try is Write that does not block. It reports false when the socket has not
	// taken all of the message; then the next call that writes is Finish.
	Try(parts [][]byte) (done bool, err error)
	// Finish has the socket take the rest of what was tried, and blocks until it
	// has. It needs no parts.
	Finish() error
}

// Meter takes what the hub counts and times.
type Meter interface {
	// Count adds n to a counter; label is "" for one without labels.
	Count(c Counter, label string, n int)
	// Observe adds a duration.
	Observe(t Timing, d time.Duration)
}
