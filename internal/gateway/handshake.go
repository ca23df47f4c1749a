package gateway

import (
	"bufio"
	"bytes"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-json-experiment/json"
)

// refusal is an answer instead of a socket.
type refusal struct {
	status int
	code   string
	detail string
}

func (p *refusal) write(w http.ResponseWriter) {
	switch p.status {
	case http.StatusMethodNotAllowed:
		w.Header().Set("Allow", http.MethodGet)
	case http.StatusServiceUnavailable:
		comeBack(w.Header())
	}
	problem(w, p.status, p.code, p.detail)
}

// problem answers with a problem document.
func problem(w http.ResponseWriter, status int, code, detail string) {
	body, err := json.Marshal(struct {
		Type   string `json:"type"`
		Title  string `json:"title"`
		Status int    `json:"status"`
		Code   string `json:"code"`
		Detail string `json:"detail"`
	}{"about:blank", http.StatusText(status), status, code, detail})
	if err != nil {
		status, body = http.StatusInternalServerError, nil
	}
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client is gone if this fails
}

// inspect looks at a handshake before the library does; nil lets it pass. No
// browser sends no Origin, and the token comes in the hello.
func (g *Gateway) inspect(r *http.Request) *refusal {
	switch {
	case r.Method != http.MethodGet:
		return &refusal{http.StatusMethodNotAllowed, "method_not_allowed", "a socket is opened with GET"}
	case tokenInQuery(r.URL):
		return &refusal{http.StatusBadRequest, "token_in_url", "the token belongs in the hello message, not in the URL"}
	case !g.cfg.Origins.Admits(r):
		g.meter.origins.Inc()
		return &refusal{http.StatusForbidden, "origin", "this origin may not connect"}
	case r.Header.Get("Upgrade") != "" && !offers(r, Subprotocol):
		return &refusal{http.StatusBadRequest, "subprotocol", "the subprotocol " + Subprotocol + " is required"}
	}
	return nil
}

// tokenInQuery reports whether a URL carries what must not stand in logs.
func tokenInQuery(u *url.URL) bool {
	q := u.Query()
	for name := range q {
		switch strings.ToLower(name) {
		case "token", "access_token", "auth", "authorization", "jwt", "ticket":
			return true
		}
	}
	return false
}

// offers reports whether the client knows a subprotocol.
func offers(r *http.Request, name string) bool {
	for _, line := range r.Header.Values("Sec-WebSocket-Protocol") {
		for offered := range strings.SplitSeq(line, ",") {
			if strings.TrimSpace(offered) == name {
				return true
			}
		}
	}
	return false
}

// upgrade gives the library a connection on which it can be gone past, with
// small buffers: a client sends little, and what the kernel holds for it cannot
// be replaced by newer rows.
type upgrade struct {
	http.ResponseWriter
	room *room
	lane *lane // once it was hijacked
}

const (
	readBuffer  = 128
	writeBuffer = 144 // more than any control frame, so that each is one write
)

// Hijack implements [http.Hijacker].
func (u *upgrade) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(u.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	tune(conn)
	early, _ := rw.Reader.Peek(rw.Reader.Buffered()) // as much as there is
	u.lane = newLane(conn, bytes.Clone(early), u.room)
	return u.lane, bufio.NewReadWriter(bufio.NewReaderSize(u.lane, readBuffer), bufio.NewWriterSize(u.lane, writeBuffer)), nil
}
