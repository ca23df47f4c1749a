package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/go-json-experiment/json"

	"github.com/waybill-io/waybill/internal/fanout/fanouttest"
)

// tally adds up what happened to all watchers.
type tally struct {
	mu sync.Mutex
	n  map[string]int
}

func (t *tally) add(what string, n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n == nil {
		t.n = map[string]int{}
	}
	t.n[what] += n
}

// watcher is a client that comes back whenever its connection ends, and goes on
// where it was.
type watcher struct {
	addr  string
	token string
	asks  []watched
	book  *fanouttest.Book
	tally *tally
	rand  *rand.Rand
	slow  bool // does not read for a while, again and again

	text  bytes.Buffer
	retry map[int64]time.Duration // what was refused for now
	pause time.Duration           // until the next attempt, where the server says so
}

func newWatcher(n int, addr, token string, asks []watched, t *tally) *watcher {
	w := &watcher{addr: addr, token: token, asks: asks, book: fanouttest.NewBook(), tally: t, rand: rand.New(rand.NewPCG(uint64(n), 3)),
		slow: n%20 == 7, retry: map[int64]time.Duration{}}
	w.book.Lean, w.book.Prefix = true, ""
	w.book.Heard = w.heard
	for i := range asks {
		w.book.Ask(int64(i+1), nil)
	}
	return w
}

// heard counts, and notes what is to be asked for again.
func (w *watcher) heard(f fanouttest.Frame) {
	w.tally.add("frame "+f.T, 1)
	switch f.T {
	case "live":
		if f.Resumed {
			w.tally.add("resumed", 1)
		} else {
			w.tally.add("snapshots", 1)
		}
	case "reset":
		w.tally.add("reset "+f.Code, 1)
	case "goaway":
		w.pause = time.Duration(f.ReconnectIn) * time.Millisecond
	case "err":
		w.tally.add("err "+f.Code, 1)
		if f.SID != nil && f.Retry > 0 {
			w.retry[*f.SID] = time.Duration(f.Retry) * time.Millisecond
		}
	}
}

// run goes on until ctx ends.
func (w *watcher) run(ctx context.Context, client *http.Client) {
	const base, most = 100 * time.Millisecond, 2 * time.Second
	for attempt := 0; ctx.Err() == nil; attempt++ {
		began := time.Now()
		err := w.connect(ctx, client)
		if ctx.Err() != nil {
			return
		}
		if code := websocket.CloseStatus(err); code >= 4500 {
			w.tally.add(fmt.Sprintf("closed for good with %d", code), 1)
		} else {
			w.tally.add(fmt.Sprintf("ended with %d", code), 1)
		}
		if time.Since(began) > time.Second {
			attempt = 0
		}
		wait := time.Duration(w.rand.Int64N(int64(min(base<<min(attempt, 6), most))))
		if w.pause > 0 {
			wait, w.pause = w.pause, 0
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// connect is one connection, to its end.
func (w *watcher) connect(ctx context.Context, client *http.Client) error {
	ws, resp, err := websocket.Dial(ctx, "ws://"+w.addr+"/v1/live", &websocket.DialOptions{
		Subprotocols: []string{"track.v1.json"}, HTTPClient: client,
	})
	if err != nil {
		if resp != nil {
			w.tally.add(fmt.Sprintf("refused with %d", resp.StatusCode), 1)
		}
		return err
	}
	defer ws.CloseNow() //nolint:errcheck // it has ended, or is to end now
	ws.SetReadLimit(64 << 20)
	w.tally.add("connections", 1)
	if err := w.say(ctx, ws, m{"t": "hello", "v": 1, "token": w.token, "client": "soak/1", "subs": w.subs()}); err != nil {
		return err
	}
	for {
		if err := w.listen(ctx, ws); err != nil {
			return err
		}
		if err := w.again(ctx, ws); err != nil {
			return err
		}
	}
}

// subs go on where they were.
func (w *watcher) subs() []m {
	clear(w.retry)
	var frames []m
	for i := range w.asks {
		sid := int64(i + 1)
		f, v := w.asks[i].frame(sid), w.book.View(sid)
		if !v.Live {
			v.Epoch = ""
		} else if since := v.Since(); since != nil {
			f["since"] = m{"epoch": since.Epoch, "seq": since.Seq, "shape": since.Shape}
		}
		w.book.Ask(sid, v)
		frames = append(frames, f)
	}
	return frames
}

// listen takes in a message.
func (w *watcher) listen(ctx context.Context, ws *websocket.Conn) error {
	_, r, err := ws.Reader(ctx)
	if err != nil {
		return err
	}
	w.text.Reset()
	if _, err := io.Copy(&w.text, r); err != nil {
		return err
	}
	w.tally.add("bytes", w.text.Len())
	w.book.Message(w.text.Bytes())
	if w.slow && w.rand.IntN(40) == 0 {
		select {
		case <-ctx.Done():
		case <-time.After(4 * time.Second):
		}
	}
	return nil
}

// again asks for what was refused, after the time that the server named.
func (w *watcher) again(ctx context.Context, ws *websocket.Conn) error {
	for sid, wait := range w.retry {
		delete(w.retry, sid)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
		w.book.Ask(sid, nil)
		frame := w.asks[sid-1].frame(sid)
		frame["t"] = "sub"
		if err := w.say(ctx, ws, frame); err != nil {
			return err
		}
	}
	return nil
}

// say sends a frame, which has to be as published.
func (w *watcher) say(ctx context.Context, ws *websocket.Conn, frame m) error {
	text, err := json.Marshal(frame)
	if err != nil {
		return err
	}
	published, err := fanouttest.PublishedSchemas()
	if err != nil {
		return err
	}
	if err := published.Check("client", text); err != nil {
		w.tally.add("frames of ours that are not as published", 1)
	}
	return ws.Write(ctx, websocket.MessageText, text)
}
