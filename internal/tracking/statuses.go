package tracking

import "github.com/waybill-io/waybill/events"

// Statuses are all statuses of a shipment, in the order of its life.
func Statuses() []Status {
	return []Status{
		Unknown, Created, InfoReceived, PickedUp, InTransit, OutForDelivery, DeliveryAttempted, AvailableForPickup,
		Returning, Delivered, Returned, Lost, Destroyed, Cancelled,
	}
}

// OrderStatuses are all statuses of an order, in the order of its life.
func OrderStatuses() []OrderStatus {
	return []OrderStatus{
		OrderUnknown, OrderPlaced, OrderConfirmed, OrderProcessing, OrderPartiallyShipped, OrderShipped,
		OrderPartiallyDelivered, OrderDelivered, OrderClosed, OrderCancelled,
	}
}

// AlertTypes are the types of facts that somebody should look at.
func AlertTypes() []events.Type {
	return []events.Type{
		events.TypeOrderOnHold, events.TypeOrderPaymentFailed, events.TypeOrderBackordered, events.TypeOrderReturnRequested,
		events.TypeCustomsHeld, events.TypeDeliveryAttempted, events.TypeExceptionOpened, events.TypeReturnInitiated,
		events.TypeReturned, events.TypeLost, events.TypeDamaged, events.TypeDestroyed, events.TypeScanUnmapped,
	}
}
