package e2e_test

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/waybill-io/waybill/cmd/internal/clitest"
	"github.com/waybill-io/waybill/internal/devstack"
	"github.com/waybill-io/waybill/internal/devstack/stacktest"
)

var (
	minutes   = flag.Float64("minutes", 0, "how long TestChaos goes on")
	chaosSeed = flag.Uint64("seed", 1, "of the faults and the events of TestChaos")
	chaosRate = flag.Int("rate", 300, "events per second of TestChaos")
)

// The course of a chaos run.
const (
	consumers  = 3
	faultEvery = 6 * time.Second
	sleepFor   = 20 * time.Second
	suspension = "SIGSTOP 20 s"
)

// chaos is a platform of which everything may fail.
type chaos struct {
	*platform
	program string
	group   string
	random  *rand.Rand
	broker  *ownBroker
	server  *server
	gauge   *gauge

	members [consumers]*clitest.Process
	asleep  map[int]time.Time // since when
	began   time.Time
	faults  []*happened
}

// happened is a fault, and how long it took until everything of a second ago was
// applied again.
type happened struct {
	kind string
	at   time.Time
	late bool          // the read model was behind already
	over time.Duration // 0 until then
}

// kinds are the faults, each as likely as the others.
func (c *chaos) kinds() map[string]func() string {
	return map[string]func() string{
		"kill -9":              c.kill,
		suspension:             c.suspend,
		"broker restart":       c.restartBroker,
		"postgres immediate":   func() string { return c.server.restart() },
		"pg_terminate_backend": c.terminate,
	}
}

// TestChaos lets a fault happen every few seconds, for as long as -minutes says,
// while events and poison come in. Then everything is healed, and the rows have
// to be those of a consumer that nothing has happened to.
func TestChaos(t *testing.T) {
	if *minutes <= 0 {
		t.Skip("-minutes says how long it goes on: make chaos")
	}
	c := newChaos(t)
	l := c.loaded(*chaosSeed, *chaosRate)
	for i := range c.members {
		c.members[i] = c.consume(c.program, c.group, "")
	}
	must(t, "the first events are applied", func() bool { return c.total() > 0 })
	c.gauge = c.measure()
	c.storm(time.Duration(*minutes * float64(time.Minute)))
	c.heal()
	l.stop()
	healed := time.Now()
	c.drained()
	c.gauge.stop()
	t.Logf("drained %v after the load was stopped", time.Since(healed).Round(10*time.Millisecond))
	c.report(l.sent)
	c.copied() // before the undisturbed run publishes its own
	c.likeCalm(t)
}

func newChaos(t *testing.T) *chaos {
	t.Helper()
	program := buildConsumer(t, "")
	server := newServer(t)
	b := newOwnBroker(t, 3)
	b.start()
	p := newPlatformOn(t, b.addrs, defaultTopics(), server.url)
	p.partitions = 12
	p.refuses(refused)
	t.Logf("seed %d, %d events a second, brokers %v", *chaosSeed, *chaosRate, b.addrs)
	return &chaos{platform: p, program: program, group: freshName(), random: rand.New(rand.NewPCG(*chaosSeed, 0)),
		broker: b, server: server, asleep: map[int]time.Time{}, began: time.Now()}
}

// storm lets faults happen until its time is over.
func (c *chaos) storm(d time.Duration) {
	kinds := c.kinds()
	names := slices.Sorted(maps.Keys(kinds))
	tick := time.NewTicker(faultEvery)
	defer tick.Stop()
	for end := time.Now().Add(d); time.Now().Before(end); <-tick.C {
		c.rouse()
		c.revive()
		h := &happened{kind: names[c.random.IntN(len(names))], at: time.Now()}
		for h.kind == suspension && len(c.asleep) == consumers-1 { // one has to be awake
			h.kind = names[c.random.IntN(len(names))]
		}
		what := kinds[h.kind]()
		c.t.Logf("%6.1fs %s: %s", h.at.Sub(c.began).Seconds(), h.kind, what)
		c.faults = append(c.faults, h)
		c.gauge.watch(h)
	}
}

// rouse wakes the consumers that have slept for long enough.
func (c *chaos) rouse() {
	for i, since := range c.asleep {
		if time.Since(since) >= sleepFor {
			c.wake(i)
		}
	}
}

func (c *chaos) wake(i int) {
	c.members[i].Signal(syscall.SIGCONT)
	delete(c.asleep, i)
}

// revive starts again what has died, whatever it died of.
func (c *chaos) revive() {
	for i, m := range c.members {
		select {
		case <-m.Ended():
			c.t.Errorf("consumer %d ended by itself", m.PID())
			c.members[i] = c.consume(c.program, c.group, "")
		default:
		}
	}
}

// heal wakes everybody.
func (c *chaos) heal() {
	for i := range c.asleep {
		c.wake(i)
	}
	c.revive()
}

// awake is a consumer that does not sleep: there is one, as no two may.
func (c *chaos) awake() int {
	for {
		if i := c.random.IntN(consumers); c.asleep[i].IsZero() {
			return i
		}
	}
}

func (c *chaos) kill() string {
	i := c.awake()
	dead := c.members[i]
	dead.Kill()
	c.members[i] = c.consume(c.program, c.group, "")
	return fmt.Sprintf("consumer %d, now %d", dead.PID(), c.members[i].PID())
}

func (c *chaos) suspend() string {
	i := c.awake()
	c.members[i].Signal(syscall.SIGSTOP)
	c.asleep[i] = time.Now()
	return fmt.Sprintf("consumer %d", c.members[i].PID())
}

func (c *chaos) restartBroker() string {
	node := c.random.IntN(c.broker.nodes)
	began := time.Now()
	c.broker.restart(node)
	return fmt.Sprintf("node %d of %d, back after %v", node+1, c.broker.nodes, time.Since(began).Round(10*time.Millisecond))
}

func (c *chaos) terminate() string {
	const query = `SELECT coalesce(max(pid) FILTER (WHERE pg_terminate_backend(pid)), 0) FROM (
		SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'waybill consumer'
		 ORDER BY (state = 'idle'), random() LIMIT 1) x`
	var pid int
	if err := c.pool.QueryRow(c.t.Context(), query).Scan(&pid); err != nil {
		return fmt.Sprintf("nobody: %v", err)
	}
	return fmt.Sprintf("backend %d", pid)
}

// server is a Postgres that a test may restart, on its data and at its port.
type server struct {
	t       testing.TB
	cfg     devstack.PostgresConfig
	running *devstack.Postgres
	url     string
}

func newServer(t testing.TB) *server {
	t.Helper()
	stacktest.Postgres(t) // skips where there is none
	_, port, _ := strings.Cut(clitest.Free(t), ":")
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, cfg: devstack.PostgresConfig{Dir: t.TempDir(), Port: n}}
	s.start()
	s.url = s.running.URL()
	t.Cleanup(func() { _ = s.running.Close() })
	return s
}

func (s *server) start() {
	s.t.Helper()
	running, err := devstack.StartPostgres(context.WithoutCancel(s.t.Context()), s.cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	s.running = running
}

// restart stops the server as "pg_ctl stop -m immediate" does, which leaves all
// recovery to the next start.
func (s *server) restart() string {
	s.t.Helper()
	began := time.Now()
	pid, err := s.postmaster()
	if err == nil {
		err = syscall.Kill(pid, syscall.SIGQUIT)
	}
	if err != nil {
		s.t.Fatalf("stop Postgres: %v", err)
	}
	if err := s.running.Close(); err != nil {
		s.t.Fatal(err)
	}
	s.start()
	return fmt.Sprintf("process %d, back after %v", pid, time.Since(began).Round(10*time.Millisecond))
}

// postmaster is the server's process.
func (s *server) postmaster() (int, error) {
	text, err := os.ReadFile(s.cfg.Dir + "/data/postmaster.pid")
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(text), "\n")
	return strconv.Atoi(first)
}

// report says what happened, and how long everything took to catch up.
func (c *chaos) report(sent int) {
	c.t.Helper()
	by, late := map[string][]time.Duration{}, map[string]int{}
	for _, h := range c.faults {
		if h.over == 0 { // it was caught up only now
			h.over = time.Since(h.at)
		}
		by[h.kind] = append(by[h.kind], h.over)
		if h.late {
			late[h.kind]++
		}
	}
	c.t.Logf("%d faults in %v; %d events published", len(c.faults), time.Since(c.began).Round(time.Second), sent)
	for _, kind := range slices.Sorted(maps.Keys(by)) {
		all := by[kind]
		slices.SortFunc(all, func(a, b time.Duration) int { return cmp.Compare(a, b) })
		c.t.Logf("%-20s %3d times, %d of them behind already; lag below 1 s again after %v in the median, %v at most",
			kind, len(all), late[kind], all[len(all)/2].Round(10*time.Millisecond), all[len(all)-1].Round(10*time.Millisecond))
	}
}
