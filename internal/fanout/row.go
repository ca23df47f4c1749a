package fanout

import (
	"time"

	"github.com/waybill-io/waybill/events"
)

// Row is an order or a shipment as clients see it: a [*ShipmentRow] or an
// [*OrderRow]. Its JSON is the row on the wire.
type Row interface {
	// Topic says what it is a row of.
	Topic() Topic
	// Key is the id of the entity.
	Key() string
	// StatusName is the status, the field that filters know best.
	StatusName() string
	// Field is what the row has in a field that filters know; ok is false for a
	// field that its topic does not know. Its kind does not depend on the row.
	Field(name string) (value Value, ok bool)
}

// ShipmentRow is a shipment on the wire. What is not known is left out.
type ShipmentRow struct {
	ID             events.ShipmentID       `json:"id"`
	Revision       int64                   `json:"v"`
	Status         string                  `json:"status"`
	StatusSince    time.Time               `json:"status_since,omitzero"`
	Direction      events.Direction        `json:"direction,omitzero"`
	Carrier        events.SCAC             `json:"carrier,omitzero"`
	Service        string                  `json:"service,omitzero"`
	Parcels        int                     `json:"parcels"`
	Numbers        []events.TrackingNumber `json:"numbers,omitempty"`
	Orders         []events.OrderID        `json:"orders,omitempty"`
	LastScanAt     time.Time               `json:"last_scan_at,omitzero"`
	LastScanType   events.Type             `json:"last_scan_type,omitzero"`
	LastLocation   string                  `json:"last_location,omitzero"`
	ETA            time.Time               `json:"eta,omitzero"`
	PromiseEnd     time.Time               `json:"promise_end,omitzero"`
	Late           bool                    `json:"late"`
	Pos            *[2]float64             `json:"pos,omitzero"` // longitude, latitude
	OpenExceptions int                     `json:"open_exceptions"`
	Disputed       bool                    `json:"disputed"`
	Gap            bool                    `json:"gap"`
}

// Topic says what it is a row of.
func (r *ShipmentRow) Topic() Topic { return Shipments }

// Key is the shipment's id.
func (r *ShipmentRow) Key() string { return string(r.ID) }

// StatusName is the shipment's status.
func (r *ShipmentRow) StatusName() string { return r.Status }

// Field knows all that the row shows but its revision.
func (r *ShipmentRow) Field(name string) (Value, bool) {
	switch name {
	case "id":
		return text(r.ID), true
	case "status":
		return text(r.Status), true
	case "carrier":
		return text(r.Carrier), true
	case "direction":
		return text(r.Direction), true
	case "service":
		return text(r.Service), true
	case "last_scan_type":
		return text(r.LastScanType), true
	case "last_location":
		return text(r.LastLocation), true
	case "numbers":
		return texts(&r.Numbers), true
	case "orders":
		return texts(&r.Orders), true
	}
	return r.measure(name)
}

// measure is Field for what is no text.
func (r *ShipmentRow) measure(name string) (Value, bool) {
	switch name {
	case "status_since":
		return instant(r.StatusSince), true
	case "last_scan_at":
		return instant(r.LastScanAt), true
	case "eta":
		return instant(r.ETA), true
	case "promise_end":
		return instant(r.PromiseEnd), true
	case "parcels":
		return number(int64(r.Parcels)), true
	case "open_exceptions":
		return number(int64(r.OpenExceptions)), true
	case "late":
		return flag(r.Late), true
	case "disputed":
		return flag(r.Disputed), true
	case "gap":
		return flag(r.Gap), true
	case "pos":
		return place(r.Pos), true
	}
	return Value{}, false
}

// OrderRow is an order on the wire. Quantities are sums over its lines.
type OrderRow struct {
	ID          events.OrderID `json:"id"`
	Revision    int64          `json:"v"`
	Status      string         `json:"status"`
	Number      string         `json:"number,omitzero"`
	Channel     string         `json:"channel,omitzero"`
	PlacedAt    time.Time      `json:"placed_at,omitzero"`
	PromiseEnd  time.Time      `json:"promise_end,omitzero"`
	Holds       []string       `json:"holds,omitempty"`
	ReturnsOpen []string       `json:"returns_open,omitempty"`
	Flags       []string       `json:"flags,omitempty"`
	Ordered     int64          `json:"ordered"`
	Cancelled   int64          `json:"cancelled"`
	Shipped     int64          `json:"shipped"`
	Delivered   int64          `json:"delivered"`
	Returned    int64          `json:"returned"`
	Lost        int64          `json:"lost"`
}

// Topic says what it is a row of.
func (r *OrderRow) Topic() Topic { return Orders }

// Key is the order's id.
func (r *OrderRow) Key() string { return string(r.ID) }

// StatusName is the order's status.
func (r *OrderRow) StatusName() string { return r.Status }

// Field knows all that the row shows but its revision, and held, which says that
// it has holds.
func (r *OrderRow) Field(name string) (Value, bool) {
	switch name {
	case "id":
		return text(r.ID), true
	case "status":
		return text(r.Status), true
	case "number":
		return text(r.Number), true
	case "channel":
		return text(r.Channel), true
	case "holds":
		return texts(&r.Holds), true
	case "returns_open":
		return texts(&r.ReturnsOpen), true
	case "flags":
		return texts(&r.Flags), true
	case "held":
		return flag(len(r.Holds) > 0), true
	case "placed_at":
		return instant(r.PlacedAt), true
	case "promise_end":
		return instant(r.PromiseEnd), true
	}
	return r.quantity(name)
}

// quantity is Field for the sums over lines.
func (r *OrderRow) quantity(name string) (Value, bool) {
	switch name {
	case "ordered":
		return number(r.Ordered), true
	case "cancelled":
		return number(r.Cancelled), true
	case "shipped":
		return number(r.Shipped), true
	case "delivered":
		return number(r.Delivered), true
	case "returned":
		return number(r.Returned), true
	case "lost":
		return number(r.Lost), true
	}
	return Value{}, false
}

// sample is an empty row of a topic, to ask which fields it knows. It is nil
// for a topic without filters.
func sample(t Topic) Row {
	switch t {
	case Orders:
		return &OrderRow{}
	case Shipments:
		return &ShipmentRow{}
	case Alerts:
		return &EntryRow{}
	case KPIs, Timeline:
	}
	return nil
}
