package gateway_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/waybill-io/waybill/internal/auth"
	"github.com/waybill-io/waybill/internal/fanout"
	"github.com/waybill-io/waybill/internal/fanout/fanouttest"
	"github.com/waybill-io/waybill/internal/gateway"
)

var inTransit = m{"f": "status", "op": "eq", "v": "in_transit"}

func TestAStreamHasASnapshotAndThenEveryChange(t *testing.T) {
	s := start(t, hubConfig(), gatewayConfig())
	s.model.Put(acme, shipment("S-1", 1, "in_transit"), shipment("S-2", 1, "delivered"))
	e := s.hear(m{"sid": 1, "topic": "shipments", "filter": inTransit})
	e.frame("live", 1)
	if v := e.book.View(1); len(v.Rows) != 1 || v.Rows["S-1"] == nil {
		t.Errorf("rows after the snapshot: %v, want S-1 alone", v.Rows)
	}
	s.model.Put(acme, shipment("S-1", 2, "delivered"), shipment("S-3", 1, "in_transit"))
	e.frame("d", 1)
	if v := e.book.View(1); len(v.Rows) != 1 || v.Rows["S-3"] == nil {
		t.Errorf("rows after the change: %v, want S-3 alone", v.Rows)
	}
	if w := e.frame("welcome", 1); w.Conn == "" || w.Heartbeat != 20_000 {
		t.Errorf("welcome %+v", w)
	}
	eventually(t, "the gauge of streams", func() bool { return s.metric("waybill_ws_streams") == 1 })
	e.leave()
	eventually(t, "the end of the stream", func() bool {
		return s.hub.Stats().Connections == 0 && s.metric("waybill_ws_streams") == 0
	})
	e.honest()
}

func TestTheHeadersOfAStreamKeepProxiesFromHoldingIt(t *testing.T) {
	s := start(t, hubConfig(), gatewayConfig())
	resp, _, _ := s.knock(s.request(s.token(auth.Principal{}), []m{{"sid": 1, "topic": "orders"}}))
	for name, want := range map[string]string{
		"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no",
		"X-Content-Type-Options": "nosniff", "Access-Control-Allow-Origin": "",
	} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestASilentStreamHasComments(t *testing.T) {
	s := start(t, hubConfig(), gateway.Config{KeepAlive: 20 * time.Millisecond})
	e := s.hear(m{"sid": 1, "topic": "orders"})
	eventually(t, "some comments", func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		return e.comments >= 5
	})
	e.honest()
}

// A filter that is too long for a URL comes in a body.
func TestAStreamIsOpenedWithPOST(t *testing.T) {
	s := start(t, hubConfig(), gatewayConfig())
	s.model.Put(acme, shipment("S-1", 1, "in_transit"), shipment("S-2", 1, "in_transit"))
	body := `{"subs":[{"sid":1,"topic":"shipments","filter":{"f":"id","op":"in","v":["S-1"` + strings.Repeat(`,"x"`, 90) + `]}}]}`
	book := fanouttest.NewBook()
	book.Ask(1, nil)
	lines := s.post(body, "Content-Type: application/json")
	e := s.listen(book, nil, lines)
	e.frame("live", 1)
	s.model.Put(acme, shipment("S-1", 2, "delivered"))
	e.frame("d", 1)
	if v := book.View(1); len(v.Rows) != 1 || v.Pos != 3 {
		t.Errorf("rows %v at %d, want S-1 alone at 3", v.Rows, v.Pos)
	}
	e.leave()
	eventually(t, "the end of the stream", func() bool { return s.hub.Stats().Connections == 0 })
	e.honest()
}

// post is a POST with a body, as knock sends it: an empty line stands before the
// body.
func (s *stack) post(body string, lines ...string) []string {
	return append(append([]string{"POST /v1/stream/sse HTTP/1.1", "Host: " + s.host(),
		"Authorization: Bearer " + s.token(auth.Principal{}), fmt.Sprint("Content-Length: ", len(body))}, lines...), "", body)
}

// R5 on the stream: it is cut at any byte and goes on from the id of the last
// event that was whole; in the end everybody has what the read model has, and
// every id was what the client had.
func TestAStreamThatIsCutInsideAnEventResumesWithoutAGap(t *testing.T) {
	s := start(t, fanout.Config{UserConnections: 100, PageRows: 3, MaxHz: 100}, gatewayConfig())
	for i := range 40 {
		s.model.Put(acme, shipment(fmt.Sprint("S-", i), 1, "in_transit"))
	}
	stop := make(chan struct{})
	var work sync.WaitGroup
	work.Go(func() {
		for v := int64(2); ; v++ {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
			status := []string{"in_transit", "delivered"}[rand.IntN(2)]
			s.model.Put(acme, shipment(fmt.Sprint("S-", rand.IntN(40)), v, status))
		}
	})
	clients := make([]*listener, 6)
	for i := range clients {
		clients[i] = &listener{stack: s, views: make(map[int64]*fanouttest.View)}
		work.Go(func() { clients[i].run(stop) })
	}
	time.Sleep(2 * time.Second)
	close(stop)
	work.Wait()
	resumes := 0
	for i, c := range clients {
		eventually(t, fmt.Sprint("the rows of client ", i), c.upToDate)
		resumes += c.resumes
		c.ear.honest()
	}
	if resumes < 20 {
		t.Errorf("%d subscriptions were resumed, want many", resumes)
	}
	t.Logf("%d resumes", resumes)
}

// listener is a client whose stream is cut again and again.
type listener struct {
	stack   *stack
	ear     *ear
	id      string
	views   map[int64]*fanouttest.View // as of id
	resumes int
}

func (l *listener) run(stop chan struct{}) {
	for {
		left := 200 + rand.IntN(8000)
		l.connect(func() bool { left--; return left < 0 })
		select {
		case <-stop:
			l.ear.leave()
			l.remember()
			l.connect(nil)
			return
		case <-l.ear.done:
		case <-time.After(500 * time.Millisecond):
		}
		l.ear.leave()
		l.remember()
	}
}

// remember keeps what the client has: its rows as of the last whole event.
func (l *listener) remember() {
	l.ear.honest()
	l.id = l.ear.lastID()
	for _, sid := range []int64{1, 2} {
		v := l.ear.book.View(sid)
		l.resumes += v.Resumes
		if !strings.Contains(","+l.id, fmt.Sprintf(",%d:", sid)) {
			v = nil
		}
		l.views[sid] = v
	}
}

func (l *listener) connect(cut func() bool) {
	book := fanouttest.NewBook()
	book.Ask(1, l.views[1])
	book.Ask(2, l.views[2])
	subs := []m{{"sid": 1, "topic": "shipments", "filter": inTransit}, {"sid": 2, "topic": "shipments"}}
	var lines []string
	if l.id != "" {
		lines = append(lines, "Last-Event-ID: "+l.id)
	}
	l.ear = l.stack.listen(book, cut, l.stack.request(l.stack.token(auth.Principal{}), subs, lines...))
}

func (l *listener) upToDate() bool {
	every := func(fanout.Row) bool { return true }
	moving := func(row fanout.Row) bool { return row.StatusName() == "in_transit" }
	return l.same(1, moving) && l.same(2, every)
}

func (l *listener) same(sid int64, want func(fanout.Row) bool) bool {
	v, rows := l.ear.book.View(sid), l.stack.model.Rows(acme, fanout.Shipments, want)
	if !v.Live || len(v.Rows) != len(rows) {
		return false
	}
	for id, row := range rows {
		ship, ok := row.(*fanout.ShipmentRow)
		if !ok || !strings.Contains(string(v.Rows[id]), fmt.Sprintf(`"v":%d,`, ship.Revision)) {
			return false
		}
	}
	return true
}

// An id that is not one of this tenant's positions starts over, and says so.
func TestAnIDThatDoesNotResumeStartsOver(t *testing.T) {
	s := start(t, hubConfig(), gatewayConfig())
	sub := m{"sid": 1, "topic": "shipments"}
	for v := range int64(5) {
		s.model.Put(acme, shipment("S-1", v+1, "in_transit"))
		s.model.Put("zeta", shipment("Z-1", v+1, "in_transit"))
	}
	first := s.hear(sub)
	first.frame("live", 1)
	good := first.lastID()
	book := fanouttest.NewBook()
	book.Ask(1, nil)
	other := s.listen(book, nil, s.request(s.token(auth.Principal{Tenant: "zeta"}), []m{sub}))
	other.frame("live", 1)
	place := strings.Split(good, ":")
	with := func(i int, value string) string {
		p := append([]string(nil), place...)
		p[i] = value
		return strings.Join(p, ":")
	}
	tests := []struct{ name, id, code string }{
		{"garbage", "garbage", "authz"},
		{"bytes that are not text", "\xff\xfe", "authz"},
		{"a truncated id", strings.TrimSuffix(good, ":"+place[3]), "authz"},
		{"a good id and garbage", good + ",garbage", "authz"},
		{"a place twice", good + "," + good, "authz"},
		{"another tenant's", other.lastID(), "authz"},
		{"another epoch", with(1, "e9"), "epoch"},
		{"the future", with(3, "6000"), "epoch"},
		{"more than a number holds", with(3, "99999999999999999999"), "authz"},
		{"before the beginning", with(3, "-1"), "authz"},
		{"another shape", with(2, place[2][:8]+"00000000"), "authz"},
		{"another filter", with(2, "00000000"+place[2][8:]), "filter"},
		{"a subscription that cannot be", with(0, "-1"), "authz"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := s.hear(sub, "Last-Event-ID: "+tt.id)
			e.frame("live", 1)
			v := e.book.View(1)
			if fmt.Sprint(v.Resets) != "["+tt.code+"]" || v.Loads != 1 || len(v.Rows) != 1 || v.Rows["S-1"] == nil {
				t.Errorf("resets %v, %d snapshots, rows %v; want [%s], one snapshot of S-1", v.Resets, v.Loads, v.Rows, tt.code)
			}
			if got := e.lastID(); got != good {
				t.Errorf("id %q after the snapshot, want %q", got, good)
			}
			for _, v := range e.book.Violations() {
				t.Error(v)
			}
		})
	}
	t.Run("a good one", func(t *testing.T) {
		book := fanouttest.NewBook()
		book.Ask(1, first.book.View(1))
		e := s.listen(book, nil, s.request(s.token(auth.Principal{}), []m{sub}, "Last-Event-ID: "+good))
		e.frame("live", 1)
		if v := book.View(1); v.Resumes != 1 || len(v.Resets) != 0 {
			t.Errorf("%d resumes, resets %v; want one and none", v.Resumes, v.Resets)
		}
		e.honest()
	})
}

// A client that comes back repeats its first request; where it got since then is
// what counts, and what the id does not name was not whole.
func TestTheIDCountsForMoreThanTheRequest(t *testing.T) {
	s := start(t, hubConfig(), gatewayConfig())
	s.model.Put(acme, shipment("S-1", 1, "in_transit"))
	first := s.hear(m{"sid": 1, "topic": "shipments"})
	first.frame("live", 1)
	at := first.book.View(1).Since()
	since := m{"epoch": at.Epoch, "seq": at.Seq, "shape": at.Shape}
	s.model.Put(acme, shipment("S-1", 2, "in_transit"))
	first.frame("d", 1)
	now := first.book.View(1)
	book := fanouttest.NewBook()
	book.Ask(1, now)
	book.Ask(2, nil)
	again := s.listen(book, nil, s.request(s.token(auth.Principal{}), []m{
		{"sid": 1, "topic": "shipments", "since": since}, {"sid": 2, "topic": "shipments", "since": since},
	}, "Last-Event-ID: "+first.lastID()))
	again.frame("live", 2)
	if one, two := book.View(1), book.View(2); one.Resumes != 1 || two.Resumes != 0 || two.Loads != 1 || len(two.Resets) != 0 {
		t.Errorf("1 was resumed %d times, 2 %d times with %d snapshots after resets %v; want 1, 0, 1, none",
			one.Resumes, two.Resumes, two.Loads, two.Resets)
	}
	again.honest()
	book = fanouttest.NewBook()
	book.Ask(1, nil)
	third := s.listen(book, nil, s.request(s.token(auth.Principal{}), []m{{"sid": 1, "topic": "shipments", "since": since}}))
	if f := third.frame("live", 1); !f.Resumed {
		t.Errorf("without an id: %+v, want the position of the request to be resumed", f)
	}
}

// A client that does not read fills little more than the kernel's small buffers,
// and is closed; nobody else notices.
func TestAStreamThatIsNotReadIsClosedBeforeMuchIsSent(t *testing.T) {
	cfg := fanout.Config{StallDrop: 500 * time.Millisecond, StallClose: time.Second, PendingBytes: 256 << 10}
	s := start(t, cfg, gateway.Config{KeepAlive: 100 * time.Millisecond})
	conn := smallBuffers(t, s)
	if _, err := io.WriteString(conn, strings.Join(s.request(s.token(auth.Principal{}), []m{{"sid": 1, "topic": "shipments"}}), "\r\n")+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a group", func() bool { return s.hub.Stats().Groups == 1 })
	healthy := s.connect(auth.Principal{})
	healthy.book.Ask(1, nil)
	healthy.send(m{"t": "sub", "sid": 1, "topic": "shipments"})
	healthy.frame("live", 1)
	written, most := 0, 0
	eventually(t, "the close of the client that does not read", func() bool {
		for i := range 10 {
			r := shipment(fmt.Sprint("S-", (written/2000+i)%2000), int64(written+1), "in_transit")
			r.LastLocation = strings.Repeat("x", 2000)
			s.model.Put(acme, r)
		}
		written += 20_000
		time.Sleep(5 * time.Millisecond)
		stats := s.hub.Stats()
		most = max(most, stats.PendingBytes)
		return stats.Connections == 1
	})
	if got := s.metric("waybill_ws_closes_total", "4003"); got != 1 {
		t.Errorf("%v connections closed with 4003, want 1", got)
	}
	eventually(t, "the end of a write that nobody reads", func() bool { return s.metric("waybill_ws_streams") == 0 })
	swallowed, _ := io.Copy(io.Discard, conn)
	if swallowed > 600<<10 || swallowed > int64(written/2) {
		t.Errorf("the client swallowed %d of %d bytes before that was noticed", swallowed, written)
	}
	if most > 2*(256<<10) {
		t.Errorf("%d bytes waited, want at most what two connections may have", most)
	}
	if v := healthy.book.View(1); len(v.Resets) != 0 || !v.Live {
		t.Errorf("the client that reads was reset: %v", v.Resets)
	}
	for _, v := range healthy.book.Violations() {
		t.Error(v)
	}
	t.Logf("%d KiB written, %d KiB swallowed, at most %d KiB waited", written>>10, swallowed>>10, most>>10)
}

func TestADrainEndsStreamsWithTheirCode(t *testing.T) {
	s := start(t, hubConfig(), gateway.Config{DrainWindow: 300 * time.Millisecond})
	var ears []*ear
	for range 5 {
		e := s.hear(m{"sid": 1, "topic": "orders"})
		e.frame("live", 1)
		ears = append(ears, e)
	}
	began := time.Now()
	s.stop()
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("the drain took %v with a window of 300 ms", took)
	}
	for _, e := range ears {
		bye := e.over()
		if bye == nil || bye.Code != 4001 || !bye.Reconnect || bye.Reason == "" {
			t.Errorf("the last event is %+v, want close with 4001", bye)
		}
		if f := e.frame("goaway", 1); f.Code != "deploy" || f.ReconnectIn < 0 || f.ReconnectIn > 600 {
			t.Errorf("goaway %+v, want deploy and at most 600 ms", f)
		}
		e.honest()
	}
	resp, _, _ := s.knock(s.request(s.token(auth.Principal{}), []m{{"sid": 1, "topic": "orders"}}))
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("a request after the drain: status %d, Retry-After %q; want 503 and some", resp.StatusCode, resp.Header.Get("Retry-After"))
	}
}

// On a stream nobody can give a new token: whoever is asked comes back with one.
func TestAStreamEndsWhenItsTokenHasExpired(t *testing.T) {
	s := start(t, fanout.Config{AuthGrace: 300 * time.Millisecond, Sweep: 10 * time.Millisecond}, gatewayConfig())
	token, expires, err := s.signer.Mint(auth.Principal{Subject: "ann", Tenant: string(acme), Scope: []string{"read"}}, time.Second)
	if err != nil {
		t.Fatalf("Mint: %v", err)
	}
	book := fanouttest.NewBook()
	book.Ask(1, nil)
	e := s.listen(book, nil, s.request(token, []m{{"sid": 1, "topic": "shipments"}}))
	if f := e.frame("authreq", 1); f.Within > 300 || time.Now().Before(expires) {
		t.Errorf("authreq %+v at %v, want at most 300 ms after %v", f, time.Now(), expires)
	}
	if bye := e.over(); bye == nil || bye.Code != 4005 || !bye.Reconnect {
		t.Errorf("the last event is %+v, want close with 4005", bye)
	}
	e.honest()
	book = fanouttest.NewBook()
	book.Ask(1, e.book.View(1))
	again := s.listen(book, nil, s.request(s.token(auth.Principal{}), []m{{"sid": 1, "topic": "shipments"}}, "Last-Event-ID: "+e.lastID()))
	again.frame("live", 1)
	if v := book.View(1); v.Resumes != 1 {
		t.Errorf("with a new token: %d resumes, want 1", v.Resumes)
	}
}

// A rebuild of the read model moves everybody to the new epoch, ids included.
func TestAStreamStartsOverWhenTheEpochMoves(t *testing.T) {
	s := start(t, hubConfig(), gatewayConfig())
	s.model.Put(acme, shipment("S-1", 1, "in_transit"))
	e := s.hear(m{"sid": 1, "topic": "shipments"})
	e.frame("live", 1)
	s.model.Rebuild(acme, "e2", 7)
	e.frame("live", 2)
	if got := e.lastID(); !strings.HasPrefix(got, "1:e2:") || !strings.HasSuffix(got, ":7") {
		t.Errorf("id %q, want one of epoch e2 at 7", got)
	}
	e.honest()
}
