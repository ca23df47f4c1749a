package tracking

import (
	"github.com/waybill-io/waybill/events"
)

// Assignments are the numbers that a shipment's own facts assign to its
// parcels.
func Assignments(id events.ShipmentID, own []*Fact) []Assignment {
	s := Shipment{ID: id}
	for _, f := range count(own).facts {
		if d, ok := f.Data.(*events.TrackingAssigned); ok {
			s.assign(f, d)
		}
	}
	return s.Assignments
}

// FoldNumber gives the scans of a carrier's number to the parcels that had it:
// per shipment those that count. The marks are of the entries that no shipment
// gets: those that do not count, that stand in the wrong stream, or that nobody
// had the number for.
func FoldNumber(stream []*Fact, holdings []Holding) (map[events.ShipmentID][]Scan, Marks) {
	l := count(stream)
	scans := map[events.ShipmentID][]Scan{}
	for _, facts := range [][]*Fact{l.facts, l.estimates} {
		for _, f := range facts {
			l.give(f, holdings, scans)
		}
	}
	return scans, l.marks
}

func (l *ledger) give(f *Fact, holdings []Holding, scans map[events.ShipmentID][]Scan) {
	switch f.Type() {
	case events.TypeShipmentCreated, events.TypeTrackingAssigned:
		l.marks.note(f, Misplaced)
		return
	case events.TypeRetracted:
		return
	}
	h, ok := Holder(holdings, f.When())
	if !ok {
		mark := l.marks[f.Ref()]
		mark.Unmatched = true
		l.marks[f.Ref()] = mark
		return
	}
	scans[h.ShipmentID] = append(scans[h.ShipmentID], Scan{Fact: f, Parcel: h.ParcelID})
}

// ApplyScan takes one more scan of a parcel's number into account, as
// [Shipment.Apply] does with a fact of the own stream.
func (s *Shipment) ApplyScan(it Scan) (Mark, bool) {
	if s.parcel(it.Parcel) == nil {
		return Mark{}, false
	}
	if it.Class() != events.Actual {
		return Mark{}, s.applyEstimate(it.Fact)
	}
	if !s.mayApply(it.Fact) {
		return Mark{}, false
	}
	return s.apply(it), true
}
