package readmodel_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/waybill-io/waybill/internal/fanout"
	"github.com/waybill-io/waybill/internal/fanout/fanouttest"
	"github.com/waybill-io/waybill/internal/readmodel"
)

// selection is a filter beside the SQL that means the same.
type selection struct {
	topic  fanout.Topic
	filter string
	where  string
}

var selections = []selection{
	{fanout.Shipments, ``, `true`},
	{fanout.Shipments, `{"f":"status","op":"in","v":["in_transit","out_for_delivery","picked_up"]}`, `status IN ('in_transit', 'out_for_delivery', 'picked_up')`},
	{fanout.Shipments, `{"not":{"f":"status","op":"eq","v":"delivered"}}`, `status <> 'delivered'`},
	{fanout.Shipments, `{"f":"open_exceptions","op":"range","v":{"gte":1}}`, `open_exceptions >= 1`},
	{fanout.Shipments, `{"or":[{"f":"disputed","op":"eq","v":true},{"f":"gap","op":"eq","v":true}]}`, `disputed OR gap`},
	{fanout.Shipments, `{"f":"numbers","op":"prefix","v":"1Z"}`, `EXISTS (SELECT FROM unnest(numbers) n WHERE starts_with(n, '1Z'))`},
	{fanout.Shipments, `{"not":{"f":"eta","op":"range","v":{"lt":"2026-02-01T00:00:00Z"}}}`, `(eta_end < '2026-02-01T00:00:00Z') IS NOT TRUE`},
	{fanout.Shipments, `{"f":"pos","op":"bbox","v":[-20,30,40,70]}`, `lon BETWEEN -20 AND 40 AND lat BETWEEN 30 AND 70`},
	{fanout.Shipments, `{"and":[{"f":"direction","op":"eq","v":"outbound"},{"f":"parcels","op":"range","v":{"gt":1}}]}`, `direction = 'outbound' AND parcel_count > 1`},
	{fanout.Orders, ``, `true`},
	{fanout.Orders, `{"f":"status","op":"in","v":["placed","shipped","delivered"]}`, `status IN ('placed', 'shipped', 'delivered')`},
	{fanout.Orders, `{"f":"shipped","op":"range","v":{"gte":1,"lte":3}}`, `shipped BETWEEN 1 AND 3`},
}

// history is what every selection yields at every position, by position.
type history map[int64][]map[string]string

// note reads all selections of tenant a as they are now. Nobody writes meanwhile.
func (h history) note(t *testing.T, r *rig) {
	t.Helper()
	seq := one[int64](t, r, `SELECT coalesce((SELECT seq FROM waybill.tenant_stream WHERE tenant_id = 'a'), 0)`)
	all := make([]map[string]string, len(selections))
	for i, s := range selections {
		table, key := "shipments", "shipment_id"
		if s.topic == fanout.Orders {
			table, key = "orders", "order_id"
		}
		rows, _ := r.conn.Query(t.Context(), fmt.Sprintf( // the error is ForEachRow's too
			`SELECT %s, revision || ' ' || status FROM waybill.%s WHERE tenant_id = 'a' AND (%s)`, key, table, s.where))
		all[i] = map[string]string{}
		var id, text string
		if _, err := pgx.ForEachRow(rows, []any{&id, &text}, func() error { all[i][id] = text; return nil }); err != nil {
			t.Fatalf("%s: %v", s.where, err)
		}
	}
	h[seq] = all
}

// glimpse is what a client showed at a position.
type glimpse struct {
	of   int // selection
	q    int64
	rows map[string]string
}

// observer is a client that notes what it shows after each message. It may stop to
// read for a while.
type observer struct {
	t    *testing.T
	book *fanouttest.Book
	asks map[int64]int // selection by sid
	conn *fanout.Conn
	next int64

	mu     sync.Mutex
	open   chan struct{} // closed while it reads
	gone   chan struct{}
	seen   map[int64]int64 // position by sid
	shown  []glimpse
	writes int
}

func newObserver(t *testing.T) *observer {
	o := &observer{t: t, asks: map[int64]int{}, seen: map[int64]int64{}, open: make(chan struct{})}
	close(o.open)
	return o
}

// Write implements [fanout.Socket].
func (o *observer) Write(_ context.Context, parts [][]byte) error {
	o.mu.Lock()
	open, gone := o.open, o.gone
	o.mu.Unlock()
	select {
	case <-open:
	case <-gone:
		return errors.New("gone")
	}
	o.book.Message(bytes.Join(parts, nil))
	o.mu.Lock()
	defer o.mu.Unlock()
	for sid, of := range o.asks {
		v := o.book.View(sid)
		if v == nil || !v.Live {
			delete(o.seen, sid)
			continue
		}
		if at, ok := o.seen[sid]; !ok || at != v.Pos {
			o.seen[sid] = v.Pos
			o.shown = append(o.shown, glimpse{of, v.Pos, lines(o.t, v)})
		}
	}
	return nil
}

// Ping implements [fanout.Socket].
func (o *observer) Ping(context.Context) error { return nil }

// Close implements [fanout.Socket].
func (o *observer) Close(fanout.CloseCode) {}

func lines(t *testing.T, v *fanouttest.View) map[string]string {
	rows := make(map[string]string, len(v.Rows))
	for id, text := range v.Rows {
		var r struct {
			V      int64  `json:"v"`
			Status string `json:"status"`
		}
		if err := json.Unmarshal(text, &r); err != nil {
			t.Error(err)
		}
		rows[id] = fmt.Sprintf("%d %s", r.V, r.Status)
	}
	return rows
}

// pause makes it stop reading, or read again.
func (o *observer) pause(on bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	select {
	case <-o.open:
		if on {
			o.open = make(chan struct{})
		}
	default:
		if !on {
			close(o.open)
		}
	}
}

// connect goes on where it was.
func (o *observer) connect(hub *fanout.Hub, name int) {
	o.t.Helper()
	before, book := o.book, fanouttest.NewBook()
	o.mu.Lock()
	o.book, o.gone = book, make(chan struct{})
	o.mu.Unlock()
	conn, err := hub.Connect(o, fanout.Peer{Subject: fmt.Sprint("o", name), Tenant: "a", Scope: []string{"read"}, Expires: time.Now().Add(time.Hour)})
	if err != nil {
		o.t.Fatal(err)
	}
	o.conn = conn
	for sid, of := range o.asks {
		var from *fanouttest.View
		if before != nil {
			from = before.View(sid)
		}
		if from != nil && !from.Live {
			from = nil
		}
		book.Ask(sid, from)
		o.subscribe(sid, of, from)
	}
}

func (o *observer) subscribe(sid int64, of int, from *fanouttest.View) {
	r := fanout.Request{SID: sid, Topic: selections[of].topic, Filter: []byte(selections[of].filter), MaxHz: float64(10 - of)}
	if from != nil {
		r.Since = from.Since()
	}
	if problem := o.conn.Subscribe(r); problem != nil {
		o.t.Fatal(problem)
	}
}

// ask subscribes to another selection.
func (o *observer) ask(of int) {
	o.mu.Lock()
	o.next++
	sid := o.next
	o.asks[sid] = of
	o.book.Ask(sid, nil)
	o.mu.Unlock()
	o.subscribe(sid, of, nil)
}

// drop ends one of its subscriptions.
func (o *observer) drop() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for sid := range o.asks {
		delete(o.asks, sid)
		o.conn.Unsubscribe(sid)
		return
	}
}

// leave ends the connection, in the middle of whatever is said if it is killed.
func (o *observer) leave(killed bool) {
	if !killed {
		o.pause(false)
	}
	code := fanout.CloseNormal
	if killed {
		code = fanout.CloseLost
		close(o.gone)
	}
	o.conn.Close(code)
	o.conn.Wait()
	for _, v := range o.book.Violations() {
		o.t.Error(v)
	}
}

// server is a hub that may be replaced by one that knows nothing.
type server struct {
	hub  *fanout.Hub
	stop func()
}

func serve(t *testing.T, reader *readmodel.Reader) *server {
	ctx, cancel := context.WithCancel(context.Background())
	s := &server{hub: fanout.New(reader, reader, fanout.Config{Alerts: reader, PageRows: 7, Ring: 200})}
	done := make(chan error, 1)
	go func() { done <- s.hub.Run(ctx) }()
	s.stop = func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	return s
}

// I2: what a client shows after any message is what SELECT yields at its position,
// with every filter, whatever is written, asked for, dropped, paused and killed.
func TestWhatAClientShowsIsWhatSelectYieldsAtItsPosition(t *testing.T) {
	r := newRig(t)
	reader, rnd := r.reader(t), rand.New(rand.NewPCG(7, 7))
	truth := history{}
	truth.note(t, r)
	evs := append(ofTenant("a", histories(31, 70)), ofTenant("b", histories(32, 10))...)
	rnd.Shuffle(len(evs)/2, func(i, j int) { evs[i], evs[j] = evs[j], evs[i] })
	s := serve(t, reader)
	var all []*observer
	for i := range 5 {
		o := newObserver(t)
		o.connect(s.hub, i)
		for n := range 3 {
			o.ask((5*n + i) % len(selections))
		}
		all = append(all, o)
	}
	restarts := 0
	for _, batch := range cut(rnd, evs, 12) {
		r.apply(t, batch)
		truth.note(t, r)
		switch o, i := all[rnd.IntN(len(all))], rnd.IntN(1000); rnd.IntN(8) {
		case 0:
			o.leave(rnd.IntN(2) == 0)
			o.connect(s.hub, i)
		case 1:
			if len(o.asks) < 5 {
				o.ask(rnd.IntN(len(selections)))
			}
		case 2:
			o.drop()
		case 3:
			o.pause(true)
		case 4:
			if rnd.IntN(4) == 0 { // everybody is cut off, and comes back to a server that knows nothing
				for _, o := range all {
					o.leave(true)
				}
				s.stop()
				s, restarts = serve(t, reader), restarts+1
				for i, o := range all {
					o.connect(s.hub, i)
				}
			}
		default:
			o.pause(false)
		}
	}
	rest(t, truth, all)
	s.stop()
	if restarts == 0 {
		t.Error("the server was not restarted")
	}
}

// rest waits until everybody has everything, and compares all that was ever shown.
func rest(t *testing.T, truth history, all []*observer) {
	t.Helper()
	last, compared := int64(0), 0
	for seq := range truth {
		last = max(last, seq)
	}
	for i, o := range all {
		o.pause(false)
		deadline := time.Now().Add(40 * time.Second)
		for sid, of := range o.asks {
			for v := o.book.View(sid); !v.Live || v.Pos < last; v = o.book.View(sid) {
				if time.Now().After(deadline) {
					t.Fatalf("client %d: %s is at %d of %d, live %t, refused %q", i, selections[of].filter, v.Pos, last, v.Live, v.Refused)
				}
				time.Sleep(10 * time.Millisecond)
			}
		}
		o.leave(false)
		for _, g := range o.shown {
			want, known := truth[g.q]
			if !known {
				t.Fatalf("client %d shows position %d, at which no transaction ended", i, g.q)
			}
			if diff := cmp.Diff(want[g.of], g.rows); diff != "" {
				t.Fatalf("client %d, %s at %d (-SELECT +client):\n%s", i, selections[g.of].filter, g.q, diff)
			}
			compared++
		}
	}
	if compared < 100 {
		t.Errorf("%d moments compared, want hundreds", compared)
	}
	t.Logf("%d moments of %d clients compared with SELECT", compared, len(all))
}
