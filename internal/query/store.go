package query

import (
	"context"
	"errors"

	"github.com/waybill-io/waybill/events"
)

// ErrNotFound says that a tenant has no such order or shipment.
var ErrNotFound = errors.New("not found")

// Store reads the read model of one tenant at a time. An error that says
// Temporary() == true, and one because the context ended, is answered with 503.
type Store interface {
	// Order returns an order, or [ErrNotFound].
	Order(ctx context.Context, tenant events.TenantID, id events.OrderID) (Order, error)
	// Shipment returns a shipment, or [ErrNotFound].
	Shipment(ctx context.Context, tenant events.TenantID, id events.ShipmentID) (Shipment, error)
	// Timeline returns at most limit entries of an order's or a shipment's
	// timeline, in fold order, after the place that an earlier page named or, for
	// "", from the beginning. What does not exist has none.
	Timeline(ctx context.Context, tenant events.TenantID, of events.Stream, after string, limit int) (Page, error)
}

// Page is a part of a timeline.
type Page struct {
	Entries []Entry
	Next    string // the place of the last entry; empty when nothing follows
}
