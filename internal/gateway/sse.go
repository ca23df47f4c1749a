package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/waybill-io/waybill/internal/fanout"
)

// Stream is the handler of /v1/stream/sse: the same messages as on the socket,
// as server-sent events, for whom a proxy lets no WebSocket through.
func (g *Gateway) Stream() http.Handler { return http.HandlerFunc(g.stream) }

func (g *Gateway) stream(w http.ResponseWriter, r *http.Request) {
	listed := g.cfg.Origins.Share(w, r, "Retry-After")
	if r.Method == http.MethodOptions {
		g.preflight(w, r, listed)
		return
	}
	if p := g.hurried(r); p != nil {
		refuseStream(w, p)
		return
	}
	l := &listener{gateway: g, log: g.cfg.Log.With("remote", r.RemoteAddr)}
	if !g.enter(&l.guest) {
		refuseStream(w, overloaded("no more connections at the moment"))
		return
	}
	defer g.exit(&l.guest)
	g.streams.Add(1)
	defer g.streams.Add(-1)
	l.serve(w, r)
}

// listener is one client of a stream from its request to its end.
type listener struct {
	guest
	gateway *Gateway
	log     *slog.Logger
}

// serve answers until the client has gone or was closed.
func (l *listener) serve(w http.ResponseWriter, r *http.Request) {
	subs, peer, refused := l.inspect(w, r)
	if refused != nil {
		refuseStream(w, refused)
		return
	}
	out := newStream(w, r, l.gateway.cfg.CloseWait, l.gateway.meter)
	l.arrive(out)
	if err := l.connect(l.gateway.hub, peer, requests(subs)...); err != nil {
		refuseStream(w, refusedConnect(err))
		return
	}
	defer l.live().Wait()
	if l.gateway.leaving() {
		l.close(fanout.CloseDrain)
	}
	l.follow(r.Context(), out)
}

func requests(subs []subFrame) []fanout.Request {
	all := make([]fanout.Request, len(subs))
	for i, f := range subs {
		all[i] = f.request()
	}
	return all
}

// follow lets the events out and returns when the stream is over, whoever ended
// it.
func (l *listener) follow(gone context.Context, out *stream) {
	if err := out.begin(); err != nil {
		l.close(fanout.CloseLost)
	}
	quiet := time.NewTicker(l.gateway.cfg.KeepAlive)
	defer quiet.Stop()
	for {
		select {
		case <-out.over:
			return
		case <-gone.Done():
			l.close(fanout.CloseLost)
			<-out.over
			return
		case <-quiet.C:
			if err := out.comment(); err != nil {
				l.close(fanout.CloseLost)
			}
		}
	}
}

// inspect looks at a request before anything else does: what it asks for
// and for whom, or why it is refused.
func (l *listener) inspect(w http.ResponseWriter, r *http.Request) ([]subFrame, fanout.Peer, *refusal) {
	g, peer := l.gateway, fanout.Peer{}
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodPost:
		return nil, peer, &refusal{http.StatusMethodNotAllowed, "method_not_allowed", "a stream is opened with GET or POST"}
	case tokenInQuery(r.URL):
		return nil, peer, &refusal{http.StatusBadRequest, "token_in_url", "the token belongs in the header Authorization, not in the URL"}
	case !g.cfg.Origins.Admits(r):
		g.meter.origins.Inc()
		return nil, peer, &refusal{http.StatusForbidden, "origin", "this origin may not connect"}
	}
	peer, code := g.identify(bearer(r), l.log)
	if code != 0 {
		return nil, peer, unidentified(code)
	}
	subs, refused := g.wanted(w, r)
	return subs, peer, refused
}

// unidentified is the answer to whom a socket would be closed on with a code.
func unidentified(code fanout.CloseCode) *refusal {
	switch code { //nolint:exhaustive // the codes that identify returns
	case fanout.CloseUnauthenticated, fanout.CloseRevoked:
		return &refusal{http.StatusUnauthorized, "invalid_token", "the request needs a valid token"}
	case fanout.CloseInternal:
		return overloaded("the token cannot be looked at now")
	}
	return &refusal{http.StatusForbidden, string(fanout.Forbidden), code.String()}
}

// bearer is the token of a request; "" when it has none or several.
func bearer(r *http.Request) string {
	values := r.Header.Values("Authorization")
	if len(values) != 1 {
		return ""
	}
	kind, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(kind, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// refusedConnect is the answer to a client that was not let in: there are too
// many of one user, or a subscription was refused at once. What is found out
// about one later is told in the stream.
func refusedConnect(err error) *refusal {
	e, ok := errors.AsType[*fanout.Error](err)
	switch {
	case !ok:
		return &refusal{http.StatusTooManyRequests, string(fanout.Limit), "too many connections of one user"}
	case e.Code == fanout.Forbidden:
		return &refusal{http.StatusForbidden, string(e.Code), err.Error()}
	case e.Code.Retryable():
		return &refusal{http.StatusServiceUnavailable, string(e.Code), err.Error()}
	}
	return &refusal{http.StatusBadRequest, string(e.Code), err.Error()}
}

// refuseStream answers with a problem document instead of a stream.
func refuseStream(w http.ResponseWriter, p *refusal) {
	h := w.Header()
	switch p.status {
	case http.StatusMethodNotAllowed:
		h.Set("Allow", streamMethods)
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Bearer error="invalid_token"`)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		comeBack(h)
	}
	problem(w, p.status, p.code, p.detail)
}
