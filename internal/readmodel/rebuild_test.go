package readmodel_test

import (
	"math/rand/v2"
	"testing"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/readmodel"
)

// rebuild rebuilds the rig's database in chunks so small that a history spans
// several.
func (r *rig) rebuild(t testing.TB, change func(*readmodel.RebuildConfig)) (readmodel.Rebuilt, error) {
	t.Helper()
	cfg := readmodel.RebuildConfig{URL: r.url, ChunkEvents: 40}
	if change != nil {
		change(&cfg)
	}
	return readmodel.Rebuild(t.Context(), cfg)
}

func (r *rig) mustRebuild(t testing.TB, change func(*readmodel.RebuildConfig)) readmodel.Rebuilt {
	t.Helper()
	done, err := r.rebuild(t, change)
	if err != nil {
		t.Fatalf("Rebuild: %v (%+v)", err, done)
	}
	return done
}

// dumpOf dumps a version as [rig.dump] does the first one.
func (r *rig) dumpOf(t testing.TB, version int) string {
	t.Helper()
	r.version = version
	defer func() { r.version = 0 }()
	return dump(t, r)
}

// A rebuilt version has the rows that the live one came to batch by batch, and
// is live itself.
func TestRebuiltRowsAreThoseOfTheProjection(t *testing.T) {
	r := newRig(t)
	var all []events.Event
	for i, tenant := range []events.TenantID{"a", "b", "c"} {
		all = append(all, ofTenant(tenant, histories(uint64(7+i), 25))...)
	}
	for _, evs := range cut(rand.New(rand.NewPCG(1, 1)), all, 60) {
		r.apply(t, evs)
	}
	before := dump(t, r)
	stored := one[int64](t, r, `SELECT count(*) FROM waybill.events`)
	done := r.mustRebuild(t, nil)
	if diff := diffLines(before, r.dumpOf(t, 2)); diff != "" {
		t.Errorf("rows differ (-live +rebuilt):\n%s", diff)
	}
	if done.From != 1 || done.Version != 2 || !done.Swapped || done.Events != stored || done.Resumed {
		t.Errorf("rebuilt %+v, want version 2 from 1, swapped, with %d events", done, stored)
	}
	if got := one[int](t, r, `SELECT version FROM waybill.read_model`); got != 2 {
		t.Errorf("version %d is live, want 2", got)
	}
}
