package scenario_test

import (
	"slices"
	"testing"
	"time"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/scenario"
)

// facts are counts over many orders.
type facts struct {
	stray, n, orders                              int
	types                                         map[events.Type]int
	late, again, copies, overtaken                int
	byNumber, early, daily, skewed, planned       int
	split, manyParcels, shared, returned, renamed int
}

func count(t *testing.T, rates scenario.Rates) facts {
	t.Helper()
	f := facts{types: map[events.Type]int{}}
	seen := map[identity]bool{}
	hashes := map[[32]byte]bool{}
	shipments := map[events.OrderID]map[string]bool{}
	assigned := map[string]events.ParcelID{}
	last := map[string]time.Time{}
	delivered := map[string]bool{}
	for e := range generator(t, scenario.Config{Seed: 1, Orders: 150, Rates: rates}).Events() {
		f.n++
		f.types[e.Type()]++
		if seen[identityOf(e)] {
			f.again++
			continue
		}
		seen[identityOf(e)] = true
		if rates.Copy > 0 || rates == (scenario.Rates{}) {
			hash, err := e.ContentHash()
			if err != nil {
				t.Fatal(err)
			}
			if hashes[hash] {
				f.copies++
			}
			hashes[hash] = true
		}
		scan := e.Class() == events.Actual
		if scan && e.IngestedAt.Sub(e.Time) > 24*time.Hour {
			f.late++
		}
		if scan && e.Time.Add(15*time.Minute).Before(last[e.Subject]) {
			f.overtaken++
		}
		last[e.Subject] = e.Time
		if e.Precision() == events.ToDay {
			f.daily++
		}
		if e.Time.Sub(e.IngestedAt) > 24*time.Hour && scan {
			f.skewed++
		}
		if e.Class() == events.Planned {
			f.planned++
		}
		if e.Stream().Kind == events.TrackingStream {
			f.byNumber++
			if _, ok := assigned[e.Subject]; !ok {
				f.early++
			}
		}
		switch d := e.Data.(type) {
		case *events.Delivered:
			delivered[e.Subject] = true
		case *events.Arrived:
			if delivered[e.Subject] {
				f.stray++
			}
		case *events.TrackingAssigned:
			number := events.TrackingStreamOf(d.Carrier.SCAC, d.TrackingNumber).ID
			if p, ok := assigned[number]; ok && p != d.ParcelID {
				f.renamed++
			}
			assigned[number] = d.ParcelID
		case *events.ShipmentCreated:
			if len(d.Parcels) > 1 {
				f.manyParcels++
			}
			if d.Direction == events.Inbound {
				f.returned++
				break
			}
			var of []events.OrderID
			for _, c := range d.Contents {
				if !slices.Contains(of, c.OrderID) {
					of = append(of, c.OrderID)
				}
				if shipments[c.OrderID] == nil {
					shipments[c.OrderID] = map[string]bool{}
				}
				shipments[c.OrderID][e.Subject] = true
			}
			if len(of) > 1 {
				f.shared++
			}
		}
	}
	f.orders = len(shipments)
	for _, of := range shipments {
		if len(of) > 1 {
			f.split++
		}
	}
	return f
}

func TestEachRateBringsAboutWhatItSays(t *testing.T) {
	of := func(types ...events.Type) func(facts) int {
		return func(f facts) int {
			n := 0
			for _, typ := range types {
				n += f.types[typ]
			}
			return n
		}
	}
	tests := []struct {
		name  string
		rates scenario.Rates
		count func(facts) int
	}{
		{"Late", scenario.Rates{Late: 0.5}, func(f facts) int { return f.late }},
		{"Reorder", scenario.Rates{Reorder: 0.5}, func(f facts) int { return f.overtaken }},
		{"Resend", scenario.Rates{Resend: 0.5}, func(f facts) int { return f.again }},
		{"Copy", scenario.Rates{Copy: 0.5}, func(f facts) int { return f.copies }},
		{"DayPrecision", scenario.Rates{DayPrecision: 0.5}, func(f facts) int { return f.daily }},
		{"Skew", scenario.Rates{Skew: 0.5}, func(f facts) int { return f.skewed }},
		{"ByNumber", scenario.Rates{ByNumber: 0.5}, func(f facts) int { return f.byNumber }},
		{"LateNumber", scenario.Rates{ByNumber: 0.5, LateNumber: 0.5}, func(f facts) int { return f.early }},
		{"Renumber", scenario.Rates{MultiParcel: 1, Renumber: 0.5}, func(f facts) int { return f.renamed }},
		{"MultiParcel", scenario.Rates{MultiParcel: 0.5}, func(f facts) int { return f.manyParcels }},
		{"Customs", scenario.Rates{International: 1, Customs: 0.5}, of("shipment.customs_held.v1")},
		{"FailedAttempt", scenario.Rates{FailedAttempt: 0.5}, of("shipment.delivery_attempted.v1")},
		{"Exception", scenario.Rates{Exception: 0.5}, of("shipment.exception_opened.v1")},
		{"Estimate", scenario.Rates{Estimate: 0.5}, of("shipment.eta_changed.v1")},
		{"Planned", scenario.Rates{Planned: 0.5}, func(f facts) int { return f.planned }},
		{"PickupPoint", scenario.Rates{PickupPoint: 0.5}, of("shipment.available_for_pickup.v1")},
		{"ReturnToSender", scenario.Rates{ReturnToSender: 0.5}, of("shipment.returned.v1")},
		{"Lost", scenario.Rates{Lost: 0.5}, of("shipment.lost.v1")},
		{"Damaged", scenario.Rates{Damaged: 0.5}, of("shipment.damaged.v1")},
		{"Position", scenario.Rates{Position: 0.5}, of("shipment.position.v1")},
		{"Unmapped", scenario.Rates{Unmapped: 0.5}, of("shipment.scan_unmapped.v1")},
		{"Retract", scenario.Rates{Retract: 0.5}, of("event.retracted.v1")},
		{"Stray", scenario.Rates{Stray: 0.5}, func(f facts) int { return f.stray }},
		{"Split", scenario.Rates{Split: 0.5}, func(f facts) int { return f.split }},
		{"CancelBefore", scenario.Rates{CancelBefore: 0.5}, of("order.cancelled.v1")},
		{"CancelAfter", scenario.Rates{CancelAfter: 0.5}, of("order.cancelled.v1")},
		{"Return", scenario.Rates{Return: 0.5}, func(f facts) int { return f.returned }},
		{"PromiseChange", scenario.Rates{PromiseChange: 0.5}, of("order.promise_changed.v1")},
		{"Hold", scenario.Rates{Hold: 0.5}, of("order.on_hold.v1")},
		{"Payment", scenario.Rates{Payment: 0.5}, of("order.paid.v1")},
		{"Amend", scenario.Rates{Amend: 0.5}, of("order.amended.v1")},
		{"Backorder", scenario.Rates{Backorder: 0.5}, of("order.backordered.v1")},
		{"Close", scenario.Rates{Close: 0.5}, of("order.closed.v1")},
		{"Shared", scenario.Rates{Shared: 0.5}, func(f facts) int { return f.shared }},
		{"Relink", scenario.Rates{Relink: 0.5}, of("order.merged.v1", "order.split.v1")},
	}
	none := count(t, scenario.Rates{})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.count(count(t, tt.rates)); got < 10 {
				t.Errorf("at a rate of 0.5 it happens %d times in 150 orders", got)
			}
			without := none
			if tt.name == "LateNumber" || tt.name == "Renumber" || tt.name == "Customs" {
				rates := tt.rates
				rates.LateNumber, rates.Renumber, rates.Customs = 0, 0, 0
				without = count(t, rates)
			}
			if got := tt.count(without); got > 0 {
				t.Errorf("at a rate of 0 it happens %d times", got)
			}
		})
	}
}
