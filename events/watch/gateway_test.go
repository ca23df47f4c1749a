package watch_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/events/watch"
	"github.com/waybill-io/waybill/internal/auth"
	"github.com/waybill-io/waybill/internal/fanout"
	"github.com/waybill-io/waybill/internal/fanout/fanouttest"
	"github.com/waybill-io/waybill/internal/gateway"
)

const acme = events.TenantID("acme")

// node is a gateway on a model, on a real port.
type node struct {
	server *httptest.Server
	stop   func() // with goodbyes
}

func authConfig() auth.Config {
	return auth.Config{
		Keys:   []auth.Key{{Secret: []byte("a secret of at least thirty-two bytes")}},
		Issuer: "waybill-test", Audience: "waybill",
	}
}

// startNode runs a gateway that is quick to lose patience.
func startNode(t *testing.T, model *fanouttest.Model) *node {
	t.Helper()
	verifier, err := auth.NewVerifier(authConfig())
	if err != nil {
		t.Fatal(err)
	}
	hub := fanout.New(model, model, fanout.Config{
		Heartbeat: 300 * time.Millisecond, Sweep: 10 * time.Millisecond, PageRows: 7,
		StallDrop: 100 * time.Millisecond, StallClose: 300 * time.Millisecond, SlowPause: 50 * time.Millisecond,
		PendingEntities: 25, MaxHz: 500, Ring: 200, Resume: 300, UserConnections: 1000,
		ReconnectBase: 5 * time.Millisecond, ReconnectMax: 50 * time.Millisecond,
	})
	g := gateway.New(hub, verifier, nil, gateway.Config{
		DrainWindow: 20 * time.Millisecond, CloseWait: 50 * time.Millisecond, Commands: 1000, Handshakes: 10_000,
	})
	server := httptest.NewServer(g)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() { done <- hub.Run(ctx) }()
	go func() { done <- g.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		for range 2 {
			if err := <-done; err != nil {
				t.Errorf("Run: %v", err)
			}
		}
		server.Close()
	})
	t.Cleanup(stop)
	return &node{server, stop}
}

func tokenOf(t *testing.T, scope ...string) string {
	t.Helper()
	signer, err := auth.NewSigner(authConfig())
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := signer.Mint(auth.Principal{Subject: "ann", Tenant: string(acme), Scope: scope}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// network is between clients and a node: it cuts and stalls connections.
type network struct {
	listener net.Listener
	work     sync.WaitGroup

	mu    sync.Mutex
	to    string
	pairs map[net.Conn]net.Conn
	gate  sync.RWMutex // held while nothing passes
}

func startNetwork(t *testing.T) *network {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &network{listener: l, pairs: make(map[net.Conn]net.Conn)}
	n.work.Go(n.accept)
	t.Cleanup(func() {
		_ = l.Close()
		n.cut(1)
		n.work.Wait()
	})
	return n
}

func (n *network) lead(to *node) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.to = to.server.Listener.Addr().String()
}

func (n *network) accept() {
	for {
		here, err := n.listener.Accept()
		if err != nil {
			return
		}
		n.mu.Lock()
		there, err := net.Dial("tcp", n.to)
		if err != nil {
			_ = here.Close()
			n.mu.Unlock()
			continue
		}
		n.pairs[here] = there
		n.mu.Unlock()
		n.work.Go(func() { n.copy(here, there) })
		n.work.Go(func() { n.copy(there, here) })
	}
}

// copy passes bytes on in odd pieces, so that a cut is somewhere in a frame.
func (n *network) copy(to, from net.Conn) {
	defer to.Close() //nolint:errcheck // it may be cut already
	piece := make([]byte, 997)
	for {
		k, err := from.Read(piece)
		n.gate.RLock()
		_, werr := to.Write(piece[:k])
		n.gate.RUnlock()
		if err != nil || werr != nil {
			return
		}
	}
}

// cut ends about a share of the connections.
func (n *network) cut(share float64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for here, there := range n.pairs {
		if rand.Float64() < share {
			_ = here.(*net.TCPConn).SetLinger(0)
			_, _ = here.Close(), there.Close()
			delete(n.pairs, here)
		}
	}
}

// stall lets nothing pass for a while.
func (n *network) stall(d time.Duration) {
	n.gate.Lock()
	defer n.gate.Unlock()
	time.Sleep(d)
}

func shipmentRow(id string, v int64, status string) *fanout.ShipmentRow {
	return &fanout.ShipmentRow{ID: events.ShipmentID(id), Revision: v, Status: status, Carrier: "UPS"}
}

// world changes a model at random.
type world struct {
	t        *testing.T
	model    *fanouttest.Model
	net      *network
	node     *node
	random   *rand.Rand
	revision int64
	epoch    int
	restarts int
}

var statuses = []string{"created", "in_transit", "out_for_delivery", "delivered"}

func (w *world) put(n int) {
	for range n {
		w.revision++
		id := fmt.Sprint("S-", w.random.IntN(60))
		w.model.Put(acme, shipmentRow(id, w.revision, statuses[w.random.IntN(len(statuses))]))
	}
}

// step does one thing.
func (w *world) step() {
	if w.random.IntN(50) == 0 {
		w.model.SetAway(false)
	}
	switch k := w.random.IntN(1000); {
	case k < 700:
		w.put(1)
	case k < 850:
		w.model.Delete(acme, fanout.Shipments, fmt.Sprint("S-", w.random.IntN(60)))
	case k < 900:
		w.put(100)
	case k < 940:
		w.net.cut(0.5)
	case k < 955:
		w.net.stall(time.Duration(w.random.IntN(200)) * time.Millisecond)
	case k < 965:
		w.model.Prune(acme, w.random.IntN(50))
	case k < 973:
		w.epoch++
		w.model.Rebuild(acme, fmt.Sprint("e", w.epoch+1), int64(w.random.IntN(1000)))
	case k < 978:
		w.model.SetAway(true)
	case k < 984:
		w.restart()
	}
}

// restart replaces the gateway.
func (w *world) restart() {
	w.restarts++
	next := startNode(w.t, w.model)
	w.net.lead(next)
	w.node.stop()
	w.node = next
}

// I2, I3: whatever happens on the way, each client's rows are the model's in the
// end, positions and revisions never went back, and what was replaced was said to be
// stale before (see book).
func TestRowsAreTheModelsInTheEnd(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	w := &world{t: t, model: fanouttest.NewModel(), net: startNetwork(t), random: rand.New(rand.NewPCG(seed, 1))}
	w.put(100)
	w.node = startNode(t, w.model)
	w.net.lead(w.node)
	token := tokenOf(t, "read")
	wanted := []struct {
		filter watch.Filter
		want   func(status string) bool
		slow   time.Duration
		book   *book
	}{
		{filter: nil, want: func(string) bool { return true }},
		{filter: watch.Eq("status", "delivered"), want: func(s string) bool { return s == "delivered" }},
		{filter: watch.Not(watch.In("status", "delivered", "created")), want: func(s string) bool { return s != "delivered" && s != "created" }},
		{filter: nil, want: func(string) bool { return true }, slow: 400 * time.Millisecond},
	}
	for i := range wanted {
		c := &wanted[i]
		c.book = newBook(t)
		run(t, watch.Config{
			URL: "http://" + w.net.listener.Addr().String(), HTTPClient: httpClient(t),
			Token: func(context.Context) (string, error) { return token, nil },
			Subscriptions: []watch.Subscription{{Topic: watch.Shipments, Filter: c.filter, Handle: func(v watch.View) {
				c.book.handle(v)
				if c.slow > 0 && rand.IntN(20) == 0 {
					time.Sleep(rand.N(c.slow))
				}
			}}},
		})
	}
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		w.step()
	}
	w.model.SetAway(false)
	w.put(1)

	for i, c := range wanted {
		want := w.wanted(c.want)
		v := c.book.until(fmt.Sprintf("client %d has the model's rows", i), func(v seen) bool {
			return v.Freshness == watch.Live && cmp.Equal(want, v.shipments(t))
		})
		if v.Position.Seq != w.model.Position(acme).Seq && len(want) > 0 {
			t.Logf("client %d has all rows at %d of %d", i, v.Position.Seq, w.model.Position(acme).Seq)
		}
		t.Logf("client %d: %s", i, c.book.sum())
	}
	t.Logf("%d changes, %d epochs, %d restarts", w.revision, w.epoch, w.restarts)
}

// wanted are the model's rows, as a client decodes them.
func (w *world) wanted(want func(status string) bool) map[string]watch.Shipment {
	out := make(map[string]watch.Shipment)
	for id, r := range w.model.Rows(acme, fanout.Shipments, func(r fanout.Row) bool { return want(r.StatusName()) }) {
		text, err := json.Marshal(r)
		if err != nil {
			w.t.Fatal(err)
		}
		if out[id], err = watch.Decode[watch.Shipment](text); err != nil {
			w.t.Fatal(err)
		}
	}
	return out
}

func (s seen) shipments(t *testing.T) map[string]watch.Shipment {
	out := make(map[string]watch.Shipment)
	for id, r := range s.Rows {
		var err error
		if out[id], err = watch.Decode[watch.Shipment](r); err != nil {
			t.Error(err)
		}
	}
	return out
}

// sum says what a book has seen.
func (b *book) sum() string {
	n := make(map[string]int)
	for _, v := range b.all() {
		n[v.Event.String()]++
		if v.Event == watch.Checked {
			n[v.Freshness.String()]++
		}
	}
	return fmt.Sprint(n)
}

// A restart of the server costs no snapshot.
func TestARestartIsResumed(t *testing.T) {
	w := &world{t: t, model: fanouttest.NewModel(), net: startNetwork(t), random: rand.New(rand.NewPCG(1, 2))}
	w.put(50)
	w.node = startNode(t, w.model)
	w.net.lead(w.node)
	b, token := newBook(t), tokenOf(t, "read")
	run(t, watch.Config{
		URL: "http://" + w.net.listener.Addr().String(), HTTPClient: httpClient(t),
		Token:         func(context.Context) (string, error) { return token, nil },
		Subscriptions: []watch.Subscription{{Topic: watch.Shipments, Handle: b.handle}},
	})
	b.at(50)
	for range 3 {
		w.restart()
		w.put(10)
		at := int(w.model.Position(acme).Seq)
		b.at(at)
	}
	if n := len(b.all()); told(b, func(v seen) bool { return v.Reset != "" }) {
		t.Errorf("the rows started over within %d calls: %s", n, b.sum())
	}
	if _, snapshots := w.model.Reads(); snapshots != 1 {
		t.Errorf("%d snapshots were read, want 1", snapshots)
	}
}

// Other rights than before take the rows away; none at all end Run.
func TestOtherRightsEmptyTheRows(t *testing.T) {
	w := &world{t: t, model: fanouttest.NewModel(), net: startNetwork(t), random: rand.New(rand.NewPCG(1, 2))}
	w.put(50)
	w.node = startNode(t, w.model)
	w.net.lead(w.node)
	b := newBook(t)
	scopes := make(chan []string, 3)
	scopes <- []string{"read"}
	scopes <- []string{"read:shipments"}
	scopes <- []string{"write"}
	r := run(t, watch.Config{
		URL: "http://" + w.net.listener.Addr().String(), HTTPClient: httpClient(t),
		Token:         func(context.Context) (string, error) { return tokenOf(t, <-scopes...), nil },
		Subscriptions: []watch.Subscription{{Topic: watch.Shipments, Handle: b.handle}},
	})
	b.at(50)
	w.net.cut(1)
	b.until("a second snapshot", func(v seen) bool { return v.Event == watch.Loaded && v.Reset == "authz" })
	if !told(b, func(v seen) bool { return v.Event == watch.Emptied && len(v.Rows) == 0 }) {
		t.Error("the rows were not taken away meanwhile")
	}
	w.net.cut(1)
	if err := r.wait(t); err == nil || err.Error() != "follow live updates: closed with 4502: token does not allow this" {
		t.Errorf("Run = %v, want the end with 4502", err)
	}
}
