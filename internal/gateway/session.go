package gateway

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"

	"github.com/waybill-io/waybill/internal/fanout"
)

// session is one client of the socket from its handshake to its end.
type session struct {
	guest
	gateway *Gateway
	remote  string // its address
	budget  *budget
	errors  int     // that the client made; of the reading goroutine
	ws      *socket // of the guest, to read from
}

func newSession(g *Gateway, r *http.Request) *session {
	return &session{gateway: g, remote: r.RemoteAddr, budget: newBudget(g.cfg.Commands)}
}

// log is made when there is something to say, which is not for every client.
func (s *session) log() *slog.Logger { return s.gateway.cfg.Log.With("remote", s.remote) }

// greeted reads the hello. It reports false when the connection is over already.
func (s *session) greeted() bool {
	s.arrive(s.ws)
	code := fanout.CloseDrain
	if !s.gateway.leaving() {
		code = s.greet()
	}
	if code != 0 {
		s.end(code)
	}
	return code == 0
}

// serve reads until the connection ends, whoever ended it.
func (s *session) serve() {
	defer s.gateway.exit(&s.guest)
	s.end(s.spared(s.read))
}

// spared ends one client for what would otherwise end them all, as net/http does
// where it has made the goroutine.
func (s *session) spared(read func() fanout.CloseCode) (code fanout.CloseCode) {
	defer func() {
		if cause := recover(); cause != nil {
			s.log().Error("reading a client's messages panicked", "cause", cause, "stack", string(debug.Stack()))
			code = fanout.CloseInternal
		}
	}()
	return read()
}

// end closes the connection and waits until nothing of it is left.
func (s *session) end(code fanout.CloseCode) {
	s.close(code)
	if conn := s.live(); conn != nil {
		conn.Wait()
	}
	s.ws.Close(code) // waits for whoever closed it first
	s.ws.settle()
}

// greet reads the hello. It returns 0 or the code to close with.
func (s *session) greet() fanout.CloseCode {
	timer := time.AfterFunc(s.gateway.cfg.HelloTimeout, func() { s.ws.Close(fanout.CloseHelloTimeout) })
	text, code := s.message()
	if !timer.Stop() || code != 0 {
		return code
	}
	first, rest := next(text)
	h, problem := decodeHello(first)
	switch {
	case problem != nil:
		s.ws.because(problem.Msg)
		return fanout.CloseBadProtocol
	case h.V != 1:
		return fanout.CloseVersion
	}
	if code := s.admit(h); code != 0 {
		return code
	}
	for _, sub := range h.Subs {
		if code := s.answer(sub.SID, s.start(sub)); code != 0 {
			return code
		}
	}
	if len(rest) > 0 {
		return s.commands(rest)
	}
	return 0
}

// admit connects whom the token names.
func (s *session) admit(h *hello) fanout.CloseCode {
	peer, code := s.gateway.identify(h.Token, s.log())
	if code != 0 {
		return code
	}
	if err := s.connect(s.gateway.hub, peer); err != nil {
		return fanout.CloseTooMany
	}
	return 0
}

// read takes in messages until one ends the connection.
func (s *session) read() fanout.CloseCode {
	for {
		text, code := s.message()
		if code != 0 {
			return code
		}
		s.live().Heard()
		if code := s.commands(text); code != 0 {
			return code
		}
	}
}

// message reads one message, or says why there is none.
func (s *session) message() ([]byte, fanout.CloseCode) {
	ctx := context.Background() // a context that ends would break the connection without a code
	kind, r, err := s.ws.ws.Reader(ctx)
	if err != nil {
		return nil, s.ws.cause(err)
	}
	if kind != websocket.MessageText {
		return nil, fanout.CloseUnsupported
	}
	timer := time.AfterFunc(s.gateway.cfg.MessageTimeout, s.ws.abort)
	text, err := io.ReadAll(r)
	timer.Stop()
	switch {
	case err != nil:
		return nil, s.ws.cause(err)
	case !utf8.Valid(text):
		return nil, fanout.CloseInvalid
	}
	return text, 0
}

func isEOF(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// pinged decides whether a ping of the client is answered.
func (s *session) pinged(context.Context, []byte) bool {
	if conn := s.live(); conn != nil {
		conn.Heard()
	}
	ok, enough := s.budget.take(time.Now())
	if enough {
		s.close(fanout.CloseOverloaded)
	}
	return ok
}

// ponged counts pongs, which nobody may flood us with either.
func (s *session) ponged(ctx context.Context, payload []byte) {
	s.pinged(ctx, payload)
	s.ws.ponged()
}
