package fanout

import (
	"time"

	"github.com/waybill-io/waybill/events"
)

// scope is the part of a tenant that a peer may see: all of it, or one shipment
// and of that only what is public. It comes before the client's filter.
type scope struct {
	shipment events.ShipmentID // "" for all of the tenant
}

// covers reports whether the peer may know anything of an entity at all, that it
// changed included.
func (s scope) covers(k key) bool {
	return s.shipment == "" || k == key{Shipments, string(s.shipment)}
}

// name is what an entity that is covered is called on the wire. A shipment's id
// may be its carrier's number, so the bearer of a link is not told it.
func (s scope) name(id string) string {
	if s.shipment == "" {
		return id
	}
	return PublicID
}

// json encodes the row of a change as the peer may see it; full rows once for
// all who want them.
func (s scope) json(c *change) []byte {
	if s.shipment == "" {
		return c.json()
	}
	return s.encode(c.row)
}

// encode is encodeRow for what the peer may see of a row that is covered.
func (s scope) encode(r Row) []byte {
	if s.shipment == "" {
		return encodeRow(r)
	}
	full, ok := r.(*ShipmentRow)
	if !ok {
		panic("fanout: only shipments have a public row")
	}
	return encodeFrame(full.public())
}

// filter reads the filter of a client and puts the scope before it. Who has a
// single row needs no filter, and gets none to ask about fields with that are
// not public.
func (s scope) filter(t Topic, client []byte) (Filter, *Error) {
	f, problem := ParseFilter(t, client)
	switch {
	case s.shipment == "" || problem != nil:
		return f, problem
	case f.Canonical() != Filter{}.Canonical():
		return Filter{}, refuse(BadFilter, "a link has one shipment and takes no filter")
	}
	only := []byte(`{"f":"id","op":"eq","v":` + string(quote(string(s.shipment))) + `}`)
	return ParseFilter(t, only)
}

// PublicID is the id of the one row that the bearer of a link sees.
const PublicID = "shipment"

// PublicRow is a shipment on the wire for the bearer of its link. What is not
// here is not public.
type PublicRow struct {
	ID           string      `json:"id"` // PublicID
	Revision     int64       `json:"v"`
	Status       string      `json:"status"`
	StatusSince  time.Time   `json:"status_since,omitzero"`
	Carrier      events.SCAC `json:"carrier,omitzero"`
	Parcels      int         `json:"parcels"`
	LastScanAt   time.Time   `json:"last_scan_at,omitzero"`
	LastScanType events.Type `json:"last_scan_type,omitzero"`
	ETA          time.Time   `json:"eta,omitzero"`
	PromiseEnd   time.Time   `json:"promise_end,omitzero"`
}

// public is what the bearer of a link sees of the row.
func (r *ShipmentRow) public() *PublicRow {
	return &PublicRow{
		ID: PublicID, Revision: r.Revision, Status: r.Status, StatusSince: r.StatusSince, Carrier: r.Carrier,
		Parcels: r.Parcels, LastScanAt: r.LastScanAt, LastScanType: r.LastScanType, ETA: r.ETA, PromiseEnd: r.PromiseEnd,
	}
}
