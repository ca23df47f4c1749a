package readmodel

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// RebuildConfig says what is rebuilt and how.
type RebuildConfig struct {
	// URL is the database, with a login that owns the schema and may act as the
	// projector.
	URL string
	// Workers fill side by side. Defaults to 2.
	Workers int
	// ChunkEvents is about how many events one transaction folds. Defaults to
	// 10,000.
	ChunkEvents int
	// SwapStreams is how many streams may be left to fold when the projection is
	// stopped for the swap. Defaults to 500.
	SwapStreams int
	// MaxPause is how long the projection may be stopped for the streams that are
	// left where these do not get fewer, because as many are told more of as are
	// folded meanwhile. Defaults to 10 s.
	MaxPause time.Duration
	// Restart forgets what an earlier rebuild has filled.
	Restart bool
	// Force swaps although the versions differ.
	Force bool
	// Progress is told how far it is, by one goroutine at a time. Defaults to
	// nobody.
	Progress func(RebuildProgress)
	// Log takes what an operator may want to know later. Defaults to nowhere.
	Log *slog.Logger
}

func (c RebuildConfig) withDefaults() RebuildConfig {
	if c.Workers == 0 {
		c.Workers = 2
	}
	if c.ChunkEvents == 0 {
		c.ChunkEvents = 10_000
	}
	if c.SwapStreams == 0 {
		c.SwapStreams = 500
	}
	if c.MaxPause == 0 {
		c.MaxPause = 10 * time.Second
	}
	if c.Progress == nil {
		c.Progress = func(RebuildProgress) {}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// RebuildProgress says how far a rebuild is.
type RebuildProgress struct {
	Version int32
	Phase   string // plan, assignments, shipments, numbers, orders, analyze, follow, compare or swap
	Done    int64  // events folded, by this run and those before it
	Total   int64  // events that the plan counted
	Rate    float64
	ETA     time.Duration // of the fill; 0 when nobody knows
}

// Rebuilt says what a rebuild has done.
type Rebuilt struct {
	From        int32         `json:"from"`    // the version that was live
	Version     int32         `json:"version"` // that was filled
	Resumed     bool          `json:"resumed"` // a run before this one had begun it
	Swapped     bool          `json:"swapped"`
	Events      int64         `json:"events"` // folded by this run
	Followed    int64         `json:"followed_streams"`
	FillSeconds float64       `json:"fill_seconds"`
	PerSecond   float64       `json:"events_per_second"`
	Pause       float64       `json:"pause_seconds"` // that the projection was stopped for the swap
	Compared    int64         `json:"compared_rows"`
	Differences []Differences `json:"differences,omitempty"`
}

// The reasons for which a rebuild stops.
var (
	// ErrRebuildRuns says that another process rebuilds this database.
	ErrRebuildRuns = errors.New("another rebuild of this database is running")
	// ErrDiffer says that the versions differ, so that an operator has to say
	// which one is right.
	ErrDiffer = errors.New("the new version differs from the live one")
)

// rebuildLock is the advisory lock of whoever rebuilds.
const rebuildLock = 0x77626c_72656275 // "wblrebu"

// rebuild is one run of it.
type rebuild struct {
	cfg   RebuildConfig
	admin *pgx.Conn     // holds the lock; acts as the owner
	pool  *pgxpool.Pool // acts as the projector, in the version that is filled
	run   rebuildRun
	meter rebuildMeter
	rest  int64 // streams that the swap may have to fold
	out   Rebuilt
}

// Rebuild fills a new version of the read model from the timeline while the live
// one goes on, compares both, and makes the new one live. It goes on where an
// earlier run was interrupted. What the old version had stays until [DropOld].
func Rebuild(ctx context.Context, cfg RebuildConfig) (Rebuilt, error) {
	r := &rebuild{cfg: cfg.withDefaults()}
	admin, err := r.lock(ctx)
	if err != nil {
		return r.out, err
	}
	defer admin.Close(context.WithoutCancel(ctx))
	if err := r.begin(ctx); err != nil {
		return r.out, fmt.Errorf("begin the rebuild: %w", classify(err))
	}
	if err := r.open(ctx); err != nil {
		return r.out, err
	}
	defer r.pool.Close()
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"fill", r.fill}, {"follow", r.follow}, {"compare", r.compare}, {"swap", r.swap},
	} {
		if err := step.do(ctx); err != nil {
			return r.out, fmt.Errorf("%s version %d: %w", step.name, r.run.version, err)
		}
	}
	return r.out, nil
}

// lockWait is how long a rebuild that was killed may need to lose its lock.
const lockWait = 2 * time.Second

// lock connects and takes the lock that goes with the connection.
func (r *rebuild) lock(ctx context.Context) (*pgx.Conn, error) {
	admin, err := adminConn(ctx, r.cfg.URL)
	if err != nil {
		return nil, err
	}
	r.admin = admin
	try := func() error {
		var ours bool
		if err := admin.QueryRow(ctx, `SELECT pg_try_advisory_lock($1)`, int64(rebuildLock)).Scan(&ours); err != nil {
			return backoff.Permanent(err)
		}
		if !ours {
			return ErrRebuildRuns
		}
		return nil
	}
	pause := backoff.NewExponentialBackOff(backoff.WithInitialInterval(20*time.Millisecond), backoff.WithMaxElapsedTime(lockWait))
	if err := backoff.Retry(try, backoff.WithContext(pause, ctx)); err != nil {
		_ = admin.Close(context.WithoutCancel(ctx))
		return nil, err
	}
	return admin, nil
}

// adminConn connects as whoever logs in, to a schema that is this program's.
func adminConn(ctx context.Context, url string) (*pgx.Conn, error) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("parse the database URL: %w", err)
	}
	cfg.RuntimeParams["application_name"] = "waybill rebuild"
	cfg.RuntimeParams["timezone"] = "UTC"
	cfg.RuntimeParams["search_path"] = "waybill"
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	if err := checkSchema(ctx, conn); err != nil {
		_ = conn.Close(context.WithoutCancel(ctx))
		return nil, err
	}
	return conn, nil
}

// open connects the workers.
func (r *rebuild) open(ctx context.Context) (err error) {
	cfg := Config{URL: r.cfg.URL, Name: "waybill rebuild", MaxConns: int32(r.cfg.Workers) + 1, StatementTimeout: 24 * time.Hour}
	r.pool, err = open(ctx, cfg, projectorRole, func(ctx context.Context, conn *pgx.Conn) error {
		return follow(ctx, conn, r.run.version)
	})
	if err != nil {
		return fmt.Errorf("open version %d: %w", r.run.version, err)
	}
	return nil
}

// DropOld takes away the versions before the live one, and returns which.
func DropOld(ctx context.Context, url string) ([]int32, error) {
	r := &rebuild{cfg: RebuildConfig{URL: url}.withDefaults()}
	admin, err := r.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer admin.Close(context.WithoutCancel(ctx))
	var dropped []int32
	err = r.patiently(ctx, func(tx pgx.Tx) error {
		dropped = nil
		live, err := lockLive(ctx, tx)
		if err != nil {
			return err
		}
		versions, err := versionsOf(ctx, tx)
		if err != nil {
			return err
		}
		for _, v := range versions {
			if v >= live {
				continue
			}
			if err := dropVersion(ctx, tx, v); err != nil {
				return err
			}
			dropped = append(dropped, v)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("drop old versions: %w", classify(err))
	}
	return dropped, nil
}

// dropVersion takes a version away, positions included: a worker that still
// holds some is fenced.
func dropVersion(ctx context.Context, tx pgx.Tx, version int32) error {
	if _, err := tx.Exec(ctx, `DELETE FROM waybill.projection_offsets WHERE projection = $1`, schemaOf(version)); err != nil {
		return fmt.Errorf("drop the positions of version %d: %w", version, err)
	}
	if _, err := tx.Exec(ctx, `DROP SCHEMA `+pgx.Identifier{schemaOf(version)}.Sanitize()+` CASCADE`); err != nil {
		return fmt.Errorf("drop version %d: %w", version, err)
	}
	return nil
}
