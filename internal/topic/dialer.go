package topic

import (
	"context"
	"encoding/binary"
	"errors"
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
	c := &conn{Conn: raw, d: d}
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
	d     *dialer
	heard bool // the peer has said something
}

// Read reads, and counts an end that was not expected.
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if !c.heard && n > 0 {
		c.heard = true
		if foreign(b[:n]) {
			n, err = 0, errForeign
		}
	}
	if err != nil {
		c.d.broken.Add(1)
	}
	return n, err
}

// mostAtFirst is more than any broker answers to the first request of a
// connection, which asks for its versions.
const mostAtFirst = 1 << 20

var errForeign = errors.New("whoever answers there is no Kafka broker")

// foreign reports that the first bytes of a peer are no answer of Kafka's, which
// begins with its length. Taken as a length, the beginning of an HTTP or TLS
// answer would have kafka-go allocate a gigabyte.
func foreign(first []byte) bool {
	return len(first) >= 4 && binary.BigEndian.Uint32(first) > mostAtFirst
}

// Close closes the connection and forgets it.
func (c *conn) Close() error {
	c.d.mu.Lock()
	delete(c.d.open, c)
	c.d.mu.Unlock()
	return c.Conn.Close()
}
