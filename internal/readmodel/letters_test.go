package readmodel_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/projector"
	"github.com/waybill-io/waybill/internal/readmodel"
)

// refuse has the store keep events as dead letters, as a program would that
// could not read them.
func (w *worker) refuse(t testing.TB, evs ...events.Event) []readmodel.Place {
	t.Helper()
	b := w.batch(t, evs)
	var at []readmodel.Place
	for _, e := range b.Events {
		b.Poison = append(b.Poison, projector.Poison{Record: *e.Record, Code: "schema_violation", Message: "not understood"})
		at = append(at, readmodel.Place{Partition: e.Record.Partition, Offset: e.Record.Offset})
	}
	b.Events = nil
	if _, err := w.store.Apply(t.Context(), b); err != nil {
		t.Fatalf("Apply: %v", err)
	}
	return at
}

// keep has the store keep records of the first partition as dead letters.
func (w *worker) keep(t testing.TB, messages ...events.Message) []readmodel.Place {
	t.Helper()
	part := w.parts[0]
	b := projector.Batch{Advances: []projector.Advance{{Partition: part, Epoch: w.claims[part].Epoch, From: w.next[part]}}}
	var at []readmodel.Place
	for _, m := range messages {
		r := projector.Record{Partition: part, Offset: w.next[part], Message: m}
		b.Poison = append(b.Poison, projector.Poison{Record: r, Code: "malformed_json", Message: "no JSON\x00"})
		at = append(at, readmodel.Place{Partition: part, Offset: r.Offset})
		w.next[part]++
	}
	b.Advances[0].To, b.Advances[0].LastSeen = w.next[part], w.next[part]-1
	if _, err := w.store.Apply(t.Context(), b); err != nil {
		t.Fatalf("Apply: %v", err)
	}
	return at
}

// letter reads one dead letter.
func (w *worker) letter(t testing.TB, at readmodel.Place) readmodel.Letter {
	t.Helper()
	list, more, err := w.store.Letters(t.Context(), readmodel.LetterFilter{Places: []readmodel.Place{at}})
	if err != nil || len(list) != 1 || more != 0 {
		t.Fatalf("Letters(%s) = %d, %d more, %v", at, len(list), more, err)
	}
	return list[0]
}

func (w *worker) replay(t testing.TB, at readmodel.Place) readmodel.Replayed {
	t.Helper()
	r, err := w.store.Replay(t.Context(), at, "me", false)
	if err != nil {
		t.Fatalf("Replay(%s): %v", at, err)
	}
	return r
}

func TestARecordIsKeptToTheByte(t *testing.T) {
	r := newRig(t)
	for name, m := range map[string]events.Message{
		"nothing":              {},
		"empty":                {Key: []byte{}, Value: []byte{}, Headers: []events.Header{{Key: "", Value: []byte{}}}},
		"no text":              {Key: []byte{0, 0xff}, Value: []byte("\x00\xfe"), Headers: []events.Header{{Key: "a\xffb\x00", Value: []byte{0xff, 0}}}},
		"null and twice":       {Headers: []events.Header{{Key: "h", Value: nil}, {Key: "h", Value: []byte("2")}, {Key: "h", Value: nil}}},
		"a replacement":        {Headers: []events.Header{{Key: "\uFFFD", Value: []byte("x")}}},
		"before the epoch":     {Time: time.UnixMilli(-1).UTC()},
		"the end of the world": {Time: time.UnixMilli(math.MaxInt64).UTC()},
		"long ago":             {Time: time.UnixMilli(math.MinInt64 / 2).UTC()},
	} {
		t.Run(name, func(t *testing.T) {
			at := r.keep(t, m)[0]
			l := r.letter(t, at)
			if diff := cmp.Diff(m, l.Record.Message); diff != "" && name != "nothing" {
				t.Errorf("record (-written +kept):\n%s", diff)
			}
			if name == "nothing" && (l.Key != nil || l.Value != nil || len(l.Headers) > 0 || !l.Time.IsZero()) {
				t.Errorf("record = %+v, want nothing", l.Record.Message)
			}
			if l.Poison.Message != "no JSON" || l.Attempts != 1 || l.Status != "new" || l.Code != "malformed_json" {
				t.Errorf("letter = %+v", l)
			}
		})
	}
}

// copies takes what a store sends.
type copies struct {
	got  []readmodel.Place
	fail map[projector.Partition]error
}

func (c *copies) publish(_ context.Context, letters []projector.DeadLetter) error {
	if err := c.fail[letters[0].Partition]; err != nil {
		return err
	}
	for _, l := range letters {
		c.got = append(c.got, readmodel.Place{Partition: l.Partition, Offset: l.Offset})
	}
	return nil
}

func (c *copies) sent(t testing.TB, w *worker, want int) error {
	t.Helper()
	n, err := w.store.Send(t.Context(), c.publish)
	if n != want {
		t.Errorf("Send = %d, %v; want %d sent", n, err, want)
	}
	return err
}

func backlog(t testing.TB, w *worker) int {
	t.Helper()
	n, _, err := w.store.Backlog(t.Context())
	if err != nil {
		t.Fatalf("Backlog: %v", err)
	}
	return n
}

func TestLettersAreSentOnceInOrderAndAFailingPartitionKeepsNobodyBack(t *testing.T) {
	r, l := newRig(t), &teller{tenant: "acme"}
	at := r.refuse(t, l.placed("o1", 0), l.created("s1", "o1", 0), l.placed("o2", 1), l.departed("s1", 2))
	orders, shipments := r.parts[0], r.parts[1]
	c := &copies{fail: map[projector.Partition]error{orders: errors.New("denied")}}
	if err := c.sent(t, r.worker, 2); err == nil {
		t.Error("no error although a partition failed")
	}
	if got := backlog(t, r.worker); got != 2 {
		t.Errorf("backlog = %d, want the 2 orders", got)
	}
	c.fail = nil
	if err := errors.Join(c.sent(t, r.worker, 2), c.sent(t, r.worker, 0)); err != nil {
		t.Errorf("Send: %v", err)
	}
	want := []readmodel.Place{{Partition: shipments, Offset: 0}, {Partition: shipments, Offset: 1}, {Partition: orders, Offset: 0}, {Partition: orders, Offset: 1}}
	if diff := cmp.Diff(want, c.got); diff != "" {
		t.Errorf("sent (-want +got):\n%s", diff)
	}
	if l := r.letter(t, at[0]); l.Published.IsZero() || l.Status != "new" {
		t.Errorf("letter = %+v, want it published and new", l)
	}
}

func TestLettersAreSentInPortions(t *testing.T) {
	r := newRig(t)
	var all []events.Message
	for range 150 {
		all = append(all, events.Message{Value: []byte("x")})
	}
	r.keep(t, append(all, events.Message{Value: make([]byte, 400<<10)}, events.Message{Value: make([]byte, 400<<10)})...)
	c := &copies{}
	for _, want := range []int{100, 51, 1, 0} { // the second large one would make 800 KiB
		if err := c.sent(t, r.worker, want); err != nil {
			t.Errorf("Send: %v", err)
		}
	}
	for i, at := range c.got {
		if at.Offset != int64(i) {
			t.Fatalf("letter %d was sent in place %d", at.Offset, i)
		}
	}
}

// A sender that dies between the acknowledgement and the mark doubles the copy,
// never the letter, and loses neither.
func TestACrashBeforeTheMarkDoublesOnlyTheCopy(t *testing.T) {
	r, l := newRig(t), &teller{tenant: "acme"}
	at := r.refuse(t, l.placed("o1", 0))[0]
	c := &copies{}
	dying := func(ctx context.Context, letters []projector.DeadLetter) error {
		if err := c.publish(ctx, letters); err != nil {
			return err
		}
		_, err := r.conn.Exec(ctx, `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted`)
		return err
	}
	if _, err := r.store.Send(t.Context(), dying); err == nil {
		t.Error("Send = nil although its session died before the mark")
	}
	if got := backlog(t, r.worker); got != 1 {
		t.Errorf("backlog = %d, want the letter still there", got)
	}
	if err := c.sent(t, r.worker, 1); err != nil {
		t.Errorf("Send after the crash: %v", err)
	}
	if diff := cmp.Diff([]readmodel.Place{at, at}, c.got); diff != "" {
		t.Errorf("copies (-want +got):\n%s", diff)
	}
	if n := one[int](t, r, `SELECT count(*) FROM waybill.dead_letters`); n != 1 {
		t.Errorf("%d dead letters, want 1", n)
	}
}

func TestOneProcessSendsAtATime(t *testing.T) {
	r, l := newRig(t), &teller{tenant: "acme"}
	r.refuse(t, l.placed("o1", 0))
	other, c := r.newWorker(t), &copies{}
	n, err := r.store.Send(t.Context(), func(ctx context.Context, letters []projector.DeadLetter) error {
		if err := (&copies{}).sent(t, other, 0); err != nil {
			t.Errorf("the other's Send: %v", err)
		}
		return c.publish(ctx, letters)
	})
	if n != 1 || err != nil {
		t.Errorf("Send = %d, %v", n, err)
	}
	r.refuse(t, l.placed("o2", 0))
	if err := c.sent(t, other, 1); err != nil { // the lock has been let go
		t.Errorf("the other's Send: %v", err)
	}
}

func TestWhatWasPublishedIsRememberedAlthoughTheProcessStops(t *testing.T) {
	r, l := newRig(t), &teller{tenant: "acme"}
	r.refuse(t, l.placed("o1", 0))
	ctx, stop := context.WithCancel(t.Context())
	if _, err := r.store.Send(ctx, func(context.Context, []projector.DeadLetter) error { stop(); return nil }); err != nil {
		t.Errorf("Send: %v", err)
	}
	if got := backlog(t, r.worker); got != 0 {
		t.Errorf("backlog = %d: the copy would be published again", got)
	}
}

func TestAReplayedLetterIsAppliedAsIfItHadNeverBeenRefused(t *testing.T) {
	r, plain := newRig(t), newRig(t)
	tell := func() []events.Event {
		l := &teller{tenant: "acme"}
		return []events.Event{l.placed("o1", 0), l.created("s1", "o1", 1), l.departed("s1", 2), l.delivered("s1", 3)}
	}
	evs := tell()
	plain.apply(t, tell())
	at := r.refuse(t, evs[0], evs[1], evs[2])
	r.apply(t, evs[3:])
	positions := one[string](t, r, `SELECT json_agg(o ORDER BY topic, partition)::text FROM waybill.projection_offsets o`)
	for _, at := range at {
		if got := r.replay(t, at); got.Refused != nil || got.Status != "replayed" || got.Applied.New != 1 {
			t.Errorf("Replay(%s) = %+v", at, got)
		}
	}
	if diff := diffLines(dump(t, plain), dump(t, r)); diff != "" {
		t.Errorf("rows (-never refused +replayed):\n%s", diff)
	}
	if now := one[string](t, r, `SELECT json_agg(o ORDER BY topic, partition)::text FROM waybill.projection_offsets o`); now != positions {
		t.Errorf("positions were %s, are %s", positions, now)
	}
	l := r.letter(t, at[0])
	if l.Status != "replayed" || l.By != "me" || l.Settled.IsZero() || l.Tried.IsZero() || l.Attempts != 2 {
		t.Errorf("letter = %+v", l)
	}
	more := &teller{tenant: "acme"}
	more.told = 100
	r.apply(t, []events.Event{more.placed("o9", 9)}) // the owner is not fenced
}

func TestReplayingTwiceIsReplayingOnce(t *testing.T) {
	r, l := newRig(t), &teller{tenant: "acme"}
	at := r.refuse(t, l.placed("o1", 0))[0]
	r.replay(t, at)
	rows, changes := dump(t, r), one[int](t, r, `SELECT count(*) FROM waybill.changes`)
	if got := r.replay(t, at); !got.Before || got.Status != "replayed" {
		t.Errorf("Replay again = %+v, want that it was settled before", got)
	}
	// Even the record itself, in another letter, has no second effect.
	r.conn.Exec(t.Context(), `UPDATE waybill.dead_letters SET status = 'new', settled_at = NULL`) //nolint:errcheck // seen by what follows
	if got := r.replay(t, at); got.Before || got.Applied.Duplicates != 1 || got.Applied.New != 0 || got.Status != "replayed" {
		t.Errorf("Replay of what is stored = %+v, want a duplicate", got)
	}
	if diff := diffLines(rows, dump(t, r)); diff != "" {
		t.Errorf("rows (-once +twice):\n%s", diff)
	}
	if now := one[int](t, r, `SELECT count(*) FROM waybill.changes`); now != changes {
		t.Errorf("%d changes after the repetition, want %d", now, changes)
	}
}

func TestWhatIsPoisonStillStaysAndCountsTheAttempt(t *testing.T) {
	r, l := newRig(t), &teller{tenant: "acme"}
	stored := l.placed("o1", 0)
	r.apply(t, []events.Event{stored})
	other := l.placed("o1", 5)
	other.ID = stored.ID
	conflict, garbage := r.refuse(t, other)[0], r.keep(t, events.Message{Key: []byte("acme|o1"), Value: []byte("{")})[0]
	before := dump(t, r)
	for at, want := range map[readmodel.Place]string{conflict: "id_conflict", garbage: "malformed_json"} {
		for try := range 2 {
			got := r.replay(t, at)
			if got.Refused == nil || got.Status != "new" || got.Refused.Code != want {
				t.Errorf("Replay(%s) = %+v, want it refused as %s", at, got, want)
				continue
			}
			if l := r.letter(t, at); l.Status != "new" || l.Attempts != 2+try || l.Tried.IsZero() || l.Code != got.Refused.Code || l.Poison.Message != got.Refused.Message {
				t.Errorf("letter = %+v, want attempt %d and the reason of now", l, 2+try)
			}
		}
	}
	if diff := diffLines(before, dump(t, r)); diff != "" {
		t.Errorf("rows (-before +after):\n%s", diff)
	}
}

// What the database refuses is poison too, and its transaction leaves nothing.
func TestAReplayThatTheDatabaseRefusesSaysWhy(t *testing.T) {
	r, l := newRig(t), &teller{tenant: "acme"}
	at := r.refuse(t, l.placed("o1", 0))[0]
	if _, err := r.conn.Exec(t.Context(), `ALTER TABLE rm_1.orders ADD CONSTRAINT never CHECK (order_id <> 'o1') NOT VALID`); err != nil {
		t.Fatal(err)
	}
	if got := r.replay(t, at); got.Refused == nil || got.Refused.Code != "constraint" || got.Refused.SQLState != "23514" {
		t.Errorf("Replay = %+v, want a constraint", got)
	}
	if n := one[int](t, r, `SELECT count(*) FROM waybill.events`); n != 0 {
		t.Errorf("%d events of a refused replay", n)
	}
	if _, err := r.conn.Exec(t.Context(), `ALTER TABLE rm_1.orders DROP CONSTRAINT never`); err != nil {
		t.Fatal(err)
	}
	if got := r.replay(t, at); got.Refused != nil || r.letter(t, at).Attempts != 3 {
		t.Errorf("Replay once it is allowed = %+v", got)
	}
}

func TestADryRunSaysTheSameAndChangesNothing(t *testing.T) {
	r, l := newRig(t), &teller{tenant: "acme"}
	good, bad := r.refuse(t, l.placed("o1", 0))[0], r.keep(t, events.Message{})[0]
	before, letters := dump(t, r), one[string](t, r, `SELECT json_agg(d ORDER BY "offset")::text FROM waybill.dead_letters d`)
	got, err := r.store.Replay(t.Context(), good, "me", true)
	if err != nil || got.Refused != nil || got.Applied.New != 1 || got.Status != "new" {
		t.Errorf("dry Replay = %+v, %v; want that it would be applied", got, err)
	}
	if got, err := r.store.Replay(t.Context(), bad, "me", true); err != nil || got.Refused == nil || got.Refused.Code != "null_value" {
		t.Errorf("dry Replay = %+v, %v; want that it would be refused", got, err)
	}
	if done, err := r.store.Discard(t.Context(), bad, "me", "why", true); !done.Done || err != nil {
		t.Errorf("dry Discard = %v, %v", done, err)
	}
	if diff := diffLines(before, dump(t, r)); diff != "" {
		t.Errorf("rows changed:\n%s", diff)
	}
	if now := one[string](t, r, `SELECT json_agg(d ORDER BY "offset")::text FROM waybill.dead_letters d`); now != letters {
		t.Errorf("letters were %s, are %s", letters, now)
	}
}

// A replay moves no position, and neither waits for the owner of the partition
// nor makes it wait.
func TestAReplayIsNoneOfTheOwnersBusiness(t *testing.T) {
	r, l := newRig(t), &teller{tenant: "acme"}
	at := r.refuse(t, l.placed("o1", 0))[0]
	h := hold(t, r, `SELECT FROM waybill.projection_offsets FOR UPDATE`) // as a batch does that is under way
	done := make(chan error, 1)
	go func() {
		_, err := r.store.Replay(t.Context(), at, "me", false)
		done <- err
	}()
	finish(t, done)
	h.release(t)
}

func TestADiscardedLetterSaysByWhomAndWhy(t *testing.T) {
	r, l := newRig(t), &teller{tenant: "acme"}
	at := r.refuse(t, l.placed("o1", 0))[0]
	if done, err := r.store.Discard(t.Context(), at, "ann", "test data", false); !done.Done || err != nil {
		t.Fatalf("Discard = %v, %v", done, err)
	}
	if done, err := r.store.Discard(t.Context(), at, "bob", "again", false); done.Done || err != nil {
		t.Errorf("Discard again = %v, %v; want that it was settled", done, err)
	}
	if got := r.replay(t, at); !got.Before || got.Status != "discarded" {
		t.Errorf("Replay = %+v, want that it was settled", got)
	}
	if l := r.letter(t, at); l.Status != "discarded" || l.By != "ann" || l.Why != "test data" || l.Settled.IsZero() || !l.Tried.IsZero() || l.Attempts != 1 {
		t.Errorf("letter = %+v", l)
	}
	nowhere := readmodel.Place{Partition: at.Partition, Offset: 99}
	if _, err := r.store.Discard(t.Context(), nowhere, "ann", "x", false); !errors.Is(err, readmodel.ErrNoLetter) {
		t.Errorf("Discard of nothing = %v, want %v", err, readmodel.ErrNoLetter)
	}
	_, err := r.store.Replay(t.Context(), nowhere, "ann", false)
	if passing, ok := errors.AsType[interface {
		error
		Temporary() bool
	}](err); !errors.Is(err, readmodel.ErrNoLetter) || ok && passing.Temporary() {
		t.Errorf("Replay of nothing = %v, want %v for good", err, readmodel.ErrNoLetter)
	}
}

func TestLettersAreChosen(t *testing.T) {
	r, l, m := newRig(t), &teller{tenant: "acme"}, &teller{tenant: "acme2"}
	at := r.refuse(t, l.placed("o1", 0), l.placed("o2", 0), m.placed("o1", 0), l.created("s1", "o1", 0))
	r.keep(t, events.Message{})
	if _, err := r.conn.Exec(t.Context(), `UPDATE waybill.dead_letters SET created_at = now() - interval '2 days' WHERE topic = $1 AND "offset" = 0`, events.OrdersTopic); err != nil {
		t.Fatal(err)
	}
	if _, err := r.store.Discard(t.Context(), at[1], "me", "why", false); err != nil {
		t.Fatal(err)
	}
	ptr := func(n int64) *int64 { return &n }
	seven, zero := int32(7), int32(0)
	const all = `["waybill.orders.v1/0/0","waybill.orders.v1/0/1","waybill.orders.v1/0/2","waybill.orders.v1/0/3","waybill.shipments.v1/0/0"]`
	for _, tt := range []struct {
		name   string
		filter readmodel.LetterFilter
		want   string
		more   int
	}{
		{"all", readmodel.LetterFilter{}, all, 0},
		{"a limit", readmodel.LetterFilter{Limit: 2}, `["waybill.orders.v1/0/0","waybill.orders.v1/0/1"]`, 3},
		{"a topic", readmodel.LetterFilter{Topic: events.ShipmentsTopic}, `["waybill.shipments.v1/0/0"]`, 0},
		{"a partition", readmodel.LetterFilter{Partition: &zero}, all, 0},
		{"another partition", readmodel.LetterFilter{Partition: &seven}, `null`, 0},
		{"from", readmodel.LetterFilter{From: ptr(3)}, `["waybill.orders.v1/0/3"]`, 0},
		{"a range", readmodel.LetterFilter{From: ptr(1), To: ptr(2)}, `["waybill.orders.v1/0/1","waybill.orders.v1/0/2"]`, 0},
		{"a class", readmodel.LetterFilter{Class: []string{"malformed_json", "x"}}, `["waybill.orders.v1/0/3"]`, 0},
		{"a status", readmodel.LetterFilter{Status: "discarded"}, `["waybill.orders.v1/0/1"]`, 0},
		{"since", readmodel.LetterFilter{Since: time.Now().Add(-time.Hour), Topic: events.OrdersTopic}, `["waybill.orders.v1/0/1","waybill.orders.v1/0/2","waybill.orders.v1/0/3"]`, 0},
		{"a key", readmodel.LetterFilter{Key: []byte("acme|o1")}, `["waybill.orders.v1/0/0"]`, 0},
		{"a tenant", readmodel.LetterFilter{KeyPrefix: []byte("acme|")}, `["waybill.orders.v1/0/0","waybill.orders.v1/0/1","waybill.shipments.v1/0/0"]`, 0},
		{"places", readmodel.LetterFilter{Places: []readmodel.Place{at[3], at[0], {Partition: at[0].Partition, Offset: 99}}}, `["waybill.orders.v1/0/0","waybill.shipments.v1/0/0"]`, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			list, more, err := r.store.Letters(t.Context(), tt.filter)
			if err != nil {
				t.Fatal(err)
			}
			var ids []string
			for i := range list {
				ids = append(ids, list[i].Place().String())
			}
			got, err := json.Marshal(ids)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != tt.want || more != tt.more {
				t.Errorf("Letters = %s and %d more, want %s and %d", got, more, tt.want, tt.more)
			}
		})
	}
}
