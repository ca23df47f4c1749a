package readmodel_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/devstack/stacktest"
	"github.com/waybill-io/waybill/internal/projector"
	"github.com/waybill-io/waybill/internal/readmodel"
)

// rig is a store on a database of its own, and a log that tests write by hand.
type rig struct {
	url    string
	store  *readmodel.Store
	next   map[projector.Partition]int64
	claims map[projector.Partition]projector.Claim
}

func newRig(t testing.TB) *rig {
	t.Helper()
	url := stacktest.Postgres(t)
	if _, _, err := readmodel.Migrate(t.Context(), url); err != nil {
		t.Fatalf("Migrate: %v", err)
	}
	store, err := readmodel.OpenStore(t.Context(), readmodel.Config{URL: url})
	if err != nil {
		t.Fatalf("OpenStore: %v", err)
	}
	t.Cleanup(store.Close)
	r := &rig{url: url, store: store, next: map[projector.Partition]int64{}}
	r.claim(t, "rig")
	return r
}

func (r *rig) claim(t testing.TB, owner string) {
	t.Helper()
	parts := []projector.Partition{{Topic: events.OrdersTopic}, {Topic: events.ShipmentsTopic}}
	claims, err := r.store.Claim(t.Context(), owner, "cluster", parts)
	if err != nil {
		t.Fatalf("Claim: %v", err)
	}
	r.claims = claims
}

// batch appends events to the log and makes a batch of them.
func (r *rig) batch(t testing.TB, evs []events.Event) projector.Batch {
	t.Helper()
	var b projector.Batch
	from := maps.Clone(r.next)
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
		part := projector.Partition{Topic: e.Stream().Topic()}
		b.Events = append(b.Events, projector.Event{Event: decoded, Hash: hash,
			Record: &projector.Record{Partition: part, Offset: r.next[part], Message: m}})
		r.next[part]++
	}
	for _, part := range slices.SortedFunc(maps.Keys(r.claims), func(a, b projector.Partition) int { return strings.Compare(a.Topic, b.Topic) }) {
		if r.next[part] != from[part] {
			b.Advances = append(b.Advances, projector.Advance{Partition: part, Epoch: r.claims[part].Epoch, From: from[part], To: r.next[part], LastSeen: r.next[part] - 1})
		}
	}
	return b
}

func (r *rig) apply(t testing.TB, evs []events.Event) projector.Applied {
	t.Helper()
	applied, err := r.store.Apply(t.Context(), r.batch(t, evs))
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
func dump(t testing.TB, url string) string {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	defer conn.Close(ctx)
	var out strings.Builder
	for _, table := range slices.Sorted(maps.Keys(compared)) {
		strip := ""
		for _, column := range compared[table] {
			strip += fmt.Sprintf(" - '%s'", strings.Trim(column, `"`))
		}
		schema := "rm_1"
		if table == "events" {
			schema = "waybill"
		}
		rows, err := conn.Query(ctx, fmt.Sprintf(`SELECT (to_jsonb(t)%s)::text FROM %s.%s t ORDER BY 1`, strip, schema, table))
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
