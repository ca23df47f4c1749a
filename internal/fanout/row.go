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
	// Field is the value of a field that filters know, "" where the row has
	// none; ok is false for a field that its topic does not know.
	Field(name string) (value string, ok bool)
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

// Field knows id, status, carrier and direction.
func (r *ShipmentRow) Field(name string) (string, bool) {
	switch name {
	case "id":
		return string(r.ID), true
	case "status":
		return r.Status, true
	case "carrier":
		return string(r.Carrier), true
	case "direction":
		return string(r.Direction), true
	}
	return "", false
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

// Field knows id and status.
func (r *OrderRow) Field(name string) (string, bool) {
	switch name {
	case "id":
		return string(r.ID), true
	case "status":
		return r.Status, true
	}
	return "", false
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
	}
	return nil
}
