package gateway

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/waybill-io/waybill/internal/fanout"
)

// socket is a fanout.Socket on a WebSocket. The library reads, answers pings and
// says goodbye; what is sent goes past it.
type socket struct {
	ws    *websocket.Conn
	lane  *lane // below ws
	wait  time.Duration
	meter *Meter
	once  sync.Once

	mu    sync.Mutex
	asked chan struct{} // closed when the client has answered, or the connection is over
	over  bool
}

func newSocket(ws *websocket.Conn, l *lane, wait time.Duration, meter *Meter) *socket {
	return &socket{ws: ws, lane: l, wait: wait, meter: meter}
}

// Write implements [fanout.Socket]. How long it may take is the hub's business,
// which closes the socket then.
func (s *socket) Write(_ context.Context, parts [][]byte) error { return s.lane.text(parts) }

// Try implements [fanout.Prompt].
func (s *socket) Try(parts [][]byte) (done bool, err error) { return s.lane.try(parts) }

// Finish implements [fanout.Prompt].
func (s *socket) Finish() error { return s.lane.finish() }

// pingFrame has no payload: one is not sent before the last was answered.
const pingFrame = "\x89\x00"

// Ping implements [fanout.Socket]. The library's keeps some memory for each
// connection that was ever pinged.
func (s *socket) Ping(context.Context) error {
	asked := make(chan struct{})
	s.mu.Lock()
	s.asked = asked
	over := s.over
	s.mu.Unlock()
	if over {
		return net.ErrClosed
	}
	if _, err := s.lane.Write([]byte(pingFrame)); err != nil {
		return err
	}
	<-asked
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return net.ErrClosed
	}
	return nil
}

// ponged notes that the client has answered.
func (s *socket) ponged() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asked != nil {
		close(s.asked)
		s.asked = nil
	}
}

// end lets go of a ping that is not answered any more.
func (s *socket) end() {
	s.mu.Lock()
	s.over = true
	s.mu.Unlock()
	s.ponged()
}

// Close implements [fanout.Socket]. It returns when the connection is gone, with
// or without an answer of the client; a second call waits for the first.
func (s *socket) Close(code fanout.CloseCode) {
	s.once.Do(func() {
		defer s.end()
		s.meter.closes.WithLabelValues(codeLabel(code)).Inc()
		if code == fanout.CloseLost {
			_ = s.ws.CloseNow()
			return
		}
		timer := time.AfterFunc(s.wait, s.abort)
		defer timer.Stop()
		_ = s.ws.Close(websocket.StatusCode(code), code.String())
	})
}

// abort ends the connection without a word.
func (s *socket) abort() { _ = s.lane.Conn.Close() }

// causeOf is the code for a connection whose reading ended with err.
func causeOf(err error) fanout.CloseCode {
	var network net.Error
	switch {
	case errors.Is(err, websocket.ErrMessageTooBig):
		return fanout.CloseTooBig
	case websocket.CloseStatus(err) != -1, errors.Is(err, net.ErrClosed), isEOF(err), errors.As(err, &network):
		return fanout.CloseLost
	}
	return fanout.CloseProtocol
}
