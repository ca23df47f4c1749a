package tracking

import "github.com/waybill-io/waybill/events"

// Status is where a parcel or a shipment stands.
type Status string

// The statuses of parcels and shipments.
const (
	Unknown            Status = "unknown" // a placeholder: nobody has said
	Created            Status = "created"
	InfoReceived       Status = "info_received"
	PickedUp           Status = "picked_up"
	InTransit          Status = "in_transit"
	OutForDelivery     Status = "out_for_delivery"
	DeliveryAttempted  Status = "delivery_attempted"
	AvailableForPickup Status = "available_for_pickup"
	Returning          Status = "returning"
	Delivered          Status = "delivered"
	Returned           Status = "returned"
	Lost               Status = "lost"
	Destroyed          Status = "destroyed"
	Cancelled          Status = "cancelled"
)

// rank orders the statuses along the way; facts of the same instant are walked
// in this order.
func (s Status) rank() int {
	switch s {
	case Created:
		return 10
	case InfoReceived:
		return 20
	case PickedUp:
		return 30
	case InTransit:
		return 40
	case OutForDelivery:
		return 50
	case DeliveryAttempted:
		return 55
	case AvailableForPickup:
		return 60
	case Returning:
		return 70
	case Delivered:
		return 90
	case Returned:
		return 92
	case Lost:
		return 94
	case Destroyed:
		return 96
	case Cancelled:
		return 98
	case Unknown:
		return 0
	}
	return 0
}

// physical reports whether somebody has the parcel in hand, or had.
func (s Status) physical() bool { return s.rank() >= 30 && s != Cancelled }

// live reports whether the parcel is still on its way.
func (s Status) live() bool { r := s.rank(); return r >= 10 && r <= 70 }

// destination is the status that a type leads to, or "" for types that move
// none.
func destination(t events.Type) Status {
	switch t {
	case events.TypeShipmentCreated:
		return Created
	case events.TypeInfoReceived:
		return InfoReceived
	case events.TypePickedUp:
		return PickedUp
	case events.TypeDeparted, events.TypeArrived:
		return InTransit
	case events.TypeOutForDelivery:
		return OutForDelivery
	case events.TypeDeliveryAttempted:
		return DeliveryAttempted
	case events.TypeAvailableForPickup:
		return AvailableForPickup
	case events.TypeReturnInitiated:
		return Returning
	case events.TypeDelivered:
		return Delivered
	case events.TypeReturned:
		return Returned
	case events.TypeLost:
		return Lost
	case events.TypeDestroyed:
		return Destroyed
	case events.TypeShipmentCancelled:
		return Cancelled
	}
	return ""
}

// mayMove is the state machine: whether a parcel in from may go to another
// status.
func mayMove(from, to Status) bool {
	switch from {
	case Unknown:
		return true
	case Created, InfoReceived:
		return to.rank() > from.rank()
	case PickedUp:
		return to.rank() > from.rank() && to != Cancelled
	case InTransit:
		return to.rank() > from.rank() && to != Cancelled
	case OutForDelivery, DeliveryAttempted:
		return to.rank() >= InTransit.rank() && to != Cancelled
	case AvailableForPickup:
		return to == InTransit || to.rank() >= Returning.rank() && to != Cancelled
	case Returning:
		return to == Returned || to == Lost || to == Destroyed
	case Delivered:
		return to == Returning
	case Lost:
		return to.rank() >= InTransit.rank() && to != Destroyed && to != Cancelled
	case Cancelled:
		return to.physical()
	case Returned, Destroyed:
		return false
	}
	return false
}

// skips reports whether a move leaves out a stage that must have happened.
func skips(from, to Status) bool {
	if to == Cancelled || to == Lost || to == Destroyed {
		return false
	}
	if from.rank() < PickedUp.rank() {
		return to.rank() > PickedUp.rank()
	}
	return from == PickedUp && to.rank() > InTransit.rank()
}
