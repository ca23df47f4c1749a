package tracking

import "time"

// Arrived is since when it is where it was to go: since its status says so, or
// before, when the last of its parcels could first be had. It means nothing
// of a shipment that is neither delivered nor to be picked up.
func (s *Shipment) Arrived() time.Time {
	var last time.Time
	for i := range s.Parcels {
		p := &s.Parcels[i]
		at := p.DeliveredAt
		if !p.AvailableAt.IsZero() && (at.IsZero() || p.AvailableAt.Before(at)) {
			at = p.AvailableAt
		}
		if at.After(last) {
			last = at
		}
	}
	if last.IsZero() || s.StatusSince.Before(last) {
		return s.StatusSince
	}
	return last
}

// Late reports whether it arrived after a moment or, while it is on its way, is
// expected to by the newest estimate. It does not depend on the clock: nothing
// becomes late by waiting. What comes back, is lost or was cancelled is not late.
func (s *Shipment) Late(promised time.Time) bool {
	if promised.IsZero() {
		return false
	}
	switch s.Status {
	case Delivered, AvailableForPickup:
		return s.Arrived().After(promised)
	case Returning, Returned, Lost, Destroyed, Cancelled:
		return false
	default:
		eta := s.ETA()
		return eta != nil && eta.End.After(promised)
	}
}
