package watch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/coder/websocket"
)

const (
	subprotocol = "track.v1.json"
	// readLimit is above what a server sends in one message: a delta after an
	// absence has up to 5,000 rows.
	readLimit = 16 << 20
	// sendLimit is below what a server takes in one message.
	sendLimit    = 12 << 10
	dialTimeout  = 10 * time.Second // for the handshake, and again for the welcome
	writeTimeout = 10 * time.Second
	leaveTimeout = time.Second
)

// link is one connection. One goroutine reads ahead, by one message.
type link struct {
	ws       *websocket.Conn
	ctx      context.Context // of everything on the connection; its end cuts it
	cut      context.CancelFunc
	forget   func() bool // takes back that the end of Run's context cuts it too, a little later
	work     sync.WaitGroup
	messages chan []byte // closed when reading has ended
	err      error       // why, then
	leaving  chan struct{}
	renewals chan renewal
	renewing bool // a token was asked for, and nothing came yet
}

// renewal is a token that was asked for beside the reading, or why there is none.
type renewal struct {
	token string
	err   error
}

// dial opens the socket and says nothing yet.
func dial(ctx context.Context, cfg Config) (*link, error) {
	shake, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	ws, resp, err := websocket.Dial(shake, cfg.URL, &websocket.DialOptions{ //nolint:bodyclose // the library closes it
		HTTPClient: faithful(cfg.HTTPClient), Subprotocols: []string{subprotocol},
	})
	if err != nil {
		return nil, refusal(resp, err)
	}
	if ws.Subprotocol() != subprotocol {
		_ = ws.CloseNow() // there is nothing to say goodbye to
		return nil, &HandshakeError{Status: http.StatusSwitchingProtocols, Detail: "it does not speak " + subprotocol}
	}
	ws.SetReadLimit(readLimit)
	l := &link{ws: ws, messages: make(chan []byte), leaving: make(chan struct{}), renewals: make(chan renewal, 1)}
	l.ctx, l.cut = context.WithCancel(context.WithoutCancel(ctx)) // there is a goodbye to say
	l.forget = context.AfterFunc(ctx, func() { time.AfterFunc(leaveTimeout, l.cut) })
	return l, nil
}

// faithful follows no redirect, and is not cut by a timeout of requests.
func faithful(c *http.Client) *http.Client {
	own := *c
	own.Timeout = 0
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}

// refusal is why a handshake came to nothing.
func refusal(resp *http.Response, err error) error {
	if resp == nil || resp.StatusCode == http.StatusSwitchingProtocols {
		return fmt.Errorf("open the live socket: %w", plain(err))
	}
	e := &HandshakeError{Status: resp.StatusCode}
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && seconds > 0 {
		e.after = min(time.Duration(min(seconds, 3600))*time.Second, longest)
	}
	var problem struct {
		Detail string `json:"detail"`
	}
	if body, err := io.ReadAll(resp.Body); err == nil && json.Unmarshal(body, &problem) == nil {
		e.Detail = problem.Detail
	}
	return e
}

// read reads one message that has to come within a time.
func (l *link) read(within time.Duration) ([]byte, error) {
	ctx, cancel := context.WithTimeout(l.ctx, within)
	defer cancel()
	kind, text, err := l.ws.Read(ctx)
	switch {
	case err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
		return nil, ErrSilent
	case err != nil:
		return nil, causeOf(err)
	case kind != websocket.MessageText:
		return nil, broken("a message is not text")
	}
	return text, nil
}

// listen reads on in a goroutine of its own. A server that says nothing for
// within while it is listened to is given up.
func (l *link) listen(within time.Duration) {
	l.work.Go(func() {
		defer close(l.messages)
		for {
			text, err := l.read(within)
			if err != nil {
				l.err = err
				return
			}
			select {
			case l.messages <- text:
			case <-l.leaving: // on, so that what cuts the reading ends the goodbye as well
			case <-l.ctx.Done():
			}
		}
	})
}

// send writes one message.
func (l *link) send(frame any) error {
	text, err := json.Marshal(frame)
	if err != nil {
		return fmt.Errorf("encode %T: %w", frame, err)
	}
	ctx, cancel := context.WithTimeout(l.ctx, writeTimeout)
	defer cancel()
	if err := l.ws.Write(ctx, websocket.MessageText, text); err != nil {
		return fmt.Errorf("send: %w", causeOf(err))
	}
	return nil
}

// renew asks for a token in a goroutine of its own, unless one does.
func (l *link) renew(cfg Config) {
	if l.renewing {
		return
	}
	l.renewing = true
	l.work.Go(func() {
		token, err := tokenOf(l.ctx, cfg)
		l.renewals <- renewal{token, err}
	})
}

func tokenOf(ctx context.Context, cfg Config) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, tokenTimeout)
	defer cancel()
	token, err := cfg.Token(ctx)
	if err != nil {
		return "", fmt.Errorf("get a token: %w", err)
	}
	return token, nil
}

// leave says goodbye, and waits a second at most for the answer.
func (l *link) leave() {
	if l.ctx.Err() != nil {
		return // a handler took so long that there is no time for it any more
	}
	close(l.leaving)
	timer := time.AfterFunc(leaveTimeout, l.cut)
	defer timer.Stop()
	_ = l.ws.Close(websocket.StatusNormalClosure, "") // gone is gone
}

// end cuts the connection and waits until nothing of it runs any more.
func (l *link) end() {
	l.forget()
	l.cut()
	_ = l.ws.CloseNow() // it may be closed already
	l.work.Wait()
}
