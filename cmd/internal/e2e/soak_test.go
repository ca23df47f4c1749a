package e2e_test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/waybill-io/waybill/cmd/internal/clitest"
	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/auth"
	"github.com/waybill-io/waybill/internal/fanout/fanouttest"
	"github.com/waybill-io/waybill/internal/topic"
)

var (
	subscribers = flag.Int("subscribers", 500, "how many clients TestSoak has")
	changes     = flag.Int("changes", 2000, "how many changes a second TestSoak makes")
)

// course is how a soak goes.
type course struct {
	lasts       time.Duration
	subscribers int
	changes     int // a second
	shipments   int // under way
	kill        time.Duration
	politely    bool // by SIGTERM alone
}

// TestSoak kills the gateway every 10 seconds, for as long as -minutes says,
// under clients that watch everything that there is to watch.
func TestSoak(t *testing.T) {
	if *minutes <= 0 {
		t.Skip("-minutes says how long it goes on: make soak")
	}
	soak(t, course{
		lasts: time.Duration(*minutes * float64(time.Minute)), subscribers: *subscribers, changes: *changes, shipments: 3000, kill: 10 * time.Second,
	})
}

// The same for 20 seconds.
func TestWatchersMissNothingWhileTheGatewayIsKilledAgainAndAgain(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes 20 seconds: a real gateway is killed under load")
	}
	t.Parallel()
	soak(t, course{lasts: 20 * time.Second, subscribers: 60, changes: 200, shipments: 300, kill: 4 * time.Second})
}

// I12: a gateway that is asked to stop under load says goodbye to everybody, and
// nobody misses anything at the next one: all go on where they were, but for
// timelines, whose past a new server does not know.
func TestAGatewayThatIsAskedToStopUnderLoadLosesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes 10 seconds: a real gateway is stopped under load")
	}
	t.Parallel()
	const clients = 30
	n := soak(t, course{lasts: 10 * time.Second, subscribers: clients, changes: 150, shipments: 200, kill: 3 * time.Second, politely: true})
	// Who is in the middle of its handshake is closed without a goodbye.
	goodbyes, closed := n["frame goaway"], n["ended with 4001"]
	if goodbyes < clients || closed < goodbyes || n["connections"] != clients+closed {
		t.Errorf("%d goodbyes, %d closes with 4001, %d connections of %d clients: want a close with 4001 for each connection but the last",
			goodbyes, closed, n["connections"], clients)
	}
	for what, times := range n {
		if strings.HasPrefix(what, "reset ") && what != "reset history" {
			t.Errorf("%d times: %s", times, what)
		}
	}
}

// soak lets clients watch while changes come in and the gateway is killed. In the
// end every client has what SQL says; the books hold every frame to the protocol,
// so that no position and no revision went back, and each gap was announced.
// It returns how often what happened to them.
func soak(t *testing.T, c course) map[string]int {
	t.Helper()
	p := newOwnPlatform(t)
	p.consumes(t)
	fleet := newFleet(*chaosSeed, c.shipments)
	g := p.gateway(t)
	told := &tally{}
	watchers := make([]*watcher, c.subscribers)
	for n := range watchers {
		watchers[n] = newWatcher(n, g.addr, g.token(t, n), fleet.wants(n), told)
	}
	ctx, leave := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for _, w := range watchers {
		watching.Go(func() { w.run(ctx, client) })
	}
	t.Cleanup(func() { leave(); watching.Wait() })

	before := value[int64](p, `SELECT coalesce(sum(seq), 0)::bigint FROM waybill.tenant_stream`)
	began := time.Now()
	load := p.sail(fleet, c.changes)
	kills := g.die(c, began.Add(c.lasts))
	load.stop()
	made := time.Since(began)
	p.drained()
	seq := value[int64](p, `SELECT seq FROM waybill.tenant_stream WHERE tenant_id = $1`, tenant)
	t.Logf("%d clients, %d changes in %v, that is %.0f a second; drained %v later; gateway killed %d times, asked to stop %d times",
		c.subscribers, seq-before, made.Round(time.Second), float64(seq-before)/made.Seconds(), (time.Since(began) - made).Round(10*time.Millisecond),
		kills["SIGKILL"], kills["SIGTERM"])
	began = time.Now()
	t.Logf("the gateway was away for %v", g.away)
	report(t, p, watchers, seq)
	t.Logf("everybody had everything %v later", time.Since(began).Round(10*time.Millisecond))
	told.mu.Lock()
	defer told.mu.Unlock()
	for _, what := range slices.Sorted(maps.Keys(told.n)) {
		t.Logf("%9d %s", told.n[what], what)
	}
	for _, never := range []string{"frames of ours that are not as published"} {
		if told.n[never] > 0 {
			t.Errorf("%d times: %s", told.n[never], never)
		}
	}
	if told.n["resumed"] == 0 || told.n["frame d"] == 0 || told.n["frame ev"] == 0 {
		t.Error("nobody resumed, or nothing came: the run shows nothing")
	}
	return maps.Clone(told.n)
}

// report holds every client to SQL and to the protocol.
func report(t *testing.T, p *platform, watchers []*watcher, seq int64) {
	t.Helper()
	truth := &truths{p: p, known: map[string]map[string]string{}}
	rows, quiet, deadline := 0, 0, time.Now().Add(limit/2)
	for n, w := range watchers {
		for i := range w.asks {
			v := w.settle(int64(i+1), seq, deadline)
			if !v.Live {
				t.Errorf("client %d, %s %v: %v", n, w.asks[i].topic, w.asks[i].filter, settled(v, seq))
				continue
			}
			if v.Pos < seq { // nothing has concerned it since its snapshot, so that nothing was said
				quiet++
			}
			truth.check(t, fmt.Sprintf("client %d", n), &w.asks[i], v)
			rows += len(v.Rows)
		}
		for _, v := range w.book.Violations() {
			t.Errorf("client %d: %s", n, v)
		}
	}
	t.Logf("%d rows of %d questions compared with SQL; %d subscriptions rest at an earlier position", rows, len(truth.known), quiet)
}

// settle waits until a client has everything; a quiet one is told so now and then.
func (w *watcher) settle(sid, seq int64, deadline time.Time) (v *fanouttest.View) {
	for {
		if v = w.book.View(sid); settled(v, seq) == nil || time.Now().After(deadline) {
			return v
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// consumes runs the consumer, in a process of its own.
func (p *platform) consumes(t *testing.T) {
	t.Helper()
	program := buildCommand(t, "consumer", "")
	args := []string{"run", "--brokers", strings.Join(p.brokers, ","), "--database-url", p.db, "--ops-addr", "127.0.0.1:0", "--group", freshName()}
	clitest.StartProgram(t, program, args, nil).Says("consumer running")
}

// sailing is a fleet whose events are published.
type sailing struct{ stop func() }

// sail publishes so many events a second until it is stopped.
func (p *platform) sail(f *fleet, rate int) *sailing {
	p.t.Helper()
	pub := p.publisher()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		began, sent := time.Now(), 0
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			due := int(time.Since(began).Seconds()*float64(rate)) - sent
			sent += p.publishNext(ctx, pub, f, min(due, rate/4))
		}
	})
	s := &sailing{stop: sync.OnceFunc(func() { cancel(); running.Wait() })}
	p.t.Cleanup(s.stop)
	return s
}

// publishNext writes the next events, whole even when it is stopped meanwhile.
func (p *platform) publishNext(ctx context.Context, pub *topic.Publisher, f *fleet, n int) int {
	if n <= 0 {
		return 0
	}
	list := slices.Collect(func(yield func(events.Event) bool) {
		for range n {
			if !yield(f.next()) {
				return
			}
		}
	})
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*limit)
	defer cancel()
	if err := pub.Publish(ctx, list); err != nil {
		p.t.Errorf("publish: %v", err)
	}
	return n
}

// gateway is the command, at an address that it keeps over its deaths.
type gateway struct {
	t       testing.TB
	program string
	args    []string
	addr    string
	ops     string
	signer  *auth.Signer
	running *clitest.Process
	away    []time.Duration // until it was ready again
}

func (p *platform) gateway(t *testing.T) *gateway {
	t.Helper()
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, authConfig().Keys[0].Secret, 0o600); err != nil {
		t.Fatal(err)
	}
	signer, err := auth.NewSigner(authConfig())
	if err != nil {
		t.Fatal(err)
	}
	g := &gateway{t: t, program: buildCommand(t, "tracker-ws", ""), addr: clitest.Free(t), ops: clitest.Free(t), signer: signer}
	g.args = []string{"serve", "--listen", g.addr, "--ops-addr", g.ops, "--database-url", p.db, "--drain-window", "1s",
		"--jwt-secret-file", secret, "--jwt-issuer", authConfig().Issuer, "--jwt-audience", authConfig().Audience}
	g.start()
	return g
}

func (g *gateway) start() {
	g.running = clitest.StartProgram(g.t, g.program, g.args, map[string]string{"WAYBILL_LOG_LEVEL": "warn"})
	clitest.Ready(g.t, g.ops)
}

// token is one of a user of their own: nobody has more than some connections.
func (g *gateway) token(t *testing.T, n int) string {
	t.Helper()
	signed, _, err := g.signer.Mint(auth.Principal{Subject: fmt.Sprint("watcher-", n), Tenant: tenant, Scope: []string{"read"}}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// die has the gateway killed, or asked to stop every third time or always, and
// started again at once, until a time.
func (g *gateway) die(c course, until time.Time) map[string]int {
	g.t.Helper()
	count := map[string]int{}
	tick := time.NewTicker(c.kill)
	defer tick.Stop()
	for n := 0; ; n++ {
		<-tick.C
		if time.Now().Add(c.kill / 2).After(until) { // the rest of the time is quiet
			return count
		}
		ended := time.Now()
		if c.politely || n%3 == 2 {
			count["SIGTERM"]++
			g.running.Signal(syscall.SIGTERM)
			if code := g.running.Wait(); code != 0 {
				g.t.Errorf("exit code %d, want 0", code)
			}
		} else {
			count["SIGKILL"]++
			g.running.Kill()
		}
		g.start()
		g.away = append(g.away, time.Since(ended).Round(10*time.Millisecond))
	}
}
