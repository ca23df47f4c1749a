package tracking

import (
	"cmp"
	"slices"
	"time"

	"github.com/waybill-io/waybill/events"
)

// Parcel is the state of one parcel. Times are UTC and zero where nothing is
// known.
type Parcel struct {
	ID             events.ParcelID // "" stands in while no parcel is named
	Status         Status
	StatusSince    time.Time
	FirstScanAt    time.Time // the first physical fact
	LastScanAt     time.Time
	LastScanType   events.Type
	LastLocation   string
	HandedOverAt   time.Time // the first physical status
	AvailableAt    time.Time // first available for pickup
	FirstAttemptAt time.Time
	Attempts       int       // at different moments
	DeliveredAt    time.Time // the first effective delivery
	DeliveredOn    time.Time // its local day, as midnight UTC
	Disputed       bool      // something physical was said after the delivery
	Gap            bool      // a stage that must have happened was never reported
}

// move walks the parcel to a status and says what is odd about that.
func (p *Parcel) move(f *Fact, to Status) (anomalies []Anomaly) {
	from := p.Status
	switch {
	case to == from:
		return nil
	case from == Returning && to == InTransit:
		return nil // the way back has stations too
	case !mayMove(from, to):
		if from == Delivered && to.physical() {
			p.Disputed = true
		}
		return []Anomaly{Regression}
	}
	if from == Cancelled {
		anomalies = append(anomalies, MovedAfterCancel)
	}
	p.Gap = p.Gap || skips(from, to)
	p.Status, p.StatusSince = to, f.When()
	p.reach(f, to)
	return anomalies
}

// reach notes the milestones that come with a status.
func (p *Parcel) reach(f *Fact, s Status) {
	if s.physical() && p.HandedOverAt.IsZero() {
		p.HandedOverAt = f.When()
	}
	if s == AvailableForPickup && p.AvailableAt.IsZero() {
		p.AvailableAt = f.When()
	}
	if s == Delivered && p.DeliveredAt.IsZero() {
		p.DeliveredAt, p.DeliveredOn = f.When(), localDay(f.OccurredAt())
	}
}

// scan notes that somebody saw the parcel.
func (p *Parcel) scan(f *Fact) {
	if to := destination(f.Type()); to.physical() && p.FirstScanAt.IsZero() {
		p.FirstScanAt = f.When()
	}
	if f.Type() == events.TypeDeliveryAttempted && !p.attemptedAt(f.When()) {
		if p.Attempts++; p.FirstAttemptAt.IsZero() {
			p.FirstAttemptAt = f.When()
		}
	}
	p.LastScanAt, p.LastScanType, p.LastLocation = f.When(), f.Type(), place(f)
}

// attemptedAt reports whether the attempt of a moment is counted: a scan that is
// told again, with more detail, is no other attempt. Facts of one moment and type
// come one after the other.
func (p *Parcel) attemptedAt(t time.Time) bool {
	return p.LastScanType == events.TypeDeliveryAttempted && p.LastScanAt.Equal(t)
}

// isScan reports whether a type says that somebody saw the parcel. A scan whose
// code nobody knows says nothing.
func isScan(t events.Type) bool {
	switch t {
	case events.TypeCustomsHeld, events.TypeCustomsReleased, events.TypeDamaged:
		return true
	}
	to := destination(t)
	return to == InfoReceived || to.physical()
}

// place names where a fact happened, for people.
func place(f *Fact) string {
	d, ok := f.Data.(interface {
		Where() (*events.Location, string)
	})
	if !ok {
		return ""
	}
	l, facility := d.Where()
	if l == nil {
		return facility
	}
	return cmp.Or(l.Name, l.City, facility, l.UNLOCODE, l.Postcode, l.Region, l.Country)
}

// localDay is the day of t in its own offset, as midnight UTC.
func localDay(t time.Time) time.Time {
	y, m, d := t.Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

// combined is the status of a shipment: its least advanced live parcel, and
// with none alive the worst of the ends.
func combined(parcels []Parcel) Status {
	least := Unknown
	for i := range parcels {
		if s := parcels[i].Status; s.live() && (least == Unknown || s.rank() < least.rank()) {
			least = s
		}
	}
	if least != Unknown {
		return least
	}
	for _, end := range []Status{Lost, Destroyed, Returned, Delivered, Cancelled} {
		if slices.ContainsFunc(parcels, func(p Parcel) bool { return p.Status == end }) {
			return end
		}
	}
	return Unknown
}
