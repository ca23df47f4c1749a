package stacktest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/waybill-io/waybill/internal/devstack"
)

// startLimit bounds the start of a server, a download of it included;
// statementLimit bounds one statement.
const (
	startLimit     = 5 * time.Minute
	statementLimit = time.Minute
)

// shared starts the test binary's own server, once, and keeps it: a Postgres
// that nobody refers to any more is stopped.
var shared = sync.OnceValues(func() (*devstack.Postgres, error) {
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	return devstack.StartPostgres(ctx, devstack.PostgresConfig{NoSync: true})
})

// Postgres returns the URL of an empty database that is the test's own. Its
// user is a superuser of the server.
func Postgres(t testing.TB) string {
	t.Helper()
	server, err := serverURL()
	if errors.Is(err, devstack.ErrNoPostgres) {
		missing(t, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	name := "waybill_test_" + strings.ToLower(rand.Text()[:13])
	execute(t, server, "CREATE DATABASE "+name)
	t.Cleanup(func() { execute(t, server, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)") })

	own := *server
	own.Path = "/" + name
	return own.String()
}

// serverURL returns the URL of the server to make databases on.
func serverURL() (*url.URL, error) {
	if named := os.Getenv("TEST_DATABASE_URL"); named != "" {
		u, err := url.Parse(named)
		if err != nil || !strings.HasPrefix(u.Scheme, "postgres") {
			return nil, errors.New("TEST_DATABASE_URL is not a URL that begins with postgres://")
		}
		return u, nil
	}
	p, err := shared()
	if err != nil {
		return nil, err
	}
	return url.Parse(p.URL())
}

// execute runs one statement on a connection of its own.
func execute(t testing.TB, server *url.URL, statement string) {
	t.Helper()
	if err := exec(server, statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func exec(server *url.URL, statement string) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), statementLimit) // cleanups outlive t.Context
	defer cancel()
	conn, err := pgconn.Connect(ctx, server.String())
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	return conn.Exec(ctx, statement).Close()
}

// missing ends a test that cannot run here.
func missing(t testing.TB, err error) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	t.Skip(err)
}
