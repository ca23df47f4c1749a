package watch

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/coder/websocket"
)

// CloseError is the end of a connection that the server closed with a code.
type CloseError struct {
	Code   int
	Reason string // as the server put it
}

// Error reads "closed with 4501: token not accepted".
func (e *CloseError) Error() string {
	if e.Reason == "" {
		return fmt.Sprintf("closed with %d", e.Code)
	}
	return fmt.Sprintf("closed with %d: %s", e.Code, e.Reason)
}

// Reconnect reports whether the same client may come back with what it asked
// for. [Client.Run] does by itself then.
func (e *CloseError) Reconnect() bool {
	switch websocket.StatusCode(e.Code) {
	case websocket.StatusProtocolError, websocket.StatusUnsupportedData,
		websocket.StatusInvalidFramePayloadData, websocket.StatusMessageTooBig:
		return false
	default:
		return e.Code < 4500 || e.Code > 4999
	}
}

// HandshakeError is an answer to the handshake that is no socket.
type HandshakeError struct {
	Status int    // of HTTP; 101 for a server that speaks another protocol
	Detail string // as the server put it

	after time.Duration // Retry-After
}

// Error names the status, and the path to ask for where that may be wrong.
func (e *HandshakeError) Error() string {
	text := fmt.Sprintf("the server answered with status %d", e.Status)
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	switch {
	case e.Status < 400:
		text += "; this is no live socket of track.v1: want …" + livePath
	case e.Status == http.StatusNotFound:
		text += "; the path may be wrong: want …" + livePath
	}
	return text
}

// Reconnect reports whether the same handshake may succeed later. A page, a
// redirect and another protocol are no server of track.v1; a 404 may be one that
// is being replaced.
func (e *HandshakeError) Reconnect() bool {
	switch e.Status {
	case 400, 401, 403, 405, 426:
		return false
	}
	return e.Status >= 400
}

// RefusedError ends a subscription: the server does not serve it.
type RefusedError struct {
	Topic Topic
	Code  string // of the protocol, such as "bad_filter"
	Msg   string // as the server put it
}

// Error reads "subscribe to shipments: bad_filter: message".
func (e *RefusedError) Error() string {
	return fmt.Sprintf("subscribe to %s: %s: %s", e.Topic, e.Code, e.Msg)
}

// temporary reports whether the same request may succeed later.
func (e *RefusedError) temporary() bool {
	return e.Code == "rate_limited" || e.Code == "overloaded" || e.Code == "internal"
}

// ErrSilent ends a connection on which nothing was heard for two heartbeats.
var ErrSilent = errors.New("the server has gone silent")

// errLeave ends a connection that the server asked to leave.
var errLeave = errors.New("the server asked to come back elsewhere")

// errGap makes a subscription start over: this side has found that something is
// missing, or that an answer is.
var errGap = errors.New("something was missed, and is asked for again")

// ProtocolError ends a connection: the server said what it may not say.
type ProtocolError struct{ Problem string }

// Error is the problem.
func (e *ProtocolError) Error() string { return "the server broke the protocol: " + e.Problem }

func broken(format string, args ...any) error {
	return &ProtocolError{Problem: fmt.Sprintf(format, args...)}
}

// final reports whether an error ends Run.
func final(err error) bool {
	if closed, ok := errors.AsType[*CloseError](err); ok {
		return !closed.Reconnect()
	}
	if refused, ok := errors.AsType[*HandshakeError](err); ok {
		return !refused.Reconnect()
	}
	return false
}

// causeOf makes a close code of the library one of ours.
func causeOf(err error) error {
	if closed, ok := errors.AsType[websocket.CloseError](err); ok {
		return &CloseError{Code: int(closed.Code), Reason: closed.Reason}
	}
	return fmt.Errorf("the connection was lost: %w", err)
}

// plain leaves out what libraries say before the cause.
func plain(err error) error {
	if request, ok := errors.AsType[*url.Error](err); ok {
		return request.Err
	}
	return err
}
