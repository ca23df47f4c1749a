package readmodel_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/projector"
	"github.com/waybill-io/waybill/internal/readmodel"
	"github.com/waybill-io/waybill/internal/tracking/trackingtest"
)

// Whatever is applied before, during and after the parts of a rebuild, in
// whatever order: the versions agree.
func TestRebuildFollowsArbitraryEventsThatComeMeanwhile(t *testing.T) {
	r := newRig(t)
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		if n++; n > 15 {
			return // each is a rebuild
		}
		r.claim(t)
		tenant := events.TenantID(fmt.Sprintf("a%d", n))
		evs := ofTenant(tenant, rapid.Permutation(trackingtest.Arbitrary(40).Draw(rt, "events")).Draw(rt, "order"))
		some := func() {
			k := rapid.IntRange(0, min(len(evs), 8)).Draw(rt, "batch")
			r.apply(t, evs[:k])
			evs = evs[k:]
		}
		some()
		some()
		var phases []string
		done, err := r.rebuild(t, func(c *readmodel.RebuildConfig) {
			c.ChunkEvents, c.Workers = 1+rapid.IntRange(0, 9).Draw(rt, "chunk"), 1 // one draws at a time
			c.Progress = func(p readmodel.RebuildProgress) {
				phases = append(phases, p.Phase)
				if p.Phase != "swap" {
					some()
				}
			}
		})
		if err != nil {
			rt.Fatalf("Rebuild after %v: %v (%+v)", phases, err, done)
		}
		defer func() {
			if _, err := readmodel.DropOld(t.Context(), r.url); err != nil {
				rt.Fatalf("DropOld: %v", err)
			}
		}()
		if diff := diffLines(r.dumpOf(t, int(done.From)), r.dumpOf(t, int(done.Version))); diff != "" {
			rt.Fatalf("rows differ (-live +rebuilt):\n%s", diff)
		}
		r.claim(t)
		for len(evs) > 0 {
			some()
		}
	})
}

// A worker in the middle of a batch when versions are swapped either commits
// before, and its events are in the new version, or is fenced and applies the
// batch to the new one after it has claimed again: it needs no new store.
func TestSwapFencesTheWorkersOfTheOldVersion(t *testing.T) {
	r, l := newRig(t), &teller{tenant: "a"}
	r.apply(t, []events.Event{l.placed("o1", 0), l.created("s1", "o1", 0)})
	stale := r.batch(t, []events.Event{l.departed("s1", 1)})
	r.mustRebuild(t, nil)
	before := r.dumpOf(t, 1)
	if _, err := r.store.Apply(t.Context(), stale); !errors.Is(err, projector.ErrFenced) {
		t.Fatalf("Apply with a claim of the old version: %v, want %v", err, projector.ErrFenced)
	}
	r.claim(t)
	if got := r.next[r.parts[1]]; got != 1 {
		t.Errorf("the claim goes on from %d, want 1", got)
	}
	r.apply(t, []events.Event{l.delivered("s1", 2)})
	if diff := diffLines(before, r.dumpOf(t, 1)); !strings.Contains(diff, "== events") && strings.Contains(diff, "delivered\",") {
		t.Errorf("the old version changed (-before +after):\n%s", diff)
	}
	if got := one[string](t, r, `SELECT string_agg(status, ' ') FROM rm_1.shipments`); got != "created" {
		t.Errorf("the old version says %q, want created", got)
	}
	if got := one[string](t, r, `SELECT string_agg(status, ' ') FROM waybill.shipments`); got != "delivered" {
		t.Errorf("the views say %q, want delivered", got)
	}
}

// The swap waits for a batch that is open, and folds what it has brought.
func TestSwapWaitsForTheOpenBatch(t *testing.T) {
	r, l := newRig(t), &teller{tenant: "a"}
	r.apply(t, []events.Event{l.placed("o1", 0), l.created("s1", "o1", 0)})
	row := hold(t, r, `SELECT FROM waybill.projection_locks WHERE kind = 'shipment' FOR UPDATE`)
	open := later(t, r.worker, l.departed("s1", 1))
	waiters(t, r, 1)
	done := make(chan error)
	swapping := make(chan struct{})
	go func() {
		_, err := readmodel.Rebuild(context.WithoutCancel(t.Context()), readmodel.RebuildConfig{URL: r.url, Progress: func(p readmodel.RebuildProgress) {
			if p.Phase == "swap" {
				close(swapping)
			}
		}})
		done <- err
	}()
	waiters(t, r, 2) // to enable the trigger waits for who stores events
	row.release(t)
	finish(t, open)
	<-swapping
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if diff := diffLines(r.dumpOf(t, 1), r.dumpOf(t, 2)); diff != "" {
		t.Errorf("rows differ (-live +rebuilt):\n%s", diff)
	}
}

// A row that is wrong in the live version stops the rebuild before the swap,
// with the tables and keys; by force the fold is believed.
func TestRebuildStopsWhereVersionsDiffer(t *testing.T) {
	r := newRig(t)
	all := histories(5, 12)
	for _, evs := range cut(rand.New(rand.NewPCG(1, 1)), all, 60) {
		r.apply(t, evs)
	}
	right := dump(t, r)
	for _, statement := range []string{
		`UPDATE rm_1.shipments SET status = 'lost' WHERE shipment_id = (SELECT min(shipment_id) FROM rm_1.shipments)`,
		`DELETE FROM rm_1.order_lines WHERE order_id = (SELECT min(order_id) FROM rm_1.order_lines)`,
		`INSERT INTO rm_1.exceptions VALUES ('acme', 'nobody', 'x', '', 'open', NULL, NULL, NULL, false, NULL, NULL)`,
	} {
		if _, err := r.conn.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	done, err := r.rebuild(t, nil)
	if !errors.Is(err, readmodel.ErrDiffer) || done.Swapped {
		t.Fatalf("Rebuild = %+v, %v; want %v before the swap", done, err, readmodel.ErrDiffer)
	}
	found := map[string]string{}
	for _, d := range done.Differences {
		found[d.Table] = fmt.Sprintf("%d different, %t missing, %d extra", d.Different, d.Extra > 0, d.Missing)
	}
	want := map[string]string{"shipments": "1 different, false missing, 0 extra", "order_lines": "0 different, true missing, 0 extra", "exceptions": "0 different, false missing, 1 extra"}
	if fmt.Sprint(found) != fmt.Sprint(want) {
		t.Errorf("found %v, want %v", found, want)
	}
	if got := one[int](t, r, `SELECT version FROM waybill.read_model`); got != 1 {
		t.Errorf("version %d is live, want 1 still", got)
	}
	done = r.mustRebuild(t, func(c *readmodel.RebuildConfig) { c.Force = true })
	if !done.Resumed || !done.Swapped || done.Events != 0 {
		t.Errorf("by force: %+v, want resumed without folding anything again, and swapped", done)
	}
	if diff := diffLines(right, r.dumpOf(t, 2)); diff != "" {
		t.Errorf("rows differ (-right +rebuilt):\n%s", diff)
	}
}

// Interrupted anywhere, it goes on where it was.
func TestInterruptedRebuildGoesOn(t *testing.T) {
	r := newRig(t)
	for _, evs := range cut(rand.New(rand.NewPCG(1, 1)), histories(5, 30), 60) {
		r.apply(t, evs)
	}
	total := one[int64](t, r, `SELECT count(*) FROM waybill.events`)
	for _, phase := range []string{"plan", "assignments", "shipments", "numbers", "orders", "analyze", "follow", "compare", "swap"} {
		t.Run(phase, func(t *testing.T) {
			r.claim(t)
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			calls := 0
			first, err := readmodel.Rebuild(ctx, readmodel.RebuildConfig{URL: r.url, ChunkEvents: 40, Workers: 2, Progress: func(p readmodel.RebuildProgress) {
				if p.Phase == phase {
					if calls++; calls == 3 || phase != "shipments" && phase != "orders" {
						stop()
					}
				}
			}})
			if err == nil {
				t.Fatal("it was not interrupted")
			}
			done := r.mustRebuild(t, nil)
			if !done.Resumed || !done.Swapped || done.Version != first.Version {
				t.Errorf("rebuilt %+v, want version %d, resumed and swapped", done, first.Version)
			}
			if (phase == "orders" || phase == "numbers") && (done.Events == 0 || done.Events >= total) {
				t.Errorf("it folded %d of %d events again, want some", done.Events, total)
			}
			if diff := diffLines(r.dumpOf(t, int(done.From)), r.dumpOf(t, int(done.Version))); diff != "" {
				t.Errorf("rows differ (-live +rebuilt):\n%s", diff)
			}
			if dropped, err := readmodel.DropOld(t.Context(), r.url); err != nil || len(dropped) != 1 || dropped[0] != done.From {
				t.Errorf("DropOld = %v, %v; want %d", dropped, err, done.From)
			}
		})
	}
}

// A rebuild leaves nothing behind that the next one, or the projection, would
// pay for.
func TestNothingIsLeftOfAFinishedRebuild(t *testing.T) {
	r, l := newRig(t), &teller{tenant: "a"}
	r.apply(t, []events.Event{l.placed("o1", 0)})
	const left = `SELECT (SELECT count(*) FROM rebuild.run) + (SELECT count(*) FROM rebuild.chunks) + (SELECT count(*) FROM rebuild.touched)
		+ (SELECT count(*) FROM pg_trigger WHERE tgrelid = 'waybill.events'::regclass AND tgenabled <> 'D')
		+ (SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relnamespace::regnamespace::text ~ '^rm_' AND NOT (relrowsecurity AND relforcerowsecurity))
		+ (SELECT count(*) FROM pg_namespace WHERE nspname ~ '^rm_' AND NOT has_schema_privilege('waybill_reader', oid, 'USAGE'))`
	r.mustRebuild(t, nil)
	if n := one[int](t, r, left); n != 0 {
		t.Errorf("%d things are left of a finished rebuild", n)
	}
	r.claim(t)
	ctx, stop := context.WithCancel(t.Context())
	_, err := readmodel.Rebuild(ctx, readmodel.RebuildConfig{URL: r.url, Progress: func(p readmodel.RebuildProgress) { stop() }})
	if err == nil {
		t.Fatal("it was not interrupted")
	}
	r.apply(t, []events.Event{l.created("s1", "o1", 0)})
	if n := one[int](t, r, left); n == 0 {
		t.Error("an interrupted rebuild has left nothing")
	}
	if v, err := readmodel.Abandon(t.Context(), r.url); err != nil || v != 3 {
		t.Errorf("Abandon = %d, %v; want 3", v, err)
	}
	if n := one[int](t, r, left); n != 0 {
		t.Errorf("%d things are left of an abandoned rebuild", n)
	}
	if v, err := readmodel.Abandon(t.Context(), r.url); err != nil || v != 0 {
		t.Errorf("Abandon again = %d, %v; want 0", v, err)
	}
}

func TestOnlyOneRebuildsAtATime(t *testing.T) {
	r := newRig(t)
	asked := false
	r.mustRebuild(t, func(c *readmodel.RebuildConfig) {
		c.Progress = func(readmodel.RebuildProgress) {
			if asked {
				return
			}
			asked = true
			for name, do := range map[string]func() error{
				"Rebuild": func() error { _, err := r.rebuild(t, nil); return err },
				"DropOld": func() error { _, err := readmodel.DropOld(t.Context(), r.url); return err },
				"Abandon": func() error { _, err := readmodel.Abandon(t.Context(), r.url); return err },
			} {
				if err := do(); !errors.Is(err, readmodel.ErrRebuildRuns) {
					t.Errorf("%s beside a rebuild: %v, want %v", name, err, readmodel.ErrRebuildRuns)
				}
			}
		}
	})
}

// Whoever owns the schema may rebuild without being a superuser: row level
// security binds an owner too.
func TestOwnerWhoIsNoSuperuserRebuilds(t *testing.T) {
	r := newRig(t)
	r.apply(t, ofTenant("a", histories(5, 12)))
	name := "owner_" + one[string](t, r, `SELECT current_database()`)
	for _, statement := range []string{
		`CREATE ROLE ` + name + ` LOGIN PASSWORD 'x' IN ROLE waybill_projector, waybill_reader`,
		`DO $$ DECLARE o record; BEGIN
			EXECUTE format('ALTER DATABASE %I OWNER TO ` + name + `', current_database());
			FOR o IN SELECT nspname FROM pg_namespace WHERE nspname IN ('waybill', 'rebuild') OR nspname ~ '^rm_' LOOP
				EXECUTE format('ALTER SCHEMA %I OWNER TO ` + name + `', o.nspname);
			END LOOP;
			FOR o IN SELECT c.oid::regclass AS name, relkind FROM pg_class c WHERE relkind IN ('r', 'v') AND (relnamespace::regnamespace::text IN ('waybill', 'rebuild') OR relnamespace::regnamespace::text ~ '^rm_') LOOP
				EXECUTE format('ALTER %s %s OWNER TO ` + name + `', CASE o.relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, o.name);
			END LOOP;
		END $$`,
		`GRANT SELECT ON waybill_schema TO ` + name,
	} {
		if _, err := r.conn.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		for _, statement := range []string{`REASSIGN OWNED BY ` + name + ` TO CURRENT_USER`, `DROP OWNED BY ` + name, `DROP ROLE ` + name} {
			if _, err := r.conn.Exec(context.WithoutCancel(t.Context()), statement); err != nil {
				t.Error(err)
			}
		}
	})
	as, err := url.Parse(r.url)
	if err != nil {
		t.Fatal(err)
	}
	as.User = url.UserPassword(name, "x")
	done, err := readmodel.Rebuild(t.Context(), readmodel.RebuildConfig{URL: as.String(), ChunkEvents: 40, Progress: func(p readmodel.RebuildProgress) {
		if p.Phase == "follow" && p.Done > 0 {
			r.apply(t, ofTenant("b", histories(5, 3)))
		}
	}})
	if err != nil || done.Compared == 0 || done.Followed == 0 {
		t.Fatalf("Rebuild as the owner: %+v, %v; want rows compared and streams followed", done, err)
	}
	if diff := diffLines(r.dumpOf(t, 1), r.dumpOf(t, 2)); diff != "" {
		t.Errorf("rows differ (-live +rebuilt):\n%s", diff)
	}
	if _, err := readmodel.DropOld(t.Context(), as.String()); err != nil {
		t.Errorf("DropOld as the owner: %v", err)
	}
	if v, err := readmodel.Verify(t.Context(), readmodel.VerifyConfig{URL: as.String()}); err != nil || v.Wrong != 0 || v.Rows["orders"] == 0 {
		t.Errorf("Verify as the owner: %+v, %v", v, err)
	}
}
