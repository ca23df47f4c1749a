package gateway

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/waybill-io/waybill/internal/fanout"
)

// stream is a fanout.Socket on the answer to a request: each message is an event
// whose id is where it takes the client.
type stream struct {
	w     http.ResponseWriter
	ctl   *http.ResponseController
	conn  net.Conn // below w; nil when the server does not tell
	wait  time.Duration
	meter *Meter
	begun chan struct{} // closed when events may be written
	over  chan struct{} // closed when nothing is written any more
	once  sync.Once

	mu    sync.Mutex // of writing
	ended bool
	id    []byte // of the event that is written next
	buf   bytes.Buffer
}

func newStream(w http.ResponseWriter, r *http.Request, wait time.Duration, meter *Meter) *stream {
	conn, _ := r.Context().Value(connKey{}).(net.Conn)
	return &stream{
		w: w, ctl: http.NewResponseController(w), conn: conn, wait: wait, meter: meter,
		begun: make(chan struct{}), over: make(chan struct{}),
	}
}

// connKey is where ConnContext keeps a connection.
type connKey struct{}

// ConnContext is for [http.Server.ConnContext]: with it a stream can limit what
// the kernel buffers for its client. Without it a client that does not read is
// noticed later, and what it gets in the end is older.
func ConnContext(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, conn)
}

// begin answers the request; from then on events are written.
func (s *stream) begin() error {
	if s.conn != nil {
		tune(s.conn)
		tuneStream(s.conn)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return net.ErrClosed
	}
	h := s.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Accel-Buffering", "no") // a proxy is to pass on each event at once
	h.Set("Connection", "close")     // tuned for a stream, and for nothing after it
	s.w.WriteHeader(http.StatusOK)
	close(s.begun)
	return s.ctl.Flush()
}

// Track implements [fanout.Tracker].
func (s *stream) Track(places []fanout.Place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.id = appendPlaces(s.id[:0], places)
}

// Write implements [fanout.Socket].
func (s *stream) Write(_ context.Context, parts [][]byte) error {
	select {
	case <-s.begun:
	case <-s.over:
		return net.ErrClosed
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return net.ErrClosed
	}
	s.buf.WriteString("id: ")
	s.buf.Write(s.id)
	s.buf.WriteString("\ndata: ")
	for _, p := range parts {
		writeLines(&s.buf, p)
	}
	s.buf.WriteString("\n\n")
	return s.send()
}

// writeLines writes text so that each of its lines is one of the event.
func writeLines(b *bytes.Buffer, text []byte) {
	for {
		line, rest, more := bytes.Cut(text, []byte("\n"))
		b.Write(line)
		if !more {
			return
		}
		b.WriteString("\ndata: ")
		text = rest
	}
}

// send writes what is in the buffer. The lock is held.
func (s *stream) send() error {
	_, err := s.w.Write(s.buf.Bytes())
	if s.buf.Reset(); s.buf.Cap() > keepBuffer {
		s.buf = bytes.Buffer{}
	}
	if err != nil {
		return err
	}
	return s.ctl.Flush()
}

// comment writes what clients ignore, so that proxies see that the stream lives.
// Behind a write in hand there is no need.
func (s *stream) comment() error {
	if !s.mu.TryLock() {
		return nil
	}
	defer s.mu.Unlock()
	if s.ended {
		return nil
	}
	s.buf.WriteString(":\n\n")
	return s.send()
}

// Ping implements [fanout.Socket]. A stream has no answers: who takes what is
// written is there, and TCP itself notices who is not.
func (s *stream) Ping(context.Context) error {
	select {
	case <-s.over:
		return net.ErrClosed
	default:
		return nil
	}
}

// goodbye is the data of the last event.
type goodbye struct {
	Code      fanout.CloseCode `json:"code"`
	Reason    string           `json:"reason"`
	Reconnect bool             `json:"reconnect"`
}

// Close implements [fanout.Socket]. A write in hand has a little time left; then
// the last event says why. A second call waits for the first.
func (s *stream) Close(code fanout.CloseCode) {
	s.once.Do(func() {
		defer close(s.over)
		if !s.running() {
			return
		}
		s.meter.closes.WithLabelValues(codeLabel(code)).Inc()
		limit := time.Now()
		if code != fanout.CloseLost {
			limit = limit.Add(s.wait)
		}
		_ = s.ctl.SetWriteDeadline(limit) // without it the client's reading decides
		s.end(code)
	})
}

// running reports whether events may be written; if not, none ever will. It does
// not wait for a write in hand.
func (s *stream) running() bool {
	if s.hasBegun() {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = !s.hasBegun()
	return !s.ended
}

func (s *stream) hasBegun() bool {
	select {
	case <-s.begun:
		return true
	default:
		return false
	}
}

// end writes the last event, if anybody may read it.
func (s *stream) end(code fanout.CloseCode) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	if code == fanout.CloseLost {
		return
	}
	text, err := json.Marshal(goodbye{code, code.String(), code.Reconnect()})
	if err != nil {
		return
	}
	s.buf.WriteString("event: close\ndata: ")
	s.buf.Write(text)
	s.buf.WriteString("\n\n")
	_ = s.send() // the client is gone if this fails
}

// abort ends the connection without a word.
func (s *stream) abort() {
	if s.conn != nil {
		_ = s.conn.Close()
		return
	}
	select {
	case <-s.over:
	default:
		_ = s.ctl.SetWriteDeadline(time.Now())
	}
}
