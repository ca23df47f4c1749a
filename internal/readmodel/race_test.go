package readmodel_test

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/projector"
	"github.com/waybill-io/waybill/internal/scenario"
)

// held is a transaction of a third party that holds up whoever comes to one row.
type held struct {
	tx pgx.Tx
}

func hold(t testing.TB, r *rig, lock string, args ...any) *held {
	t.Helper()
	tx, err := connect(t, r.url).Begin(t.Context())
	if err != nil {
		t.Fatalf("begin: %v", err)
	}
	if _, err := tx.Exec(t.Context(), lock, args...); err != nil {
		t.Fatalf("%s: %v", lock, err)
	}
	return &held{tx}
}

func (h *held) release(t testing.TB) {
	t.Helper()
	if err := h.tx.Rollback(t.Context()); err != nil {
		t.Fatalf("rollback: %v", err)
	}
}

// waiters waits until as many sessions wait for a lock in this database.
func waiters(t testing.TB, r *rig, want int) {
	t.Helper()
	const query = `SELECT count(*) FROM pg_stat_activity
		WHERE datname = current_database() AND wait_event_type = 'Lock' AND cardinality(pg_blocking_pids(pid)) > 0`
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(20 * time.Second); ; {
		if n := one[int](t, r, query); n == want {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("%d sessions never came to wait for a lock", want)
		case <-tick.C:
		}
	}
}

// later applies a batch in a goroutine of its own.
func later(t testing.TB, w *worker, evs ...events.Event) <-chan error {
	b := w.batch(t, evs)
	done := make(chan error, 1)
	go func() {
		_, err := w.store.Apply(t.Context(), b)
		done <- err
	}()
	return done
}

func finish(t testing.TB, all ...<-chan error) {
	t.Helper()
	for i, done := range all {
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("batch %d: %v", i+1, err)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("batch %d never ended", i+1)
		}
	}
}

func part(n int32) projector.Partition {
	return projector.Partition{Topic: events.ShipmentsTopic, ID: n}
}

// A scan and an assignment of one number in two transactions at once: both lock
// the number first, so that the later one sees what the earlier one did.
func TestScanAndAssignmentDoNotMissEachOther(t *testing.T) {
	setUp := func(t *testing.T) (*rig, *worker, *worker, *teller) {
		r, l := newRig(t), &teller{tenant: "acme"}
		scans, own := r.newWorker(t, part(1)), r.newWorker(t, part(2))
		own.apply(t, []events.Event{l.created("s1", "o1", 0)})
		scans.apply(t, []events.Event{l.scanned("N1", 1)}) // the number has its row
		return r, scans, own, l
	}
	t.Run("scan first", func(t *testing.T) {
		r, scans, own, l := setUp(t)
		scan := l.scanned("N1", 5)
		mark := hold(t, r, `INSERT INTO rm_1.event_marks (tenant_id, stream, stream_id, source, event_id)
			VALUES ('acme', 'tracking', $1, $2, $3)`, scan.Subject, string(scan.Source), string(scan.ID))
		first := later(t, scans, scan) // has the number, waits for its mark
		waiters(t, r, 1)
		second := later(t, own, l.assigned("s1", "N1", 4, nil))
		waiters(t, r, 2)
		mark.release(t)
		finish(t, first, second)
		inTransit(t, r)
	})
	t.Run("assignment first", func(t *testing.T) {
		r, scans, own, l := setUp(t)
		row := hold(t, r, `SELECT FROM rm_1.shipments WHERE shipment_id = 's1' FOR UPDATE`)
		first := later(t, own, l.assigned("s1", "N1", 4, nil)) // has the number, waits for the shipment
		waiters(t, r, 1)
		second := later(t, scans, l.scanned("N1", 5))
		waiters(t, r, 2)
		row.release(t)
		finish(t, first, second)
		inTransit(t, r)
	})
}

// inTransit checks that the scan of N1 reached shipment s1.
func inTransit(t *testing.T, r *rig) {
	t.Helper()
	if got := one[string](t, r, `SELECT status FROM rm_1.shipments WHERE shipment_id = 's1'`); got != "in_transit" {
		t.Errorf("status = %s, want in_transit", got)
	}
	if n := one[int](t, r, `SELECT count(*) FROM rm_1.unmatched_scans`); n != 0 {
		t.Errorf("%d scans are unmatched, want none", n)
	}
	if n := one[int](t, r, `SELECT count(*) FROM rm_1.event_marks`); n != 0 {
		t.Errorf("%d entries are marked, want none", n)
	}
}

// An order event and a hand-over of its lines in two transactions at once.
func TestOrderAndShipmentDoNotMissEachOther(t *testing.T) {
	for _, first := range []string{"order", "shipment"} {
		t.Run(first+" first", func(t *testing.T) {
			r, l := newRig(t), &teller{tenant: "acme"}
			shipments, orders := r.newWorker(t, part(1)), r.newWorker(t, projector.Partition{Topic: events.OrdersTopic, ID: 1})
			shipments.apply(t, []events.Event{l.created("s1", "o1", 0)})
			feed := hold(t, r, `SELECT FROM waybill.tenant_stream WHERE tenant_id = 'acme' FOR UPDATE`)
			placed, departed := l.placed("o1", 1), l.departed("s1", 2)
			var one, two <-chan error
			if first == "order" {
				one = later(t, orders, placed)
				waiters(t, r, 1)
				two = later(t, shipments, departed)
			} else {
				one = later(t, shipments, departed)
				waiters(t, r, 1)
				two = later(t, orders, placed)
			}
			waiters(t, r, 2)
			feed.release(t)
			finish(t, one, two)
			orderShipped(t, r)
		})
	}
}

func orderShipped(t *testing.T, r *rig) {
	t.Helper()
	if got := one[string](t, r, `SELECT status FROM rm_1.orders WHERE order_id = 'o1'`); got != "shipped" {
		t.Errorf("status = %s, want shipped", got)
	}
}

// A shipment is folded anew because of a late fact of its own, while a scan of
// its number comes that nobody had the number for: the first one knows the
// number's stream without its lock, and must leave the list of unmatched scans
// to whoever has it.
func TestRefoldLeavesTheNumbersScansToWhoLockedIt(t *testing.T) {
	r, l := newRig(t), &teller{tenant: "acme"}
	scans, own := r.newWorker(t, part(1)), r.newWorker(t, part(2))
	from := hour(10)
	own.apply(t, []events.Event{l.created("s1", "o1", 0), l.assigned("s1", "N1", 1, &from), l.departed("s1", 12)})
	scans.apply(t, []events.Event{l.scanned("N1", 5)})
	feed := hold(t, r, `SELECT FROM waybill.tenant_stream WHERE tenant_id = 'acme' FOR UPDATE`)
	refold := later(t, own, l.departed("s1", 11)) // all its rows are written, but for the feed
	waiters(t, r, 1)
	scan := later(t, scans, l.scanned("N1", 6))
	finish(t, scan) // is not held up by the fold
	feed.release(t)
	finish(t, refold)
	if n := one[int](t, r, `SELECT count(*) FROM rm_1.unmatched_scans`); n != 2 {
		t.Errorf("%d scans are unmatched, want both", n)
	}
}

// Two workers on the two topics, with batches as small as they come, end where
// one worker ends.
func TestTwoWorkersEndWhereOneEnds(t *testing.T) {
	var all []events.Event
	for i := range 25 {
		all = append(all, scenario.Order(11, i)...)
	}
	alone := newRig(t)
	alone.apply(t, all)
	want := dump(t, alone)

	r := newRig(t)
	errs := make(chan error)
	workers := []*worker{
		r.newWorker(t, projector.Partition{Topic: events.OrdersTopic, ID: 1}), r.newWorker(t, part(1)), r.newWorker(t, part(2)),
	}
	for i, w := range workers {
		var batches []projector.Batch
		for _, evs := range cut(rand.New(rand.NewPCG(3, uint64(i))), shareOf(i, all), 4) {
			batches = append(batches, w.batch(t, evs))
		}
		go func() { errs <- applyAll(t, w, batches) }()
	}
	for range workers {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if diff := diffLines(want, dump(t, r)); diff != "" {
		t.Errorf("rows differ (-one worker +three):\n%s", diff)
	}
	denseFeed(t, r)
}

// shareOf gives order streams to worker 0 and the other streams to 1 and 2.
func shareOf(i int, all []events.Event) []events.Event {
	var own []events.Event
	for _, e := range all {
		owner := 0
		if s := e.Stream(); s.Kind != events.OrderStream {
			owner = 1 + int(s.ID[len(s.ID)-1])%2
		}
		if owner == i {
			own = append(own, e)
		}
	}
	return own
}

// applyAll applies batches as the projector does: what may pass is tried again.
func applyAll(t *testing.T, w *worker, batches []projector.Batch) error {
	for _, b := range batches {
		for {
			_, err := w.store.Apply(t.Context(), b)
			if err == nil {
				break
			}
			if passing, ok := errors.AsType[interface {
				error
				Temporary() bool
			}](err); !ok || !passing.Temporary() {
				return err
			}
		}
	}
	return nil
}

// denseFeed checks that every tenant's feed has every position in (low, seq].
func denseFeed(t *testing.T, r *rig) {
	t.Helper()
	const query = `SELECT count(*) FROM waybill.tenant_stream t WHERE t.seq - t.low <>
		(SELECT count(*) FROM waybill.changes c WHERE c.tenant_id = t.tenant_id AND c.seq > t.low AND c.seq <= t.seq)
		OR EXISTS (SELECT FROM waybill.changes c WHERE c.tenant_id = t.tenant_id AND (c.seq <= t.low OR c.seq > t.seq))`
	if n := one[int](t, r, query); n != 0 {
		t.Errorf("the feed of %d tenants has holes", n)
	}
}
