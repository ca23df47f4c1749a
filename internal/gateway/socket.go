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
	lost  bool                 // it was closed without a code of ours; written once
	bye   websocket.StatusCode // that the client said; of the reading goroutine

	mu    sync.Mutex
	why   string        // it is closed with 4500
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
		if s.lost = code == fanout.CloseLost; s.lost {
			_ = s.ws.CloseNow()
			return
		}
		s.meter.closes.WithLabelValues(codeLabel(code)).Inc()
		timer := time.AfterFunc(s.wait, s.abort)
		defer timer.Stop()
		_ = s.ws.Close(websocket.StatusCode(code), s.reason(code))
	})
}

// because says what was wrong, before the socket is closed with 4500.
func (s *socket) because(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.why = what
}

// mostReason is what a close frame has room for besides the code.
const mostReason = 123

func (s *socket) reason(code fanout.CloseCode) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if code != fanout.CloseBadProtocol || s.why == "" {
		return code.String()
	}
	return cut(code.String()+": "+s.why, mostReason)
}

// settle counts a closed connection that we have not ended: by what the client
// said goodbye with, if it did. It is of the reading goroutine.
func (s *socket) settle() {
	if s.lost {
		s.meter.closes.WithLabelValues(byeLabel(s.bye)).Inc()
	}
}

// byeLabel counts the codes that anybody may use for anything as one: there are two
// thousand, and some of them mean something else where we say them.
func byeLabel(code websocket.StatusCode) string {
	switch {
	case code == 0:
		return codeLabel(fanout.CloseLost)
	case code >= 3000:
		return "3000-4999"
	}
	return codeLabel(fanout.CloseCode(code))
}

// abort ends the connection without a word.
func (s *socket) abort() { _ = s.lane.Conn.Close() }

// cause is the code for a connection whose reading ended with err.
func (s *socket) cause(err error) fanout.CloseCode {
	if code := websocket.CloseStatus(err); code != -1 {
		s.bye = code
		return fanout.CloseLost
	}
	return causeOf(err)
}

// causeOf is the code for a connection that ended without a goodbye.
func causeOf(err error) fanout.CloseCode {
	var network net.Error
	switch {
	case errors.Is(err, websocket.ErrMessageTooBig):
		return fanout.CloseTooBig
	case errors.Is(err, net.ErrClosed), isEOF(err), errors.As(err, &network):
		return fanout.CloseLost
	}
	return fanout.CloseProtocol
}
