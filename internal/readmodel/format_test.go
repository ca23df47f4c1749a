package readmodel_test

import (
	"testing"

	"github.com/waybill-io/waybill/events"
)

// What an older release stored may lack what this one goes by, as that there is
// an estimate already, and a retraction of what has not come: such a state is
// folded from its history, and is of this release's format then.
func TestAStateOfAnOlderFormatIsFoldedAnew(t *testing.T) {
	tell := func() (stored, later []events.Event) {
		l := &teller{tenant: "acme"}
		eta := func(recorded float64) events.Event {
			f := at(9)
			f.Class = events.Estimated
			recordedAt := hour(recorded)
			e := l.tell("s1", &events.ETAChanged{ShipmentFact: events.ShipmentFact{Fact: f, ShipmentID: "s1"}, Provider: "carrier",
				Window: &events.Window{Start: hour(8), End: hour(9)}})
			e.RecordedAt, e.IngestedAt = recordedAt, recordedAt
			return e
		}
		hold := l.tell("o1", &events.OrderOnHold{OrderFact: events.OrderFact{Fact: at(3), OrderID: "o1"}, ReasonCode: "fraud_check"})
		back := l.tell("o1", &events.Retracted{Fact: at(2), Stream: events.OrderStream, RetractedSource: hold.Source, RetractedID: hold.ID, Reason: "incorrect_data"})
		return []events.Event{l.placed("o1", 0), l.created("s1", "o1", 1), eta(1), back}, []events.Event{eta(4), hold}
	}
	stored, later := tell()
	r, fresh := newRig(t), newRig(t)
	r.apply(t, stored)
	for _, statement := range []string{
		`UPDATE rm_1.shipments SET state = (state::jsonb - 'format' #- '{guard,estimates}' #- '{guard,newest_estimate}')::json`,
		`UPDATE rm_1.orders SET state = (state::jsonb - 'format' - 'pending')::json`,
	} {
		if _, err := r.conn.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	r.apply(t, later)
	fresh.apply(t, append(stored, later...))
	if diff := diffLines(dump(t, fresh), dump(t, r)); diff != "" {
		t.Errorf("from a state of an older format (-whole +here):\n%s", diff)
	}
	if got := one[int](t, r, `SELECT count(*) FROM rm_1.event_marks`); got < 2 {
		t.Errorf("%d entries are marked, want the copy of the estimate and the hold that was taken back", got)
	}
}
