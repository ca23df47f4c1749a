package gateway

import (
	"bytes"
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/waybill-io/waybill/internal/fanout"
)

// socket is a fanout.Socket on a WebSocket.
type socket struct {
	ws    *websocket.Conn
	conn  net.Conn // below ws
	wait  time.Duration
	meter *Meter
	once  sync.Once
	buf   bytes.Buffer // of Write, which is never called twice at a time
}

func newSocket(ws *websocket.Conn, conn net.Conn, wait time.Duration, meter *Meter) *socket {
	return &socket{ws: ws, conn: conn, wait: wait, meter: meter}
}

// keepBuffer is how large a buffer may be to be kept for the next message.
const keepBuffer = 64 << 10

// Write implements [fanout.Socket].
func (s *socket) Write(ctx context.Context, parts [][]byte) error {
	s.buf.Reset()
	for _, p := range parts {
		s.buf.Write(p)
	}
	err := s.ws.Write(ctx, websocket.MessageText, s.buf.Bytes())
	if s.buf.Cap() > keepBuffer {
		s.buf = bytes.Buffer{}
	}
	return err
}

// Ping implements [fanout.Socket].
func (s *socket) Ping(ctx context.Context) error { return s.ws.Ping(ctx) }

// Close implements [fanout.Socket]. It returns when the connection is gone, with
// or without an answer of the client; a second call waits for the first.
func (s *socket) Close(code fanout.CloseCode) {
	s.once.Do(func() {
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
func (s *socket) abort() { _ = s.conn.Close() }

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
