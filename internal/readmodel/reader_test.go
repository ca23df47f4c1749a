package readmodel_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/fanout"
	"github.com/waybill-io/waybill/internal/query"
	"github.com/waybill-io/waybill/internal/readmodel"
	"github.com/waybill-io/waybill/internal/tracking"
)

func (r *rig) reader(t testing.TB) *readmodel.Reader {
	t.Helper()
	reader, err := readmodel.OpenReader(t.Context(), readmodel.Config{URL: r.url})
	if err != nil {
		t.Fatalf("OpenReader: %v", err)
	}
	t.Cleanup(reader.Close)
	return reader
}

// client is what a client of one tenant has: rows, and the position they are of.
type client struct {
	at   fanout.Position
	rows map[fanout.Change]fanout.Row // by topic and id
}

// snapshot begins anew.
func snapshot(t testing.TB, reader *readmodel.Reader, tenant events.TenantID, pageSize int) client {
	t.Helper()
	c := client{rows: map[fanout.Change]fanout.Row{}}
	for _, topic := range []fanout.Topic{fanout.Orders, fanout.Shipments} {
		last := ""
		at, err := reader.Snapshot(t.Context(), fanout.Query{Tenant: tenant, Topic: topic, PageSize: pageSize}, func(rows []fanout.Row) error {
			if len(rows) == 0 || pageSize > 0 && len(rows) > pageSize {
				t.Errorf("a page has %d rows, want 1 to %d", len(rows), pageSize)
			}
			for _, row := range rows {
				if row.Key() <= last {
					t.Errorf("%s follows %s", row.Key(), last)
				}
				last = row.Key()
				c.rows[fanout.Change{Topic: row.Topic(), ID: row.Key()}] = row
			}
			return nil
		})
		if err != nil {
			t.Fatalf("Snapshot: %v", err)
		}
		c.at = at
	}
	return c
}

// take applies a delta, which must go on where the client is, without a hole.
func (c *client) take(t testing.TB, d fanout.Delta) {
	t.Helper()
	want := c.at.Seq
	for _, change := range d.Changes {
		if want++; change.Seq != want {
			t.Errorf("change %d, want %d", change.Seq, want)
		}
		delete(c.rows, fanout.Change{Topic: change.Topic, ID: change.ID})
	}
	if want != d.To.Seq {
		t.Errorf("the delta ends at %d, its changes at %d", d.To.Seq, want)
	}
	for _, row := range d.Rows {
		c.rows[fanout.Change{Topic: row.Topic(), ID: row.Key()}] = row
	}
	c.at = d.To
}

// A client that began at any time with a snapshot and took every delta since has
// what a new snapshot has.
func TestSnapshotAndChangesAgree(t *testing.T) {
	r := newRig(t)
	reader := r.reader(t)
	rnd := rand.New(rand.NewPCG(2, 2))
	evs := append(ofTenant("a", histories(9, 10)), ofTenant("b", histories(10, 5))...)
	rnd.Shuffle(len(evs), func(i, j int) { evs[i], evs[j] = evs[j], evs[i] })
	tenants := []events.TenantID{"a", "b"}
	clients := map[events.TenantID]*client{}
	for _, tenant := range tenants {
		c := snapshot(t, reader, tenant, 7)
		clients[tenant] = &c
	}
	for i, batch := range cut(rnd, evs, 40) {
		r.apply(t, batch)
		if rnd.IntN(3) == 0 {
			continue // the tick comes after several batches
		}
		tick(t, reader, clients)
		if i%5 == 0 {
			agree(t, reader, clients)
		}
	}
	tick(t, reader, clients)
	agree(t, reader, clients)
	for _, tenant := range tenants {
		if len(clients[tenant].rows) == 0 {
			t.Errorf("tenant %s has no rows", tenant)
		}
	}
	if deltas, err := reader.Changes(t.Context(), map[events.TenantID]fanout.Position{"a": clients["a"].at}); err != nil || len(deltas) > 0 {
		t.Errorf("Changes without news = %v, %v; want none", deltas, err)
	}
}

func tick(t testing.TB, reader *readmodel.Reader, clients map[events.TenantID]*client) {
	t.Helper()
	after := map[events.TenantID]fanout.Position{}
	for tenant, c := range clients {
		after[tenant] = c.at
	}
	deltas, err := reader.Changes(t.Context(), after)
	if err != nil {
		t.Fatalf("Changes: %v", err)
	}
	for _, d := range deltas {
		clients[d.Tenant].take(t, d)
	}
}

func agree(t testing.TB, reader *readmodel.Reader, clients map[events.TenantID]*client) {
	t.Helper()
	for tenant, c := range clients {
		if diff := cmp.Diff(snapshot(t, reader, tenant, 0), *c, cmp.AllowUnexported(client{}), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("tenant %s: the client's rows differ (-snapshot +client):\n%s", tenant, diff)
		}
	}
}

// Rows that are gone, such as the placeholder of an order that only a retracted
// create spoke of, are changes without a row.
func TestRowsThatVanishAreTold(t *testing.T) {
	r, l := newRig(t), &teller{tenant: "a"}
	reader := r.reader(t)
	created := l.created("s1", "o1", 0)
	r.apply(t, []events.Event{created})
	c := snapshot(t, reader, "a", 0)
	if c.rows[fanout.Change{Topic: fanout.Orders, ID: "o1"}] == nil {
		t.Fatal("the order has no placeholder")
	}
	r.apply(t, []events.Event{l.tell("s1", &events.Retracted{Fact: at(1), Stream: events.ShipmentStream, RetractedSource: created.Source,
		RetractedID: created.ID, Reason: "did_not_occur"})})
	clients := map[events.TenantID]*client{"a": &c}
	tick(t, reader, clients)
	if row := c.rows[fanout.Change{Topic: fanout.Orders, ID: "o1"}]; row != nil {
		t.Errorf("the client still has %+v", row)
	}
	agree(t, reader, clients)
}

// Whoever is of another epoch, or ahead of the feed, or behind what was pruned,
// learns where the feed stands and gets no rows.
func TestChangesOfAnImpossiblePosition(t *testing.T) {
	r, l := newRig(t), &teller{tenant: "a"}
	reader := r.reader(t)
	for range 5 {
		r.apply(t, []events.Event{l.departed("s1", float64(l.told))})
	}
	now := snapshot(t, reader, "a", 0).at
	if _, err := r.conn.Exec(t.Context(), `UPDATE waybill.tenant_stream SET low = 2; DELETE FROM waybill.changes WHERE seq <= 2`); err != nil {
		t.Fatal(err)
	}
	for name, after := range map[string]fanout.Position{
		"none": {}, "another epoch": {Epoch: "x", Seq: 3}, "ahead": {Epoch: now.Epoch, Seq: 9}, "pruned": {Epoch: now.Epoch, Seq: 1},
	} {
		deltas, err := reader.Changes(t.Context(), map[events.TenantID]fanout.Position{"a": after})
		if err != nil || len(deltas) != 1 {
			t.Fatalf("%s: %d deltas, %v; want one", name, len(deltas), err)
		}
		if d := deltas[0]; d.To != now || d.Low != 2 || len(d.Changes) > 0 || len(d.Rows) > 0 {
			t.Errorf("%s: to %v, low %d, %d changes, %d rows; want to %v, low 2, nothing else", name, d.To, d.Low, len(d.Changes), len(d.Rows), now)
		}
	}
	deltas, err := reader.Changes(t.Context(), map[events.TenantID]fanout.Position{"a": {Epoch: now.Epoch, Seq: 2}})
	if err != nil || len(deltas) != 1 || len(deltas[0].Changes) != 3 {
		t.Errorf("from low itself: %+v, %v; want three changes", deltas, err)
	}
}

func TestSnapshotFiltersByStatus(t *testing.T) {
	r, l := newRig(t), &teller{tenant: "a"}
	reader := r.reader(t)
	r.apply(t, []events.Event{l.departed("s1", 1), l.delivered("s2", 1), l.delivered("s3", 1)})
	var ids []string
	q := fanout.Query{Tenant: "a", Topic: fanout.Shipments, Among: map[string][]string{"status": {"delivered"}}, PageSize: 1}
	if _, err := reader.Snapshot(t.Context(), q, func(rows []fanout.Row) error {
		for _, row := range rows {
			ids = append(ids, row.Key())
		}
		return nil
	}); err != nil {
		t.Fatalf("Snapshot: %v", err)
	}
	if want := []string{"s2", "s3"}; !slices.Equal(ids, want) {
		t.Errorf("delivered: %v, want %v", ids, want)
	}
}

// A batch that changed something wakes whoever waits.
func TestWaitWakesAfterACommit(t *testing.T) {
	r, l := newRig(t), &teller{tenant: "a"}
	reader := r.reader(t)
	woken := make(chan error)
	go func() { woken <- reader.Wait(t.Context()) }()
	tick := time.NewTicker(20 * time.Millisecond) // it may not listen yet
	defer tick.Stop()
	for {
		r.apply(t, []events.Event{l.departed("s1", float64(l.told))})
		select {
		case err := <-woken:
			if err != nil {
				t.Errorf("Wait: %v", err)
			}
			return
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal("nobody was woken")
		}
	}
}

// entries reads a timeline page by page.
func entries(t testing.TB, reader *readmodel.Reader, tenant events.TenantID, of events.Stream, limit int) []query.Entry {
	t.Helper()
	var all []query.Entry
	for after := ""; ; {
		page, err := reader.Timeline(t.Context(), tenant, of, after, limit)
		if err != nil {
			t.Fatalf("Timeline: %v", err)
		}
		all = append(all, page.Entries...)
		if after = page.Next; after == "" {
			return all
		}
	}
}

func TestTimelineIsInFoldOrderWithItsMarks(t *testing.T) {
	r, l := newRig(t), &teller{tenant: "a"}
	reader := r.reader(t)
	from := hour(2)
	placed, created, assigned := l.placed("o1", 0), l.created("s1", "o1", 1), l.assigned("s1", "N1", 1.5, &from)
	scan, early, delivered, late := l.scanned("N1", 3), l.scanned("N1", 1.7), l.delivered("s1", 5), l.departed("s1", 6)
	again := late
	again.ID = "again"
	wrong := l.departed("s1", 4)
	back := l.tell("s1", &events.Retracted{Fact: at(9), Stream: events.ShipmentStream, RetractedSource: wrong.Source, RetractedID: wrong.ID, Reason: "did_not_occur"})
	all := []events.Event{placed, created, assigned, scan, early, delivered, late, again, wrong, back}
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for _, e := range all {
		r.apply(t, []events.Event{e})
	}
	for _, limit := range []int{1, 3, 100} {
		got := told(entries(t, reader, "a", events.Stream{Kind: events.OrderStream, ID: "o1"}, limit))
		want := strings.Join([]string{
			"order.placed", "shipment.created", "shipment.tracking_assigned p1", "shipment.departed p1",
			"shipment.departed retracted by " + string(back.ID), "shipment.delivered", "shipment.departed [regression]",
			"shipment.departed duplicate of again", "event.retracted",
		}, "\n")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the order's timeline in pages of %d (-want +got):\n%s", limit, diff)
		}
	}
	if got := told(entries(t, reader, "a", events.Stream{Kind: events.ShipmentStream, ID: "s1"}, 2)); strings.Contains(got, "order.") || strings.Count(got, "\n") != 7 {
		t.Errorf("the shipment's timeline:\n%s", got)
	}
	r.apply(t, []events.Event{l.assigned("s2", "N1", 1.4, &from)}) // of the same moment, and lost
	if got := told(entries(t, reader, "a", events.Stream{Kind: events.ShipmentStream, ID: "s2"}, 2)); got != "shipment.tracking_assigned p1 [assignment_replaced]" {
		t.Errorf("the timeline of a shipment that never had the number:\n%s", got)
	}
	for tenant, id := range map[events.TenantID]string{"a": "s9", "b": "s1"} {
		if got := entries(t, reader, tenant, events.Stream{Kind: events.ShipmentStream, ID: id}, 5); len(got) > 0 {
			t.Errorf("the timeline of %s's %s has %d entries, want none", tenant, id, len(got))
		}
	}
}

// told says entries in short.
func told(entries []query.Entry) string {
	var lines []string
	for _, e := range entries {
		words := []string{strings.TrimSuffix(string(e.Type), ".v1")}
		if e.ParcelID != "" {
			words = append(words, string(e.ParcelID))
		}
		if d := e.Marks.DuplicateOf; d != nil {
			words = append(words, "duplicate of "+string(d.ID))
		}
		if d := e.Marks.RetractedBy; d != nil {
			words = append(words, "retracted by "+string(d.ID))
		}
		for _, a := range e.Marks.Anomalies {
			words = append(words, "["+string(a)+"]")
		}
		lines = append(lines, strings.Join(words, " "))
	}
	return strings.Join(lines, "\n")
}

// Timelines of histories come in the order of the fold's key, whatever the size
// of the pages.
func TestTimelinesOfHistoriesAreSorted(t *testing.T) {
	r := newRig(t)
	reader := r.reader(t)
	all := histories(12, 6)
	r.apply(t, all)
	tenant := all[0].Tenant
	seen := map[events.Stream]bool{}
	for _, e := range all {
		stream := e.Stream()
		if seen[stream] || stream.Kind == events.TrackingStream {
			continue
		}
		seen[stream] = true
		page := entries(t, reader, tenant, stream, 1000)
		keys := make([]tracking.Key, len(page))
		for i, it := range page {
			keys[i] = keyOf(t, all, it)
		}
		if !slices.IsSortedFunc(keys, tracking.Key.Compare) {
			t.Errorf("the timeline of %s is not in fold order", stream.ID)
		}
		if diff := cmp.Diff(page, entries(t, reader, tenant, stream, 3)); diff != "" {
			t.Errorf("the timeline of %s in small pages (-whole +pages):\n%s", stream.ID, diff)
		}
	}
}

func keyOf(t testing.TB, all []events.Event, it query.Entry) tracking.Key {
	t.Helper()
	i := slices.IndexFunc(all, func(e events.Event) bool {
		return e.ID == it.ID && e.Source == it.Source && e.Stream() == events.Stream{Kind: it.Stream, ID: it.StreamID}
	})
	if i < 0 {
		t.Fatalf("entry %s of %s was never told", it.ID, it.StreamID)
	}
	return tracking.NewFact(all[i], [32]byte{}).Key
}
