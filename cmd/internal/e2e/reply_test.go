package e2e_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/url"
	"sync"
	"testing"

	"github.com/waybill-io/waybill/cmd/internal/clitest"
)

// cutter stands between a consumer and its database. It passes everything on,
// and now and then cuts a connection where the server answers a command.
type cutter struct {
	t        testing.TB
	listener net.Listener
	to       string
	running  sync.WaitGroup

	mu    sync.Mutex
	every map[string]int // how many answers there are from one cut to the next, by their tag
	seen  map[string]int
	cuts  map[string]int
	open  map[net.Conn]struct{}
}

// cutter returns one that stands before the platform's database, and the URL
// that leads through it.
func (p *platform) cutter(every map[string]int) (c *cutter, through string) {
	p.t.Helper()
	u, err := url.Parse(p.db)
	if err != nil {
		p.t.Fatal(err)
	}
	l, err := (&net.ListenConfig{}).Listen(p.t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		p.t.Fatal(err)
	}
	c = &cutter{t: p.t, listener: l, to: u.Host, every: every, seen: map[string]int{}, cuts: map[string]int{}, open: map[net.Conn]struct{}{}}
	c.running.Go(c.accept)
	p.t.Cleanup(func() {
		_ = l.Close()
		c.mu.Lock()
		for conn := range c.open {
			_ = conn.Close()
		}
		c.mu.Unlock()
		c.running.Wait()
	})
	u.Host = l.Addr().String()
	return c, u.String()
}

func (c *cutter) accept() {
	for {
		client, err := c.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", c.to) //nolint:noctx // it is this machine
		if err != nil {
			_ = client.Close()
			continue
		}
		c.mu.Lock()
		c.open[client], c.open[server] = struct{}{}, struct{}{}
		c.mu.Unlock()
		both := func() {
			_ = client.Close()
			_ = server.Close()
		}
		c.running.Go(func() {
			defer both()
			_, _ = io.Copy(server, client)
		})
		c.running.Go(func() {
			defer both()
			_ = c.answers(client, server)
		})
	}
}

var errCut = errors.New("cut")

// answers passes what the server says on, message by message, up to a cut.
func (c *cutter) answers(client io.Writer, server io.Reader) error {
	head := make([]byte, 5)
	for {
		if _, err := io.ReadFull(server, head); err != nil {
			return err
		}
		body := make([]byte, binary.BigEndian.Uint32(head[1:])-4)
		if _, err := io.ReadFull(server, body); err != nil {
			return err
		}
		const commandComplete = 'C'
		if head[0] == commandComplete && c.cut(body) {
			return errCut
		}
		if _, err := client.Write(append(head, body...)); err != nil {
			return err
		}
	}
}

// cut counts an answer, and says whether it is one that gets lost.
func (c *cutter) cut(body []byte) bool {
	tag, _, _ := bytes.Cut(body, []byte{' '})
	name := string(bytes.TrimSuffix(tag, []byte{0}))
	c.mu.Lock()
	defer c.mu.Unlock()
	every := c.every[name]
	if every == 0 {
		return false
	}
	c.seen[name]++
	if c.seen[name]%every != 0 {
		return false
	}
	c.cuts[name]++
	return true
}

func (c *cutter) count() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.cuts)
}

// The server has committed, and the answer that says so is lost: the consumer has
// to find out by itself. The answers to updates are lost too, and with them the
// transactions.
func TestAnAnswerThatIsLostLosesAndDoublesNothing(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.refuses(refused)
	// The intervals have no common divisor, so that cuts fall everywhere.
	cutter, through := p.cutter(map[string]int{"COMMIT": 4, "UPDATE": 23})
	troubled := *p
	troubled.db = through
	cfg := troubled.projection()
	cfg.BatchEvents = 50
	c := troubled.spawn(cfg)
	l := p.loaded(13, 100)
	clitest.Eventually(t, func() error {
		if n, want := cutter.count()["COMMIT"], 4**kills; n < want {
			return fmt.Errorf("the answers to %d commits were lost, want %d", n, want)
		}
		return nil
	})
	l.stop()
	p.likeCalm(t)
	if cuts := cutter.count(); cuts["UPDATE"] == 0 {
		t.Errorf("answers lost: %v, want some to UPDATE", cuts)
	}
	select {
	case <-c.Ended():
		t.Errorf("the consumer has ended with %d", c.Wait())
	default:
	}
	t.Logf("%d events published; answers lost: %v", l.sent, cutter.count())
}
