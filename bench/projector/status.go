package main

import (
	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/projector"
	"github.com/waybill-io/waybill/internal/tracking"
)

// statusOf is the status that an event gives to its order or shipment where the
// last one wins; "" leaves it as it is, as does what is only planned.
func statusOf(e *projector.Event) string {
	if e.Class() != events.Actual {
		return ""
	}
	switch t := e.Type(); t {
	case events.TypeOrderPlaced:
		return string(tracking.OrderPlaced)
	case events.TypeOrderConfirmed:
		return string(tracking.OrderConfirmed)
	case events.TypeOrderAllocated:
		return string(tracking.OrderProcessing)
	case events.TypeOrderCancelled:
		return string(tracking.OrderCancelled)
	case events.TypeOrderClosed:
		return string(tracking.OrderClosed)
	default:
		return scanStatus[t]
	}
}

var scanStatus = map[events.Type]string{
	events.TypeShipmentCreated:    string(tracking.Created),
	events.TypeInfoReceived:       string(tracking.InfoReceived),
	events.TypePickedUp:           string(tracking.PickedUp),
	events.TypeDeparted:           string(tracking.InTransit),
	events.TypeArrived:            string(tracking.InTransit),
	events.TypeOutForDelivery:     string(tracking.OutForDelivery),
	events.TypeDeliveryAttempted:  string(tracking.DeliveryAttempted),
	events.TypeAvailableForPickup: string(tracking.AvailableForPickup),
	events.TypeReturnInitiated:    string(tracking.Returning),
	events.TypeDelivered:          string(tracking.Delivered),
	events.TypeReturned:           string(tracking.Returned),
	events.TypeLost:               string(tracking.Lost),
	events.TypeDestroyed:          string(tracking.Destroyed),
	events.TypeShipmentCancelled:  string(tracking.Cancelled),
}

// orderStatusOf is the status that an event of an outbound shipment gives to the
// orders in it.
func orderStatusOf(e *projector.Event) string {
	switch {
	case e.Class() != events.Actual:
	case e.Type() == events.TypePickedUp:
		return string(tracking.OrderShipped)
	case e.Type() == events.TypeDelivered:
		return string(tracking.OrderDelivered)
	}
	return ""
}

// ordersIn names the orders whose goods an outbound shipment carries.
func ordersIn(d *events.ShipmentCreated) []string {
	ids := []string{}
	if d.Direction != events.Outbound {
		return ids
	}
	seen := map[events.OrderID]bool{}
	for _, c := range d.Contents {
		if !seen[c.OrderID] {
			seen[c.OrderID] = true
			ids = append(ids, string(c.OrderID))
		}
	}
	return ids
}

// columns are the values of an event's row, in the order of eventColumns.
func (r *record) columns() []any {
	e := r.event
	s := e.Stream()
	return []any{
		string(e.Tenant), string(s.Kind), s.ID, string(e.Source), string(e.ID), string(e.Type()), string(e.Class()), e.OccurredAt(),
		string(e.TZSource()), string(e.Precision()), e.RecordedAt, e.IngestedAt, string(e.Body), e.Hash[:],
		r.part.Topic, r.part.ID, r.offset,
	}
}
