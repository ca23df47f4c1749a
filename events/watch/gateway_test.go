package watch_test

import (
	"context"
	"math/rand/v2"
	"net"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

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
		Alerts:    model,
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
