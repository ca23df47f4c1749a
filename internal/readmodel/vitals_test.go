package readmodel_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/projector"
	"github.com/waybill-io/waybill/internal/readmodel"
)

func TestTablesTellHowManyUpdatesWereHOT(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	l := &teller{tenant: "acme"}
	r.apply(t, []events.Event{l.placed("o", 0)})
	r.apply(t, []events.Event{l.placed("p", 0)})
	tick := time.NewTicker(100 * time.Millisecond) // the server writes its counters down after a while
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); ; <-tick.C {
		tables, err := r.store.Tables(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		byName := map[string]readmodel.Table{}
		for _, table := range tables {
			byName[table.Name] = table
			if table.HotUpdates > table.Updates {
				t.Fatalf("%+v: more HOT updates than updates", table)
			}
		}
		for _, name := range []string{"orders", "shipments", "parcels", "event_marks", "events", "tenant_stream", "projection_offsets"} {
			if _, ok := byName[name]; !ok {
				t.Fatalf("there is nothing of %s among %v", name, tables)
			}
		}
		if at := byName["projection_offsets"]; at.Updates >= 2 && at.HotUpdates >= 1 && byName["orders"].Rows == 2 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("projection_offsets = %+v, orders = %+v, want 2 updates and 2 rows", byName["projection_offsets"], byName["orders"])
		}
	}
}

func TestUnhandledDeadLettersAreCountedByClassAndByAnIndex(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	l := &teller{tenant: "acme"}
	at := r.refuse(t, l.placed("o", 0), l.placed("p", 0))
	r.keep(t, events.Message{Key: []byte("k"), Value: []byte("{")})
	counts := func() map[string]int64 {
		t.Helper()
		got, err := r.store.Unhandled(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if diff := cmp.Diff(map[string]int64{"schema_violation": 2, "malformed_json": 1}, counts()); diff != "" {
		t.Errorf("unhandled (-want +got):\n%s", diff)
	}
	if _, err := r.conn.Exec(t.Context(), `UPDATE waybill.dead_letters SET status = 'discarded', settled_at = now(), settled_why = 'a test'
		WHERE (topic, partition, "offset") = ($1, $2, $3)`, at[0].Topic, at[0].ID, at[0].Offset); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int64{"schema_violation": 1, "malformed_json": 1}, counts()); diff != "" {
		t.Errorf("unhandled after one was discarded (-want +got):\n%s", diff)
	}
	index := one[string](t, r, `SELECT indexdef FROM pg_indexes WHERE indexname = 'dead_letters_new'`)
	if !strings.Contains(index, "(projection, class)") || !strings.Contains(index, "'new'") {
		t.Errorf("the index is %q, want one of what is new, by class", index)
	}
}

func TestWhatPassesHasAClass(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	class := func(err error) string {
		t.Helper()
		e, ok := errors.AsType[interface {
			error
			Class() string
		}](err)
		if !ok {
			t.Fatalf("%v has no class", err)
		}
		return e.Class()
	}
	parts := []projector.Partition{{Topic: events.OrdersTopic}}
	ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	if _, err := r.store.Positions(ctx, parts); class(err) != "timeout" {
		t.Errorf("class of %v = %s, want timeout", err, class(err))
	}

	slow, err := readmodel.OpenStore(t.Context(), readmodel.Config{URL: r.url, StatementTimeout: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	tx, err := r.conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `LOCK TABLE waybill.projection_offsets IN ACCESS EXCLUSIVE MODE`); err != nil {
		t.Fatal(err)
	}
	if _, err := slow.Positions(t.Context(), parts); class(err) != "timeout" {
		t.Errorf("class of %v = %s, want timeout", err, class(err))
	}
	waiting := make(chan error, 1)
	go func() {
		_, err := r.store.Positions(t.Context(), parts)
		waiting <- err
	}()
	end := connect(t, r.url)
	for !endWaiting(t, end) {
		runtime.Gosched()
	}
	if err := <-waiting; class(err) != "connection" {
		t.Errorf("class of %v = %s, want connection", err, class(err))
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// endWaiting ends the sessions of the projector that wait for a lock.
func endWaiting(t *testing.T, conn *pgx.Conn) bool {
	t.Helper()
	if err := t.Context().Err(); err != nil {
		t.Fatal(err)
	}
	tag, err := conn.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '-- name: positions%'`)
	if err != nil {
		t.Fatal(err)
	}
	return tag.RowsAffected() > 0
}
