package gateway_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/waybill-io/waybill/internal/auth"
	"github.com/waybill-io/waybill/internal/fanout/fanouttest"
)

// ear is a client of the event stream.
type ear struct {
	t    *testing.T
	conn net.Conn
	book *fanouttest.Book
	done chan struct{}
	// cut ends reading when it says so, asked with each byte.
	cut func() bool

	mu       sync.Mutex
	id       string   // of the last event
	wrong    []string // ids that were not what the client had
	comments int
	bye      *goodbye
}

type goodbye struct {
	Code      int    `json:"code"`
	Reason    string `json:"reason"`
	Reconnect bool   `json:"reconnect"`
}

// request is a request for a stream; lines are headers besides the usual.
func (s *stack) request(token string, subs []m, lines ...string) []string {
	s.t.Helper()
	q := url.Values{}
	for _, sub := range subs {
		text, err := json.Marshal(sub)
		if err != nil {
			s.t.Fatalf("encode: %v", err)
		}
		q.Add("sub", string(text))
	}
	all := []string{"GET /v1/stream/sse?" + q.Encode() + " HTTP/1.1", "Host: " + s.host()}
	if token != "" {
		all = append(all, "Authorization: Bearer "+token)
	}
	return append(all, lines...)
}

// listen opens a stream and reads it. What book is to know of the subscriptions
// is asked of it before.
func (s *stack) listen(book *fanouttest.Book, cut func() bool, lines []string) *ear {
	s.t.Helper()
	resp, conn, _ := s.knock(lines)
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 500))
		s.t.Fatalf("status %d, %s: %s", resp.StatusCode, resp.Header.Get("Content-Type"), body)
	}
	e := &ear{t: s.t, conn: conn, book: book, done: make(chan struct{}), cut: cut}
	for _, l := range lines {
		if id, ok := strings.CutPrefix(l, "Last-Event-ID: "); ok {
			e.id = id
		}
	}
	go e.read(bufio.NewReader(resp.Body))
	s.t.Cleanup(e.leave)
	return e
}

// hear opens a stream of the usual client with one subscription.
func (s *stack) hear(sub m, lines ...string) *ear {
	s.t.Helper()
	book := fanouttest.NewBook()
	sid, ok := sub["sid"].(int)
	if !ok {
		s.t.Fatalf("sid %v", sub["sid"])
	}
	book.Ask(int64(sid), nil)
	return s.listen(book, nil, s.request(s.token(auth.Principal{}), []m{sub}, lines...))
}

func (e *ear) leave() {
	e.conn.Close()
	<-e.done
}

// read takes the stream apart as the standard says: what is not ended by an empty
// line is no event.
func (e *ear) read(r *bufio.Reader) {
	defer close(e.done)
	event := make(map[string]string)
	var line []byte
	for {
		c, err := r.ReadByte()
		if err != nil || e.cut != nil && e.cut() {
			return
		}
		if c != '\n' {
			line = append(line, c)
			continue
		}
		name, value, _ := strings.Cut(string(line), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case len(line) == 0:
			e.dispatch(event)
			event = make(map[string]string)
		case name == "":
			e.mu.Lock()
			e.comments++
			e.mu.Unlock()
		case name == "data" && event["data"] != "":
			event["data"] += "\n" + value
		default:
			event[name] = value
			event["has "+name] = "yes"
		}
		line = line[:0]
	}
}

func (e *ear) dispatch(event map[string]string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if event["event"] == "close" {
		e.bye = &goodbye{}
		if err := json.Unmarshal([]byte(event["data"]), e.bye); err != nil {
			e.wrong = append(e.wrong, fmt.Sprintf("close event %q: %v", event["data"], err))
		}
		return
	}
	if event["data"] == "" {
		return
	}
	e.book.Message([]byte(event["data"]))
	if event["has id"] != "" {
		e.id = event["id"]
	}
	if want := e.stands(); e.id != want {
		e.wrong = append(e.wrong, fmt.Sprintf("the id after %.200q is %q, want %q", event["data"], e.id, want))
	}
}

// sids is which subscriptions the tests use.
var sids = []int64{1, 2, 3}

// stands is where the book says that its client stands.
func (e *ear) stands() string {
	var places []string
	for _, sid := range sids {
		v := e.book.View(sid)
		if v == nil {
			continue
		}
		if at := v.Since(); at != nil && at.Shape != "" && (v.Live || v.Loads+v.Resumes == 0 && len(v.Resets) == 0) {
			places = append(places, fmt.Sprintf("%d:%s:%s:%d", sid, at.Epoch, at.Shape, at.Seq))
		}
	}
	return strings.Join(places, ",")
}

// lastID is where the last event took the client.
func (e *ear) lastID() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.id
}

// honest reports how the server broke the protocol.
func (e *ear) honest() {
	e.t.Helper()
	for _, v := range e.book.Violations() {
		e.t.Error(v)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, w := range e.wrong {
		e.t.Error(w)
	}
}

// frame waits for the n-th frame of a kind.
func (e *ear) frame(kind string, n int) fanouttest.Frame {
	e.t.Helper()
	eventually(e.t, fmt.Sprintf("frame %s number %d", kind, n), func() bool { return len(e.book.Frames(kind)) >= n })
	return e.book.Frames(kind)[n-1]
}

// over waits for the end of the stream and returns its last event; nil for none.
func (e *ear) over() *goodbye {
	e.t.Helper()
	select {
	case <-e.done:
	case <-time.After(10 * time.Second):
		e.t.Fatal("the stream is still open")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.bye
}
