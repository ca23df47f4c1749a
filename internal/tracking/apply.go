package tracking

import (
	"cmp"
	"slices"

	"github.com/waybill-io/waybill/events"
)

// Apply takes one more fact of the shipment's own stream into account, which
// must not be stored yet. It returns false, and changes nothing, where only a
// fold of all facts can tell what the fact means: one that does not sort after
// all others of its class, that may be a copy, that names a new parcel or the
// contents, or that is retracted. An estimate is added to Estimates, which need
// not hold the earlier ones.
//
// Apply does not derive the contents anew: call [Shipment.Settle] after the
// last of several facts.
func (s *Shipment) Apply(f *Fact) (Mark, bool) {
	if f.Class() != events.Actual {
		ok := s.applyEstimate(f)
		if ok {
			s.Revision++
		}
		return Mark{}, ok
	}
	if !s.mayApply(f) {
		return Mark{}, false
	}
	s.Revision++
	return s.apply(Scan{Fact: f, Parcel: spokenOf(f)}), true
}

func (s *Shipment) apply(it Scan) Mark {
	mark := Mark{Anomalies: s.step(it)}
	slices.Sort(mark.Anomalies)
	mark.Anomalies = slices.Compact(mark.Anomalies)
	s.Guard.Newest = it.Key
	return mark
}

// Settle derives what became of the contents from the parcels.
func (s *Shipment) Settle() { s.settle() }

func (s *Shipment) mayApply(f *Fact) bool {
	if len(s.Parcels) == 0 || f.Class() != events.Actual || f.skewed() || !f.after(s.Guard.Newest) {
		return false
	}
	switch f.Type() {
	case events.TypeShipmentCreated, events.TypeTrackingAssigned, events.TypeRetracted:
		return false
	}
	if d, ok := f.Data.(*events.Delivered); ok && len(d.Contents) > 0 {
		return false
	}
	if id := spokenOf(f); id != "" && s.parcel(id) == nil && f.Stream().Kind == events.ShipmentStream {
		return false
	}
	return !slices.Contains(s.Guard.Pending, twin(f))
}

// applyEstimate adds an estimate that is newer than all others.
func (s *Shipment) applyEstimate(f *Fact) bool {
	switch f.Type() {
	case events.TypeShipmentCreated, events.TypeTrackingAssigned, events.TypeRetracted:
		return false
	}
	g := &s.Guard
	if len(s.Parcels) == 0 || f.Key.Compare(g.NewestEstimate) <= 0 || slices.Contains(g.Pending, twin(f)) || slices.Contains(g.Estimates, sum(f)) {
		return false
	}
	s.expect(f)
	return true
}

// after reports whether a fact lies after all others of its stream, and not
// beside the newest: a copy of it would lie there.
func (f *Fact) after(newest Key) bool {
	return cmp.Or(cmp.Compare(f.Key.When, newest.When), cmp.Compare(f.Key.Rank, newest.Rank)) > 0
}
