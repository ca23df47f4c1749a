package tracking

import (
	"cmp"
	"slices"
	"time"

	"github.com/waybill-io/waybill/events"
)

// Assignment gives a parcel a carrier's number.
type Assignment struct {
	Carrier    events.SCAC
	Number     events.TrackingNumber
	ShipmentID events.ShipmentID
	ParcelID   events.ParcelID
	ValidFrom  time.Time // zero: from the beginning
	Key        Key       // of the fact that says so
}

// compare sorts by number and beginning, then by the sort key, whose last part
// is the stream: two shipments may know facts of the same source and id.
func (a Assignment) compare(o Assignment) int {
	return cmp.Or(
		cmp.Compare(a.Carrier, o.Carrier), cmp.Compare(a.Number, o.Number), a.ValidFrom.Compare(o.ValidFrom),
		a.Key.Compare(o.Key), cmp.Compare(a.ShipmentID, o.ShipmentID),
	)
}

// Holding is an assignment with the time until which it holds.
type Holding struct {
	Assignment
	ValidTo time.Time // excluded; zero: until further notice; ValidFrom: it lost a tie
	Lost    bool      // another assignment of the same moment counts
}

// Resolve says how long each assignment of one number holds: until the next
// one begins. Of several that begin together the last by key holds.
func Resolve(assignments []Assignment) []Holding {
	sorted := slices.Clone(assignments)
	slices.SortFunc(sorted, Assignment.compare)
	holdings := make([]Holding, len(sorted))
	for i, a := range sorted {
		holdings[i] = Holding{Assignment: a}
		if i+1 == len(sorted) {
			continue
		}
		next := sorted[i+1]
		holdings[i].ValidTo = next.ValidFrom
		holdings[i].Lost = next.ValidFrom.Equal(a.ValidFrom)
	}
	return holdings
}

// Holder is who had the number at a moment.
func Holder(holdings []Holding, when time.Time) (Holding, bool) {
	for _, h := range slices.Backward(holdings) {
		if !h.Lost && !h.ValidFrom.After(when) {
			return h, true
		}
	}
	return Holding{}, false
}
