package readmodel_test

import (
	"testing"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/projector"
)

func (l *teller) lost(shipment events.ShipmentID, h float64) events.Event {
	return l.tell(string(shipment), &events.Lost{Reasoned: events.Reasoned{ShipmentFact: events.ShipmentFact{Fact: at(h), ShipmentID: shipment}, ReasonCode: "why"}})
}

// retract takes an event back.
func (l *teller) retract(e events.Event, h float64) events.Event {
	return l.tell(e.Subject, &events.Retracted{Fact: at(h), Stream: e.Stream().Kind, RetractedSource: e.Source, RetractedID: e.ID, Reason: "did_not_occur"})
}

// What a later batch says changes what earlier ones meant: rows vanish, marks
// come and go, scans move, sums follow. Each history is told one event a batch,
// and all at once to another tenant.
func TestLaterBatchesChangeWhatEarlierOnesMeant(t *testing.T) {
	five := hour(5)
	tests := []struct {
		name  string
		tell  func(l *teller) []events.Event
		query string // of tenant a
		want  string
	}{
		{"a regression is none any more when the delivery is taken back", func(l *teller) []events.Event {
			delivered := l.delivered("s1", 2)
			return []events.Event{l.created("s1", "o1", 0), l.departed("s1", 1), delivered, l.departed("s1", 3), l.retract(delivered, 4)}
		}, `SELECT string_agg(event_id || coalesce(' by ' || retracted_by_id, '') || array_to_string(anomalies, ' '), ', ') FROM rm_1.event_marks WHERE tenant_id = 'a'`,
			"e1 by e5"},
		{"a scan is taken back at a time when another shipment has the number", func(l *teller) []events.Event {
			scan := l.scanned("N1", 3)
			return []events.Event{l.created("s1", "o1", 0), l.created("s2", "o1", 0), l.assigned("s1", "N1", 0, nil), l.assigned("s2", "N1", 0, &five), scan, l.retract(scan, 9)}
		}, `SELECT string_agg(status, ' ') FROM rm_1.shipments WHERE tenant_id = 'a'`, "created created"},
		{"an assignment is taken back: its scan is unmatched", func(l *teller) []events.Event {
			assigned := l.assigned("s1", "N1", 1, nil)
			return []events.Event{l.created("s1", "o1", 0), assigned, l.scanned("N1", 3), l.retract(assigned, 4)}
		}, `SELECT s.status || ' ' || m.unmatched || ' ' || u.type FROM rm_1.shipments s, rm_1.event_marks m, rm_1.unmatched_scans u
			WHERE s.tenant_id = 'a' AND m.tenant_id = 'a' AND m.stream = 'tracking' AND u.tenant_id = 'a'`, "created true shipment.departed.v1"},
		{"an assignment loses to one of the same moment", func(l *teller) []events.Event {
			return []events.Event{l.created("s1", "o1", 0), l.assigned("s1", "N1", 1, nil), l.scanned("N1", 3), l.assigned("s2", "N1", 2, nil)}
		}, `SELECT string_agg(s.shipment_id || ' ' || s.status || coalesce(' ' || m.event_id || array_to_string(m.anomalies, ' '), ''), ', ' ORDER BY s.shipment_id)
			FROM rm_1.shipments s LEFT JOIN rm_1.event_marks m ON m.tenant_id = 'a' AND m.stream_id = s.shipment_id WHERE s.tenant_id = 'a'`,
			"s1 created e2assignment_replaced, s2 in_transit"},
		{"what is lost is lost to the order, and found again", func(l *teller) []events.Event {
			return []events.Event{l.placed("o1", 0), l.created("s1", "o1", 1), l.departed("s1", 2), l.lost("s1", 3)}
		}, `SELECT status || ' ' || shipped || ' ' || lost FROM rm_1.orders WHERE tenant_id = 'a'`, "shipped 2 2"},
		{"a create is taken back: the order is nobody's", func(l *teller) []events.Event {
			created := l.created("s1", "o1", 1)
			return []events.Event{created, l.departed("s1", 2), l.retract(created, 3)}
		}, `SELECT count(*)::text || (SELECT count(*) FROM rm_1.shipment_contents WHERE tenant_id = 'a') || (SELECT string_agg(parcel_id || '.', '') FROM rm_1.parcels WHERE tenant_id = 'a')
			FROM rm_1.orders WHERE tenant_id = 'a'`, "00."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			evs := tt.tell(&teller{tenant: "a"})
			for _, e := range evs {
				r.apply(t, []events.Event{e})
			}
			r.apply(t, ofTenant("b", evs))
			if got := one[string](t, r, tt.query); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if diff := diffLines(r.rows(t, "b"), r.rows(t, "a")); diff != "" {
				t.Errorf("rows differ (-at once +one by one):\n%s", diff)
			}
		})
	}
}

// Whoever has read a shipment keeps it until it is written.
func TestReadShipmentsStayLocked(t *testing.T) {
	r, l := newRig(t), &teller{tenant: "acme"}
	scans, own := r.newWorker(t, part(1)), r.newWorker(t, part(2))
	five := hour(5)
	own.apply(t, []events.Event{l.created("s1", "o1", 0), l.assigned("s1", "N1", 1, nil), l.assigned("s1", "N2", 1, nil)})
	row := hold(t, r, `SELECT FROM rm_1.tracking_numbers WHERE tracking_number = 'N1' FOR UPDATE`)
	first := later(t, own, l.assigned("s1", "N1", 2, &five)) // has folded the shipment, cannot write its numbers
	waiters(t, r, 1)
	second := later(t, scans, l.scanned("N2", 6))
	waiters(t, r, 2)
	row.release(t)
	finish(t, first, second)
	inTransit(t, r)
}

// Whoever has read an order keeps it until it is written.
func TestReadOrdersStayLocked(t *testing.T) {
	r, l := newRig(t), &teller{tenant: "acme"}
	shipments, orders := r.newWorker(t, part(1)), r.newWorker(t, projector.Partition{Topic: events.OrdersTopic, ID: 1})
	vanishing := l.created("s0", "o0", 0)
	shipments.apply(t, []events.Event{vanishing, l.created("s1", "o1", 0)})
	row := hold(t, r, `SELECT FROM rm_1.order_lines WHERE order_id = 'o0' FOR UPDATE`)
	first := later(t, shipments, l.retract(vanishing, 1), l.departed("s1", 2)) // has read o0 and o1, cannot take o0 away
	waiters(t, r, 1)
	second := later(t, orders, l.placed("o1", 1))
	waiters(t, r, 2)
	row.release(t)
	finish(t, first, second)
	orderShipped(t, r)
}
