package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/waybill-io/waybill/cmd/internal/cli"
	"github.com/waybill-io/waybill/cmd/internal/clitest"
	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/devstack"
	"github.com/waybill-io/waybill/internal/devstack/stacktest"
	"github.com/waybill-io/waybill/internal/ops"
	"github.com/waybill-io/waybill/internal/readmodel"
	"github.com/waybill-io/waybill/internal/topic"
)

func TestMain(m *testing.M) { clitest.Main(m, "consumer", run) }

// grace is how long a command may take to stop.
const grace = 25 * time.Second

func TestRun_whatIsAwayIsWaitedForAndShown(t *testing.T) {
	t.Parallel()
	db := newServer(t)
	broker, opsAddr := clitest.Free(t), clitest.Free(t)
	p := clitest.Start(t, []string{"run", "--brokers=" + broker, "--ops-addr=" + opsAddr},
		map[string]string{"WAYBILL_DATABASE_URL": db.url})

	status := clitest.NotReady(t, opsAddr, "store")
	if !strings.Contains(status.Detail, "connect") {
		t.Errorf("detail = %q, want that the database cannot be connected to", status.Detail)
	}
	if _, err := ops.Get(t.Context(), opsAddr, "/healthz"); err != nil {
		t.Errorf("a consumer that waits is not healthy: %v", err)
	}
	db.start()
	clitest.NotReady(t, opsAddr, "projector")
	startBroker(t, broker)
	clitest.Ready(t, opsAddr)

	publish(t, broker)
	clitest.Eventually(t, func() error { return db.has(t, 1) })
	if said := p.Said() + body(t, opsAddr); strings.Contains(said, db.password) {
		t.Errorf("the password was printed:\n%s", said)
	}
	stops(t, p)
}

func TestRun_stopsWhileItWaits(t *testing.T) {
	t.Parallel()
	opsAddr := clitest.Free(t)
	p := clitest.Start(t, []string{"run", "--brokers=" + clitest.Free(t), "--database-url=postgres://u:p@" + clitest.Free(t) + "/w", "--ops-addr=" + opsAddr}, nil)
	clitest.NotReady(t, opsAddr, "store")
	stops(t, p)
}

// stops asks the process to stop, and gives it the time that it may take.
func stops(t *testing.T, p *clitest.Process) {
	t.Helper()
	began := time.Now()
	p.Signal(syscall.SIGTERM)
	if code := p.Wait(); code != 0 {
		t.Errorf("exit code = %d, want 0", code)
	}
	if took := time.Since(began); took > grace {
		t.Errorf("it took %v to stop, want at most %v", took, grace)
	}
}

func TestRun_aDatabaseWithoutTheSchemaIsAnErrorThatSaysWhatToDo(t *testing.T) {
	t.Parallel()
	url := stacktest.Postgres(t)
	o := clitest.Call(t, run, []string{"run", "--brokers=" + clitest.Nowhere, "--database-url=" + url, "--ops-addr=127.0.0.1:0"}, nil)
	if !errors.Is(o.Err, readmodel.ErrSchema) || !strings.Contains(o.Err.Error(), "run consumer migrate") {
		t.Errorf("error = %v, want %v and what to do", o.Err, readmodel.ErrSchema)
	}
	if _, usage := errors.AsType[*cli.UsageError](o.Err); usage {
		t.Error("it is said to be wrong usage")
	}
}

func TestRun_aTakenPortIsNamed(t *testing.T) {
	t.Parallel()
	taken := clitest.Taken(t)
	o := clitest.Call(t, run, []string{"run", "--brokers=" + clitest.Nowhere, "--database-url=postgres://u:p@" + clitest.Nowhere + "/w", "--ops-addr=" + taken}, nil)
	if o.Err == nil || !strings.Contains(o.Err.Error(), taken) {
		t.Errorf("error = %v, want one that names %s", o.Err, taken)
	}
}

func TestMigrate_bringsSchemaAndTopicsOnce(t *testing.T) {
	t.Parallel()
	url, broker := stacktest.Postgres(t), startBroker(t, clitest.Free(t))
	args := []string{"migrate", "--database-url=" + url, "--brokers=" + broker}
	first, second := clitest.Call(t, run, args, nil), clitest.Call(t, run, args, nil)
	for _, o := range []clitest.Outcome{first, second} {
		if o.Err != nil {
			t.Fatal(o.Err)
		}
	}
	var version int
	if _, err := fmt.Sscanf(first.Stdout, "schema from=0 to=%d\ntopics ready\n", &version); err != nil || version < 1 {
		t.Errorf("migrate says %q (%v), want from 0 to a version", first.Stdout, err)
	}
	if want := fmt.Sprintf("schema from=%d to=%d\ntopics ready\n", version, version); second.Stdout != want {
		t.Errorf("the second migrate says %q, want %q", second.Stdout, want)
	}
}

func TestMigrate_givesUpInTime(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"a database that is away": {"--database-url=postgres://u:" + secret + "@" + clitest.Nowhere + "/w"},
		"a broker that is away":   {"--database-url=" + stacktest.Postgres(t), "--brokers=" + clitest.Nowhere},
	} {
		t.Run(name, func(t *testing.T) {
			o := clitest.Call(t, run, append([]string{"migrate", "--timeout=2s"}, args...), nil)
			if !errors.Is(o.Err, context.DeadlineExceeded) && (o.Err == nil || !strings.Contains(o.Err.Error(), "connect")) {
				t.Errorf("error = %v, want that time ran out, or that nobody answers", o.Err)
			}
			if o.Err != nil && strings.Contains(o.Err.Error()+o.Stderr, secret) {
				t.Errorf("the password was printed: %v\n%s", o.Err, o.Stderr)
			}
		})
	}
}

func TestHealth_asksTheRunningConsumer(t *testing.T) {
	t.Parallel()
	url, broker, opsAddr := stacktest.Postgres(t), startBroker(t, clitest.Free(t)), clitest.Free(t)
	health := func() error {
		return clitest.Call(t, run, []string{"health", "--ops-addr=" + opsAddr}, nil).Err
	}
	if err := health(); err == nil {
		t.Error("it is well although nobody answers")
	}
	if o := clitest.Call(t, run, []string{"migrate", "--database-url=" + url}, nil); o.Err != nil {
		t.Fatal(o.Err)
	}
	p := clitest.Start(t, []string{"run", "--brokers=" + broker, "--database-url=" + url, "--ops-addr=" + opsAddr}, nil)
	clitest.Eventually(t, health)
	stops(t, p)
}

// server is a Postgres with a schema that is started when a test wants it.
type server struct {
	t             *testing.T
	dir           string
	port          int
	url, password string
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{t: t, dir: t.TempDir()}
	first := s.run(0)
	if _, _, err := readmodel.Migrate(t.Context(), first.URL()); err != nil {
		t.Fatal(err)
	}
	cfg, err := pgx.ParseConfig(first.URL())
	if err != nil {
		t.Fatal(err)
	}
	s.url, s.port, s.password = first.URL(), int(cfg.Port), cfg.Password
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *server) run(port int) *devstack.Postgres {
	s.t.Helper()
	p, err := devstack.StartPostgres(s.t.Context(), devstack.PostgresConfig{Dir: s.dir, Port: port, NoSync: true})
	if errors.Is(err, devstack.ErrNoPostgres) && os.Getenv("CI") != "true" {
		s.t.Skip(err)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

// start runs the server until the end of the test.
func (s *server) start() {
	s.t.Helper()
	p := s.run(s.port)
	s.t.Cleanup(func() {
		if err := p.Close(); err != nil {
			s.t.Error(err)
		}
	})
}

// has says whether there are so many events.
func (s *server) has(t *testing.T, want int) error {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.url)
	if err != nil {
		return err
	}
	defer conn.Close(t.Context()) //nolint:errcheck // what was read is all that counts
	var got int
	if err := conn.QueryRow(t.Context(), `SELECT count(*) FROM waybill.events`).Scan(&got); err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("%d events in the read model, want %d", got, want)
	}
	return nil
}

// startBroker runs a broker at an address until the end of the test.
func startBroker(t *testing.T, addr string) string {
	t.Helper()
	_, text, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return stacktest.Embedded(t, devstack.BrokerConfig{Port: port}).Addr()
}

// publish writes one event.
func publish(t *testing.T, broker string) {
	t.Helper()
	pub, err := topic.NewPublisher(topic.PublisherConfig{Brokers: []string{broker}})
	if err != nil {
		t.Fatal(err)
	}
	fact := events.Fact{OccurredAt: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)}
	e := events.New("demo", "urn:test", "e-1", "o-1", &events.OrderConfirmed{OrderFact: events.OrderFact{Fact: fact, OrderID: "o-1"}})
	if err := errors.Join(pub.Publish(t.Context(), []events.Event{e}), pub.Close()); err != nil {
		t.Fatal(err)
	}
}

// body is what /readyz and /metrics say.
func body(t *testing.T, opsAddr string) string {
	t.Helper()
	ready, _ := ops.Get(t.Context(), opsAddr, "/readyz") // whether it is ready does not matter here
	metrics, err := ops.Get(t.Context(), opsAddr, "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid([]byte(ready)) {
		t.Errorf("/readyz is no JSON: %s", ready)
	}
	return ready + metrics
}
