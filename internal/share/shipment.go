package share

import (
	"context"
	"time"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/tracking"
)

// Store answers what links show.
type Store interface {
	// Shared returns the shipment of the link that a secret opens, or
	// [ErrNotFound].
	Shared(ctx context.Context, secret Secret) (Shipment, error)
}

// Shipment is all that may be known of a shipment to whoever has its link. A
// store fills it from these columns and no others.
type Shipment struct {
	Status      tracking.Status
	StatusSince time.Time
	Carrier     events.SCAC
	Parcels     int
	ETA         Span
	Promise     Span
	PromiseDay  time.Time // the local day of a promise that is for a day, as midnight UTC
	LastScan    time.Time
	Events      []Event // the oldest first
}

// Span is a time between two others, of which the first may be zero.
type Span struct {
	From, To time.Time
}

// Event is what may be known of a fact of the timeline.
type Event struct {
	Type      events.Type // one that Public knows
	At        time.Time   // with the offset of the place, where the source gave it
	Precision events.Precision
	City      string
	Region    string
	Country   string
}

// Public reports whether facts of a type are shown. Numbers, positions, what
// nobody could read, and estimates, which come with the shipment, are not.
func Public(t events.Type) bool {
	_, ok := wordsOf(t)
	return ok
}
