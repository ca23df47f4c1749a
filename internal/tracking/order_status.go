package tracking

import (
	"cmp"
	"slices"
	"time"

	"github.com/waybill-io/waybill/events"
)

// OrderStatus is where an order stands.
type OrderStatus string

// The statuses of an order. Holds, payment and returns are overlays.
const (
	OrderUnknown            OrderStatus = "unknown" // a placeholder: it was not placed yet
	OrderPlaced             OrderStatus = "placed"
	OrderConfirmed          OrderStatus = "confirmed"
	OrderProcessing         OrderStatus = "processing"
	OrderPartiallyShipped   OrderStatus = "partially_shipped"
	OrderShipped            OrderStatus = "shipped"
	OrderPartiallyDelivered OrderStatus = "partially_delivered"
	OrderDelivered          OrderStatus = "delivered"
	OrderClosed             OrderStatus = "closed"
	OrderCancelled          OrderStatus = "cancelled"
)

// Flag is what people should look at.
type Flag string

// The flags of an order.
const (
	CancelAfterShip Flag = "cancel_after_ship" // units had left when the cancel came
	OverShipped     Flag = "over_shipped"      // more is out than was ordered
	OverReturned    Flag = "over_returned"     // more came back than was shipped
)

// Carried is a content row of some shipment, as an order sees it.
type Carried struct {
	Content
	ShipmentID events.ShipmentID
	Direction  events.Direction
}

// Order is the state of an order.
type Order struct {
	ID events.OrderID
	OrderBase
	Status      OrderStatus
	Lines       []Line // by id
	Total       Line
	Flags       []Flag // sorted
	CancelledAt time.Time
	ShippedAt   time.Time // the first hand-over of a unit
	DeliveredAt time.Time // the last delivery, once every unit needed is delivered
}

// Line holds the quantities of an order line, in units.
type Line struct {
	ID          events.LineID
	SKU         string
	UnitPrice   events.Decimal
	Ordered     int64
	Cancelled   int64
	Allocated   int64
	Backordered int64
	Shipped     int64
	Delivered   int64
	Returned    int64
	Lost        int64

	net  int64 // out: shipped and neither lost nor back with the outbound parcel
	need int64 // still owed or given
}

// With derives the order from its own facts and from what became of its lines.
func (b OrderBase) With(id events.OrderID, carried []Carried) Order {
	o := Order{ID: id, OrderBase: b}
	o.quantities(carried)
	o.Flags = o.flags(carried)
	if n := len(b.Cancels); n > 0 {
		o.CancelledAt = b.Cancels[n-1].At
	}
	outbound := slices.ContainsFunc(carried, func(c Carried) bool { return c.Direction == events.Outbound })
	o.Status = o.status(outbound)
	o.milestones(carried)
	return o
}

func (o *Order) quantities(carried []Carried) {
	for _, l := range o.OrderBase.Lines {
		o.Lines = append(o.Lines, Line{ID: l.ID, SKU: l.SKU, UnitPrice: l.UnitPrice, Ordered: l.Ordered,
			Allocated: total(l.Allocated), Backordered: total(l.Backordered)})
	}
	for _, c := range carried {
		o.line(c.LineID).carry(c)
	}
	for i := range o.Lines {
		l := &o.Lines[i]
		l.Cancelled = min(o.asked(l.ID), max(0, l.Ordered-l.net))
		l.need = max(0, l.Ordered-l.Cancelled)
		o.Total.add(l)
	}
}

// carry adds a content row. Transfers count nowhere.
func (l *Line) carry(c Carried) {
	switch c.Direction {
	case events.Outbound:
		l.Shipped += c.Shipped
		l.Delivered += c.Delivered
		l.Returned += c.Returned
		l.Lost += c.Lost
		l.net += c.Shipped - c.Lost - c.Returned
	case events.Inbound:
		l.Returned += c.Delivered
	case events.Transfer:
	}
}

func (l *Line) add(o *Line) {
	l.Ordered += o.Ordered
	l.Cancelled += o.Cancelled
	l.Allocated += o.Allocated
	l.Backordered += o.Backordered
	l.Shipped += o.Shipped
	l.Delivered += o.Delivered
	l.Returned += o.Returned
	l.Lost += o.Lost
	l.need += o.need
}

// line finds a line by id, or adds one that only shipments speak of.
func (o *Order) line(id events.LineID) *Line {
	i, found := slices.BinarySearchFunc(o.Lines, id, func(l Line, id events.LineID) int { return cmp.Compare(l.ID, id) })
	if !found {
		o.Lines = slices.Insert(o.Lines, i, Line{ID: id})
	}
	return &o.Lines[i]
}

func (o *Order) asked(id events.LineID) int64 {
	for _, l := range o.OrderBase.Lines {
		if l.ID == id {
			return l.Asked
		}
	}
	return 0
}

func total(nodes map[string]int64) (sum int64) {
	for _, n := range nodes {
		sum += n
	}
	return sum
}

// status is the first that holds.
func (o *Order) status(outbound bool) OrderStatus {
	t := &o.Total
	cancelAll := slices.ContainsFunc(o.Cancels, func(c Cancel) bool { return c.All })
	switch {
	case !o.Known:
		return OrderUnknown
	case (t.Ordered > 0 || cancelAll) && t.need == 0 && t.Shipped == 0:
		return OrderCancelled
	case !o.ClosedAt.IsZero():
		return OrderClosed
	case t.need == 0 && t.Shipped > 0 && t.Delivered == 0:
		return OrderShipped
	case t.need == 0 && t.Shipped > 0, o.complete(func(l *Line) int64 { return l.Delivered }):
		return OrderDelivered
	case t.Delivered > 0:
		return OrderPartiallyDelivered
	case o.complete(func(l *Line) int64 { return l.Shipped }):
		return OrderShipped
	case t.Shipped > 0:
		return OrderPartiallyShipped
	case t.Allocated > 0 || t.Backordered > 0 || outbound:
		return OrderProcessing
	case !o.ConfirmedAt.IsZero():
		return OrderConfirmed
	}
	return OrderPlaced
}

// complete reports whether a quantity covers the need of every line.
func (o *Order) complete(of func(*Line) int64) bool {
	sum := int64(0)
	for i := range o.Lines {
		sum += min(of(&o.Lines[i]), o.Lines[i].need)
	}
	return o.Total.need > 0 && sum == o.Total.need
}

func (o *Order) flags(carried []Carried) (flags []Flag) {
	if slices.ContainsFunc(o.Cancels, func(c Cancel) bool { return c.tooLate(carried) }) {
		flags = append(flags, CancelAfterShip)
	}
	if slices.ContainsFunc(o.Lines, func(l Line) bool { return l.Returned > l.Shipped }) {
		flags = append(flags, OverReturned)
	}
	if slices.ContainsFunc(o.Lines, func(l Line) bool { return l.net > l.Ordered }) {
		flags = append(flags, OverShipped)
	}
	return flags
}

// tooLate reports whether so much had been handed over by the time of the
// cancel that less was left than it asked for; of all, whether anything had.
func (c Cancel) tooLate(carried []Carried) bool {
	gone := map[events.LineID]int64{}
	for _, it := range carried {
		if it.Direction == events.Outbound && !it.HandedOverAt.IsZero() && !it.HandedOverAt.After(c.At) {
			gone[it.LineID] += it.Qty
		}
	}
	if c.All {
		return len(gone) > 0
	}
	return slices.ContainsFunc(c.Lines, func(l CancelLine) bool { return gone[l.ID] > 0 && l.Ordered-gone[l.ID] < l.Asked })
}

func (o *Order) milestones(carried []Carried) {
	complete := o.complete(func(l *Line) int64 { return l.Delivered })
	for _, c := range carried {
		if c.Direction != events.Outbound {
			continue
		}
		if !c.HandedOverAt.IsZero() {
			o.ShippedAt = earliest(o.ShippedAt, c.HandedOverAt)
		}
		if complete && c.DeliveredAt.After(o.DeliveredAt) {
			o.DeliveredAt = c.DeliveredAt
		}
	}
}
