package readmodel_test

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/projector"
	"github.com/waybill-io/waybill/internal/scenario"
)

// histories are those of some orders, in the order in which they arrive.
func histories(seed uint64, n int) []events.Event {
	var all []events.Event
	for i := range n {
		all = append(all, scenario.Order(seed, i)...)
	}
	return all
}

// I8: what is read again, because a claim began before its offset was known, is
// known already: nothing changes, and no client hears of it.
func TestRedeliveryChangesNothing(t *testing.T) {
	r := newRig(t)
	all := histories(5, 12)
	batches := cut(rand.New(rand.NewPCG(1, 1)), all, 40)
	for _, evs := range batches {
		r.apply(t, evs)
	}
	before := dump(t, r)
	feed := one[int](t, r, `SELECT count(*) FROM waybill.changes`)
	r.claim(t)
	for _, evs := range batches {
		if applied := r.apply(t, evs); applied.New != 0 || applied.Duplicates != len(evs) || applied.Changes != 0 {
			t.Fatalf("applied again: %+v, want %d duplicates and nothing else", applied, len(evs))
		}
	}
	if diff := diffLines(before, dump(t, r)); diff != "" {
		t.Errorf("redelivery changed rows (-before +after):\n%s", diff)
	}
	if got := one[int](t, r, `SELECT count(*) FROM waybill.changes`); got != feed {
		t.Errorf("%d changes after the redelivery, want %d", got, feed)
	}
	denseFeed(t, r)
}

// Of one identity with two contents the first in the log stays, within a batch
// and between batches; the other one is kept as a dead letter.
func TestOtherContentUnderAKnownIdentityIsADeadLetter(t *testing.T) {
	r, l := newRig(t), &teller{tenant: "acme"}
	first, other := l.departed("s1", 1), l.departed("s1", 2)
	other.ID = first.ID
	applied := r.apply(t, []events.Event{l.created("s1", "o1", 0), first, other})
	if applied.New != 2 || applied.Conflicts != 1 || applied.Duplicates != 0 {
		t.Errorf("in one batch: %+v, want 2 new and 1 conflict", applied)
	}
	before := dump(t, r)
	changes := one[int](t, r, `SELECT count(*) FROM waybill.changes`)
	if applied := r.apply(t, []events.Event{other, first}); applied.New != 0 || applied.Conflicts != 1 || applied.Duplicates != 1 {
		t.Errorf("in a later batch: %+v, want 1 conflict and 1 duplicate", applied)
	}
	if diff := diffLines(before, dump(t, r)); diff != "" {
		t.Errorf("the conflict changed rows (-before +after):\n%s", diff)
	}
	if got := one[int](t, r, `SELECT count(*) FROM waybill.changes`); got != changes {
		t.Errorf("%d changes after the conflict, want %d", got, changes)
	}
	const letters = `SELECT string_agg(class || ' ' || topic || '/' || partition || '/' || "offset" || ' ' || convert_from(key, 'UTF8'), ', ' ORDER BY "offset") FROM waybill.dead_letters`
	const want = "id_conflict waybill.shipments.v1/0/2 acme|s1, id_conflict waybill.shipments.v1/0/3 acme|s1"
	if got := one[string](t, r, letters); got != want {
		t.Errorf("dead letters: %s, want %s", got, want)
	}
	if got := one[bool](t, r, `SELECT bool_and(length(value) > 0 AND json_array_length(headers) > 5) FROM waybill.dead_letters`); !got {
		t.Error("the dead letters are not whole")
	}
}

// The same content with other times of recording and ingestion is a duplicate.
func TestSameContentRecordedAnewIsADuplicate(t *testing.T) {
	r, l := newRig(t), &teller{tenant: "acme"}
	first := l.departed("s1", 1)
	again := first
	again.RecordedAt, again.IngestedAt = hour(50), hour(51)
	r.apply(t, []events.Event{first})
	before := dump(t, r)
	if applied := r.apply(t, []events.Event{again}); applied.Duplicates != 1 || applied.Conflicts != 0 {
		t.Errorf("applied %+v, want a duplicate", applied)
	}
	if diff := diffLines(before, dump(t, r)); diff != "" {
		t.Errorf("the duplicate changed rows (-before +after):\n%s", diff)
	}
}

// Whoever lost a partition writes nothing, neither with the epoch that it had
// nor from a position that is not the partition's.
func TestFenceLetsNothingOfAnOldOwnerThrough(t *testing.T) {
	r, l := newRig(t), &teller{tenant: "acme"}
	old := r.newWorker(t, part(3))
	old.apply(t, []events.Event{l.created("s1", "o1", 0)})
	stale := old.batch(t, []events.Event{l.departed("s1", 1), l.created("s2", "o2", 0)})
	taken := r.newWorker(t, part(3))
	if got, want := taken.next[part(3)], int64(1); got != want {
		t.Fatalf("the new owner goes on from %d, want %d", got, want)
	}
	before, position := dump(t, r), one[string](t, r, `SELECT string_agg(o::text, ' ' ORDER BY o::text) FROM waybill.projection_offsets o`)
	if _, err := old.store.Apply(t.Context(), stale); !errors.Is(err, projector.ErrFenced) {
		t.Errorf("Apply with an old epoch = %v, want %v", err, projector.ErrFenced)
	}
	b := taken.batch(t, []events.Event{l.departed("s1", 1)})
	for _, from := range []int64{0, 2} {
		b.Advances[0].From = from
		if _, err := taken.store.Apply(t.Context(), b); !errors.Is(err, projector.ErrFenced) {
			t.Errorf("Apply from position %d = %v, want %v", from, err, projector.ErrFenced)
		}
	}
	if diff := diffLines(before, dump(t, r)); diff != "" {
		t.Errorf("a fenced batch changed rows (-before +after):\n%s", diff)
	}
	if got := one[string](t, r, `SELECT string_agg(o::text, ' ' ORDER BY o::text) FROM waybill.projection_offsets o`); got != position {
		t.Errorf("positions %s, want %s", got, position)
	}
	b.Advances[0].From = 1
	if _, err := taken.store.Apply(t.Context(), b); err != nil {
		t.Errorf("Apply of the owner: %v", err)
	}
}

// A claim waits for the transaction of the owner before it, and sees what that
// has done.
func TestClaimWaitsForTheOpenBatch(t *testing.T) {
	r, l := newRig(t), &teller{tenant: "acme"}
	old := r.newWorker(t, part(3))
	old.apply(t, []events.Event{l.created("s1", "o1", 0)})
	row := hold(t, r, `SELECT FROM rm_1.shipments WHERE shipment_id = 's1' FOR UPDATE`)
	open := later(t, old, l.departed("s1", 1))
	waiters(t, r, 1)
	next := make(chan int64)
	go func() {
		claims, err := r.store.Claim(t.Context(), "other", "cluster", []projector.Partition{part(3)})
		if err != nil {
			t.Errorf("Claim: %v", err)
		}
		next <- claims[part(3)].Next
	}()
	waiters(t, r, 2)
	row.release(t)
	finish(t, open)
	if got := <-next; got != 2 {
		t.Errorf("the new owner goes on from %d, want 2, after the batch that was open", got)
	}
}

// A batch that fails in the middle leaves nothing, its position included.
func TestFailedBatchLeavesNothing(t *testing.T) {
	r, l := newRig(t), &teller{tenant: "acme"}
	r.apply(t, []events.Event{l.placed("o1", 0)})
	before, claims := dump(t, r), r.claims
	if _, err := r.conn.Exec(t.Context(), `ALTER TABLE waybill.changes ADD CONSTRAINT no CHECK (kind <> 'shipment')`); err != nil {
		t.Fatal(err)
	}
	b := r.batch(t, []events.Event{l.created("s1", "o1", 1), l.departed("s1", 2)})
	_, err := r.store.Apply(t.Context(), b)
	if data, ok := errors.AsType[*projector.DataError](err); !ok || data.SQLState != "23514" {
		t.Errorf("Apply = %v, want a DataError with 23514", err)
	}
	if diff := diffLines(before, dump(t, r)); diff != "" {
		t.Errorf("the failed batch changed rows (-before +after):\n%s", diff)
	}
	positions, err := r.store.Positions(t.Context(), r.parts)
	if err != nil {
		t.Fatalf("Positions: %v", err)
	}
	for _, p := range r.parts {
		if got, want := positions[p].Epoch, claims[p].Epoch; got != want {
			t.Errorf("epoch of %s = %d, want %d", p, got, want)
		}
	}
	if got := positions[projector.Partition{Topic: events.ShipmentsTopic}].Next; got != 0 {
		t.Errorf("position of the shipments = %d, want 0", got)
	}
}

// Pruning keeps at least 5,000 changes and whatever is younger than 15 minutes,
// and says up to where it took them away.
func TestPruningMovesLow(t *testing.T) {
	r := newRig(t)
	const fill = `INSERT INTO waybill.changes (tenant_id, seq, kind, entity_id, entries, changed_at)
		SELECT 'acme', n, 'order', 'o1', '[]', now() - make_interval(mins => (6000 - n) / 100) FROM generate_series(1, 6000) n`
	for _, statement := range []string{`INSERT INTO waybill.tenant_stream (tenant_id, seq) VALUES ('acme', 6000)`, fill} {
		if _, err := r.conn.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	pruned, err := r.store.Prune(t.Context())
	if err != nil || pruned != 1000 {
		t.Errorf("Prune = %d, %v; want 1000: the newest 5,000 stay", pruned, err)
	}
	denseFeed(t, r)
	if got := one[int](t, r, `SELECT low FROM waybill.tenant_stream`); got != 1000 {
		t.Errorf("low = %d, want 1000", got)
	}
	if pruned, err := r.store.Prune(t.Context()); err != nil || pruned != 0 {
		t.Errorf("Prune again = %d, %v; want 0", pruned, err)
	}
}
