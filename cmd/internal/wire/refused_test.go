package wire_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Rows 82 and 83: an event has one effect however often and late it comes, and
// the first of one identity wins.
func TestCopiesAndConflicts(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	first := s.order(t)
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	again := s.confirmed(t, subject(first), "e-1", at)
	again.Timestamp = time.Now().AddDate(0, 0, 30)
	other := s.confirmed(t, subject(first), "e-1", at.Add(time.Hour))
	after := s.confirmed(t, subject(first), "e-2", at.Add(2*time.Hour))
	s.produce(t, first, again, other, after)
	s.applied(t, first, after)
	if got := s.letter(t, again); got != nil {
		t.Errorf("the copy is a dead letter of class %s, want none", got.Class)
	}
	if got := s.letter(t, other); got == nil || got.Class != "id_conflict" {
		t.Errorf("dead letter of the conflict = %v, want id_conflict", got)
	}
	when := one[time.Time](t, s.db, `SELECT occurred_at FROM waybill.events WHERE stream_id = $1 AND event_id = 'e-1'`, subject(first))
	if !when.Equal(at) {
		t.Errorf("occurred_at = %v, want that of the first, %v", when, at)
	}
}

// Rows 79 and 80: what a transaction wrote is seen once it is committed and never
// when it is aborted, and the offsets of markers are no gap.
func TestTransactionsOfOthersAreSeenOnceCommitted(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	c := s.connect(t, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.TransactionalID(subject(s.order(t))))
	var committed, aborted []*kgo.Record
	for i := range 6 {
		r := s.orderOn(t, 3)
		if err := c.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := c.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
		commit := kgo.TransactionEndTry(i%2 == 1)
		if err := c.EndTransaction(t.Context(), commit); err != nil {
			t.Fatal(err)
		}
		if commit {
			committed = append(committed, r)
		} else {
			aborted = append(aborted, r)
		}
	}
	last := s.orderOn(t, 3)
	s.produce(t, last)
	s.applied(t, append(committed, last)...)
	for _, r := range aborted {
		if n := one[int](t, s.db, `SELECT count(*) FROM waybill.events WHERE stream_id = $1`, subject(r)); n != 0 {
			t.Errorf("%d events of the aborted %s, want none", n, subject(r))
		}
	}
	if n := one[int](t, s.db, `SELECT count(*) FROM waybill.dead_letters`); n != 0 {
		t.Errorf("%d dead letters, want none", n)
	}
}

// trap makes Postgres refuse an order's events with a SQLSTATE: always, or the
// first few times.
const trap = `
	CREATE SEQUENCE waybill.tries_%[1]s;
	CREATE FUNCTION waybill.trap_%[1]s() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
	BEGIN
		IF nextval('waybill.tries_%[1]s') <= %[3]d THEN
			RAISE EXCEPTION 'trapped' USING ERRCODE = '%[1]s';
		END IF;
		RETURN NEW;
	END $$;
	CREATE TRIGGER trap_%[1]s BEFORE INSERT ON waybill.events FOR EACH ROW WHEN (NEW.stream_id = '%[2]s') EXECUTE FUNCTION waybill.trap_%[1]s();`

// Rows 85 and 86: what one row is to blame for is kept, what passes is waited
// for. A unique violation (23505) is of the latter kind: all writes say ON
// CONFLICT or hold a lock, so that only a race can cause it.
func TestWhatPostgresRefuses(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	const always, twice = 1_000_000, 2
	type refusal struct {
		code  string
		times int
	}
	var tests []refusal
	for _, code := range []string{"23514", "23502", "22001", "22003", "22008", "22P02", "22P05", "22021", "54000", "54001"} {
		tests = append(tests, refusal{code, always})
	}
	for _, code := range []string{"40001", "40P01", "55P03", "57014", "57P01", "53300", "08006", "25006", "23505"} {
		tests = append(tests, refusal{code, twice})
	}
	for _, tt := range tests {
		t.Run(tt.code, func(t *testing.T) {
			trapped, elsewhere := s.order(t), s.order(t)
			before, after := s.orderOn(t, trapped.Partition), s.orderOn(t, trapped.Partition)
			for elsewhere.Partition == trapped.Partition {
				elsewhere = s.order(t)
			}
			if _, err := s.db.Exec(t.Context(), fmt.Sprintf(trap, tt.code, subject(trapped), tt.times)); err != nil {
				t.Fatal(err)
			}
			s.produce(t, before, trapped, after, elsewhere)
			s.applied(t, before, after, elsewhere)
			got := s.letter(t, trapped)
			if tt.times == twice {
				s.applied(t, trapped)
				if got != nil {
					t.Errorf("a dead letter of class %s, want that it was tried again", got.Class)
				}
				return
			}
			if got == nil || got.Class != "constraint" || got.SQLState != tt.code {
				t.Errorf("dead letter = %+v, want constraint %s", got, tt.code)
			}
		})
	}
}
