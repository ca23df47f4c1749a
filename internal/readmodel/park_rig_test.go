package readmodel_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/projector"
	"github.com/waybill-io/waybill/internal/readmodel"
)

// parkRig is a database that a projector of the whole tape works on, in which the
// database refuses the events that the test names.
type parkRig struct {
	*rig
	tape *tape
}

func newParkRig(t testing.TB, partitions int32) *parkRig {
	t.Helper()
	r := &parkRig{newRig(t), newTape(partitions)}
	r.exec(t, `CREATE TABLE public.refused (id text PRIMARY KEY);
		CREATE TABLE public.applied (seq bigserial PRIMARY KEY, txid xid8 DEFAULT pg_current_xact_id(), topic text, partition int, "offset" bigint, stream_id text);
		CREATE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $fn$
		BEGIN
			IF EXISTS (SELECT FROM public.refused WHERE id = NEW.event_id) THEN
				RAISE 'event % is refused', NEW.event_id USING ERRCODE = '23514';
			END IF;
			INSERT INTO public.applied (topic, partition, "offset", stream_id) VALUES (NEW.topic, NEW.partition, NEW."offset", NEW.stream_id);
			RETURN NULL;
		END $fn$;
		CREATE TRIGGER note AFTER INSERT ON waybill.events FOR EACH ROW EXECUTE FUNCTION public.note()`)
	return r
}

func (r *parkRig) exec(t testing.TB, statements string, args ...any) {
	t.Helper()
	if _, err := r.conn.Exec(t.Context(), statements, args...); err != nil {
		t.Fatal(err)
	}
}

func (r *parkRig) refuses(t testing.TB, evs ...events.Event) {
	t.Helper()
	for _, e := range evs {
		r.exec(t, `INSERT INTO public.refused VALUES ($1)`, string(e.ID))
	}
}

func (r *parkRig) allows(t testing.TB, evs ...events.Event) {
	t.Helper()
	for _, e := range evs {
		r.exec(t, `DELETE FROM public.refused WHERE id = $1`, string(e.ID))
	}
}

// project runs a projector with a store of its own until stop.
func (r *parkRig) project(t testing.TB, park string) (stop func()) {
	t.Helper()
	store, err := readmodel.OpenStore(t.Context(), readmodel.Config{URL: r.url})
	if err != nil {
		t.Fatalf("OpenStore: %v", err)
	}
	cfg := projector.Config{Owner: "test", BatchWait: time.Millisecond, BatchEvents: 50, Attempts: store}
	if err := cfg.Park.UnmarshalText([]byte(park)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- projector.New(r.tape, store, cfg, slog.New(slog.DiscardHandler)).Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		store.Close()
	})
	t.Cleanup(stop)
	return stop
}

// drained waits until the whole tape has been dealt with.
func (r *parkRig) drained(t testing.TB) {
	t.Helper()
	want := r.tape.records()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); ; <-tick.C {
		at := one[int](t, r.rig, `SELECT coalesce(sum(next_offset), 0) FROM waybill.projection_offsets WHERE projection = 'rm_1'`)
		if at == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d records are dealt with", at, want)
		}
	}
}

// lines reads a query's only column, sorted.
func (r *parkRig) lines(t testing.TB, query string) []string {
	t.Helper()
	rows, err := r.conn.Query(t.Context(), query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	slices.Sort(list)
	return list
}

// accounted fails the test unless each record of the tape is in just one place: the
// timeline, the dead letters or what waits. Copies are nowhere once they do not
// wait any more.
func (r *parkRig) accounted(t testing.TB) {
	t.Helper()
	got := r.lines(t, `SELECT format('%s/%s/%s', topic, partition, "offset") FROM waybill.events
		UNION ALL SELECT format('%s/%s/%s', topic, partition, "offset") FROM waybill.dead_letters WHERE status <> 'replayed'
		UNION ALL SELECT format('%s/%s/%s', topic, partition, "offset") FROM waybill.parked_records`)
	if diff := diffLines(strings.Join(r.tape.places(), "\n"), strings.Join(got, "\n")); diff != "" {
		t.Errorf("places (-of the records +where they are):\n%s", diff)
	}
	if n := one[int](t, r.rig, `SELECT count(*) FROM waybill.parked_records r WHERE NOT EXISTS (
		SELECT FROM waybill.parked_keys k JOIN waybill.dead_letters d ON (d.projection, d.topic, d.partition, d."offset") = (k.projection, k.topic, k.partition, k.head)
		WHERE (k.projection, k.topic, k.partition, k.key) = (r.projection, r.topic, r.partition, r.key) AND d.status = 'new' AND k.head < r."offset")`); n > 0 {
		t.Errorf("%d records wait for nothing that anybody could settle", n)
	}
}

// ordered fails the test unless the records of each key were applied in the order
// of the log, transaction by transaction.
func (r *parkRig) ordered(t testing.TB) {
	t.Helper()
	for _, line := range r.lines(t, `SELECT format('%s of %s/%s: %s applied after %s', b.stream_id, b.topic, b.partition, b."offset", a."offset")
		FROM public.applied a JOIN public.applied b USING (topic, partition, stream_id)
		WHERE a.seq < b.seq AND a.txid <> b.txid AND a."offset" > b."offset"`) {
		t.Error(line)
	}
}

// state says what is a dead letter and what waits, and for which.
func (r *parkRig) state(t testing.TB) string {
	t.Helper()
	return strings.Join(r.lines(t, `SELECT format('%s@%s %s', convert_from(d.key, 'UTF8'), d."offset", d.status) ||
			coalesce((SELECT ' <-' || coalesce(string_agg(' ' || p."offset", '' ORDER BY p."offset"), ' nothing')
				FROM waybill.parked_keys k LEFT JOIN waybill.parked_records p USING (projection, topic, partition, key)
				WHERE (k.projection, k.topic, k.partition, k.head) = (d.projection, d.topic, d.partition, d."offset") GROUP BY k.key), '')
		FROM waybill.dead_letters d`), "; ")
}

func (r *parkRig) wantState(t testing.TB, want string) {
	t.Helper()
	if got := r.state(t); got != want {
		t.Errorf("state is\n%q, want\n%q", got, want)
	}
}

// like fails the test unless the rows are those of a database that was told just
// these events, with nothing refused.
func (r *parkRig) like(t testing.TB, evs []events.Event) {
	t.Helper()
	plain := newRig(t)
	for len(evs) > 0 {
		n := min(500, len(evs))
		plain.apply(t, evs[:n])
		evs = evs[n:]
	}
	if diff := diffLines(dump(t, plain), dump(t, r.rig)); diff != "" {
		t.Errorf("rows (-never refused +parked and let go):\n%.5000s", diff)
	}
}

func (r *parkRig) discard(t testing.TB, at readmodel.Place) readmodel.Discarded {
	t.Helper()
	d, err := r.store.Discard(t.Context(), at, "me", "a test", false)
	if err != nil {
		t.Fatalf("Discard(%s): %v", at, err)
	}
	return d
}

// passes reports an error that another try may not meet again.
func passes(err error) bool {
	t, ok := errors.AsType[interface {
		error
		Temporary() bool
	}](err)
	return ok && t.Temporary()
}

// waitFor waits until ok is true.
func waitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("%s: it has not come to that", what)
		}
	}
}
