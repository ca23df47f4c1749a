package ingest_test

import (
	"encoding/csv"
	"os"
	"slices"
	"testing"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/ingest"
	"github.com/waybill-io/waybill/internal/tracking"
	"github.com/waybill-io/waybill/internal/tracking/trackingtest"
)

// olistRow is a line of the file. Its times sort as text; "" is unknown.
type olistRow struct{ order, status, purchased, approved, handed, delivered string }

// olistRows reads the file without the mapping.
func olistRows(t *testing.T) []olistRow {
	t.Helper()
	f, err := os.Open(realOrders(t).Name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	lines, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	rows := make([]olistRow, 0, len(lines))
	for _, l := range lines[1:] {
		rows = append(rows, olistRow{order: l[0], status: l[2], purchased: l[3], approved: l[4], handed: l[5], delivered: l[6]})
	}
	return rows
}

// means is where the order stands, as a person reads the line.
func (r olistRow) means() tracking.OrderStatus {
	switch {
	case r.delivered != "":
		return tracking.OrderDelivered
	case r.handed != "":
		return tracking.OrderShipped
	case r.status == "canceled":
		return tracking.OrderCancelled
	case r.approved != "":
		return tracking.OrderConfirmed
	}
	return tracking.OrderPlaced
}

// Real orders are out of order in themselves: some are handed over before they
// are approved, or even bought, and some are cancelled when it is too late. None
// of them stays behind.
func TestOlistOrdersEndWhereTheirLinesSay(t *testing.T) {
	rows := olistRows(t)
	o := intake(t, olist(t), ingest.IntakeConfig{}, realOrders(t))
	if o.err != nil {
		t.Fatalf("Run: %v %v", o.err, o.problems)
	}
	facts := map[events.Stream][]*tracking.Fact{}
	for _, e := range o.log {
		hash, err := e.ContentHash()
		if err != nil {
			t.Fatal(err)
		}
		facts[e.Stream()] = append(facts[e.Stream()], tracking.NewFact(e, hash))
	}
	w := trackingtest.Fold(facts)
	early, impossible, tooLate, nevertheless := 0, 0, 0, 0
	for _, r := range rows {
		got := w.Orders[events.OrderID(r.order)]
		if want := r.means(); got.Status != want {
			t.Errorf("order %s is %s, want %s: %+v", r.order, got.Status, want, r)
		}
		cancelledOnTheWay := r.status == "canceled" && r.handed != ""
		if flagged := slices.Contains(got.Flags, tracking.CancelAfterShip); flagged != cancelledOnTheWay {
			t.Errorf("order %s has the flags %v: %+v", r.order, got.Flags, r)
		}
		early += count(r.handed != "" && r.approved != "" && r.handed < r.approved)
		impossible += count(r.handed != "" && r.handed < r.purchased)
		tooLate += count(cancelledOnTheWay)
		nevertheless += count(cancelledOnTheWay && r.delivered != "")
	}
	if early != 58 || impossible != 8 || tooLate != 3 || nevertheless != 1 {
		t.Errorf("the file has %d orders handed over before they were approved, %d before they were bought, %d cancelled after it, %d of these delivered; want 58, 8, 3 and 1",
			early, impossible, tooLate, nevertheless)
	}
	if len(w.Orders) != len(rows) {
		t.Errorf("%d orders, the file has %d", len(w.Orders), len(rows))
	}
	for ref, m := range w.Marks {
		t.Errorf("%v is marked %+v", ref, m)
	}
}

func count(is bool) int {
	if is {
		return 1
	}
	return 0
}
