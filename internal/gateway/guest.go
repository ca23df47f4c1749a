package gateway

import (
	"sync"
	"time"

	"github.com/waybill-io/waybill/internal/fanout"
)

// carrier is what a client is written to through.
type carrier interface {
	fanout.Socket
	// abort ends the connection without a word.
	abort()
}

// guest is a client as the rest of the gateway sees it, whatever it is written to
// through. It may be used from any goroutine.
type guest struct {
	mu     sync.Mutex
	socket carrier      // nil before the handshake is done
	conn   *fanout.Conn // nil before the token was accepted
}

// arrive says what the client is written to through.
func (u *guest) arrive(socket carrier) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.socket = socket
}

// connect lets the client in, which has arrived, with what it asks for first.
func (u *guest) connect(hub *fanout.Hub, peer fanout.Peer, first ...fanout.Request) error {
	conn, err := hub.Connect(u.socket, peer, first...)
	if err != nil {
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.conn = conn
	return nil
}

// live is the connection of a client that was let in; nil before.
func (u *guest) live() *fanout.Conn {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.conn
}

// close ends the client with a code; only the first one counts. It may return
// before the socket is closed.
func (u *guest) close(code fanout.CloseCode) {
	u.mu.Lock()
	sock, conn := u.socket, u.conn
	u.mu.Unlock()
	switch {
	case conn != nil:
		conn.Close(code)
	case sock != nil:
		go sock.Close(code)
	}
}

// goaway tells the client when to come back.
func (u *guest) goaway(after time.Duration) {
	if conn := u.live(); conn != nil {
		conn.Goaway("deploy", after)
	}
}

// abort ends the client without a word.
func (u *guest) abort() {
	u.mu.Lock()
	sock := u.socket
	u.mu.Unlock()
	if sock != nil {
		sock.abort()
	}
}
