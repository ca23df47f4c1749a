package watch_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/events/watch"
	"github.com/waybill-io/waybill/internal/fanout"
	"github.com/waybill-io/waybill/internal/fanout/fanouttest"
)

// world changes a model at random.
type world struct {
	t        *testing.T
	model    *fanouttest.Model
	net      *network
	node     *node
	random   *rand.Rand
	revision int64
	epoch    int
	alerts   int
	restarts int
}

var statuses = []string{"created", "in_transit", "out_for_delivery", "delivered"}

func (w *world) put(n int) {
	for range n {
		w.revision++
		id := fmt.Sprint("S-", w.random.IntN(60))
		w.model.Put(acme, shipmentRow(id, w.revision, statuses[w.random.IntN(len(statuses))]))
	}
}

// step does one thing.
func (w *world) step() {
	if w.random.IntN(50) == 0 {
		w.model.SetAway(false)
	}
	switch k := w.random.IntN(1000); {
	case k < 500:
		w.put(1)
	case k < 600:
		w.tell()
	case k < 700:
		w.alert()
	case k < 850:
		w.model.Delete(acme, fanout.Shipments, fmt.Sprint("S-", w.random.IntN(60)))
	case k < 900:
		w.put(100)
	case k < 940:
		w.net.cut(0.5)
	case k < 955:
		w.net.stall(time.Duration(w.random.IntN(200)) * time.Millisecond)
	case k < 958:
		w.model.Prune(acme, w.random.IntN(50))
	case k < 960:
		w.epoch++
		w.model.Rebuild(acme, fmt.Sprint("e", w.epoch+1), int64(w.random.IntN(1000)))
	case k < 965:
		w.model.SetAway(true)
	case k < 971:
		w.restart()
	}
}

// tell says something on one of few timelines: an entry that is new, or marked
// otherwise, or is not there any more.
func (w *world) tell() {
	of := events.Stream{Kind: events.ShipmentStream, ID: fmt.Sprint("S-", w.random.IntN(3))}
	fact := fanouttest.Fact{
		Source: "urn:erp", ID: events.EventID(fmt.Sprint("e-", w.random.IntN(20))), Type: "shipment.departed.v1",
		Mark: fmt.Sprint("mark-", w.random.IntN(5)),
	}
	if w.random.IntN(4) == 0 {
		w.model.Untell(acme, of, fact)
	} else {
		w.model.Tell(acme, of, fact)
	}
}

// alert says something that nobody said before, and that somebody should look at.
func (w *world) alert() {
	w.alerts++
	of := events.Stream{Kind: events.ShipmentStream, ID: fmt.Sprint("S-", 10+w.random.IntN(5))}
	w.model.Tell(acme, of, fanouttest.Fact{
		Source: "urn:erp", ID: events.EventID(fmt.Sprint("a-", w.alerts)), Type: "shipment.lost.v1", Alert: true,
	})
}

// restart replaces the gateway.
func (w *world) restart() {
	w.restarts++
	next := startNode(w.t, w.model)
	w.net.lead(next)
	w.node.stop()
	w.node = next
}

// I2, I3: whatever happens on the way, each client's rows are the model's in the
// end, positions and revisions never went back, and what was replaced was said to be
// stale before (see book).
func TestRowsAreTheModelsInTheEnd(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	w := &world{t: t, model: fanouttest.NewModel(), net: startNetwork(t), random: rand.New(rand.NewPCG(seed, 1))}
	w.put(100)
	w.node = startNode(t, w.model)
	w.net.lead(w.node)
	token := tokenOf(t, "read")
	wanted := []struct {
		filter watch.Filter
		want   func(status string) bool
		slow   time.Duration
		book   *book
	}{
		{filter: nil, want: func(string) bool { return true }},
		{filter: watch.Eq("status", "delivered"), want: func(s string) bool { return s == "delivered" }},
		{filter: watch.Not(watch.In("status", "delivered", "created")), want: func(s string) bool { return s != "delivered" && s != "created" }},
		{filter: nil, want: func(string) bool { return true }, slow: 400 * time.Millisecond},
	}
	for i := range wanted {
		c := &wanted[i]
		c.book = newBook(t)
		run(t, watch.Config{
			URL: "http://" + w.net.listener.Addr().String(), HTTPClient: httpClient(t),
			Token: func(context.Context) (string, error) { return token, nil },
			Subscriptions: []watch.Subscription{{Topic: watch.Shipments, Filter: c.filter, Handle: func(v watch.View) {
				c.book.handle(v)
				if c.slow > 0 && rand.IntN(20) == 0 {
					time.Sleep(rand.N(c.slow))
				}
			}}},
		})
	}
	logs := w.followLogs(token)
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		w.step()
	}
	w.model.SetAway(false)
	w.put(1)

	for i, c := range wanted {
		want := w.wanted(c.want)
		v := c.book.until(fmt.Sprintf("client %d has the model's rows", i), func(v seen) bool {
			return v.Freshness == watch.Live && cmp.Equal(want, v.shipments(t))
		})
		if v.Position.Seq != w.model.Position(acme).Seq && len(want) > 0 {
			t.Logf("client %d has all rows at %d of %d", i, v.Position.Seq, w.model.Position(acme).Seq)
		}
		t.Logf("client %d: %s", i, c.book.sum())
	}
	logs.check(t, w)
	t.Logf("%d changes, %d alerts, %d epochs, %d restarts", w.revision, w.alerts, w.epoch, w.restarts)
}

// logs is a client of what is no plain row: a timeline, the counts, the alerts.
type logs struct {
	of                  events.Stream
	timeline, kpis, lot *book
}

func (w *world) followLogs(token string) *logs {
	l := &logs{
		of:       events.Stream{Kind: events.ShipmentStream, ID: "S-1"},
		timeline: newBook(w.t), kpis: newBook(w.t), lot: newBook(w.t),
	}
	run(w.t, watch.Config{
		URL: "http://" + w.net.listener.Addr().String(), HTTPClient: httpClient(w.t),
		Token: func(context.Context) (string, error) { return token, nil },
		Subscriptions: []watch.Subscription{
			{Topic: watch.Timeline, Filter: watch.Eq("shipment", l.of.ID), Handle: l.timeline.handle},
			{Topic: watch.KPIs, Handle: l.kpis.handle},
			{Topic: watch.Alerts, Keep: 100_000, Handle: l.lot.handle},
		},
	})
	return l
}

// check compares what there is in the end with the model, and the alerts of all
// the time.
func (l *logs) check(t *testing.T, w *world) {
	t.Helper()
	for name, c := range map[string]struct {
		book *book
		want func() []fanout.Row
	}{
		"timeline": {l.timeline, func() []fanout.Row { return w.model.Entries(acme, l.of) }},
		"kpis":     {l.kpis, func() []fanout.Row { return w.model.Counts(acme) }},
	} {
		want := make(map[string]any)
		for _, r := range c.want() {
			key, row := keyed(t, r)
			want[key] = row
		}
		c.book.until("the model's "+name, func(v seen) bool {
			got := make(map[string]any)
			for id, r := range v.Rows {
				_, got[id] = keyed(t, r)
			}
			return v.Freshness == watch.Live && cmp.Equal(want, got)
		})
		t.Logf("%s: %s", name, c.book.sum())
	}
	w.alert()
	last := fmt.Sprint("urn:erp a-", w.alerts)
	l.lot.until("the last alert", func(seen) bool {
		return told(l.lot, func(v seen) bool { // a delta without rows may have come after it
			return slices.ContainsFunc(v.Put, func(id string) bool { return strings.HasSuffix(id, last) })
		})
	})
	l.once(t, w)
	t.Logf("alerts: %s", l.lot.sum())
}

// once (I15) holds the alerts of every chain of resumptions to those of the model.
func (l *logs) once(t *testing.T, w *world) {
	t.Helper()
	var from, to watch.Position
	var got []string
	chains := 0
	compare := func() {
		want := []string{}
		for _, e := range w.model.AlertsAfter(acme, fanout.Position{Epoch: from.Epoch, Seq: from.Seq}) {
			if e.Seq <= to.Seq {
				want = append(want, string(e.Row.(*fanout.EntryRow).ID))
			}
		}
		if diff := cmp.Diff(want, append([]string{}, got...)); diff != "" {
			t.Errorf("alerts from %v to %v (-want +got):\n%s", from, to, diff)
		}
		chains++
	}
	for _, v := range l.lot.all() {
		switch v.Event {
		case watch.Loaded:
			if chains > 0 || from.Epoch != "" {
				compare()
			}
			from, got = v.Position, nil
		case watch.Changed:
			for _, id := range v.Put {
				got = append(got, id[strings.LastIndex(id, " ")+1:])
			}
		case watch.Checked, watch.Emptied:
		}
		to = v.Position
	}
	compare()
}

// keyed is a row as any JSON, with its id.
func keyed(t *testing.T, row any) (id string, fields map[string]any) {
	t.Helper()
	text, err := json.Marshal(row)
	if err == nil {
		err = json.Unmarshal(text, &fields)
	}
	if err != nil {
		t.Fatal(err)
	}
	id, _ = fields["id"].(string)
	if stream, ok := fields["stream"].(string); ok {
		id = strings.Join([]string{stream, fields["stream_id"].(string), fields["source"].(string), id}, " ")
	}
	return id, fields
}

// wanted are the model's rows, as a client decodes them.
func (w *world) wanted(want func(status string) bool) map[string]watch.Shipment {
	out := make(map[string]watch.Shipment)
	for id, r := range w.model.Rows(acme, fanout.Shipments, func(r fanout.Row) bool { return want(r.StatusName()) }) {
		text, err := json.Marshal(r)
		if err != nil {
			w.t.Fatal(err)
		}
		if out[id], err = watch.Decode[watch.Shipment](text); err != nil {
			w.t.Fatal(err)
		}
	}
	return out
}

func (s seen) shipments(t *testing.T) map[string]watch.Shipment {
	out := make(map[string]watch.Shipment)
	for id, r := range s.Rows {
		var err error
		if out[id], err = watch.Decode[watch.Shipment](r); err != nil {
			t.Error(err)
		}
	}
	return out
}

// sum says what a book has seen.
func (b *book) sum() string {
	n := make(map[string]int)
	for _, v := range b.all() {
		n[v.Event.String()]++
		if v.Event == watch.Checked {
			n[v.Freshness.String()]++
		}
	}
	return fmt.Sprint(n)
}
