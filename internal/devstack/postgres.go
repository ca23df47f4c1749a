package devstack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// The one superuser of a cluster, and the database made for him.
const (
	superuser = "waybill"
	database  = "waybill"
)

// loopback is the only address that anything here listens on.
const loopback = "127.0.0.1"

// portTries is how often a start on a port of our own choice is repeated when
// somebody else was quicker to take it.
const portTries = 4

// errPortTaken says that something else listens on the port.
var errPortTaken = errors.New("port is taken")

// PostgresConfig says where a Postgres server runs and what it keeps.
type PostgresConfig struct {
	// Dir is the directory of the cluster; it is made if need be. Defaults to a
	// temporary directory that goes when the server stops.
	Dir string
	// TempDir is where the temporary directory is made. Defaults to the system's
	// place for them; with NoSync, to a directory in memory that has room. For
	// root it should be one that all may write to: otherwise an empty directory
	// is left in it when this process is killed.
	TempDir string
	// Port is the port on 127.0.0.1. Defaults to a free one.
	Port int
	// Fresh wipes Dir before the start. Defaults to false.
	Fresh bool
	// NoSync turns fsync off: the data survive neither a power cut nor an
	// immediate stop of the machine. It is meant for tests. Defaults to false.
	NoSync bool
	// BinDir holds the server's programs, initdb and postgres. Defaults to the
	// first Postgres >= 15 on PATH, then the newest in the places where
	// distributions put it, then a downloaded one.
	BinDir string
	// CacheDir keeps a downloaded server. Defaults to waybill in the user's cache
	// directory; for root, who shares it with another user, /var/cache/waybill.
	CacheDir string
	// Log receives what is worth telling. Defaults to nowhere.
	Log *slog.Logger
}

// validate checks the configuration and fills in the defaults.
func (c *PostgresConfig) validate() error {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return checkPortRange(c.Port)
}

// home opens the directory that the configuration names, or does not name.
func (c *PostgresConfig) home(ctx context.Context) (*home, error) {
	switch {
	case c.Dir != "":
		return openHome(ctx, c.Dir, "postgres", c.Fresh)
	case c.TempDir == "" && c.NoSync:
		return openTempHome(ctx, memory(), "postgres")
	}
	return openTempHome(ctx, c.TempDir, "postgres")
}

// A Postgres is a running server. Close stops it, and so does the garbage
// collector when nothing refers to the Postgres any more.
type Postgres struct {
	cluster cluster
	server  *supervised
	port    int
	log     *os.File

	closing atomic.Bool
	close   func() error
}

// StartPostgres starts a private Postgres cluster, making it first where Dir
// has none, and returns when it accepts connections. The context bounds the
// start alone. It returns [ErrNoPostgres] if there is no server to run.
func StartPostgres(ctx context.Context, cfg PostgresConfig) (*Postgres, error) {
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("start postgres: %w", err)
	}
	if cfg.Port != 0 {
		if err := checkPort(ctx, cfg.Port); err != nil {
			return nil, fmt.Errorf("start postgres: %w", err)
		}
		return startPostgres(ctx, cfg, cfg.Port)
	}
	for try := 1; ; try++ {
		port, err := freePort(ctx)
		if err != nil {
			return nil, fmt.Errorf("start postgres: %w", err)
		}
		p, err := startPostgres(ctx, cfg, port)
		if try == portTries || !errors.Is(err, errPortTaken) {
			return p, err
		}
	}
}

// startPostgres makes one attempt on one port.
func startPostgres(ctx context.Context, cfg PostgresConfig, port int) (*Postgres, error) {
	c, err := openCluster(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("start postgres: %w", err)
	}
	p := &Postgres{cluster: c, port: port}
	if err := p.serve(ctx, cfg); err != nil {
		return nil, errors.Join(fmt.Errorf("start postgres on port %d: %w", port, err), c.home.leave())
	}
	p.close = sync.OnceValue(p.stop)
	cfg.Log.Info("postgres is up", "port", port, "dir", c.home.path, "version", c.programs.version)
	return p, nil
}

// serve starts the server and waits until it is ready; if that fails, nothing
// of it is left.
func (p *Postgres) serve(ctx context.Context, cfg PostgresConfig) (err error) {
	if err := p.cluster.configure(p.port, cfg.NoSync); err != nil {
		return err
	}
	if p.log, err = p.cluster.openLog(); err != nil {
		return err
	}
	p.server, err = supervise(p.cluster.owner, p.cluster.home, p.log, p.cluster.programs.path("postgres"), "-D", p.cluster.data())
	if err != nil {
		return errors.Join(err, p.log.Close())
	}
	if err := p.await(ctx); err != nil {
		return errors.Join(err, p.server.release(), p.log.Close())
	}
	return nil
}

// await returns when the server accepts connections.
func (p *Postgres) await(ctx context.Context) error {
	for !p.cluster.ready() {
		if p.server.ended(10 * time.Millisecond) {
			return p.autopsy()
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("wait for postgres: %w", err)
		}
	}
	return nil
}

// autopsy returns the error of a server that ended by itself.
func (p *Postgres) autopsy() error {
	last := tail(p.log)
	if bytesContain(last, "Address already in use") {
		return fmt.Errorf("%w: %s", errPortTaken, last)
	}
	return fmt.Errorf("postgres stopped by itself; its log ends with: %s", last)
}

// URL returns the superuser's connection URL, password included, as psql and
// every driver read it.
func (p *Postgres) URL() string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(superuser, p.cluster.password),
		Host:     net.JoinHostPort(loopback, strconv.Itoa(p.port)),
		Path:     "/" + database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// Wait blocks until ctx ends or Close is called, and returns nil; or until the
// server stops by itself, and returns what it said last.
func (p *Postgres) Wait(ctx context.Context) error {
	for ctx.Err() == nil {
		if !p.server.ended(100 * time.Millisecond) {
			continue
		}
		if p.closing.Load() {
			return nil
		}
		return p.autopsy()
	}
	return nil
}

// Close stops the server and returns when it is gone. Further calls return what
// the first one did.
func (p *Postgres) Close() error { return p.close() }

// stop is what Close does the first time.
func (p *Postgres) stop() error {
	p.closing.Store(true)
	if err := errors.Join(p.server.release(), p.log.Close(), p.cluster.home.leave()); err != nil {
		return fmt.Errorf("stop postgres: %w", err)
	}
	return nil
}
