package topic

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// dialer opens connections and keeps account of them: it can cut those that are
// open, the only way to end a request that waits for other members of a group,
// and it knows how many broke, which tells an answer that was cut off from one
// whose bytes are wrong.
type dialer struct {
	net.Dialer
	broken atomic.Int64
	mu     sync.Mutex
	open   map[*conn]struct{}
}

func newDialer() *dialer {
	return &dialer{
		Dialer: net.Dialer{Timeout: 3 * time.Second, KeepAlive: 15 * time.Second},
		open:   map[*conn]struct{}{},
	}
}

// dial is a net.Dialer's DialContext.
func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	raw, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c := &conn{raw, d}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open[c] = struct{}{}
	return c, nil
}

// cut closes every connection that is open. New ones may be opened.
func (d *dialer) cut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for c := range d.open {
		_ = c.Conn.Close() // whoever uses it is told by its next read
	}
}

// conn is a connection that its dialer knows.
type conn struct {
	net.Conn
	d *dialer
}

// Read reads, and counts an end that was not expected.
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err != nil {
		c.d.broken.Add(1)
	}
	return n, err
}

// Close closes the connection and forgets it.
func (c *conn) Close() error {
	c.d.mu.Lock()
	delete(c.d.open, c)
	c.d.mu.Unlock()
	return c.Conn.Close()
}
