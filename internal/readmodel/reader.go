package readmodel

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/waybill-io/waybill/events"
)

// Reader answers the gateway and the read API. It implements [fanout.Feed] and
// [fanout.Snapshots].
type Reader struct {
	pool *pgxpool.Pool

	mu       sync.Mutex // guards listener; Wait holds it only to take or keep it
	listener *pgx.Conn
}

// OpenReader connects as a reader: row level security shows it the tenants that
// each transaction names, and without a name nothing.
func OpenReader(ctx context.Context, cfg Config) (*Reader, error) {
	if _, err := liveVersion(ctx, cfg.URL); err != nil {
		return nil, fmt.Errorf("open the read model: %w", err)
	}
	pool, err := open(ctx, cfg, readerRole, nil)
	if err != nil {
		return nil, fmt.Errorf("open the read model: %w", err)
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("open the read model as %s: %w", readerRole, err)
	}
	return &Reader{pool: pool}, nil
}

// Close ends its connections once they are idle.
func (r *Reader) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.listener != nil {
		_ = r.listener.Close(context.Background())
		r.listener = nil
	}
	r.pool.Close()
}

// Ping reports whether the database answers.
func (r *Reader) Ping(ctx context.Context) error { return r.pool.Ping(ctx) }

// read runs do in one snapshot that shows the given tenants and nothing else.
// Which version is live is of that snapshot too: what a view shows would be of
// the moment in which a statement names it, and its rows of an earlier one.
func (r *Reader) read(ctx context.Context, tenants []events.TenantID, do func(pgx.Tx) error) error {
	const name = `-- name: begin_read
		SELECT m.version FROM waybill.read_model m, set_config('waybill.tenants', $1, true)`
	opts := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := pgx.BeginTxFunc(ctx, r.pool, opts, func(tx pgx.Tx) error {
		names := column(tenants, func(t events.TenantID) string { return string(t) })
		var version int32
		if err := tx.QueryRow(ctx, name, strings.Join(names, ",")).Scan(&version); err != nil {
			return fmt.Errorf("name the tenants: %w", err)
		}
		if err := follow(ctx, tx.Conn(), version); err != nil {
			return err
		}
		err := do(tx)
		if err != nil {
			forget(tx.Conn()) // what is rolled back includes the path
		}
		return err
	})
	return classify(err)
}

// Wait blocks until a projector says that it has committed something, or ctx
// ends.
func (r *Reader) Wait(ctx context.Context) error {
	conn, err := r.takeListener(ctx)
	if err != nil {
		return classify(err)
	}
	_, err = conn.WaitForNotification(ctx)
	r.keepListener(conn)
	return err
}

// takeListener returns the connection that listens, or a new one.
func (r *Reader) takeListener(ctx context.Context) (*pgx.Conn, error) {
	r.mu.Lock()
	conn := r.listener
	r.listener = nil
	r.mu.Unlock()
	if conn != nil {
		return conn, nil
	}
	cfg := r.pool.Config().ConnConfig
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("connect to listen: %w", err)
	}
	if _, err := conn.Exec(ctx, `LISTEN changes`); err != nil {
		_ = conn.Close(context.WithoutCancel(ctx))
		return nil, fmt.Errorf("listen: %w", err)
	}
	return conn, nil
}

func (r *Reader) keepListener(conn *pgx.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if conn.IsClosed() {
		return
	}
	if r.listener != nil {
		_ = conn.Close(context.Background())
		return
	}
	r.listener = conn
}
