package readmodel_test

import (
	"testing"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/projector"
)

// holdFeed holds a tenant's feed up: whoever comes to it has done all its work
// and holds all its locks. The feed must have begun.
func holdFeed(t *testing.T, r *rig) *held {
	t.Helper()
	return hold(t, r, `SELECT FROM waybill.tenant_stream WHERE tenant_id = 'acme' FOR UPDATE`)
}

// holdMark holds up whoever marks an event.
func holdMark(t *testing.T, r *rig, e *events.Event) *held {
	t.Helper()
	return hold(t, r, `INSERT INTO rm_1.event_marks (tenant_id, stream, stream_id, source, event_id)
		VALUES ('acme', 'tracking', $1, $2, $3)`, e.Subject, string(e.Source), string(e.ID))
}

// inTurn applies two batches at once. The first one has its locks and waits for a
// row that is held up; the second one has to wait for the first one's commit.
func inTurn(t *testing.T, r *rig, row *held, first, second func() <-chan error) {
	t.Helper()
	one := first()
	waiters(t, r, 1)
	two := second()
	waiters(t, r, 2)
	row.release(t)
	finish(t, one, two)
}

// bothWays runs a race in both orders, each in a database of its own.
func bothWays(t *testing.T, names [2]string, race func(t *testing.T, turn func(r *rig, a, b func() <-chan error))) {
	t.Helper()
	t.Run(names[0]+" first", func(t *testing.T) {
		race(t, func(r *rig, a, b func() <-chan error) { inTurn(t, r, holdFeed(t, r), a, b) })
	})
	t.Run(names[1]+" first", func(t *testing.T) {
		race(t, func(r *rig, a, b func() <-chan error) { inTurn(t, r, holdFeed(t, r), b, a) })
	})
}

// The number has no row yet: whoever comes first inserts it, and the other one
// waits for that. Nor has anybody heard of the shipment.
func TestScanAndAssignmentOfANewNumberDoNotMissEachOther(t *testing.T) {
	setUp := func(t *testing.T) (r *rig, scan events.Event, scans, assigns func() <-chan error) {
		r, l := newRig(t), &teller{tenant: "acme"}
		carrier, own := r.newWorker(t, part(1)), r.newWorker(t, part(2))
		own.apply(t, []events.Event{l.created("s0", "o0", 0)})
		scan, assigned := l.scanned("N1", 5), l.assigned("s1", "N1", 4, nil)
		return r, scan, func() <-chan error { return later(t, carrier, scan) }, func() <-chan error { return later(t, own, assigned) }
	}
	t.Run("scan first", func(t *testing.T) {
		r, scan, scans, assigns := setUp(t)
		inTurn(t, r, holdMark(t, r, &scan), scans, assigns) // nobody hears of a scan that is nobody's: it comes to no feed
		inTransit(t, r)
	})
	t.Run("assignment first", func(t *testing.T) {
		r, _, scans, assigns := setUp(t)
		inTurn(t, r, holdFeed(t, r), assigns, scans)
		inTransit(t, r)
	})
}

// The order has no row yet, neither has the shipment.
func TestNewOrderAndNewShipmentDoNotMissEachOther(t *testing.T) {
	bothWays(t, [2]string{"order", "shipment"}, func(t *testing.T, turn func(*rig, func() <-chan error, func() <-chan error)) {
		r, l := newRig(t), &teller{tenant: "acme"}
		shipments, orders := r.newWorker(t, part(1)), r.newWorker(t, projector.Partition{Topic: events.OrdersTopic, ID: 1})
		shipments.apply(t, []events.Event{l.created("s0", "o0", 0)})
		placed, created, departed := l.placed("o1", 1), l.created("s1", "o1", 0), l.departed("s1", 2)
		turn(r, func() <-chan error { return later(t, orders, placed) }, func() <-chan error { return later(t, shipments, created, departed) })
		orderShipped(t, r)
	})
}

// Two shipments of one order, which has no row yet.
func TestNewShipmentsOfOneOrderDoNotMissEachOther(t *testing.T) {
	bothWays(t, [2]string{"s1", "s2"}, func(t *testing.T, turn func(*rig, func() <-chan error, func() <-chan error)) {
		r, l := newRig(t), &teller{tenant: "acme"}
		a, b := r.newWorker(t, part(1)), r.newWorker(t, part(2))
		a.apply(t, []events.Event{l.created("s0", "o0", 0)})
		one1, two1 := l.created("s1", "o1", 0), l.departed("s1", 1)
		one2, two2 := l.created("s2", "o1", 0), l.departed("s2", 1)
		turn(r, func() <-chan error { return later(t, a, one1, two1) }, func() <-chan error { return later(t, b, one2, two2) })
		if got := one[int](t, r, `SELECT shipped FROM rm_1.orders WHERE order_id = 'o1'`); got != 4 {
			t.Errorf("%d units are shipped, want those of both shipments, 4", got)
		}
	})
}

// A number goes from one shipment to another while a scan of it comes, which is
// the other one's by its time: it ends there and nowhere else.
func TestScanAndMovedAssignmentDoNotMissEachOther(t *testing.T) {
	moves := map[string]func(l *teller, was events.Event) []events.Event{
		"assigned anew": func(l *teller, _ events.Event) []events.Event {
			three := hour(3)
			return []events.Event{l.assigned("s2", "N1", 4, &three)}
		},
		"corrected": func(l *teller, was events.Event) []events.Event {
			return []events.Event{l.retract(was, 4), l.assigned("s2", "N1", 4, nil)}
		},
	}
	for name, moved := range moves {
		t.Run(name, func(t *testing.T) {
			bothWays(t, [2]string{"scan", "assignment"}, func(t *testing.T, turn func(*rig, func() <-chan error, func() <-chan error)) {
				r, l := newRig(t), &teller{tenant: "acme"}
				scans, own := r.newWorker(t, part(1)), r.newWorker(t, part(2))
				assigned := l.assigned("s1", "N1", 1, nil)
				own.apply(t, []events.Event{l.created("s1", "o1", 0), l.created("s2", "o2", 0), assigned})
				scan, its := l.scanned("N1", 5), moved(l, assigned)
				turn(r, func() <-chan error { return later(t, scans, scan) }, func() <-chan error { return later(t, own, its...) })
				const stand = `SELECT string_agg(shipment_id || ' ' || status, ', ' ORDER BY shipment_id) FROM rm_1.shipments`
				if got, want := one[string](t, r, stand), "s1 created, s2 in_transit"; got != want {
					t.Errorf("the shipments are %s, want %s", got, want)
				}
				if n := one[int](t, r, `SELECT count(*) FROM rm_1.unmatched_scans`); n != 0 {
					t.Errorf("%d scans are unmatched, want none", n)
				}
			})
		})
	}
}
