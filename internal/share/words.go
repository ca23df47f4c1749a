package share

import (
	"strings"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/tracking"
)

// statusText is a status in plain words.
func statusText(s tracking.Status) string {
	switch s {
	case tracking.Created, tracking.InfoReceived:
		return "Announced to the carrier"
	case tracking.PickedUp:
		return "With the carrier"
	case tracking.InTransit:
		return "On its way"
	case tracking.OutForDelivery:
		return "Out for delivery"
	case tracking.DeliveryAttempted:
		return "A delivery was tried"
	case tracking.AvailableForPickup:
		return "Ready to be picked up"
	case tracking.Returning:
		return "On its way back to the sender"
	case tracking.Delivered:
		return "Delivered"
	case tracking.Returned:
		return "Back at the sender"
	case tracking.Lost:
		return "The carrier cannot find it"
	case tracking.Destroyed:
		return "Destroyed"
	case tracking.Cancelled:
		return "Cancelled"
	case tracking.Unknown:
	}
	return "Nothing is known yet"
}

// over reports whether nothing is expected any more.
func over(s tracking.Status) bool {
	switch s {
	case tracking.Delivered, tracking.Returned, tracking.Lost, tracking.Destroyed, tracking.Cancelled:
		return true
	case tracking.Unknown, tracking.Created, tracking.InfoReceived, tracking.PickedUp, tracking.InTransit, tracking.OutForDelivery,
		tracking.DeliveryAttempted, tracking.AvailableForPickup, tracking.Returning:
	}
	return false
}

// wordsOf is what a fact of a type says, in plain words; false for types that
// are not public.
func wordsOf(t events.Type) (text string, ok bool) {
	switch t {
	case events.TypeShipmentCreated:
		text = "The sender prepares it"
	case events.TypeInfoReceived:
		text = "The carrier was told of it"
	case events.TypePickedUp:
		text = "The carrier took it over"
	case events.TypeDeparted:
		text = "Left a place on the way"
	case events.TypeArrived:
		text = "Arrived at a place on the way"
	case events.TypeCustomsHeld:
		text = "Held by customs"
	case events.TypeCustomsReleased:
		text = "Released by customs"
	case events.TypeOutForDelivery:
		text = "Out for delivery"
	case events.TypeDeliveryAttempted:
		text = "A delivery was tried, and failed"
	case events.TypeAvailableForPickup:
		text = "Ready to be picked up"
	case events.TypeDelivered:
		text = "Delivered"
	default:
		text = troubleOf(t)
	}
	return text, text != ""
}

// troubleOf is wordsOf for what should not happen.
func troubleOf(t events.Type) string {
	switch t {
	case events.TypeExceptionOpened:
		return "There is a problem with it"
	case events.TypeExceptionResolved:
		return "The problem was solved"
	case events.TypeReturnInitiated:
		return "Sent back to the sender"
	case events.TypeReturned:
		return "Back at the sender"
	case events.TypeLost:
		return "The carrier cannot find it"
	case events.TypeDamaged:
		return "Damaged"
	case events.TypeDestroyed:
		return "Destroyed"
	case events.TypeShipmentCancelled:
		return "Cancelled"
	}
	return ""
}

// kindOf is a type without what it is of and its version: arrived.
func kindOf(t events.Type) string {
	kind := strings.TrimPrefix(string(t), "shipment.")
	if i := strings.LastIndex(kind, ".v"); i > 0 {
		kind = kind[:i]
	}
	return kind
}

// carrierName is a carrier as people know it; a code that nobody knows stands
// for itself.
func carrierName(code events.SCAC) string {
	switch code {
	case "UPSN":
		return "UPS"
	case "FDE", "FDEG", "FDX":
		return "FedEx"
	case "CPCC":
		return "Canada Post"
	}
	return string(code)
}
