package readmodel_test

import (
	"testing"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/readmodel"
)

// The whole story of one key, beside others that go on.
func TestAKeyWaitsBehindItsDeadLetterUntilThatIsReplayed(t *testing.T) {
	t.Parallel()
	r, l := newParkRig(t, 2), &teller{tenant: "acme"}
	all := []events.Event{
		l.placed("o1", 0), l.placed("o2", 0), l.created("s1", "o1", 1), l.created("s2", "o2", 1),
		l.departed("s1", 2), l.departed("s2", 2), l.delivered("s1", 3), l.delivered("s2", 3),
	}
	r.refuses(t, all[4])
	stop := r.project(t, "shipment.*")
	at := r.tape.tell(t, all...)
	r.drained(t)
	r.accounted(t)
	if got := one[string](t, r.rig, `SELECT string_agg(shipment_id || ' ' || status, ', ' ORDER BY shipment_id) FROM rm_1.shipments`); got != "s1 created, s2 delivered" {
		t.Errorf("shipments are %s; want s1 to wait and s2 to go on", got)
	}
	if l := r.letter(t, at[4]); !l.Parks || l.Waiting != 1 || l.Code != "constraint" {
		t.Errorf("letter = %+v, want one record to wait for it", l)
	}
	waiting, err := r.store.Waiting(t.Context(), at[4], 10)
	if err != nil || len(waiting) != 1 || waiting[0].Offset != at[6].Offset || waiting[0].Code != "" {
		t.Errorf("Waiting = %+v, %v; want the delivery", waiting, err)
	}
	if keys, records, err := r.store.Parked(t.Context()); keys != 1 || records != 1 || err != nil {
		t.Errorf("Parked = %d keys, %d records, %v; want 1 and 1", keys, records, err)
	}

	stop() // another process, without a policy: the key stays parked
	r.project(t, "")
	all = append(all, l.lost("s1", 4))
	r.tape.tell(t, all[8])
	r.drained(t)
	r.accounted(t)
	if l := r.letter(t, at[4]); l.Waiting != 2 {
		t.Errorf("letter = %+v, want two records to wait for it", l)
	}
	if got := r.replay(t, at[4]); got.Refused == nil || got.Status != "new" || got.Behind != (readmodel.Unparked{}) {
		t.Errorf("Replay of what is refused still = %+v", got)
	}

	r.allows(t, all[4])
	got := r.replay(t, at[4])
	if got.Refused != nil || got.Status != "replayed" || got.Known || got.Behind != (readmodel.Unparked{Applied: 2}) || got.Applied.New != 3 {
		t.Errorf("Replay = %+v, want the letter and the two behind it applied", got)
	}
	all = append(all, l.retract(all[8], 5)) // and the key goes on by itself
	r.tape.tell(t, all[9])
	r.drained(t)
	r.accounted(t)
	r.ordered(t)
	r.like(t, all)
	if keys, records, err := r.store.Parked(t.Context()); keys != 0 || records != 0 || err != nil {
		t.Errorf("Parked = %d keys, %d records, %v; want none", keys, records, err)
	}
}

func TestDiscardingALetterLetsTheRestGoOn(t *testing.T) {
	t.Parallel()
	r, l := newParkRig(t, 1), &teller{tenant: "acme"}
	r.project(t, "*")
	all := []events.Event{l.placed("o1", 0), l.created("s1", "o1", 1), l.delivered("s1", 3)}
	bad := r.tape.garble(t, all[1])
	r.tape.tell(t, all...)
	r.drained(t)
	r.wantState(t, "acme|s1@0 new <- 1 2")
	before := dump(t, r.rig)
	dry, err := r.store.Discard(t.Context(), bad, "me", "why", true)
	if err != nil || !dry.Done || dry.Behind != (readmodel.Unparked{Applied: 2}) {
		t.Errorf("dry Discard = %+v, %v", dry, err)
	}
	r.wantState(t, "acme|s1@0 new <- 1 2")
	if diff := diffLines(before, dump(t, r.rig)); diff != "" {
		t.Errorf("the dry run changed rows:\n%s", diff)
	}
	if got := r.discard(t, bad); !got.Done || got.Behind != (readmodel.Unparked{Applied: 2}) {
		t.Errorf("Discard = %+v, want two records applied", got)
	}
	r.wantState(t, "acme|s1@0 discarded")
	if got := r.discard(t, bad); got.Done || got.Behind != (readmodel.Unparked{}) {
		t.Errorf("Discard again = %+v, want nothing done", got)
	}
	r.accounted(t)
	r.ordered(t)
	r.like(t, all)
}

// Each record of a key that cannot be applied is a letter of its own, for which
// what is behind it waits: whoever replays or discards comes to one after another.
func TestAPoisonThatWaitedIsTheNextLetter(t *testing.T) {
	t.Parallel()
	r, l := newParkRig(t, 1), &teller{tenant: "acme"}
	r.project(t, "*")
	placed := l.placed("o1", 0)
	twice := l.departed("s1", 2)
	another := l.delivered("s1", 2)
	another.ID = twice.ID // an identity that is taken by then
	refused := l.departed("s1", 5)
	all := []events.Event{placed, l.created("s1", "o1", 1), twice, l.delivered("s1", 6), refused, l.lost("s1", 7)}
	r.refuses(t, refused)
	r.tape.tell(t, placed)
	first := r.tape.garble(t, twice) // 0
	r.tape.tell(t, all[1], twice)    // 1, 2
	r.tape.garble(t, twice)          // 3
	at := r.tape.tell(t, another, all[3], refused, all[5])
	r.drained(t)
	r.wantState(t, "acme|s1@0 new <- 1 2 3 4 5 6 7")
	waiting, err := r.store.Waiting(t.Context(), first, 3)
	if err != nil || len(waiting) != 3 || waiting[2].Code != "malformed_json" || waiting[0].Code != "" {
		t.Errorf("Waiting = %+v, %v; want three, the last of them unreadable", waiting, err)
	}

	before := dump(t, r.rig)
	dry, err := r.store.Discard(t.Context(), first, "me", "why", true)
	if err != nil || dry.Behind.Head == nil || dry.Behind.Applied != 2 || dry.Behind.Waiting != 4 {
		t.Errorf("dry Discard = %+v, %v; want two applied and four behind the next poison", dry, err)
	}
	r.wantState(t, "acme|s1@0 new <- 1 2 3 4 5 6 7")
	if diff := diffLines(before, dump(t, r.rig)); diff != "" {
		t.Errorf("the dry run changed rows:\n%s", diff)
	}

	step := func(got readmodel.Unparked, code string, applied, wait int) {
		t.Helper()
		if got.Head == nil || got.Head.Code != code || got.Applied != applied || got.Waiting != wait {
			t.Errorf("behind it %+v, want %d applied, then %s and %d that wait", got, applied, code, wait)
		}
		r.accounted(t)
	}
	step(r.discard(t, first).Behind, "malformed_json", 2, 4)
	r.wantState(t, "acme|s1@0 discarded; acme|s1@3 new <- 4 5 6 7")
	step(r.discard(t, readmodel.Place{Partition: first.Partition, Offset: 3}).Behind, "id_conflict", 0, 3)
	r.wantState(t, "acme|s1@0 discarded; acme|s1@3 discarded; acme|s1@4 new <- 5 6 7")
	if got := r.replay(t, at[0]); got.Refused == nil || got.Refused.Code != "id_conflict" {
		t.Errorf("Replay of the conflict = %+v, want it refused", got)
	}
	step(r.discard(t, at[0]).Behind, "constraint", 1, 1)
	r.wantState(t, "acme|s1@0 discarded; acme|s1@3 discarded; acme|s1@4 discarded; acme|s1@6 new <- 7")
	if l := r.letter(t, at[2]); l.SQLState != "23514" || l.Attempts != 1 || !l.Published.IsZero() {
		t.Errorf("letter = %+v, want a new one with the reason of the database", l)
	}
	r.allows(t, refused)
	if got := r.replay(t, at[2]); got.Behind != (readmodel.Unparked{Applied: 1}) {
		t.Errorf("Replay = %+v, want the last one applied", got)
	}
	r.accounted(t)
	r.ordered(t)
	r.like(t, all)
}

// A conflict of identity is found by the store, in the midst of a batch: what is
// behind it in the same batch waits too.
func TestAConflictParksItsKeyWithinItsBatch(t *testing.T) {
	t.Parallel()
	r, l := newParkRig(t, 1), &teller{tenant: "acme"}
	first := l.created("s1", "o1", 1)
	another := l.departed("s1", 2)
	another.ID = first.ID
	all := []events.Event{l.placed("o1", 0), first, l.delivered("s1", 3)}
	at := r.tape.tell(t, all[0], first, another, all[2])
	r.project(t, "*")
	r.drained(t)
	r.wantState(t, "acme|s1@1 new <- 2")
	if l := r.letter(t, at[2]); l.Code != "id_conflict" || l.Message == "" {
		t.Errorf("letter = %+v, want a conflict", l)
	}
	if got := r.discard(t, at[2]); got.Behind != (readmodel.Unparked{Applied: 1}) {
		t.Errorf("Discard = %+v", got)
	}
	r.accounted(t)
	r.like(t, all)
}

// More waits than one transaction should take. One that fails in the middle leaves
// the letter as it was, with less behind it; whoever goes on does the rest.
func TestALongQueueIsLetGoInPortions(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("some thousands of records are applied")
	}
	r, l := newParkRig(t, 1), &teller{tenant: "acme"}
	r.tape.portion = 2000
	r.project(t, "*")
	const many = 5200
	all := []events.Event{l.placed("o1", 0)}
	r.refuses(t, all[0])
	for i := range many {
		all = append(all, l.tell("o1", &events.OrderConfirmed{OrderFact: events.OrderFact{Fact: at(1 + float64(i)/1000), OrderID: "o1"}}))
	}
	at := r.tape.tell(t, all...)
	r.drained(t)
	r.allows(t, all[0])
	dry, err := r.store.Replay(t.Context(), at[0], "me", true)
	if err != nil || dry.Behind != (readmodel.Unparked{Applied: 5000, Waiting: 200}) || dry.Known {
		t.Errorf("dry Replay = %+v, %v; want the first portion", dry.Behind, err)
	}
	r.exec(t, `CREATE FUNCTION public.stay() RETURNS trigger LANGUAGE plpgsql AS $fn$ BEGIN RAISE 'not now' USING ERRCODE = '40001'; END $fn$;
		CREATE TRIGGER stay BEFORE DELETE ON waybill.parked_keys FOR EACH ROW EXECUTE FUNCTION public.stay()`)
	if _, err := r.store.Replay(t.Context(), at[0], "me", false); !passes(err) {
		t.Errorf("Replay = %v, want what may pass", err)
	}
	if l := r.letter(t, at[0]); l.Status != "new" || l.Waiting != 200 || !l.Parks {
		t.Errorf("letter = %s with %d behind it, want it new with 200", l.Status, l.Waiting)
	}
	if n := one[int](t, r.rig, `SELECT count(*) FROM waybill.events`); n != 5001 {
		t.Errorf("%d events, want the letter's and the first portion's", n)
	}
	r.exec(t, `DROP TRIGGER stay ON waybill.parked_keys`)
	if got := r.replay(t, at[0]); got.Status != "replayed" || !got.Known || got.Behind != (readmodel.Unparked{Applied: 200}) {
		t.Errorf("Replay = %+v, want the rest applied", got)
	}
	r.accounted(t)
	r.ordered(t)
}

// A letter that parks no key, or not any more, is settled as ever.
func TestOtherLettersOfAParkedKeyLetNothingGo(t *testing.T) {
	t.Parallel()
	r, l := newParkRig(t, 1), &teller{tenant: "acme"}
	r.project(t, "shipment.delivered.v1")
	departed := l.departed("s1", 2)
	r.refuses(t, departed)
	delivered := l.delivered("s1", 3)
	r.refuses(t, delivered)
	all := []events.Event{l.created("s1", "o1", 1), departed, delivered, l.lost("s1", 4)}
	at := r.tape.tell(t, all...)
	r.drained(t)
	r.wantState(t, "acme|s1@1 new; acme|s1@2 new <- 3")
	r.allows(t, departed)
	if got := r.replay(t, at[1]); got.Status != "replayed" || got.Behind != (readmodel.Unparked{}) {
		t.Errorf("Replay = %+v, want nothing let go", got)
	}
	r.wantState(t, "acme|s1@1 replayed; acme|s1@2 new <- 3")
	r.allows(t, delivered)
	if got := r.replay(t, at[2]); got.Behind != (readmodel.Unparked{Applied: 1}) {
		t.Errorf("Replay = %+v", got)
	}
	r.accounted(t)
	r.like(t, all)
}

// A policy costs nothing where nobody waits: no batch asks who does, and neither
// does one without a record of a key that is parked.
func TestBatchesWithoutParkedKeysAskForNone(t *testing.T) {
	t.Parallel()
	r, l := newParkRig(t, 1), &teller{tenant: "acme"}
	r.project(t, "*")
	all := []events.Event{l.placed("o1", 0), l.placed("o2", 0)}
	bad := r.tape.garble(t, all[0])
	r.drained(t) // the claim, and the letter
	const rights = ` ON waybill.parked_keys, waybill.parked_records `
	r.exec(t, `REVOKE ALL`+rights+`FROM waybill_projector`)
	r.tape.tell(t, all[1], l.created("s1", "o2", 1), l.departed("s1", 2))
	r.drained(t)
	r.exec(t, `GRANT SELECT, INSERT, UPDATE, DELETE`+rights+`TO waybill_projector`)
	r.tape.tell(t, all[0])
	r.drained(t)
	r.wantState(t, "acme|o1@0 new <- 2")
	r.discard(t, bad)
	if r.tape.joins != 1 {
		t.Errorf("joined %d times, want once", r.tape.joins)
	}
	r.accounted(t)
}
