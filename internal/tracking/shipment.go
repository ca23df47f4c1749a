package tracking

import (
	"cmp"
	"slices"
	"time"

	"github.com/waybill-io/waybill/events"
)

// Shipment is the state of a shipment. Times are UTC and zero where nothing is
// known; lists are sorted by id.
type Shipment struct {
	ID          events.ShipmentID
	Known       bool // its create is there
	Status      Status
	StatusSince time.Time
	Revision    int64 // events stored under the shipment's own id

	Direction   events.Direction
	Original    events.ShipmentID // of a return: what comes back
	Carrier     events.SCAC
	Service     string
	Origin      *events.Location
	Destination *events.Location
	Promise     *events.Window

	Parcels     []Parcel
	Contents    []Content
	Handovers   []Handover
	Exceptions  []Exception
	Assignments []Assignment
	Estimates   []Estimate // by when they were known

	Position     *Position
	FirstScanAt  time.Time
	LastScanAt   time.Time
	LastScanType events.Type
	LastLocation string
	Damaged      bool
	CustomsHeld  bool

	Guard Guard
}

// Guard is what Apply must know of the facts behind a state.
type Guard struct {
	Newest  Key    `json:"newest,omitzero"`
	Pending []Twin `json:"pending,omitempty"` // retracted before they came
	Carrier bool   `json:"carrier,omitzero"`  // the create named the carrier

	NewestEstimate Key   `json:"newest_estimate,omitzero"`
	Estimates      []Sum `json:"estimates,omitempty"` // of all, so that a copy is known
}

// Sum is the beginning of a fact's content hash: facts with different ones are
// no copies of each other.
type Sum [8]byte

func sum(f *Fact) Sum { return Sum(f.Hash[:8]) }

// Disputed reports whether a parcel's delivery is.
func (s *Shipment) Disputed() bool {
	return slices.ContainsFunc(s.Parcels, func(p Parcel) bool { return p.Disputed })
}

// Gap reports whether a stage of a parcel was never reported.
func (s *Shipment) Gap() bool {
	return slices.ContainsFunc(s.Parcels, func(p Parcel) bool { return p.Gap })
}

// Numbers lists the carrier's numbers that its parcels have or had.
func (s *Shipment) Numbers() []events.TrackingNumber {
	numbers := make([]events.TrackingNumber, 0, len(s.Assignments))
	for _, a := range s.Assignments {
		numbers = append(numbers, a.Number)
	}
	slices.Sort(numbers)
	return slices.Compact(numbers)
}

// Orders lists the orders whose lines it carries.
func (s *Shipment) Orders() []events.OrderID {
	orders := make([]events.OrderID, 0, len(s.Contents))
	for _, c := range s.Contents {
		orders = append(orders, c.OrderID)
	}
	slices.Sort(orders)
	return slices.Compact(orders)
}

// OpenExceptions counts the cases that are open.
func (s *Shipment) OpenExceptions() int {
	n := 0
	for _, e := range s.Exceptions {
		if e.Open {
			n++
		}
	}
	return n
}

// Exception is a case.
type Exception struct {
	ID             events.ExceptionID
	ParcelID       events.ParcelID
	Open           bool
	ReasonCode     string
	Party          events.Party
	Severity       string
	ActionRequired bool
	OpenedAt       time.Time // first
	ResolvedAt     time.Time // last; zero while open
}

// Position is where the shipment was last seen.
type Position struct {
	Lat, Lon float64 // degrees, WGS 84
	At       time.Time
}

// Estimate is a delivery estimate and when it was known.
type Estimate struct {
	Ref        Ref
	Type       events.Type
	Class      events.Class
	Start, End time.Time // Start is zero for a point in time; days last until their last microsecond
	Provider   string
	Confidence *float64
	ReasonCode string
	KnownAt    time.Time
}

// ETA is the newest known estimate of the delivery.
func (s *Shipment) ETA() *Estimate {
	for i := len(s.Estimates) - 1; i >= 0; i-- {
		if s.Estimates[i].ofDelivery() {
			return &s.Estimates[i]
		}
	}
	return nil
}

func (e *Estimate) ofDelivery() bool {
	switch e.Type {
	case events.TypeETAChanged, events.TypeDelivered, events.TypeAvailableForPickup:
		return true
	}
	return false
}

func estimate(f *Fact) Estimate {
	e := Estimate{Ref: f.Ref(), Type: f.Type(), Class: f.Class(), KnownAt: f.RecordedAt.UTC().Truncate(time.Microsecond)}
	d, ok := f.Data.(*events.ETAChanged)
	if !ok {
		e.Start, e.End = expected(f)
		return e
	}
	e.Start, e.End = lasting(d.Window.Start, d.Window.End, d.Window.Precision)
	e.Provider, e.Confidence, e.ReasonCode = d.Provider, d.Confidence, d.ReasonCode
	return e
}

// expected is when a fact is to happen: at a moment, or some time on a day.
func expected(f *Fact) (start, end time.Time) {
	at := f.OccurredAt()
	if f.Precision() == events.ToDay {
		return lasting(at, at, events.ToDay)
	}
	return time.Time{}, micro(at)
}

// lasting is a window's first and last moment, in UTC: one of days lasts from the
// first moment of its first to the last microsecond of its last, where these were
// written. A start that nobody knows stays zero.
func lasting(start, end time.Time, p events.Precision) (first, last time.Time) {
	if p != events.ToDay {
		return micro(start), micro(end)
	}
	if !start.IsZero() {
		first = dayStart(start).UTC()
	}
	return first, dayEnd(end).UTC()
}

// micro is t in UTC as Postgres keeps it; zero stays zero.
func micro(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Microsecond)
}

// parcel finds a parcel by id.
func (s *Shipment) parcel(id events.ParcelID) *Parcel {
	i, found := slices.BinarySearchFunc(s.Parcels, id, func(p Parcel, id events.ParcelID) int { return cmp.Compare(p.ID, id) })
	if !found {
		return nil
	}
	return &s.Parcels[i]
}
