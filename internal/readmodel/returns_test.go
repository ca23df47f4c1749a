package readmodel_test

import (
	"slices"
	"testing"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/fanout"
	"github.com/waybill-io/waybill/internal/tracking"
)

func (l *teller) back(order events.OrderID, h float64, id events.ReturnID) events.Return {
	return events.Return{OrderFact: events.OrderFact{Fact: at(h), OrderID: order}, ReturnID: id, ReasonCode: "too_small",
		Lines: []events.LineQty{{LineID: "l1", Qty: 1}}}
}

func (l *teller) returnRequested(order events.OrderID, h float64, id events.ReturnID) events.Event {
	return l.tell(string(order), &events.OrderReturnRequested{Return: l.back(order, h, id)})
}

func (l *teller) returnReceived(order events.OrderID, h float64, id events.ReturnID) events.Event {
	return l.tell(string(order), &events.OrderReturnReceived{Return: l.back(order, h, id)})
}

// A return shows on the order from its request to its receipt: to SQL users, to
// the read API, as of then, and to whoever subscribed.
func TestOpenReturnsShowWhereverTheOrderDoes(t *testing.T) {
	r := newRig(t)
	reader := r.reader(t)
	l := &teller{tenant: "a"}
	steps := []struct {
		event events.Event
		want  []string
	}{
		{l.placed("o1", 0), nil},
		{l.returnRequested("o1", 1, "r2"), []string{"r2"}},
		{l.returnRequested("o1", 2, "r1"), []string{"r1", "r2"}},
		{l.created("s1", "o1", 3), []string{"r1", "r2"}}, // a shipment that speaks of the order leaves them
		{l.returnReceived("o1", 4, "r2"), []string{"r1"}},
		{l.returnReceived("o1", 5, "r1"), nil},
	}
	for _, step := range steps {
		r.apply(t, []events.Event{step.event})
		where := map[string][]string{"SQL": one[[]string](t, r, `SELECT returns_open FROM waybill.orders WHERE order_id = 'o1'`)}
		order, err := reader.Order(t.Context(), "a", "o1")
		if err != nil {
			t.Fatal(err)
		}
		where["the read API"] = order.ReturnsOpen
		row, ok := snapshot(t, reader, "a", 0).rows[fanout.Change{Topic: fanout.Orders, ID: "o1"}].(*fanout.OrderRow)
		if !ok {
			t.Fatal("the snapshot has no row of the order")
		}
		where["the socket"] = row.ReturnsOpen
		for name, got := range where {
			if !slices.Equal(got, step.want) {
				t.Errorf("after %s %s has open returns %q, want %q", step.event.ID, name, got, step.want)
			}
		}
	}
	for i, step := range steps {
		then, err := reader.OrderAsOf(t.Context(), "a", "o1", tracking.AsOf{At: hour(float64(i)), Basis: tracking.ByOccurrence})
		if err != nil || !slices.Equal(then.ReturnsOpen, step.want) {
			t.Errorf("as of hour %d there were open returns %q, %v; want %q", i, then.ReturnsOpen, err, step.want)
		}
	}
}

// The column is in the version that was there and in later ones, and the view
// shows that of the live one.
func TestEveryVersionHasTheColumnOfOpenReturns(t *testing.T) {
	r := newRig(t)
	if _, err := r.conn.Exec(t.Context(), `SELECT waybill.create_read_model(2), waybill.use_read_model(2)`); err != nil {
		t.Fatalf("create_read_model: %v", err)
	}
	if _, err := r.conn.Exec(t.Context(), `INSERT INTO rm_2.orders (tenant_id, order_id, known, status, revision, returns_open, state)
		VALUES ('a', 'o1', true, 'placed', 1, '{r1}', '{}')`); err != nil {
		t.Fatalf("insert: %v", err)
	}
	if got := one[[]string](t, r, `SELECT returns_open FROM waybill.orders`); !slices.Equal(got, []string{"r1"}) {
		t.Errorf("the view shows %q, want r1", got)
	}
	const found = `SELECT string_agg(table_schema, ' ' ORDER BY table_schema) FROM information_schema.columns
		WHERE table_name = 'orders' AND column_name = 'returns_open'`
	if got, want := one[string](t, r, found), "rm_1 rm_2 waybill"; got != want {
		t.Errorf("the column is in %s, want %s", got, want)
	}
}
