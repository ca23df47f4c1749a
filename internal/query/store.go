package query

import (
	"context"
	"errors"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/tracking"
)

// What a store may answer beside an error of its own.
var (
	// ErrNotFound says that a tenant has no such order or shipment, or had none then.
	ErrNotFound = errors.New("not found")
	// ErrTooLong says that a view of the past would take more events than a store
	// reads for one request.
	ErrTooLong = errors.New("the history is too long")
)

// Store reads the read model of one tenant at a time. An error that says
// Temporary() == true, and one because the context ended, is answered with 503.
type Store interface {
	Present
	Past
}

// Present is what is there now.
type Present interface {
	// Order returns an order, or [ErrNotFound].
	Order(ctx context.Context, tenant events.TenantID, id events.OrderID) (Order, error)
	// Shipment returns a shipment, or [ErrNotFound].
	Shipment(ctx context.Context, tenant events.TenantID, id events.ShipmentID) (Shipment, error)
	// Timeline returns at most limit entries of an order's or a shipment's
	// timeline, in fold order, after the place that an earlier page named or, for
	// "", from the beginning. What does not exist has none.
	Timeline(ctx context.Context, tenant events.TenantID, of events.Stream, after string, limit int) (Page, error)
}

// Past is what was there as of some moment: the fold of the events that
// [tracking.AsOf] names. Each answers [ErrTooLong] rather than a part of it.
type Past interface {
	// OrderAsOf returns an order, or [ErrNotFound].
	OrderAsOf(ctx context.Context, tenant events.TenantID, id events.OrderID, at tracking.AsOf) (Order, error)
	// ShipmentAsOf returns a shipment, or [ErrNotFound].
	ShipmentAsOf(ctx context.Context, tenant events.TenantID, id events.ShipmentID, at tracking.AsOf) (Shipment, error)
	// TimelineAsOf returns entries as Timeline does: those up to then, with the
	// marks that they had.
	TimelineAsOf(ctx context.Context, tenant events.TenantID, of events.Stream, after string, limit int, at tracking.AsOf) (Page, error)
}

// Page is a part of a timeline.
type Page struct {
	Entries []Entry
	Next    string // the place of the last entry; empty when nothing follows
}
