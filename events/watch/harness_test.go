package watch_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"github.com/waybill-io/waybill/events/watch"
	"github.com/waybill-io/waybill/internal/fanout/fanouttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const shape = "9f2c11ab03d5e7f1"

// welcome is a frame of a server with a heartbeat of 20 s.
const welcome = `{"t":"welcome","conn":"c-1","hb_ms":20000,"exp_ms":3600000,"reconnect":{"base_ms":1,"max_ms":4},"limits":{"subs":16,"rows":5000},"now":1763700000123}`

// peer is the server's side of one connection, which does what a test says.
type peer struct {
	t   *testing.T
	n   int // which connection it is, from 1
	ws  *websocket.Conn
	raw net.Conn // below it
}

// say sends frames in one message.
func (p *peer) say(frames ...string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_ = p.ws.Write(ctx, websocket.MessageText, []byte(strings.Join(frames, "\n"))) // a client that left is not an error
}

// hear reads one frame. It is nil when the client is gone.
func (p *peer) hear() map[string]any {
	_, text, err := p.ws.Read(context.Background())
	if err != nil {
		return nil
	}
	schemas, err := fanouttest.PublishedSchemas()
	if err == nil {
		err = schemas.Check("client", text)
	}
	if err != nil {
		p.t.Errorf("the client said %s, which is not as published: %v", text, err)
	}
	var frame map[string]any
	if err := json.Unmarshal(text, &frame); err != nil {
		p.t.Errorf("the client said %s: %v", text, err)
	}
	return frame
}

// hearA reads until a frame of a kind comes; nil when the client is gone.
func (p *peer) hearA(kind string) map[string]any {
	for {
		if f := p.hear(); f == nil || f["t"] == kind {
			return f
		}
	}
}

// greet hears the hello, welcomes, and returns the subscriptions.
func (p *peer) greet() []map[string]any {
	h := p.hearA("hello")
	p.say(welcome)
	var subs []map[string]any
	if h != nil {
		for _, s := range h["subs"].([]any) {
			subs = append(subs, s.(map[string]any))
		}
	}
	return subs
}

// linger reads until the client is gone.
func (p *peer) linger() {
	for p.hear() != nil {
	}
}

func (p *peer) close(code int, reason string) {
	_ = p.ws.Close(websocket.StatusCode(code), reason)
}

// serve runs a server on a listener until the end of the test; each connection is
// given to script.
func serve(t *testing.T, l net.Listener, script func(*peer)) *httptest.Server {
	var mu sync.Mutex
	var scripts sync.WaitGroup
	n := 0
	type rawKey struct{}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scripts.Add(1)
		defer scripts.Done()
		mu.Lock()
		n++
		p := &peer{t: t, n: n, raw: r.Context().Value(rawKey{}).(net.Conn)}
		mu.Unlock()
		if r.URL.RawQuery != "" || r.Header.Get("Authorization") != "" {
			t.Errorf("the handshake holds %q and %q", r.URL.RawQuery, r.Header.Get("Authorization"))
		}
		ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"track.v1.json"}})
		if err != nil {
			return
		}
		p.ws = ws
		defer ws.CloseNow() //nolint:errcheck // closed is closed
		script(p)
	}))
	server.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, rawKey{}, c)
	}
	if l != nil {
		_ = server.Listener.Close()
		server.Listener = l
	}
	server.Start()
	t.Cleanup(func() {
		server.Close()
		scripts.Wait()
	})
	return server
}

// snap and live are frames of a snapshot of shipments with these revisions.
func snap(sid float64, rows map[string]int, page int, more bool) string {
	list := make([]string, 0, len(rows))
	for _, id := range slices.Sorted(maps.Keys(rows)) {
		list = append(list, row(id, rows[id]))
	}
	return fmt.Sprintf(`{"t":"snap","sid":%v,"epoch":"e1","page":%d,"rows":[%s],"more":%v}`, sid, page, strings.Join(list, ","), more)
}

func live(sid float64, q, rows int) string {
	return fmt.Sprintf(`{"t":"live","sid":%v,"epoch":"e1","shape":"%s","q":%d,"resumed":false,"rows":%d}`, sid, shape, q, rows)
}

func resumed(sid float64, q int) string {
	return fmt.Sprintf(`{"t":"live","sid":%v,"epoch":"e1","shape":"%s","q":%d,"resumed":true}`, sid, shape, q)
}

// delta is a frame that puts one row and drops ids.
func delta(sid float64, from, to int, id string, v int, drop ...string) string {
	r, _ := json.Marshal(append([]string{}, drop...))
	return fmt.Sprintf(`{"t":"d","sid":%v,"p":%d,"q":%d,"u":[%s],"r":%s,"n":1}`, sid, from, to, row(id, v), r)
}

func row(id string, v int) string {
	return fmt.Sprintf(`{"id":%q,"v":%d,"status":"in_transit","parcels":1,"open_exceptions":0,"disputed":false,"gap":false}`, id, v)
}

// sid is the id of a subscription, as JSON has it.
func sid(sub map[string]any) float64 { return sub["sid"].(float64) }

// running is a client that runs.
type running struct {
	stop context.CancelFunc
	done chan error
}

// wait is how Run ended.
func (r *running) wait(t *testing.T) error {
	t.Helper()
	select {
	case err := <-r.done:
		r.done <- err
		return err
	case <-time.After(20 * time.Second):
		t.Fatal("Run goes on")
		return nil
	}
}

// run runs a client until the end of the test, or until it gives up.
func run(t *testing.T, cfg watch.Config) *running {
	t.Helper()
	if cfg.Token == nil {
		cfg.Token = func(context.Context) (string, error) { return "secret", nil }
	}
	c, err := watch.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{stop: cancel, done: make(chan error, 1)}
	go func() { r.done <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		r.wait(t)
	})
	return r
}

// against runs a client of one subscription against a server that does what
// script says.
func against(t *testing.T, script func(*peer)) (*book, *running) {
	t.Helper()
	server := serve(t, nil, script)
	b := newBook(t)
	return b, run(t, watch.Config{
		URL: server.URL, HTTPClient: httpClient(t), Client: "test/1",
		Subscriptions: []watch.Subscription{{Topic: watch.Shipments, Handle: b.handle}},
	})
}

// httpClient keeps no idle connection.
func httpClient(t *testing.T) *http.Client {
	transport := &http.Transport{DisableKeepAlives: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// pipes is a listener without a network, for tests in a bubble.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }

// client dials the pipes.
func (p *pipes) client() *http.Client {
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			here, there := net.Pipe()
			select {
			case p.conns <- there:
				return here, nil
			case <-p.closed:
				return nil, errors.New("connection refused")
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		},
	}}
}
