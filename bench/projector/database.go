package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/waybill-io/waybill/bench/internal/proc"
	"github.com/waybill-io/waybill/internal/devstack"
	"github.com/waybill-io/waybill/internal/readmodel"
)

// server is the private Postgres of a run, with fsync on.
type server struct {
	postgres *devstack.Postgres
	conn     *pgx.Conn // to the server's first database
	pid      int
	version  string
}

func startServer(ctx context.Context, dir string, statements bool) (*server, error) {
	cfg := devstack.PostgresConfig{Dir: filepath.Join(dir, "postgres")}
	p, err := devstack.StartPostgres(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if statements { // a library is loaded at the start only
		if err := preload(ctx, p.URL()); err != nil {
			return nil, errors.Join(err, p.Close())
		}
		if err := p.Close(); err != nil {
			return nil, err
		}
		if p, err = devstack.StartPostgres(ctx, cfg); err != nil {
			return nil, err
		}
	}
	s := &server{postgres: p}
	if err := s.look(ctx, cfg.Dir, statements); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return s, nil
}

func preload(ctx context.Context, url string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, `ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'`)
	return err
}

func (s *server) look(ctx context.Context, dir string, statements bool) (err error) {
	text, err := os.ReadFile(filepath.Join(dir, "data", "postmaster.pid"))
	if err != nil {
		return fmt.Errorf("find the server's process: %w", err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	if s.pid, err = strconv.Atoi(first); err != nil {
		return fmt.Errorf("find the server's process: %w", err)
	}
	if s.conn, err = pgx.Connect(ctx, s.postgres.URL()); err != nil {
		return err
	}
	if statements {
		if _, err := s.conn.Exec(ctx, `CREATE EXTENSION pg_stat_statements`); err != nil {
			return err
		}
	}
	return s.conn.QueryRow(ctx, `SHOW server_version`).Scan(&s.version)
}

func (s *server) close() error {
	return errors.Join(s.conn.Close(context.Background()), s.postgres.Close())
}

// create makes a database with an empty read model and returns its URL.
func (s *server) create(ctx context.Context, name string) (string, error) {
	if err := s.exec(ctx, "CREATE DATABASE "+name); err != nil {
		return "", err
	}
	u, err := url.Parse(s.postgres.URL())
	if err != nil {
		return "", err
	}
	u.Path = "/" + name
	if _, _, err := readmodel.Migrate(ctx, u.String()); err != nil {
		return "", fmt.Errorf("migrate %s: %w", name, err)
	}
	return u.String(), s.exec(ctx, "CHECKPOINT")
}

func (s *server) drop(ctx context.Context, name string) error {
	return s.exec(ctx, "DROP DATABASE "+name+" WITH (FORCE)")
}

func (s *server) exec(ctx context.Context, statement string) error {
	if _, err := s.conn.Exec(ctx, statement); err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	return nil
}

// used is what the server has spent so far.
type used struct {
	cpu float64
	wal int64
}

func (s *server) used(ctx context.Context) (u used, err error) {
	if u.cpu, err = proc.ServerCPU(s.pid); err != nil {
		return u, err
	}
	err = s.conn.QueryRow(ctx, `SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint`).Scan(&u.wal)
	return u, err
}

// statement is the time that the server spent on one kind of statement.
type statement struct {
	name  string
	calls int64
	rows  int64
	ms    float64
}

// statements lists where the time went since the last call of forget, most
// first.
func (s *server) statements(ctx context.Context) ([]statement, error) {
	const query = `SELECT coalesce(substring(query FROM '-- name: (\w+)'), left(query, 40)), sum(calls)::bigint, sum(rows)::bigint, sum(total_exec_time)
		FROM pg_stat_statements GROUP BY 1 ORDER BY 4 DESC LIMIT 40`
	rows, err := s.conn.Query(ctx, query)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (st statement, err error) {
		return st, row.Scan(&st.name, &st.calls, &st.rows, &st.ms)
	})
}

func (s *server) forget(ctx context.Context) error {
	return s.exec(ctx, "SELECT pg_stat_statements_reset()")
}

// hot is the share of updates of the hot tables that touched no index.
func hot(ctx context.Context, url string) (share float64, err error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return 0, err
	}
	defer conn.Close(ctx)
	const query = `SELECT coalesce(sum(n_tup_hot_upd) / nullif(sum(n_tup_upd), 0), 0)::float8
		FROM pg_stat_user_tables WHERE relname IN ('shipments', 'parcels', 'orders', 'order_lines', 'shipment_contents')`
	err = conn.QueryRow(ctx, query).Scan(&share)
	return share, err
}
