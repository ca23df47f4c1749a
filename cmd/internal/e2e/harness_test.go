// Package e2e_test runs the platform as its commands wire it, on a database and
// topics of each test's own: on the embedded broker, or on those that
// TEST_KAFKA_BROKERS names.
package e2e_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/waybill-io/waybill/cmd/internal/clitest"
	"github.com/waybill-io/waybill/cmd/internal/wire"
	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/auth"
	"github.com/waybill-io/waybill/internal/devstack/stacktest"
	"github.com/waybill-io/waybill/internal/ops"
	"github.com/waybill-io/waybill/internal/readmodel"
	"github.com/waybill-io/waybill/internal/topic"
)

// tenant is whose events the tests publish, unless they say otherwise.
const tenant = "acme"

// partitions is how many each topic has.
const partitions = 4

// limit is how long a test waits for what must happen: longer than a group
// waits for a member that was killed.
const limit = time.Minute

func TestMain(m *testing.M) { clitest.Main(m, "consumer", runChild) }

// platform is a database, topics and a broker of the test's own, and what runs
// on them.
type platform struct {
	t       testing.TB
	brokers []string
	topics  topic.Names
	db      string // URL of its owner
	pool    *pgxpool.Pool
	log     *slog.Logger

	partitions int32  // of each topic
	park       string // what consumers of the platform's are told to park
}

func newPlatform(t testing.TB) *platform {
	t.Helper()
	db := stacktest.Postgres(t) // skips, where it has to, before anything else is started
	brokers := stacktest.Broker(t)
	topics := topic.Names{Orders: stacktest.Topic(t, brokers, partitions), Shipments: stacktest.Topic(t, brokers, partitions)}
	return newPlatformOn(t, brokers, topics, db)
}

func newPlatformOn(t testing.TB, brokers []string, topics topic.Names, db string) *platform {
	t.Helper()
	if _, _, err := readmodel.Migrate(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	pool, err := pgxpool.New(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return &platform{t: t, brokers: brokers, topics: topics, db: db, pool: pool, log: logTo(t), partitions: partitions}
}

// in returns the platform for a subtest.
func (p *platform) in(t testing.TB) *platform {
	c := *p
	c.t, c.log = t, logTo(t)
	return &c
}

// beside returns a platform with a database of its own on the same topics.
func (p *platform) beside() *platform {
	p.t.Helper()
	calm := newPlatformOn(p.t, p.brokers, p.topics, stacktest.Postgres(p.t))
	calm.partitions = p.partitions
	return calm
}

// part is something that runs until it is stopped.
type part struct {
	ready *ops.Readiness
	ops   string // where its metrics are
	stop  func() // waits for the end, and fails the test if that is an error
}

// run runs work until the end of the test, or until it is stopped.
func (p *platform) run(name string, checks []string, work func(context.Context, *ops.Server) error) *part {
	p.t.Helper()
	server, err := ops.Listen(p.t.Context(), ops.Config{Addr: "127.0.0.1:0"}, p.log)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, name := range checks {
		server.Ready.Check(name)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- wire.Beside(ctx, server, checks, func(ctx context.Context) error { return work(ctx, server) })
	}()
	stop := sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				p.t.Errorf("%s: %v", name, err)
			}
		case <-time.After(limit):
			p.t.Errorf("%s has not ended %v after it was asked to", name, limit)
		}
	})
	p.t.Cleanup(stop)
	return &part{ready: server.Ready, ops: server.Addr(), stop: stop}
}

// isReady is nil once the part can do its work.
func (p *part) isReady() error {
	if report := p.ready.Report(); !report.Ready {
		return fmt.Errorf("not ready: %+v", report.Checks)
	}
	return nil
}

// projection is what a consumer of the platform's runs, in a group of its own.
func (p *platform) projection() wire.Projection {
	return wire.Projection{Brokers: p.brokers, Topics: p.topics, DatabaseURL: p.db, Group: freshName(), Workers: 2}
}

// project runs a consumer in this process.
func (p *platform) project() *part {
	p.t.Helper()
	return p.run("consumer", wire.Projection{}.Checks(), func(ctx context.Context, server *ops.Server) error {
		return p.projection().Run(ctx, server, p.log)
	})
}

// site is a gateway that runs.
type site struct {
	*part
	addr string
}

// serve runs a gateway at a free port of this machine.
func (p *platform) serve() *site {
	p.t.Helper()
	return p.serveAt("127.0.0.1:0")
}

func (p *platform) serveAt(addr string) *site {
	p.t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(p.t.Context(), "tcp", addr)
	if err != nil {
		p.t.Fatal(err)
	}
	s := wire.Site{Listener: listener, DatabaseURL: p.db, Auth: authConfig(), DevTenant: tenant, DrainWindow: 100 * time.Millisecond}
	running := p.run("gateway", s.Checks(), func(ctx context.Context, server *ops.Server) error { return s.Run(ctx, server, p.log) })
	clitest.Eventually(p.t, running.isReady)
	return &site{part: running, addr: listener.Addr().String()}
}

func authConfig() auth.Config {
	return auth.Config{Keys: []auth.Key{{Secret: []byte("a secret of the tests, long enough")}}, Issuer: "waybill-test", Audience: "waybill"}
}

// token lets its bearer see a tenant's rows.
func token(t testing.TB, of string) string {
	t.Helper()
	signer, err := auth.NewSigner(authConfig())
	if err != nil {
		t.Fatal(err)
	}
	signed, _, err := signer.Mint(wire.DevPrincipal(of), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// publisher writes to the platform's topics until the end of the test.
func (p *platform) publisher() *topic.Publisher {
	p.t.Helper()
	pub, err := topic.NewPublisher(topic.PublisherConfig{Brokers: p.brokers, Topics: p.topics, Log: p.log})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		if err := pub.Close(); err != nil {
			p.t.Error(err)
		}
	})
	return pub
}

// publish writes events to the log.
func (p *platform) publish(list ...events.Event) {
	p.t.Helper()
	if err := p.publisher().Publish(p.t.Context(), list); err != nil {
		p.t.Fatal(err)
	}
}

// value reads what a query yields in its only row.
func value[T any](p *platform, query string, args ...any) T {
	p.t.Helper()
	rows, _ := p.pool.Query(context.WithoutCancel(p.t.Context()), query, args...) // the error is CollectOneRow's too
	v, err := pgx.CollectOneRow(rows, pgx.RowTo[T])
	if err != nil {
		p.t.Fatalf("%s: %v", query, err)
	}
	return v
}

// must waits until ok is true.
func must(t testing.TB, what string, ok func() bool) {
	t.Helper()
	clitest.Eventually(t, func() error {
		if !ok() {
			return fmt.Errorf("%s: it has not come to that", what)
		}
		return nil
	})
}

func freshName() string { return "waybill.test." + strings.ToLower(rand.Text()[:13]) }

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// logTo shows a test's log lines when it fails.
func logTo(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}))
}
