package events

import (
	"slices"
	"strings"
	"time"
)

// Time is an instant with the offset of where it was read.
type Time = time.Time

// Type is a type with its version, such as "order.placed.v1".
type Type string

// Data is what an event says: a pointer to one of the types of this package.
type Data interface {
	// Type names the type on the wire.
	Type() Type

	fact() *Fact
	check(*checker)
	subject() string // what the data itself says of its stream; may be empty
}

// Retracted takes an event of its own stream back. It acts whatever its time is
// and whether it comes before or after its target.
type Retracted struct {
	Fact
	Stream          StreamKind `json:"stream"`
	RetractedSource Source     `json:"retracted_source"`
	RetractedID     EventID    `json:"retracted_id"`
	Reason          string     `json:"reason"` // did_not_occur or incorrect_data
	ReplacedBy      EventID    `json:"replaced_by,omitzero"`
}

func (d *Retracted) subject() string { return "" }

func (d *Retracted) check(c *checker) {
	d.Fact.check(c)
	c.oneOf("/class", string(d.Class), "", string(Actual))
	c.oneOf("/stream", string(d.Stream), string(OrderStream), string(ShipmentStream), string(TrackingStream))
	if !validSource(string(d.RetractedSource)) {
		c.fail("/retracted_source", "want 1 to %d visible ASCII characters", maxSource)
	}
	c.id("/retracted_id", string(d.RetractedID))
	c.oneOf("/reason", d.Reason, "did_not_occur", "incorrect_data")
	c.optionalID("/replaced_by", string(d.ReplacedBy))
}

// The types of the vocabulary, version 1.
const (
	TypeOrderPlaced          Type = "order.placed.v1"
	TypeOrderConfirmed       Type = "order.confirmed.v1"
	TypeOrderOnHold          Type = "order.on_hold.v1"
	TypeOrderReleased        Type = "order.released.v1"
	TypeOrderPaid            Type = "order.paid.v1"
	TypeOrderPaymentFailed   Type = "order.payment_failed.v1"
	TypeOrderRefunded        Type = "order.refunded.v1"
	TypeOrderAmended         Type = "order.amended.v1"
	TypeOrderPromiseChanged  Type = "order.promise_changed.v1"
	TypeOrderAllocated       Type = "order.allocated.v1"
	TypeOrderBackordered     Type = "order.backordered.v1"
	TypeOrderCancelled       Type = "order.cancelled.v1"
	TypeOrderMerged          Type = "order.merged.v1"
	TypeOrderSplit           Type = "order.split.v1"
	TypeOrderReturnRequested Type = "order.return_requested.v1"
	TypeOrderReturnReceived  Type = "order.return_received.v1"
	TypeOrderReshipped       Type = "order.reshipped.v1"
	TypeOrderClosed          Type = "order.closed.v1"
	TypeRetracted            Type = "event.retracted.v1"

	TypeShipmentCreated    Type = "shipment.created.v1"
	TypeTrackingAssigned   Type = "shipment.tracking_assigned.v1"
	TypeInfoReceived       Type = "shipment.info_received.v1"
	TypePickedUp           Type = "shipment.picked_up.v1"
	TypeDeparted           Type = "shipment.departed.v1"
	TypeArrived            Type = "shipment.arrived.v1"
	TypeCustomsHeld        Type = "shipment.customs_held.v1"
	TypeCustomsReleased    Type = "shipment.customs_released.v1"
	TypeOutForDelivery     Type = "shipment.out_for_delivery.v1"
	TypeDeliveryAttempted  Type = "shipment.delivery_attempted.v1"
	TypeAvailableForPickup Type = "shipment.available_for_pickup.v1"
	TypeDelivered          Type = "shipment.delivered.v1"
	TypeExceptionOpened    Type = "shipment.exception_opened.v1"
	TypeExceptionResolved  Type = "shipment.exception_resolved.v1"
	TypeETAChanged         Type = "shipment.eta_changed.v1"
	TypeReturnInitiated    Type = "shipment.return_initiated.v1"
	TypeReturned           Type = "shipment.returned.v1"
	TypeLost               Type = "shipment.lost.v1"
	TypeDamaged            Type = "shipment.damaged.v1"
	TypeDestroyed          Type = "shipment.destroyed.v1"
	TypeShipmentCancelled  Type = "shipment.cancelled.v1"
	TypePosition           Type = "shipment.position.v1"
	TypeScanUnmapped       Type = "shipment.scan_unmapped.v1"
)

func (*OrderPlaced) Type() Type          { return TypeOrderPlaced }
func (*OrderConfirmed) Type() Type       { return TypeOrderConfirmed }
func (*OrderOnHold) Type() Type          { return TypeOrderOnHold }
func (*OrderReleased) Type() Type        { return TypeOrderReleased }
func (*OrderPaid) Type() Type            { return TypeOrderPaid }
func (*OrderPaymentFailed) Type() Type   { return TypeOrderPaymentFailed }
func (*OrderRefunded) Type() Type        { return TypeOrderRefunded }
func (*OrderAmended) Type() Type         { return TypeOrderAmended }
func (*OrderPromiseChanged) Type() Type  { return TypeOrderPromiseChanged }
func (*OrderAllocated) Type() Type       { return TypeOrderAllocated }
func (*OrderBackordered) Type() Type     { return TypeOrderBackordered }
func (*OrderCancelled) Type() Type       { return TypeOrderCancelled }
func (*OrderMerged) Type() Type          { return TypeOrderMerged }
func (*OrderSplit) Type() Type           { return TypeOrderSplit }
func (*OrderReturnRequested) Type() Type { return TypeOrderReturnRequested }
func (*OrderReturnReceived) Type() Type  { return TypeOrderReturnReceived }
func (*OrderReshipped) Type() Type       { return TypeOrderReshipped }
func (*OrderClosed) Type() Type          { return TypeOrderClosed }
func (*Retracted) Type() Type            { return TypeRetracted }
func (*ShipmentCreated) Type() Type      { return TypeShipmentCreated }
func (*TrackingAssigned) Type() Type     { return TypeTrackingAssigned }
func (*InfoReceived) Type() Type         { return TypeInfoReceived }
func (*PickedUp) Type() Type             { return TypePickedUp }
func (*Departed) Type() Type             { return TypeDeparted }
func (*Arrived) Type() Type              { return TypeArrived }
func (*CustomsHeld) Type() Type          { return TypeCustomsHeld }
func (*CustomsReleased) Type() Type      { return TypeCustomsReleased }
func (*OutForDelivery) Type() Type       { return TypeOutForDelivery }
func (*DeliveryAttempted) Type() Type    { return TypeDeliveryAttempted }
func (*AvailableForPickup) Type() Type   { return TypeAvailableForPickup }
func (*Delivered) Type() Type            { return TypeDelivered }
func (*ExceptionOpened) Type() Type      { return TypeExceptionOpened }
func (*ExceptionResolved) Type() Type    { return TypeExceptionResolved }
func (*ETAChanged) Type() Type           { return TypeETAChanged }
func (*ReturnInitiated) Type() Type      { return TypeReturnInitiated }
func (*Returned) Type() Type             { return TypeReturned }
func (*Lost) Type() Type                 { return TypeLost }
func (*Damaged) Type() Type              { return TypeDamaged }
func (*Destroyed) Type() Type            { return TypeDestroyed }
func (*ShipmentCancelled) Type() Type    { return TypeShipmentCancelled }
func (*Position) Type() Type             { return TypePosition }
func (*ScanUnmapped) Type() Type         { return TypeScanUnmapped }

// Types lists the vocabulary in byte order.
func Types() []Type {
	types := make([]Type, 0, 64)
	for t := range makers {
		types = append(types, t)
	}
	slices.Sort(types)
	return types
}

// NewData returns an empty value of the type, or an [Error] with the code
// unknown_type.
func NewData(t Type) (Data, error) {
	if make, ok := makers[t]; ok {
		return make(), nil
	}
	return nil, refuse(CodeUnknownType, "type", "%.80q is not in the vocabulary", strings.Clone(string(t))) // t is of a record, on the stack
}

// makers is the registry: never written after the package is loaded.
var makers = map[Type]func() Data{
	TypeOrderPlaced:          func() Data { return new(OrderPlaced) },
	TypeOrderConfirmed:       func() Data { return new(OrderConfirmed) },
	TypeOrderOnHold:          func() Data { return new(OrderOnHold) },
	TypeOrderReleased:        func() Data { return new(OrderReleased) },
	TypeOrderPaid:            func() Data { return new(OrderPaid) },
	TypeOrderPaymentFailed:   func() Data { return new(OrderPaymentFailed) },
	TypeOrderRefunded:        func() Data { return new(OrderRefunded) },
	TypeOrderAmended:         func() Data { return new(OrderAmended) },
	TypeOrderPromiseChanged:  func() Data { return new(OrderPromiseChanged) },
	TypeOrderAllocated:       func() Data { return new(OrderAllocated) },
	TypeOrderBackordered:     func() Data { return new(OrderBackordered) },
	TypeOrderCancelled:       func() Data { return new(OrderCancelled) },
	TypeOrderMerged:          func() Data { return new(OrderMerged) },
	TypeOrderSplit:           func() Data { return new(OrderSplit) },
	TypeOrderReturnRequested: func() Data { return new(OrderReturnRequested) },
	TypeOrderReturnReceived:  func() Data { return new(OrderReturnReceived) },
	TypeOrderReshipped:       func() Data { return new(OrderReshipped) },
	TypeOrderClosed:          func() Data { return new(OrderClosed) },
	TypeRetracted:            func() Data { return new(Retracted) },
	TypeShipmentCreated:      func() Data { return new(ShipmentCreated) },
	TypeTrackingAssigned:     func() Data { return new(TrackingAssigned) },
	TypeInfoReceived:         func() Data { return new(InfoReceived) },
	TypePickedUp:             func() Data { return new(PickedUp) },
	TypeDeparted:             func() Data { return new(Departed) },
	TypeArrived:              func() Data { return new(Arrived) },
	TypeCustomsHeld:          func() Data { return new(CustomsHeld) },
	TypeCustomsReleased:      func() Data { return new(CustomsReleased) },
	TypeOutForDelivery:       func() Data { return new(OutForDelivery) },
	TypeDeliveryAttempted:    func() Data { return new(DeliveryAttempted) },
	TypeAvailableForPickup:   func() Data { return new(AvailableForPickup) },
	TypeDelivered:            func() Data { return new(Delivered) },
	TypeExceptionOpened:      func() Data { return new(ExceptionOpened) },
	TypeExceptionResolved:    func() Data { return new(ExceptionResolved) },
	TypeETAChanged:           func() Data { return new(ETAChanged) },
	TypeReturnInitiated:      func() Data { return new(ReturnInitiated) },
	TypeReturned:             func() Data { return new(Returned) },
	TypeLost:                 func() Data { return new(Lost) },
	TypeDamaged:              func() Data { return new(Damaged) },
	TypeDestroyed:            func() Data { return new(Destroyed) },
	TypeShipmentCancelled:    func() Data { return new(ShipmentCancelled) },
	TypePosition:             func() Data { return new(Position) },
	TypeScanUnmapped:         func() Data { return new(ScanUnmapped) },
}
