package topic

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"time"

	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
)

// Security says how to connect to the brokers.
type Security struct {
	// TLS is the client's configuration. Defaults to plain TCP.
	TLS *tls.Config
	// User and Password are sent by SASL/PLAIN, which wants TLS below it.
	// Defaults to no authentication.
	User, Password string
}

func (s Security) mechanism() sasl.Mechanism {
	if s.User == "" {
		return nil
	}
	return plain.Mechanism{Username: s.User, Password: s.Password}
}

// dialer opens connections and can cut those that are open: the only way to end
// a request that waits for other members to join the group.
type dialer struct {
	net.Dialer
	mu   sync.Mutex
	open map[*conn]struct{}
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

// Close closes the connection and forgets it.
func (c *conn) Close() error {
	c.d.mu.Lock()
	delete(c.d.open, c)
	c.d.mu.Unlock()
	return c.Conn.Close()
}
