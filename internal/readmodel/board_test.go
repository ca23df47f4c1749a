package readmodel_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/fanout"
	"github.com/waybill-io/waybill/internal/fanout/fanouttest"
	"github.com/waybill-io/waybill/internal/readmodel"
	"github.com/waybill-io/waybill/internal/tracking"
)

// ear is a socket whose client takes everything at once.
type ear struct{ book *fanouttest.Book }

func (e ear) Write(_ context.Context, parts [][]byte) error {
	e.book.Message(bytes.Join(parts, nil))
	return nil
}

func (ear) Ping(context.Context) error { return nil }
func (ear) Close(fanout.CloseCode)     {}

// watcher is a client of some streams' timelines, of the counts and of the alerts.
type watcher struct {
	hub     *fanout.Hub
	book    *fanouttest.Book
	conn    *fanout.Conn
	streams []events.Stream
}

const (
	sidKPIs = iota
	sidAlerts
	sidTimelines
)

func (w *watcher) requests() []fanout.Request {
	list := []fanout.Request{{SID: sidKPIs, Topic: fanout.KPIs}, {SID: sidAlerts, Topic: fanout.Alerts}}
	for i, s := range w.streams {
		filter := fmt.Appendf(nil, `{"f":%q,"op":"eq","v":%q}`, s.Kind, s.ID)
		list = append(list, fanout.Request{SID: sidTimelines + int64(i), Topic: fanout.Timeline, Filter: filter})
	}
	return list
}

// connect asks for everything, from where the connection before it ended.
func (w *watcher) connect(t testing.TB, subject string) {
	t.Helper()
	before := w.book
	w.book = fanouttest.NewBook()
	var err error
	w.conn, err = w.hub.Connect(ear{w.book}, fanout.Peer{
		Subject: subject, Tenant: "a", Scope: []string{"read"}, Expires: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range w.requests() {
		var from *fanouttest.View
		if before != nil {
			if from = before.View(r.SID); !from.Live {
				from = nil
			}
		}
		if w.book.Ask(r.SID, from); from != nil {
			r.Since = from.Since()
		}
		if problem := w.conn.Subscribe(r); problem != nil {
			t.Fatal(problem)
		}
	}
}

func (w *watcher) leave(t testing.TB) {
	t.Helper()
	w.conn.Close(fanout.CloseNormal)
	w.conn.Wait()
	for _, v := range w.book.Violations() {
		t.Error(v)
	}
}

// reached waits until every subscription is at the tenant's position.
func (w *watcher) reached(t testing.TB, reader *readmodel.Reader) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for _, r := range w.requests() {
		for {
			v := w.book.View(r.SID)
			if v.Live && w.settled(t, reader, r, v) {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s %s is not what it should be (live: %v, at %d):\n%s", r.Topic, r.Filter, v.Live, v.Pos, w.diff(t, reader, r, v))
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
}

func (w *watcher) settled(t testing.TB, reader *readmodel.Reader, r fanout.Request, v *fanouttest.View) bool {
	t.Helper()
	return r.Topic == fanout.Alerts || w.diff(t, reader, r, v) == ""
}

// diff is what tells a view of a whole from what the database has.
func (w *watcher) diff(t testing.TB, reader *readmodel.Reader, r fanout.Request, v *fanouttest.View) string {
	t.Helper()
	want, got := make(map[string]string), make(map[string]string)
	q := fanout.Query{Tenant: "a", Topic: r.Topic, PageSize: 100}
	if r.Topic == fanout.Timeline {
		q.Of = w.streams[r.SID-sidTimelines]
	}
	_, err := reader.Snapshot(t.Context(), q, func(rows []fanout.Row) error {
		for _, row := range rows {
			text, err := json.Marshal(row)
			if err != nil {
				return err
			}
			want[row.Key()] = string(text)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for key, row := range v.Rows {
		got[key] = string(row)
	}
	return cmp.Diff(want, got)
}

// Whatever order facts come in, whoever watches the timelines of orders and
// shipments has, at rest, what a new reading of them has; so with the counts;
// and every alert was told.
func TestWatchersOfBoardsHaveWhatTheDatabaseHas(t *testing.T) {
	r := newRig(t)
	reader := r.reader(t)
	hub := fanout.New(reader, reader, fanout.Config{Alerts: reader})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- hub.Run(ctx) }()
	defer func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()

	rnd := rand.New(rand.NewPCG(4, 4))
	evs := ofTenant("a", histories(21, 14))
	rnd.Shuffle(len(evs), func(i, j int) { evs[i], evs[j] = evs[j], evs[i] })
	streams := streamsOf(evs)
	rnd.Shuffle(len(streams), func(i, j int) { streams[i], streams[j] = streams[j], streams[i] })
	r.apply(t, evs[:1]) // so that positions begin
	evs = evs[1:]
	var watchers []*watcher
	for i := range 2 {
		w := &watcher{hub: hub, streams: streams[i*14 : (i+1)*14]}
		w.connect(t, fmt.Sprint("w", i))
		defer func() { w.leave(t) }()
		w.reached(t, reader)
		watchers = append(watchers, w)
	}
	for i, batch := range cut(rnd, evs, 30) {
		r.apply(t, batch)
		if w := watchers[rnd.IntN(2)]; i%4 == 0 {
			w.leave(t)
			w.connect(t, fmt.Sprint("w", i))
		}
	}
	for _, w := range watchers {
		w.reached(t, reader)
		r.toldAll(t, w.book.View(sidAlerts))
	}
}

// A count is of the rows that its filter wants: a tile and its list agree.
func TestCountsAreOfTheRowsThatTheirFiltersWant(t *testing.T) {
	r := newRig(t)
	reader := r.reader(t)
	for _, batch := range cut(rand.New(rand.NewPCG(8, 8)), ofTenant("a", histories(33, 60)), 200) {
		r.apply(t, batch)
	}
	rows := map[fanout.Topic][]fanout.Row{}
	read := func(topic fanout.Topic) []fanout.Row {
		_, err := reader.Snapshot(t.Context(), fanout.Query{Tenant: "a", Topic: topic}, func(page []fanout.Row) error {
			rows[topic] = append(rows[topic], page...)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return rows[topic]
	}
	read(fanout.Orders)
	read(fanout.Shipments)
	counted := 0
	for _, row := range read(fanout.KPIs) {
		k, ok := row.(*fanout.KPIRow)
		if !ok {
			t.Fatalf("a count is a %T", row)
		}
		filter, problem := fanout.ParseFilter(k.Of, k.Filter)
		if problem != nil {
			t.Fatalf("%s: %v", k.ID, problem)
		}
		var n int64
		for _, row := range rows[k.Of] {
			if filter.Match(row) {
				n++
			}
		}
		if n != k.N {
			t.Errorf("%s counts %d, its filter wants %d", k.ID, k.N, n)
		}
		if n > 0 {
			counted++
		}
	}
	if counted < 6 {
		t.Errorf("%d counts are not zero: the test does not reach what it is for", counted)
	}
}

// streamsOf are the streams of orders and shipments that the events speak of.
func streamsOf(evs []events.Event) []events.Stream {
	var all []events.Stream
	for _, e := range evs {
		if s := e.Stream(); s.Kind != events.TrackingStream && !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}

// toldAll checks that a view was told the alerts since it began, each once for
// each time that it came or counted otherwise, in the order of the feed.
func (r *rig) toldAll(t testing.TB, v *fanouttest.View) {
	t.Helper()
	types := make([]string, 0, 16)
	for _, typ := range tracking.AlertTypes() {
		types = append(types, string(typ))
	}
	rows, err := r.conn.Query(t.Context(), `
		SELECT x::text FROM waybill.changes c, json_array_elements(c.entries) x, waybill.events e
		 WHERE c.tenant_id = 'a' AND c.seq > $1 AND e.tenant_id = 'a' AND e.stream = x->>0 AND e.stream_id = x->>1
		   AND e.source = x->>2 AND e.event_id = x->>3 AND e.type = ANY ($2)
		 ORDER BY c.seq`, v.From, types)
	if err != nil {
		t.Fatal(err)
	}
	want, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	count := make(map[string]int)
	for _, key := range want {
		count[key]++
	}
	for _, key := range v.Log {
		if count[key]--; count[key] < 0 {
			t.Errorf("%s was told more often than it changed", key)
		}
	}
	for key := range count {
		if !slices.Contains(v.Log, key) {
			t.Errorf("%s was not told", key)
		}
	}
	if len(want) == 0 || len(v.Log) == 0 {
		t.Errorf("%d alerts, %d told: the test does not reach what it is for", len(want), len(v.Log))
	}
	if strings.Contains(strings.Join(v.Log, ""), "shipment.created") {
		t.Error("a type that is no alert was told")
	}
}
