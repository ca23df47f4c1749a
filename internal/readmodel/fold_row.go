package readmodel

import (
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/tracking"
)

// rowSet holds the rows that a fold yields, by table, with values in the order
// of the table's columns.
type rowSet map[string][][]any

func (r rowSet) add(table string, values ...any) { r[table] = append(r[table], values) }

// strs is never NULL.
func strs[S ~string](all []S) []string { return column(all, func(s S) string { return string(s) }) }

func (r rowSet) addShipment(tenant events.TenantID, s *tracking.Shipment) error {
	doc, err := json.Marshal(shipmentState{stateFormat, s.Guard, s.Handovers, s.Origin, s.Destination, s.Promise})
	if err != nil {
		return fmt.Errorf("write the state of shipment %s: %w", s.ID, err)
	}
	promise, eta := spanOf(s.Promise), orZero(s.ETA())
	var lat, lon *float64
	var positionAt *time.Time
	if p := s.Position; p != nil {
		lat, lon, positionAt = &p.Lat, &p.Lon, nullTime(p.At)
	}
	of, id := string(tenant), string(s.ID)
	r.add(shipmentsTable, of, id, s.Known, string(s.Status), nullTime(s.StatusSince), s.Revision, string(s.Direction),
		nullText(s.Original), nullText(s.Carrier), nullText(s.Service), nullText(placeName(s.Origin)), nullText(placeName(s.Destination)),
		nullTime(promise.start), nullTime(promise.end), nullText(promise.precision), nullTime(promise.day),
		nullTime(eta.Start), nullTime(eta.End), nullText(eta.Provider), lat, lon, positionAt,
		int32(len(s.Parcels)), strs(s.Numbers()), strs(s.Orders()), nullTime(s.FirstScanAt), nullTime(s.LastScanAt),
		nullText(s.LastScanType), nullText(s.LastLocation), int32(s.OpenExceptions()), int32(len(s.Exceptions)),
		s.Disputed(), s.Gap(), s.Damaged, s.CustomsHeld, string(doc))
	for _, p := range s.Parcels {
		r.add(parcelsTable, of, id, string(p.ID), string(p.Status), nullTime(p.StatusSince), nullTime(p.FirstScanAt),
			nullTime(p.LastScanAt), nullText(p.LastScanType), nullText(p.LastLocation), nullTime(p.HandedOverAt),
			nullTime(p.AvailableAt), nullTime(p.FirstAttemptAt), int32(p.Attempts), nullTime(p.DeliveredAt),
			nullTime(p.DeliveredOn), p.Disputed, p.Gap)
	}
	for _, c := range s.Contents {
		r.add(contentsTable, of, id, string(c.OrderID), string(c.LineID), string(c.ParcelID), string(s.Direction), c.Qty,
			c.Shipped, c.Delivered, c.Returned, c.Lost, nullTime(c.HandedOverAt), nullTime(c.DeliveredAt))
	}
	r.addCases(of, s)
	return nil
}

// addCases adds a shipment's exceptions and estimates.
func (r rowSet) addCases(tenant string, s *tracking.Shipment) {
	for _, e := range s.Exceptions {
		status := "resolved"
		if e.Open {
			status = "open"
		}
		r.add(exceptionsTable, tenant, string(s.ID), string(e.ID), string(e.ParcelID), status, nullText(e.ReasonCode),
			nullText(e.Party), nullText(e.Severity), e.ActionRequired, nullTime(e.OpenedAt), nullTime(e.ResolvedAt))
	}
	for _, e := range s.Estimates {
		r.add(estimatesTable, tenant, string(e.Ref.Stream.Kind), e.Ref.Stream.ID, string(e.Ref.Source), string(e.Ref.ID),
			string(s.ID), string(e.Type), string(e.Class), nullTime(e.Start), e.End, nullText(e.Provider), e.Confidence,
			nullText(e.ReasonCode), e.KnownAt)
	}
}

func (r rowSet) addHolding(tenant events.TenantID, holding tracking.Holding) {
	h := heldNumber{tenant, holding}
	r.add(numbersTable, string(tenant), string(h.Carrier), string(h.Number), from(h.ValidFrom), string(h.ShipmentID),
		string(h.Key.Source), string(h.Key.ID), h.validTo(), string(h.ParcelID),
		time.UnixMicro(h.Key.When).UTC(), time.UnixMicro(h.Key.Recorded).UTC())
}

func (r rowSet) addUnmatched(n number, f *tracking.Fact) {
	r.add(unmatchedTable, string(n.tenant), string(events.TrackingStream), n.stream().id, string(f.Source), string(f.ID),
		string(n.carrier), string(n.number), string(f.Type()), f.OccurredAt().UTC())
}

func (r rowSet) addMark(tenant events.TenantID, ref tracking.Ref, m tracking.Mark) {
	if m.IsZero() {
		return
	}
	r.add(marksTable, string(tenant), string(ref.Stream.Kind), ref.Stream.ID, string(ref.Source), string(ref.ID),
		nullText(m.DuplicateOf.Source), nullText(m.DuplicateOf.ID), nullText(m.RetractedBy.Source), nullText(m.RetractedBy.ID),
		strs(m.Anomalies), m.Unmatched)
}

func (r rowSet) addOrder(tenant events.TenantID, o *tracking.Order) error {
	doc, err := json.Marshal(orderState{stateFormat, o.OrderBase}, json.Deterministic(true))
	if err != nil {
		return fmt.Errorf("write the state of order %s: %w", o.ID, err)
	}
	of, id := string(tenant), string(o.ID)
	values := []any{of, id, o.Known, string(o.Status), o.Revision, nullText(o.Number), nullText(o.Channel),
		nullText(o.Currency), nullText(o.CustomerRef), nullText(o.ShipToRef), nullTime(o.PlacedAt), nullTime(o.ConfirmedAt),
		nullTime(o.CancelledAt), nullTime(o.ClosedAt), nullTime(o.ShippedAt), nullTime(o.DeliveredAt)}
	for _, w := range []*events.Window{o.Original, o.Latest, o.Requested} {
		s := spanOf(w)
		values = append(values, nullTime(s.start), nullTime(s.end), nullText(s.precision), nullTime(s.day))
	}
	t := &o.Total
	r[ordersTable] = append(r[ordersTable], append(values, strs(o.Holds), strs(o.ReturnsOpen()), strs(o.Flags), o.Payment, t.Ordered, t.Cancelled,
		t.Allocated, t.Shipped, t.Delivered, t.Returned, t.Lost, string(doc)))
	for _, l := range o.Lines {
		r.add(linesTable, of, id, string(l.ID), nullText(l.SKU), nullText(l.UnitPrice), l.Ordered, l.Cancelled, l.Allocated,
			l.Backordered, l.Shipped, l.Delivered, l.Returned, l.Lost)
	}
	return nil
}
