package gateway_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
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
	var resumes atomic.Int64
	for i := range clients {
		clients[i] = &listener{stack: s, views: make(map[int64]*fanouttest.View), resumes: &resumes}
		work.Go(func() { clients[i].run(stop) })
	}
	eventually(t, "many resumes", func() bool { return resumes.Load() > 100 })
	close(stop)
	work.Wait()
	for i, c := range clients {
		eventually(t, fmt.Sprint("the rows of client ", i), c.upToDate)
		c.ear.honest()
	}
}

// listener is a client whose stream is cut again and again.
type listener struct {
	stack   *stack
	ear     *ear
	id      string
	views   map[int64]*fanouttest.View // as of id
	resumes *atomic.Int64
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
	for _, sid := range sids {
		v := l.ear.book.View(sid)
		l.resumes.Add(int64(v.Resumes))
		if !strings.Contains(","+l.id, fmt.Sprintf(",%d:", sid)) {
			v = nil
		}
		l.views[sid] = v
	}
}

func (l *listener) connect(cut func() bool) {
	book := fanouttest.NewBook()
	for _, sid := range sids {
		book.Ask(sid, l.views[sid])
	}
	subs := []m{{"sid": 1, "topic": "shipments", "filter": inTransit}, {"sid": 2, "topic": "shipments"}, {"sid": 3, "topic": "kpis"}}
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

// Row 105: an id that is not one of this tenant's positions starts over, and says so.
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
		{"105 garbage", "garbage", "authz"},
		{"105 bytes that are not text", "\xff\xfe", "authz"},
		{"105 a truncated id", strings.TrimSuffix(good, ":"+place[3]), "authz"},
		{"105 a good id and garbage", good + ",garbage", "authz"},
		{"105 a place twice", good + "," + good, "authz"},
		{"105 another tenant's", other.lastID(), "authz"},
		{"105 another epoch", with(1, "e9"), "epoch"},
		{"105 the future", with(3, "6000"), "epoch"},
		{"105 more than a number holds", with(3, "99999999999999999999"), "authz"},
		{"105 before the beginning", with(3, "-1"), "authz"},
		{"105 another shape", with(2, place[2][:8]+"00000000"), "authz"},
		{"105 another filter", with(2, "00000000"+place[2][8:]), "filter"},
		{"105 a subscription that cannot be", with(0, "-1"), "authz"},
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

// What is taken for an id is one that we could have written.
func FuzzPlaces(f *testing.F) {
	for _, id := range []string{
		"1:k3x9:9f2c11ab03d5e7f1:1041", "0:e:s:0,2147483647:e-_:S:9223372036854775807", "1:e:s:+7", "01:e:s:7", "1:e:s:-0",
		"", ",", "1:e:s:7,", "1:e:s:7,1:e:s:7", "1:e:s", "1:e\n:s:7", "1::s:7", ":::", "1:e:s:99999999999999999999",
	} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		had, ok := gateway.ParsePlaces(id)
		if !ok {
			return
		}
		var places []fanout.Place
		for text := range strings.SplitSeq(id, ",") {
			sid, _, _ := strings.Cut(text, ":")
			n, err := strconv.ParseInt(sid, 10, 64)
			if err != nil {
				t.Fatalf("%q was taken: %v", id, err)
			}
			places = append(places, fanout.Place{SID: n, Since: had[n]})
		}
		if got := string(gateway.AppendPlaces(nil, places)); got != id {
			t.Errorf("%q was taken and is written %q", id, got)
		}
	})
}
