package scenario_test

import (
	"slices"

	"github.com/waybill-io/waybill/events"
)

// board follows which parcels are under way, as somebody would who knows the
// numbers: a parcel ends with the first of the types that end one, if that is
// not taken back.
type board struct {
	left    map[string]map[events.ParcelID]bool // parcels that have not ended, by shipment
	numbers map[string]parcel
	ends    map[string][]events.Event // by stream
	taken   map[identity]bool
	placed  map[string]bool
	most    int
}

type parcel struct {
	shipment string
	id       events.ParcelID
}

var ending = []events.Type{
	events.TypeDelivered, events.TypeReturned, events.TypeLost, events.TypeDestroyed, events.TypeShipmentCancelled,
}

func newBoard() *board {
	return &board{
		left: map[string]map[events.ParcelID]bool{}, numbers: map[string]parcel{},
		ends: map[string][]events.Event{}, taken: map[identity]bool{}, placed: map[string]bool{},
	}
}

func (b *board) open() int { return len(b.left) }

func (b *board) see(e events.Event) {
	switch d := e.Data.(type) {
	case *events.OrderPlaced:
		b.placed[e.Subject] = true
	case *events.ShipmentCreated:
		if b.left[e.Subject] == nil && len(b.ends[e.Subject]) == 0 {
			b.left[e.Subject] = map[events.ParcelID]bool{}
			for _, p := range d.Parcels {
				b.left[e.Subject][p.ParcelID] = true
			}
		}
	case *events.TrackingAssigned:
		number := events.TrackingStreamOf(d.Carrier.SCAC, d.TrackingNumber).ID
		b.numbers[number] = parcel{e.Subject, d.ParcelID}
		for _, end := range b.ends[number] {
			b.end(end)
		}
	case *events.Retracted:
		b.taken[identity{e.Stream(), d.RetractedSource, d.RetractedID}] = true
		b.taken[identity{e.Stream(), "urn:waybill:relay", d.RetractedID + "c"}] = true
	}
	if slices.Contains(ending, e.Type()) {
		b.ends[e.Subject] = append(b.ends[e.Subject], e)
		b.end(e)
	}
	b.most = max(b.most, b.open())
}

func (b *board) end(e events.Event) {
	if b.taken[identityOf(e)] {
		return
	}
	p, ok := b.numbers[e.Subject]
	if !ok {
		p = parcel{e.Subject, e.Data.(interface{ Parcel() events.ParcelID }).Parcel()}
	}
	if p.id == "" {
		delete(b.left, p.shipment)
		return
	}
	delete(b.left[p.shipment], p.id)
	if len(b.left[p.shipment]) == 0 {
		delete(b.left, p.shipment)
	}
}
