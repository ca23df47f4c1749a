package fanout_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/fanout"
	"github.com/waybill-io/waybill/internal/fanout/fanouttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errClosed = errors.New("socket is closed")

// pipe is a socket whose client reads, does not read, or reads slowly.
type pipe struct {
	book  *fanouttest.Book
	delay time.Duration // per message
	mute  bool          // never answers a ping

	tried [][]byte // not taken yet; of whoever writes

	mu     sync.Mutex
	open   chan struct{} // closed while the client reads
	done   chan struct{}
	code   fanout.CloseCode
	writes int
	most   int // bytes of the largest message
}

func newPipe() *pipe {
	p := &pipe{book: fanouttest.NewBook(), open: make(chan struct{}), done: make(chan struct{})}
	close(p.open)
	return p
}

// pause makes the client stop reading, or read again.
func (p *pipe) pause(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.open:
		if on {
			p.open = make(chan struct{})
		}
	default:
		if !on {
			close(p.open)
		}
	}
}

func (p *pipe) Write(_ context.Context, parts [][]byte) error {
	text := bytes.Join(parts, nil)
	p.mu.Lock()
	open := p.open
	p.writes++
	p.most = max(p.most, len(text))
	p.mu.Unlock()
	select {
	case <-open:
	case <-p.done:
		return errClosed
	}
	if p.delay > 0 {
		select {
		case <-time.After(p.delay):
		case <-p.done:
			return errClosed
		}
	}
	select {
	case <-p.done:
		return errClosed
	default:
	}
	p.book.Message(text)
	return nil
}

// Try takes a message while the client reads, and as fast as it likes.
func (p *pipe) Try(parts [][]byte) (bool, error) {
	p.mu.Lock()
	open := p.open
	p.mu.Unlock()
	select {
	case <-open:
		if p.delay == 0 {
			return true, p.Write(context.Background(), parts)
		}
	default:
	}
	p.tried = [][]byte{bytes.Join(parts, nil)}
	return false, nil
}

func (p *pipe) Finish() error { return p.Write(context.Background(), p.tried) }

func (p *pipe) Ping(context.Context) error {
	if !p.mute {
		return nil
	}
	<-p.done
	return errClosed
}

func (p *pipe) Close(code fanout.CloseCode) {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.done:
	default:
		p.code = code
		close(p.done)
	}
}

func (p *pipe) closed() fanout.CloseCode {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.code
}

// bench is a hub on a model in a bubble of fake time.
type bench struct {
	t     *testing.T
	model *fanouttest.Model
	hub   *fanout.Hub
	meter *counts
	cfg   fanout.Config
	stop  context.CancelFunc
	done  chan error
}

// inBubble runs test with a hub that is stopped, with all its goroutines, at the
// end.
func inBubble(t *testing.T, cfg fanout.Config, test func(b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bench{t: t, model: fanouttest.NewModel(), meter: newCounts(), cfg: cfg, done: make(chan error, 1)}
		b.cfg.Meter, b.cfg.Alerts = b.meter, b.model
		b.begin()
		test(b)
		b.end()
	})
}

// begin starts a hub that knows nothing.
func (b *bench) begin() {
	ctx, stop := context.WithCancel(b.t.Context())
	b.stop, b.hub = stop, fanout.New(b.model, b.model, b.cfg)
	go func(hub *fanout.Hub) { b.done <- hub.Run(ctx) }(b.hub)
}

func (b *bench) end() {
	b.t.Helper()
	b.stop()
	if err := <-b.done; err != nil {
		b.t.Errorf("Run: %v", err)
	}
}

// restart replaces the hub by one that knows nothing. Nobody may be connected.
func (b *bench) restart() {
	b.t.Helper()
	b.end()
	b.begin()
}

// connect opens a connection of a tenant that is closed at the end of the test.
func (b *bench) connect(tenant events.TenantID, p *pipe) *fanout.Conn {
	b.t.Helper()
	c, err := b.hub.Connect(p, fanout.Peer{
		Subject: "ann", Tenant: tenant, Scope: []string{"read"}, Expires: time.Now().Add(time.Hour),
	})
	if err != nil {
		b.t.Fatalf("Connect: %v", err)
	}
	return c
}

func (b *bench) leave(c *fanout.Conn) {
	c.Close(fanout.CloseNormal)
	c.Wait()
}

// settle lets d pass and everything come to rest.
func (b *bench) settle(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (b *bench) subscribe(c *fanout.Conn, p *pipe, r fanout.Request) {
	b.t.Helper()
	if p.book.View(r.SID) == nil {
		p.book.Ask(r.SID, nil)
	}
	if err := c.Subscribe(r); err != nil {
		b.t.Fatalf("Subscribe(%+v): %v", r, err)
	}
}

func (b *bench) honest(p *pipe) {
	b.t.Helper()
	for _, v := range p.book.Violations() {
		b.t.Error(v)
	}
}

// same checks that a view has exactly the rows of the model that want says yes to.
func (b *bench) same(v *fanouttest.View, tenant events.TenantID, topic fanout.Topic, want func(fanout.Row) bool) {
	b.t.Helper()
	b.shows(v, b.model.Rows(tenant, topic, want))
}

// shows checks that a view has exactly these rows.
func (b *bench) shows(v *fanouttest.View, rows map[string]fanout.Row) {
	b.t.Helper()
	if !v.Live {
		b.t.Errorf("sid %d is not live, refused with %q, resets %v", v.SID, v.Refused, v.Resets)
	}
	for id, r := range rows {
		if got, want := string(v.Rows[id]), string(encode(b.t, r)); got != want {
			b.t.Errorf("sid %d: row %s is %s, want %s", v.SID, id, got, want)
		}
	}
	for id := range v.Rows {
		if _, ok := rows[id]; !ok {
			b.t.Errorf("sid %d: row %s should be gone", v.SID, id)
		}
	}
}

// counts is a meter.
type counts struct {
	mu sync.Mutex
	n  map[string]int
}

func newCounts() *counts { return &counts{n: make(map[string]int)} }

func (c *counts) Count(what fanout.Counter, label string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n[fmt.Sprintf("%s/%s", what, label)] += n
}

func (c *counts) Observe(what fanout.Timing, d time.Duration) {
	c.Count(fanout.Counter(what), "n", 1)
	if d < 0 {
		c.Count(fanout.Counter(what), "negative", 1)
	}
}

func (c *counts) of(key string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n[key]
}
