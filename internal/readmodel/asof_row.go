package readmodel

import (
	"time"

	"github.com/waybill-io/waybill/internal/query"
	"github.com/waybill-io/waybill/internal/tracking"
)

// shipmentThen is the row that would be stored of a shipment.
func shipmentThen(s *tracking.Shipment) query.Shipment {
	promised := kept(spanOf(s.Promise).end)
	row := query.Shipment{
		ID: s.ID, Revision: s.Revision, Status: string(s.Status), StatusSince: s.StatusSince, Direction: s.Direction,
		Carrier: s.Carrier, Service: s.Service, Parcels: len(s.Parcels), Numbers: s.Numbers(), Orders: s.Orders(),
		LastScanAt: s.LastScanAt, LastScanType: s.LastScanType, LastLocation: s.LastLocation, ETA: orZero(s.ETA()).End,
		PromiseEnd: promised, Late: s.Late(promised),
		OpenExceptions: s.OpenExceptions(), Disputed: s.Disputed(), Gap: s.Gap(),
	}
	if p := s.Position; p != nil {
		row.Pos = &[2]float64{p.Lon, p.Lat}
	}
	return row
}

// orderThen is the row that would be stored of an order.
func orderThen(o *tracking.Order) query.Order {
	return query.Order{
		ID: o.ID, Revision: o.Revision, Status: string(o.Status), Number: o.Number, Channel: o.Channel, PlacedAt: o.PlacedAt,
		PromiseEnd: kept(spanOf(o.Original).end), Holds: o.Holds, ReturnsOpen: o.ReturnsOpen(),
		Flags:   column(o.Flags, func(f tracking.Flag) string { return string(f) }),
		Ordered: o.Total.Ordered, Cancelled: o.Total.Cancelled, Shipped: o.Total.Shipped, Delivered: o.Total.Delivered,
		Returned: o.Total.Returned, Lost: o.Total.Lost,
	}
}

// kept is a time as the database keeps it.
func kept(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
