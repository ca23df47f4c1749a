package query

import (
	"time"

	"github.com/waybill-io/waybill/events"
)

// Shipment is a shipment as it is now. It has the fields of a row on the socket,
// in the same order, so that one converts to the other.
type Shipment struct {
	ID             events.ShipmentID       `json:"id" doc:"The shipment, as the shipping system names it."`
	Revision       int64                   `json:"v" doc:"How many events of its own stream are stored; 0 while it is known only from elsewhere."`
	Status         string                  `json:"status" doc:"unknown, created, info_received, picked_up, in_transit, out_for_delivery, delivery_attempted, available_for_pickup, returning, delivered, returned, lost, destroyed or cancelled: that of its least advanced parcel."`
	StatusSince    time.Time               `json:"status_since,omitzero" doc:"When that began, by the source's clock."`
	Direction      events.Direction        `json:"direction,omitzero" doc:"outbound, return or transfer."`
	Carrier        events.SCAC             `json:"carrier,omitzero" doc:"Who carries: a Standard Carrier Alpha Code or a short name."`
	Service        string                  `json:"service,omitzero" doc:"The carrier's service."`
	Parcels        int                     `json:"parcels" doc:"How many parcels are known."`
	Numbers        []events.TrackingNumber `json:"numbers,omitempty" nullable:"false" doc:"The carriers' numbers of its parcels."`
	Orders         []events.OrderID        `json:"orders,omitempty" nullable:"false" doc:"The orders whose lines it carries."`
	LastScanAt     time.Time               `json:"last_scan_at,omitzero" doc:"When its newest fact happened."`
	LastScanType   events.Type             `json:"last_scan_type,omitzero" doc:"What that fact was."`
	LastLocation   string                  `json:"last_location,omitzero" doc:"Where that was."`
	ETA            time.Time               `json:"eta,omitzero" doc:"When it is expected, by the newest estimate."`
	PromiseEnd     time.Time               `json:"promise_end,omitzero" doc:"Until when delivery is promised."`
	Late           bool                    `json:"late" doc:"It arrived after promise_end, or is expected to by the newest estimate. What is recorded decides, never the clock."`
	Pos            *[2]float64             `json:"pos,omitzero" nullable:"false" doc:"Where it was last seen: longitude and latitude in degrees."`
	OpenExceptions int                     `json:"open_exceptions" doc:"How many cases are open."`
	Disputed       bool                    `json:"disputed" doc:"A fact contradicts its delivery."`
	Gap            bool                    `json:"gap" doc:"A step that must have happened was never reported."`
}

// Order is an order as it is now. It has the fields of a row on the socket, in
// the same order, so that one converts to the other.
type Order struct {
	ID          events.OrderID `json:"id" doc:"The order, as the selling system names it."`
	Revision    int64          `json:"v" doc:"How many events of its own stream are stored; 0 while it is known only from its shipments."`
	Status      string         `json:"status" doc:"unknown, placed, confirmed, processing, partially_shipped, shipped, partially_delivered, delivered, cancelled or closed."`
	Number      string         `json:"number,omitzero" doc:"The number that the customer sees."`
	Channel     string         `json:"channel,omitzero" doc:"Where it was placed."`
	PlacedAt    time.Time      `json:"placed_at,omitzero" doc:"When it was placed."`
	PromiseEnd  time.Time      `json:"promise_end,omitzero" doc:"Until when delivery was promised at first."`
	Holds       []string       `json:"holds,omitempty" nullable:"false" doc:"The reasons of the holds that stand."`
	ReturnsOpen []string       `json:"returns_open,omitempty" nullable:"false" doc:"The returns that were requested and not received yet, by id."`
	Flags       []string       `json:"flags,omitempty" nullable:"false" doc:"What is odd about its quantities: cancel_after_ship, over_shipped, over_returned."`
	Ordered     int64          `json:"ordered" doc:"Units ordered, over all lines."`
	Cancelled   int64          `json:"cancelled" doc:"Units cancelled."`
	Shipped     int64          `json:"shipped" doc:"Units ever handed to a carrier."`
	Delivered   int64          `json:"delivered" doc:"Units ever delivered."`
	Returned    int64          `json:"returned" doc:"Units that came back."`
	Lost        int64          `json:"lost" doc:"Units lost or destroyed."`
}
