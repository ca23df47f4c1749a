package tracking_test

import (
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/tracking"
	"github.com/waybill-io/waybill/internal/tracking/trackingtest"
)

// world is all that a set of events means, in short words for the tests.
type world trackingtest.World

// failer is what testing.TB and rapid.T share.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// knownOf passes events through the codec, as the log does, and hashes them.
func knownOf(t failer, evs ...events.Event) []known {
	t.Helper()
	all := make([]known, len(evs))
	for i, e := range evs {
		f, err := trackingtest.FactOf(e)
		if err != nil {
			t.Fatalf("%v", err)
		}
		all[i] = known{f.Event, f.Hash}
	}
	return all
}

func factsOf(all []known) map[events.Stream][]*tracking.Fact {
	facts := map[events.Stream][]*tracking.Fact{}
	for _, e := range all {
		facts[e.Stream()] = append(facts[e.Stream()], tracking.NewFact(e.Event, e.hash))
	}
	return facts
}

// foldWorld folds everything.
func foldWorld(all []known) world {
	return world(trackingtest.Fold(factsOf(all)))
}

// asOracle brings what the package says into the oracle's form.
func (w *world) asOracle() *oracle {
	o := &oracle{orders: map[events.OrderID]orderRow{}, shipments: map[events.ShipmentID]shipmentRow{}, marks: w.Marks}
	for id, s := range w.Shipments {
		o.shipments[id] = shipmentRowOf(&s)
	}
	for id, r := range w.Orders {
		o.orders[id] = orderRowOf(&r)
	}
	for _, h := range w.Holdings {
		o.holdings = append(o.holdings, holdingRow{
			Carrier: h.Carrier, Number: h.Number, Shipment: h.ShipmentID, Parcel: h.ParcelID,
			From: h.ValidFrom, To: h.ValidTo, Lost: h.Lost, Source: h.Key.Source, ID: h.Key.ID,
		})
	}
	return o
}

func shipmentRowOf(s *tracking.Shipment) shipmentRow {
	row := shipmentRow{
		Status: s.Status, Since: s.StatusSince, Revision: s.Revision, Known: s.Known, Direction: s.Direction, Original: s.Original,
		Promise: s.Promise, Disputed: s.Disputed(), Gap: s.Gap(), Damaged: s.Damaged, CustomsHeld: s.CustomsHeld,
		LastScan: scanRow{s.LastScanAt, s.LastScanType},
	}
	for _, p := range s.Parcels {
		row.Parcels = append(row.Parcels, parcelRow{
			ID: p.ID, Status: p.Status, Since: p.StatusSince, HandedOverAt: p.HandedOverAt, DeliveredAt: p.DeliveredAt,
			Disputed: p.Disputed, Gap: p.Gap, LastScan: scanRow{p.LastScanAt, p.LastScanType}, Attempts: p.Attempts,
		})
	}
	for _, c := range s.Contents {
		row.Contents = append(row.Contents, contentRow{
			Order: c.OrderID, Line: c.LineID, Parcel: c.ParcelID, Qty: c.Qty, Shipped: c.Shipped, Delivered: c.Delivered,
			Returned: c.Returned, Lost: c.Lost, HandedOverAt: c.HandedOverAt,
		})
	}
	for _, e := range s.Exceptions {
		row.Exceptions = append(row.Exceptions, exceptionRow{ID: e.ID, Open: e.Open})
	}
	for _, e := range s.Estimates {
		row.Estimates = append(row.Estimates, estimateRow{e.Ref, e.Start, e.End})
	}
	return row
}

func orderRowOf(r *tracking.Order) orderRow {
	row := orderRow{
		Status: r.Status, Revision: r.Revision, Known: r.Known, Holds: r.Holds, Payment: r.Payment, Flags: r.Flags,
		Original: r.Original, Latest: r.Latest, Requested: r.Requested,
	}
	for _, it := range r.Returns {
		row.Returns = append(row.Returns, returnRow{it.ID, slices.Contains(r.ReturnsOpen(), string(it.ID)), it.Requested, it.Received})
	}
	for _, l := range r.Lines {
		row.Lines = append(row.Lines, lineRow{
			ID: l.ID, Ordered: l.Ordered, Cancelled: l.Cancelled, Allocated: l.Allocated, Backordered: l.Backordered,
			Shipped: l.Shipped, Delivered: l.Delivered, Returned: l.Returned, Lost: l.Lost,
		})
	}
	return row
}

// disagreement shows where the package and the oracle differ, or "".
func disagreement(all []known) string {
	w := foldWorld(all)
	got, want := w.asOracle(), consult(all)
	for _, o := range []*oracle{got, want} {
		slices.SortFunc(o.holdings, func(a, b holdingRow) int { return compareHoldings(a, b) })
		for ref, m := range o.marks {
			if m.IsZero() {
				delete(o.marks, ref)
			}
		}
	}
	opts := cmp.Options{cmpopts.EquateEmpty(), cmp.AllowUnexported(oracle{}), cmpopts.IgnoreFields(oracle{}, "carried", "given"),
		cmpopts.IgnoreFields(holdingRow{}, "assigning"), cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })}
	return cmp.Diff(want, got, opts)
}

func compareHoldings(a, b holdingRow) int {
	for _, c := range []int{
		cmpString(a.Carrier, b.Carrier), cmpString(a.Number, b.Number), cmpString(a.Shipment, b.Shipment),
		cmpString(a.Source, b.Source), cmpString(a.ID, b.ID),
	} {
		if c != 0 {
			return c
		}
	}
	return 0
}

func cmpString[T ~string](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
