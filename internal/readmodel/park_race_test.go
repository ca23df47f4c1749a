package readmodel_test

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/projector"
	"github.com/waybill-io/waybill/internal/readmodel"
)

// parked sets a key of one worker up: its dead letter, and the records behind it,
// all in hand-made batches.
func parked(t *testing.T) (r *rig, l *teller, letter readmodel.Place, wait func(...events.Event) projector.Batch) {
	t.Helper()
	r, l = newRig(t), &teller{tenant: "acme"}
	wait = func(evs ...events.Event) projector.Batch {
		b := r.batch(t, evs)
		for _, e := range b.Events {
			b.Parked = append(b.Parked, projector.Poison{Record: *e.Record})
		}
		b.Events = nil
		return b
	}
	b := wait(l.created("s1", "o1", 0))
	b.Poison, b.Parked = b.Parked, nil
	b.Poison[0].Code, b.Poison[0].Parks = "schema_violation", true
	r.must(t, b)
	r.must(t, wait(l.departed("s1", 1)))
	return r, l, readmodel.Place{Partition: b.Poison[0].Partition, Offset: b.Poison[0].Offset}, wait
}

func (w *worker) must(t testing.TB, b projector.Batch) {
	t.Helper()
	if _, err := w.store.Apply(t.Context(), b); err != nil {
		t.Fatalf("Apply: %v", err)
	}
}

// The batch comes first: whoever lets the key go waits for its end, and takes what
// it has added.
func TestALetterIsSettledWithWhatABatchAddsAtThatMoment(t *testing.T) {
	t.Parallel()
	r, l, letter, wait := parked(t)
	feed := hold(t, r, `LOCK TABLE waybill.tenant_stream IN EXCLUSIVE MODE`)
	b := wait(l.delivered("s1", 2))
	b.Events = r.batch(t, []events.Event{l.created("s2", "o2", 2)}).Events
	b.Advances[0].To, b.Advances[0].LastSeen = r.next[letter.Partition], r.next[letter.Partition]-1
	batch, settled := make(chan error, 1), make(chan readmodel.Replayed, 1)
	go func() { _, err := r.store.Apply(t.Context(), b); batch <- err }()
	waiters(t, r, 1) // has the key, waits for the feed
	go func() {
		got, err := r.store.Replay(t.Context(), letter, "me", false)
		if err != nil {
			t.Errorf("Replay: %v", err)
		}
		settled <- got
	}()
	waiters(t, r, 2)
	feed.release(t)
	finish(t, batch)
	if got := <-settled; got.Behind != (readmodel.Unparked{Applied: 2}) || got.Known {
		t.Errorf("Replay = %+v, want both applied", got)
	}
	if n := one[int](t, r, `SELECT count(*) FROM waybill.events`); n != 4 {
		t.Errorf("%d events, want all 4", n)
	}
}

// The settlement comes first: the batch waits for its end, and is told that the
// key is not parked any more.
func TestABatchThatParksIsToldThatItsKeyIsSettledAtThatMoment(t *testing.T) {
	t.Parallel()
	for _, discard := range []bool{false, true} {
		r, l, letter, wait := parked(t)
		feed := hold(t, r, `LOCK TABLE waybill.tenant_stream IN EXCLUSIVE MODE`)
		settled, batch := make(chan error, 1), make(chan error, 1)
		go func() {
			if discard {
				_, err := r.store.Discard(t.Context(), letter, "me", "why", false)
				settled <- err
				return
			}
			_, err := r.store.Replay(t.Context(), letter, "me", false)
			settled <- err
		}()
		waiters(t, r, 1)
		b := wait(l.delivered("s1", 2))
		go func() { _, err := r.store.Apply(t.Context(), b); batch <- err }()
		waiters(t, r, 2)
		feed.release(t)
		finish(t, settled)
		err := <-batch
		gone, ok := errors.AsType[*projector.UnparkedError](err)
		if want := []projector.ParkedKey{{Partition: letter.Partition, Key: "acme|s1"}}; !ok || !cmp.Equal(want, gone.Keys) {
			t.Errorf("Apply = %v, want that the key is not parked", err)
		}
		if n := one[int](t, r, `SELECT count(*) FROM waybill.parked_records`); n != 0 {
			t.Errorf("%d records wait, want none", n)
		}
		if at := one[int64](t, r, `SELECT next_offset FROM waybill.projection_offsets WHERE topic = $1`, letter.Topic); at != b.Advances[0].From {
			t.Errorf("position %d, want it where it was: %d", at, b.Advances[0].From)
		}
	}
}

// The settlement makes another letter of the key: it is parked still, and the batch
// goes on.
func TestABatchParksBehindTheNextLetterOfItsKey(t *testing.T) {
	t.Parallel()
	r, l, letter, wait := parked(t)
	b := wait(l.lost("s1", 2))
	b.Parked[0].Value = []byte("{")
	r.must(t, b)
	feed := hold(t, r, `LOCK TABLE waybill.tenant_stream IN EXCLUSIVE MODE`)
	settled, batch := make(chan error, 1), make(chan error, 1)
	go func() { _, err := r.store.Replay(t.Context(), letter, "me", false); settled <- err }()
	waiters(t, r, 1)
	last := wait(l.delivered("s1", 3))
	go func() { _, err := r.store.Apply(t.Context(), last); batch <- err }()
	waiters(t, r, 2)
	feed.release(t)
	finish(t, settled, batch)
	next := readmodel.Place{Partition: letter.Partition, Offset: b.Parked[0].Offset}
	if l := r.letter(t, next); l.Waiting != 1 || l.Code != "malformed_json" {
		t.Errorf("letter = %+v, want one record to wait for it", l)
	}
}

// Only the owner of a partition parks its keys. One who believes that it does not
// know of a key that is parked has lost the partition, or its mind.
func TestAKeyIsNotParkedTwice(t *testing.T) {
	t.Parallel()
	r, l, _, wait := parked(t)
	b := wait(l.delivered("s1", 2))
	b.Poison, b.Parked = b.Parked, nil
	b.Poison[0].Code, b.Poison[0].Parks = "schema_violation", true
	if _, err := r.store.Apply(t.Context(), b); !errors.Is(err, projector.ErrFenced) {
		t.Errorf("Apply = %v, want %v", err, projector.ErrFenced)
	}
}

// Histories are told while an operator settles whatever there is, two at a time,
// processes come and go, and connections are cut. Every record ends up in one
// place, each key in the order of its log, and at last the rows are those of all
// events.
func TestSettlingRacesWithParking(t *testing.T) {
	if testing.Short() {
		t.Skip("many rounds")
	}
	t.Parallel()
	r := newParkRig(t, 3)
	rnd := rand.New(rand.NewPCG(21, 0))
	all := histories(33, 60)
	var bad []events.Event
	for _, e := range all {
		if rnd.IntN(12) == 0 {
			bad = append(bad, e)
		}
	}
	r.refuses(t, bad...)
	chaos := connect(t, r.url)
	stop := r.project(t, "*")
	o := operate(t, r)
	rounds := 0
	for rest := all; len(rest) > 0; rounds++ {
		n := min(len(rest), 1+rnd.IntN(25))
		r.tape.tell(t, rest[:n]...)
		if rnd.IntN(3) == 0 {
			r.tape.garble(t, rest[rnd.IntN(n)])
		}
		rest = rest[n:]
		switch rnd.IntN(6) {
		case 0: // another process
			stop()
			stop = r.project(t, "*")
		case 1: // at whatever statement
			_, err := chaos.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
				WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle' AND random() < 0.5`)
			if err != nil {
				t.Fatal(err)
			}
		case 2:
			r.drained(t)
		}
	}
	r.drained(t)
	o.finish()
	r.accounted(t)
	r.ordered(t)
	if got := one[int](t, r.rig, `SELECT count(*) FROM waybill.dead_letters WHERE status = 'new'`); got != 0 {
		t.Errorf("%d letters are left: %s", got, r.state(t))
	}
	if keys, records, err := r.store.Parked(t.Context()); keys != 0 || records != 0 || err != nil {
		t.Errorf("%d keys are parked, %d records wait, %v", keys, records, err)
	}
	r.like(t, all)
	t.Logf("%d rounds of %d records, %d letters replayed, %d discarded, %d joins, %d records let go",
		rounds, r.tape.records(), o.replayed, o.discarded, r.tape.joins, o.unparked)
	if o.replayed < len(bad)/2 || o.discarded == 0 || o.unparked == 0 {
		t.Errorf("%d replayed, %d discarded, %d let go: nothing was tried", o.replayed, o.discarded, o.unparked)
	}
}

// The same few keys are parked and let go over and over, as fast as that goes.
func TestKeysAreParkedAndLetGoOverAndOver(t *testing.T) {
	t.Parallel()
	r, l := newParkRig(t, 1), &teller{tenant: "acme"}
	r.project(t, "*")
	o := operate(t, r)
	orders := []events.OrderID{"o1", "o2", "o3"}
	var all []events.Event
	letters := 0
	for i := range 240 {
		e := l.tell(string(orders[i%3]), &events.OrderConfirmed{OrderFact: events.OrderFact{Fact: at(float64(i)), OrderID: orders[i%3]}})
		if i/3%4 == 0 {
			r.tape.garble(t, e)
			letters++
		}
		r.tape.tell(t, e)
		all = append(all, e)
		if i%5 == 0 {
			r.drained(t)
		}
	}
	r.drained(t)
	o.finish()
	r.accounted(t)
	r.ordered(t)
	r.like(t, all)
	if o.discarded != letters || o.unparked < letters || r.tape.joins != 1 {
		t.Errorf("%d discarded, %d let go, %d joins; want %d, at least as many, and 1 join", o.discarded, o.unparked, r.tape.joins, letters)
	}
	t.Logf("%d of %d records had waited", o.unparked, len(all))
}
