package tracking

import (
	"cmp"
	"slices"
	"time"

	"github.com/waybill-io/waybill/events"
)

// Content is a quantity of an order line in a shipment, and what became of it.
type Content struct {
	ContentKey
	Qty          int64
	Shipped      int64
	Delivered    int64
	Returned     int64
	Lost         int64
	HandedOverAt time.Time // when the last of its parcels was; zero before
	DeliveredAt  time.Time // when the last unit was; zero before
}

// ContentKey names a content row of a shipment.
type ContentKey struct {
	OrderID  events.OrderID  `json:"o"`
	LineID   events.LineID   `json:"l"`
	ParcelID events.ParcelID `json:"p,omitempty"` // "" is spread over all parcels
}

func (k ContentKey) compare(o ContentKey) int {
	return cmp.Or(cmp.Compare(k.OrderID, o.OrderID), cmp.Compare(k.LineID, o.LineID), cmp.Compare(k.ParcelID, o.ParcelID))
}

// Handover is a delivery of quantities instead of parcels.
type Handover struct {
	ContentKey
	Qty int64     `json:"q"`
	At  time.Time `json:"t"`
}

// settle derives what became of each content row from its parcels.
func (s *Shipment) settle() {
	var few [8]*Parcel // of most shipments, without allocating
	for i := range s.Contents {
		c := &s.Contents[i]
		c.settle(s.carrying(few[:0], c.ParcelID), s.Handovers)
	}
}

// carrying appends the parcels that a content row lies in, without those that
// were cancelled or that nobody has spoken of.
func (s *Shipment) carrying(in []*Parcel, id events.ParcelID) []*Parcel {
	for i := range s.Parcels {
		p := &s.Parcels[i]
		if id != "" && p.ID == id || id == "" && p.Status != Cancelled && p.Status != Unknown {
			in = append(in, p)
		}
	}
	return in
}

func (c *Content) settle(parcels []*Parcel, handovers []Handover) {
	c.Shipped, c.Delivered, c.Returned, c.Lost = 0, 0, 0, 0
	if every(parcels, func(p *Parcel) bool { return p.Status == Lost || p.Status == Destroyed }) {
		c.Lost = c.Qty
	}
	if every(parcels, func(p *Parcel) bool { return p.Status == Returned }) {
		c.Returned = c.Qty
	}
	if c.HandedOverAt = latest(parcels, func(p *Parcel) time.Time { return p.HandedOverAt }); !c.HandedOverAt.IsZero() {
		c.Shipped = c.Qty
	}
	sum, at := c.handedOver(handovers)
	if c.DeliveredAt = latest(parcels, func(p *Parcel) time.Time { return p.DeliveredAt }); !c.DeliveredAt.IsZero() {
		sum = max(sum, c.Qty)
	}
	if c.DeliveredAt.IsZero() || !at.IsZero() && at.Before(c.DeliveredAt) {
		c.DeliveredAt = at
	}
	c.Delivered = sum
}

// handedOver adds the quantities delivered so far, and says when that was all.
func (c *Content) handedOver(handovers []Handover) (sum int64, all time.Time) {
	for _, h := range handovers {
		if h.OrderID != c.OrderID || h.LineID != c.LineID || h.ParcelID != c.ParcelID {
			continue
		}
		if sum += h.Qty; sum >= c.Qty && all.IsZero() {
			all = h.At
		}
	}
	return sum, all
}

func every(parcels []*Parcel, is func(*Parcel) bool) bool {
	return len(parcels) > 0 && !slices.ContainsFunc(parcels, func(p *Parcel) bool { return !is(p) })
}

// latest is when the last parcel reached something, zero until all have.
func latest(parcels []*Parcel, reached func(*Parcel) time.Time) (last time.Time) {
	for _, p := range parcels {
		at := reached(p)
		if at.IsZero() {
			return time.Time{}
		}
		if at.After(last) {
			last = at
		}
	}
	return last
}

// handOver adds a delivery of quantities and reports whether everything is
// delivered now.
func (s *Shipment) handOver(f *Fact, d *events.Delivered) bool {
	for _, c := range d.Contents {
		s.spread(ContentKey{c.OrderID, c.LineID, c.ParcelID}, c.Qty, f.When())
	}
	s.settle()
	return len(s.Contents) > 0 && !slices.ContainsFunc(s.Contents, func(c Content) bool { return c.Delivered < c.Qty })
}

// spread gives a quantity to the rows of a line in order, up to what is left of
// each; what nobody knows of is kept with the last.
func (s *Shipment) spread(key ContentKey, qty int64, at time.Time) {
	rows := s.rowsOf(key)
	for i, c := range rows {
		sum, _ := c.handedOver(s.Handovers)
		part := min(qty, max(0, c.Qty-sum))
		if i == len(rows)-1 {
			part = qty
		}
		if part > 0 {
			s.Handovers = append(s.Handovers, Handover{c.ContentKey, part, at})
		}
		qty -= part
	}
}

// rowsOf finds the row that a key names, else all rows of its line: a carrier
// may know the parcel of what the shipper spread over all of them.
func (s *Shipment) rowsOf(key ContentKey) (rows []*Content) {
	for i := range s.Contents {
		switch c := &s.Contents[i]; {
		case key.ParcelID != "" && c.ContentKey == key:
			return []*Content{c}
		case c.OrderID == key.OrderID && c.LineID == key.LineID:
			rows = append(rows, c)
		}
	}
	return rows
}
