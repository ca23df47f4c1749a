package readmodel_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/readmodel"
)

// A rebuild fills, and a verification compares, every column that is written of every table of
// a version: one that a migration adds must be known to both.
func TestFoldsKnowEveryColumnAndKey(t *testing.T) {
	r := newRig(t)
	inCatalog := func(query string) map[string][]string {
		rows, err := r.conn.Query(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		found := map[string][]string{}
		var table, column string
		if _, err := pgx.ForEachRow(rows, []any{&table, &column}, func() error {
			found[table] = append(found[table], column)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return found
	}
	sorted := func(of map[string][]string) map[string][]string {
		for table := range of {
			of[table] = slices.Sorted(slices.Values(of[table]))
		}
		return of
	}
	columns := inCatalog(`SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
		WHERE c.relnamespace = 'rm_1'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' AND a.attname <> 'updated_at'`)
	if diff := cmp.Diff(sorted(columns), sorted(readmodel.FoldColumns())); diff != "" {
		t.Errorf("columns (-tables +folds):\n%s", diff)
	}
	keys := inCatalog(`SELECT c.relname, a.attname FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
		JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey) WHERE i.indisprimary AND c.relnamespace = 'rm_1'::regnamespace`)
	if diff := cmp.Diff(sorted(keys), sorted(readmodel.FoldKeys())); diff != "" {
		t.Errorf("keys (-tables +folds):\n%s", diff)
	}
}

// meanwhile rebuilds and applies events in between, when a phase begins.
func (r *rig) meanwhile(t *testing.T, parts map[string][]events.Event) readmodel.Rebuilt {
	t.Helper()
	return r.mustRebuild(t, func(c *readmodel.RebuildConfig) {
		c.Progress = func(p readmodel.RebuildProgress) {
			if evs := parts[p.Phase]; len(evs) > 0 {
				delete(parts, p.Phase)
				r.apply(t, evs)
			}
		}
	})
}

// What is told of streams that are filled already, in no order, is folded into
// them before versions are compared, and under the locks of the swap.
func TestRebuildFoldsAgainWhatComesAfterTheFill(t *testing.T) {
	r := newRig(t)
	all := histories(5, 40)
	rand.New(rand.NewPCG(3, 3)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	n := len(all) / 5
	r.apply(t, all[:2*n])
	done := r.meanwhile(t, map[string][]events.Event{"analyze": all[2*n : 3*n], "compare": all[3*n : 4*n], "swap": all[4*n:]})
	if diff := diffLines(r.dumpOf(t, 1), r.dumpOf(t, 2)); diff != "" {
		t.Errorf("rows differ (-live +rebuilt):\n%s", diff)
	}
	if done.Followed == 0 {
		t.Error("no stream was folded again")
	}
}

// A shipment that loses a number's scan to another one is folded again although
// nothing was told of it, marks of the scans of its other numbers included.
func TestRebuildFoldsAgainWhoSharesANumber(t *testing.T) {
	r, l := newRig(t), &teller{tenant: "a"}
	one1 := hour(1)
	delivered := l.tell(events.TrackingStreamOf("CPCC", "N1").ID, &events.Delivered{ShipmentFact: events.ShipmentFact{Fact: at(2), Facility: "hub"}})
	first := []events.Event{l.created("s2", "o1", 0), l.assigned("s2", "N1", 0, nil), l.assigned("s2", "N2", 0, nil), delivered, l.scanned("N2", 3)}
	r.apply(t, first)
	if got := one[string](t, r, `SELECT string_agg(array_to_string(anomalies, ' '), ', ') FROM rm_1.event_marks`); got != "regression" {
		t.Fatalf("marks %q, want a regression", got)
	}
	r.meanwhile(t, map[string][]events.Event{"analyze": {l.created("s1", "o2", 0), l.assigned("s1", "N1", 1, &one1)}})
	if n := one[int](t, r, `SELECT count(*) FROM rm_2.event_marks`); n != 0 {
		t.Errorf("%d marks, want none: the delivery was another shipment's", n)
	}
	if diff := diffLines(r.dumpOf(t, 1), r.dumpOf(t, 2)); diff != "" {
		t.Errorf("rows differ (-live +rebuilt):\n%s", diff)
	}
}
