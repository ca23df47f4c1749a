package readmodel_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/devstack/stacktest"
	"github.com/waybill-io/waybill/internal/projector"
	"github.com/waybill-io/waybill/internal/readmodel"
)

// rig is a database of its own with one worker on both topics.
type rig struct {
	url  string
	conn *pgx.Conn // a superuser's
	*worker
	version int // that is dumped; the first one by default
}

func newRig(t testing.TB) *rig {
	t.Helper()
	url := stacktest.Postgres(t)
	if _, _, err := readmodel.Migrate(t.Context(), url); err != nil {
		t.Fatalf("Migrate: %v", err)
	}
	r := &rig{url: url, conn: connect(t, url)}
	r.worker = r.newWorker(t, projector.Partition{Topic: events.OrdersTopic}, projector.Partition{Topic: events.ShipmentsTopic})
	return r
}

// connect opens a connection that is closed with the test.
func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

// worker is a store with the partitions that it has claimed. It writes their
// log itself: every batch goes on where the one before it ended.
type worker struct {
	store  *readmodel.Store
	parts  []projector.Partition
	next   map[projector.Partition]int64
	claims map[projector.Partition]projector.Claim
}

func (r *rig) newWorker(t testing.TB, parts ...projector.Partition) *worker {
	t.Helper()
	store, err := readmodel.OpenStore(t.Context(), readmodel.Config{URL: r.url})
	if err != nil {
		t.Fatalf("OpenStore: %v", err)
	}
	t.Cleanup(store.Close)
	store.GuessOfAnyBatch()
	w := &worker{store: store, parts: parts, next: map[projector.Partition]int64{}}
	w.claim(t)
	return w
}

// claim takes the partitions over and goes on where they stand.
func (w *worker) claim(t testing.TB) {
	t.Helper()
	claims, err := w.store.Claim(t.Context(), "owner", "cluster", w.parts)
	if err != nil {
		t.Fatalf("Claim: %v", err)
	}
	w.claims = claims
	for part, c := range claims {
		w.next[part] = c.Next
	}
}

// partOf is the worker's partition of an event's topic.
func (w *worker) partOf(t testing.TB, e *events.Event) projector.Partition {
	t.Helper()
	i := slices.IndexFunc(w.parts, func(p projector.Partition) bool { return p.Topic == e.Stream().Topic() })
	if i < 0 {
		t.Fatalf("the worker has no partition of %s", e.Stream().Topic())
	}
	return w.parts[i]
}

// batch appends events to the log and makes a batch of them.
func (w *worker) batch(t testing.TB, evs []events.Event) projector.Batch {
	t.Helper()
	var b projector.Batch
	from := maps.Clone(w.next)
	for _, e := range evs {
		m, err := events.Encode(e)
		if err != nil {
			t.Fatalf("Encode(%s): %v", e.ID, err)
		}
		decoded, err := events.Decode(m)
		if err != nil {
			t.Fatalf("Decode(%s): %v", e.ID, err)
		}
		hash, err := decoded.ContentHash()
		if err != nil {
			t.Fatalf("ContentHash(%s): %v", e.ID, err)
		}
		part := w.partOf(t, &e)
		b.Events = append(b.Events, projector.Event{Event: decoded, Hash: hash,
			Record: &projector.Record{Partition: part, Offset: w.next[part], Message: m}})
		w.next[part]++
	}
	for _, part := range w.parts {
		if w.next[part] != from[part] {
			b.Advances = append(b.Advances, projector.Advance{Partition: part, Epoch: w.claims[part].Epoch, From: from[part], To: w.next[part], LastSeen: w.next[part] - 1})
		}
	}
	return b
}

func (w *worker) apply(t testing.TB, evs []events.Event) projector.Applied {
	t.Helper()
	applied, err := w.store.Apply(t.Context(), w.batch(t, evs))
	if err != nil {
		t.Fatalf("Apply(%d events): %v", len(evs), err)
	}
	return applied
}

// compared are the tables that two runs over the same events agree on, with the
// columns that depend on arrival.
var compared = map[string][]string{
	"events":            {"ingested_at", "topic", "partition", `"offset"`, "arrived_late", "applied_at"},
	"event_marks":       nil,
	"orders":            {"updated_at"},
	"order_lines":       nil,
	"shipments":         {"updated_at"},
	"parcels":           nil,
	"shipment_contents": nil,
	"tracking_numbers":  nil,
	"eta_history":       nil,
	"exceptions":        nil,
	"unmatched_scans":   nil,
}

// dump writes all compared rows as text, sorted.
func dump(t testing.TB, r *rig) string {
	t.Helper()
	return r.dump(t, "true", "")
}

// rows dumps a tenant's rows without naming the tenant.
func (r *rig) rows(t testing.TB, tenant events.TenantID) string {
	t.Helper()
	return r.dump(t, "tenant_id = '"+string(tenant)+"'", " - 'tenant_id'")
}

func (r *rig) dump(t testing.TB, where, without string) string {
	t.Helper()
	var out strings.Builder
	for _, table := range slices.Sorted(maps.Keys(compared)) {
		strip := without
		for _, column := range compared[table] {
			strip += fmt.Sprintf(" - '%s'", strings.Trim(column, `"`))
		}
		schema := fmt.Sprintf("rm_%d", max(r.version, 1))
		if table == "events" {
			schema = "waybill"
		}
		rows, err := r.conn.Query(t.Context(), fmt.Sprintf(`SELECT (to_jsonb(t)%s)::text FROM %s.%s t WHERE %s ORDER BY 1`, strip, schema, table, where))
		if err != nil {
			t.Fatalf("dump %s: %v", table, err)
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatalf("dump %s: %v", table, err)
		}
		fmt.Fprintf(&out, "== %s\n%s\n", table, strings.Join(lines, "\n"))
	}
	return out.String()
}

// diffLines compares two dumps.
func diffLines(want, got string) string {
	return cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n"))
}
