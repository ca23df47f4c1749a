package readmodel

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Config says where the read model is.
type Config struct {
	// URL is a postgres:// URL or a keyword/value string.
	URL string
	// Name tells connections apart in pg_stat_activity. Defaults to "waybill".
	Name string
	// MaxConns limits the pool. Defaults to 4.
	MaxConns int32
	// StatementTimeout ends a statement that hangs. Defaults to 15 s.
	StatementTimeout time.Duration
}

func (c Config) withDefaults() Config {
	if c.Name == "" {
		c.Name = "waybill"
	}
	if c.MaxConns == 0 {
		c.MaxConns = 4
	}
	if c.StatementTimeout == 0 {
		c.StatementTimeout = 15 * time.Second
	}
	return c
}

// The roles that the migrations make. Whoever logs in must be a member.
const (
	projectorRole = "waybill_projector"
	readerRole    = "waybill_reader"
)

// open connects a pool whose sessions act as role, or as whoever logs in when
// that is "". Each is prepared before every use, if there is something to
// prepare.
func open(ctx context.Context, cfg Config, role string, prepare func(context.Context, *pgx.Conn) error) (*pgxpool.Pool, error) {
	cfg = cfg.withDefaults()
	pc, err := pgxpool.ParseConfig(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("parse the database URL: %w", err)
	}
	pc.MaxConns = cfg.MaxConns
	params := pc.ConnConfig.RuntimeParams
	params["application_name"] = cfg.Name
	params["search_path"] = "waybill"
	params["timezone"] = "UTC"
	params["statement_timeout"] = millis(cfg.StatementTimeout)
	params["idle_in_transaction_session_timeout"] = millis(5 * time.Second) // a stopped worker must not hold locks
	params["jit"] = "off"                                                   // it compiles statements that are planned as large and are over in milliseconds
	if role == projectorRole {
		params["work_mem"] = "32MB" // a batch is unnested in memory
	}
	delete(params, "waybill.tenants")
	pc.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		registerArrays(conn.TypeMap())
		if role == "" {
			return nil
		}
		_, err := conn.Exec(ctx, "SET ROLE "+pgx.Identifier{role}.Sanitize())
		if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == "42501" {
			return fmt.Errorf("the login %q may not act as %s, as the one that owns the schema may: %w", conn.Config().User, role, err)
		}
		return err
	}
	pc.PrepareConn = func(ctx context.Context, conn *pgx.Conn) (bool, error) {
		ok, err := replan(ctx, conn)
		if ok && err == nil && prepare != nil {
			ok = prepare(ctx, conn) == nil
		}
		return ok, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return nil, fmt.Errorf("open the pool: %w", err)
	}
	return pool, nil
}

// replan has a connection forget its plans when it has been used twice as often
// as when it last did. A plan is made for tables as large as they are then, and
// kept: while they are nearly empty every index that begins with the tenant looks
// as good as the primary key, and reads all of the tenant once they have grown.
func replan(ctx context.Context, conn *pgx.Conn) (ok bool, err error) {
	const uses = "uses"
	data := conn.PgConn().CustomData()
	n, _ := data[uses].(uint64)
	n++
	data[uses] = n
	if bits.OnesCount64(n) > 1 {
		return true, nil
	}
	err = conn.PgConn().Exec(ctx, "DISCARD PLANS").Close()
	return err == nil, nil // a connection that does not work is replaced
}

func millis(d time.Duration) string { return fmt.Sprint(d.Milliseconds()) }

// liveVersion asks which version of the read model is live, and refuses a
// schema that this program was not made for.
func liveVersion(ctx context.Context, url string) (int32, error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return 0, fmt.Errorf("connect: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if err := checkSchema(ctx, conn); err != nil {
		return 0, err
	}
	var version int32
	if err := conn.QueryRow(ctx, `SELECT version FROM waybill.read_model`).Scan(&version); err != nil {
		return 0, fmt.Errorf("read the live version: %w", err)
	}
	return version, nil
}
