package gateway_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/go-json-experiment/json"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/auth"
	"github.com/waybill-io/waybill/internal/fanout"
	"github.com/waybill-io/waybill/internal/fanout/fanouttest"
	"github.com/waybill-io/waybill/internal/gateway"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const acme = events.TenantID("acme")

// stack is a gateway on a model, on a real port.
type stack struct {
	t        *testing.T
	model    *fanouttest.Model
	hub      *fanout.Hub
	gateway  *gateway.Gateway
	registry *prometheus.Registry
	server   *httptest.Server
	signer   *auth.Signer
	stop     func() // ends Run and waits for it
}

func authConfig() auth.Config {
	return auth.Config{
		Keys:   []auth.Key{{Secret: []byte("a secret of at least thirty-two bytes")}},
		Issuer: "waybill-test", Audience: "waybill",
	}
}

// start runs everything until the end of the test.
func start(t *testing.T, hubCfg fanout.Config, cfg gateway.Config) *stack {
	t.Helper()
	verifier, err := auth.NewVerifier(authConfig())
	if err != nil {
		t.Fatalf("NewVerifier: %v", err)
	}
	return startWith(t, verifier, hubCfg, cfg)
}

// startWith is start with a verifier of the test's own.
func startWith(t *testing.T, verifier gateway.Verifier, hubCfg fanout.Config, cfg gateway.Config) *stack {
	t.Helper()
	s := &stack{t: t, model: fanouttest.NewModel(), registry: prometheus.NewRegistry()}
	var err error
	if s.signer, err = auth.NewSigner(authConfig()); err != nil {
		t.Fatalf("NewSigner: %v", err)
	}
	if cfg.DrainWindow == 0 {
		cfg.DrainWindow = 100 * time.Millisecond
	}
	if cfg.CloseWait == 0 {
		cfg.CloseWait = 200 * time.Millisecond
	}
	meter := gateway.NewMeter(s.registry)
	hubCfg.Meter, hubCfg.Alerts = meter, s.model
	s.hub = fanout.New(s.model, s.model, hubCfg)
	s.gateway = gateway.New(s.hub, verifier, meter, cfg)
	mux := http.NewServeMux()
	mux.Handle("/v1/live", s.gateway)
	mux.Handle("/v1/stream/sse", s.gateway.Stream())
	s.server = httptest.NewUnstartedServer(mux)
	s.server.Config.ConnContext = gateway.ConnContext
	s.server.Start()

	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() { done <- s.hub.Run(ctx) }()
	go func() { done <- s.gateway.Run(ctx) }()
	stopped := false
	s.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		for range 2 {
			if err := <-done; err != nil {
				t.Errorf("Run: %v", err)
			}
		}
	}
	t.Cleanup(func() {
		s.stop()
		s.server.Close()
	})
	return s
}

func (s *stack) url() string { return "ws" + strings.TrimPrefix(s.server.URL, "http") + "/v1/live" }

func (s *stack) token(p auth.Principal) string {
	s.t.Helper()
	if p.Subject == "" {
		p.Subject = "ann"
	}
	if p.Tenant == "" {
		p.Tenant = string(acme)
	}
	if p.Scope == nil {
		p.Scope = []string{"read"}
	}
	token, _, err := s.signer.Mint(p, time.Hour)
	if err != nil {
		s.t.Fatalf("Mint: %v", err)
	}
	return token
}

// metric is the value of a counter or gauge with these label values.
func (s *stack) metric(name string, labels ...string) float64 {
	s.t.Helper()
	families, err := s.registry.Gather()
	if err != nil {
		s.t.Fatalf("Gather: %v", err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
	next:
		for _, m := range f.GetMetric() {
			for i, l := range m.GetLabel() {
				if i >= len(labels) || l.GetValue() != labels[i] {
					continue next
				}
			}
			return m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return 0
}

// client reads all that the server says.
type client struct {
	t    *testing.T
	ws   *websocket.Conn
	book *fanouttest.Book
	done chan struct{} // closed when reading ended
	err  error         // why, after done
}

// dial opens a socket and begins to read.
func (s *stack) dial() *client {
	s.t.Helper()
	ws, _, err := websocket.Dial(s.t.Context(), s.url(), &websocket.DialOptions{Subprotocols: []string{gateway.Subprotocol}})
	if err != nil {
		s.t.Fatalf("Dial: %v", err)
	}
	ws.SetReadLimit(64 << 20)
	c := &client{t: s.t, ws: ws, book: fanouttest.NewBook(), done: make(chan struct{})}
	go c.read()
	s.t.Cleanup(c.leave)
	return c
}

// connect says hello as well.
func (s *stack) connect(p auth.Principal) *client {
	s.t.Helper()
	c := s.dial()
	c.hello(s.token(p))
	return c
}

func (c *client) read() {
	defer close(c.done)
	for {
		_, text, err := c.ws.Read(context.Background())
		if err != nil {
			c.err = err
			return
		}
		c.book.Message(text)
	}
}

func (c *client) leave() {
	_ = c.ws.CloseNow()
	<-c.done
}

func (c *client) send(frame any) {
	c.t.Helper()
	text, err := json.Marshal(frame)
	if err != nil {
		c.t.Fatalf("encode: %v", err)
	}
	c.sendText(string(text))
}

func (c *client) sendText(text string) {
	c.t.Helper()
	if err := c.ws.Write(c.t.Context(), websocket.MessageText, []byte(text)); err != nil {
		c.t.Logf("send %.60q: %v", text, err)
	}
}

type m = map[string]any

func (c *client) hello(token string, subs ...m) {
	c.t.Helper()
	if subs == nil {
		subs = []m{}
	}
	c.send(m{"t": "hello", "v": 1, "token": token, "client": "test/1", "subs": subs})
}

// closed waits for the end and returns its code; -1 when there was none.
func (c *client) closed() websocket.StatusCode {
	c.t.Helper()
	select {
	case <-c.done:
		return websocket.CloseStatus(c.err)
	case <-time.After(10 * time.Second):
		c.t.Fatal("the connection is still open")
		return 0
	}
}

// frame waits for the n-th frame of a kind.
func (c *client) frame(kind string, n int) fanouttest.Frame {
	c.t.Helper()
	eventually(c.t, fmt.Sprintf("frame %s number %d", kind, n), func() bool { return len(c.book.Frames(kind)) >= n })
	return c.book.Frames(kind)[n-1]
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: did not come", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func shipment(id string, v int64, status string) *fanout.ShipmentRow {
	return &fanout.ShipmentRow{ID: events.ShipmentID(id), Revision: v, Status: status, Carrier: "UPS"}
}

func hubConfig() fanout.Config { return fanout.Config{} }

func gatewayConfig() gateway.Config { return gateway.Config{} }

func shipmentID(s string) events.ShipmentID { return events.ShipmentID(s) }
