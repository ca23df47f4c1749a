package fanout

import (
	"log/slog"
	"time"
)

// Config sets up a Hub. Every zero field has a default.
type Config struct {
	// TickMin is the least time between two reads of the feed. Defaults to 10 ms.
	TickMin time.Duration
	// TickMax is the most time between two reads while anyone is subscribed.
	// Defaults to 100 ms.
	TickMax time.Duration
	// ReadTimeout bounds one read of the feed. Defaults to 5 s.
	ReadTimeout time.Duration
	// SnapshotTimeout bounds one snapshot. Defaults to 10 s.
	SnapshotTimeout time.Duration
	// Snapshots is how many snapshots are read at the same time. Defaults to 4.
	Snapshots int
	// SnapshotQueue is how many snapshots may wait for their turn; above it a
	// subscription is told overloaded. Defaults to 200.
	SnapshotQueue int
	// Rows is how many rows a snapshot may have. Defaults to 5,000.
	Rows int
	// PageRows is how many rows a snap frame has at most. Defaults to 100.
	PageRows int
	// Ring is how many changes per tenant are kept for clients that resume.
	// Defaults to 8,192.
	Ring int
	// Resume is how many changes a resuming client may be behind. Defaults to
	// 5,000.
	Resume int64
	// Linger is how long a tenant without subscriptions is remembered. Defaults
	// to 2 min.
	Linger time.Duration
	// MaxHz is how often a subscription gets a delta per second at most.
	// Defaults to 10.
	MaxHz float64
	// Subscriptions is how many a connection may have. Defaults to 16.
	Subscriptions int
	// UserConnections is how many connections a subject may have. Defaults to 20.
	UserConnections int
	// Heartbeat is the time between heartbeats of an idle connection, and between
	// pings of any. A client that has not answered a ping for as long, and has not
	// sent anything, is closed. Defaults to 20 s.
	Heartbeat time.Duration
	// Sweep is how often connections are looked after. Defaults to 250 ms.
	Sweep time.Duration
	// PendingEntities and PendingBytes are how much may wait for a connection
	// that is busy. Default to 5,000 and 512 KiB.
	PendingEntities int
	PendingBytes    int
	// StallDrop is how long a write may take before what waits is dropped, and
	// StallClose before the connection is closed. Default to 10 s and 15 s.
	StallDrop  time.Duration
	StallClose time.Duration
	// SlowPause is the least time between two snapshots that a connection gets
	// for being slow. Defaults to 30 s.
	SlowPause time.Duration
	// AuthGrace is how long a client has to renew its token. Defaults to 25 s.
	AuthGrace time.Duration
	// MaxAge is how old a connection gets, each a random fifth more or less, so
	// that those that came together do not leave together. Defaults to 6 h.
	MaxAge time.Duration
	// ReconnectBase and ReconnectMax are the backoff that clients are told.
	// Default to 500 ms and 20 s.
	ReconnectBase time.Duration
	ReconnectMax  time.Duration
	// Alerts reads the topic of that name; without it there is none.
	Alerts AlertLog
	// Revoked reports whether what a peer came with was taken back since. It is
	// asked about whoever connects or renews, and about all by [Hub.Expel].
	// Defaults to nobody.
	Revoked func(Peer) bool
	// Ready is called with nil when the feed is read again and with an error
	// when it cannot be. It is not called while nobody is subscribed. It must
	// not block. Defaults to nothing.
	Ready func(error)
	// Meter takes counts and timings. Defaults to nothing.
	Meter Meter
	// Log defaults to nothing.
	Log *slog.Logger
}

// or sets *v to its default when it is zero.
func or[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

func (c Config) withDefaults() Config {
	or(&c.TickMin, 10*time.Millisecond)
	or(&c.TickMax, 100*time.Millisecond)
	or(&c.ReadTimeout, 5*time.Second)
	or(&c.SnapshotTimeout, 10*time.Second)
	or(&c.Snapshots, 4)
	or(&c.SnapshotQueue, 200)
	or(&c.Rows, 5000)
	or(&c.PageRows, 100)
	or(&c.Ring, 8192)
	or(&c.Resume, 5000)
	or(&c.Linger, 2*time.Minute)
	or(&c.MaxHz, 10)
	or(&c.Subscriptions, 16)
	or(&c.UserConnections, 20)
	or(&c.Heartbeat, 20*time.Second)
	or(&c.Sweep, 250*time.Millisecond)
	or(&c.PendingEntities, 5000)
	or(&c.PendingBytes, 512<<10)
	or(&c.StallDrop, 10*time.Second)
	or(&c.StallClose, 15*time.Second)
	or(&c.SlowPause, 30*time.Second)
	or(&c.AuthGrace, 25*time.Second)
	or(&c.MaxAge, 6*time.Hour)
	or(&c.ReconnectBase, 500*time.Millisecond)
	or(&c.ReconnectMax, 20*time.Second)
	if c.Revoked == nil {
		c.Revoked = func(Peer) bool { return false }
	}
	if c.Ready == nil {
		c.Ready = func(error) {}
	}
	if c.Meter == nil {
		c.Meter = noMeter{}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// noMeter counts nothing.
type noMeter struct{}

func (noMeter) Count(Counter, string, int)    {}
func (noMeter) Observe(Timing, time.Duration) {}
