package scenario

import (
	"strconv"
	"time"

	"github.com/waybill-io/waybill/events"
)

// shipment is what its tale knows of a shipment.
type shipment struct {
	id        events.ShipmentID
	order     *order
	direction events.Direction
	original  events.ShipmentID
	from, to  *place
	carrier   *carrier
	service   string
	parcels   []*parcel
	contents  []events.Content
	loose     bool // nobody knows which parcel holds what
	together  bool // the carrier scans all parcels as one on the way
	cancel    bool // the customer cancels when it is under way
	careful   bool // nothing happens to it
}

type parcel struct {
	id       events.ParcelID
	number   events.TrackingNumber
	byNumber bool // its scans name the number only
	late     bool // and it becomes known later
	delay    time.Duration
}

// end is how a shipment ended.
type end struct {
	at        time.Time
	delivered bool
	lost      bool
}

// and is the end of two shipments.
func (e end) and(o end) end {
	if o.at.After(e.at) {
		e.at = o.at
	}
	return end{at: e.at, delivered: e.delivered && o.delivered, lost: e.lost || o.lost}
}

func (t *tale) newShipment(o *order, from, to *place) *shipment {
	t.ships++
	s := &shipment{
		id:    events.ShipmentID(t.g.id("s-", t.number) + "-" + strconv.Itoa(t.ships)),
		order: o, direction: events.Outbound, from: from, to: to,
		carrier: oneOf(t.d, t.g.carriers[from.region]), loose: t.d.chance(0.1), together: t.d.chance(0.5),
	}
	s.service = oneOf(t.d, s.carrier.services)
	n := 1
	if t.d.chance(t.g.cfg.Rates.MultiParcel) {
		n += 1 + t.d.n(2)
	}
	for i := range n {
		s.parcels = append(s.parcels, t.newParcel(i))
	}
	return s
}

func (t *tale) newParcel(i int) *parcel {
	t.parcel++
	unique := mix(uint64(t.number)<<8+uint64(t.parcel)) ^ t.g.salt
	b := strconv.AppendUint([]byte("WB"), unique, 36)
	for j, c := range b {
		if 'a' <= c && c <= 'z' {
			b[j] = c - 'a' + 'A'
		}
	}
	p := &parcel{id: events.ParcelID("p" + strconv.Itoa(i+1)), number: events.TrackingNumber(b)}
	p.byNumber = t.d.chance(t.g.cfg.Rates.ByNumber)
	p.late = t.d.chance(t.g.cfg.Rates.LateNumber)
	if i > 0 && t.d.chance(0.2) {
		p.delay = t.d.between(10*time.Hour, 40*time.Hour)
	}
	return p
}

// pack puts lines of an order into the parcels in turn.
func (t *tale) pack(s *shipment, o *order, lines []line) {
	for _, l := range lines {
		c := events.Content{OrderID: o.id, LineID: l.id, Qty: l.qty}
		n := int64(len(s.parcels))
		switch {
		case s.loose:
			s.contents = append(s.contents, c)
		case n > 1 && l.qty >= n:
			for i, p := range s.parcels {
				c.ParcelID, c.Qty = p.id, l.qty/n
				if i == 0 {
					c.Qty += l.qty % n
				}
				s.contents = append(s.contents, c)
			}
		default:
			c.ParcelID = s.parcels[len(s.contents)%len(s.parcels)].id
			s.contents = append(s.contents, c)
		}
	}
}

// create tells what the shipment is to carry, and the numbers of its parcels.
func (t *tale) create(s *shipment, at time.Time) {
	created := &events.ShipmentCreated{
		ShipmentFact: t.wide(s, at, s.from), Direction: s.direction, OriginalShipmentID: s.original,
		Contents: s.contents, Service: s.service, Origin: &s.from.location, Destination: &s.to.location,
	}
	created.Location, created.Facility = nil, ""
	for _, p := range s.parcels {
		created.Parcels = append(created.Parcels, events.ParcelRef{ParcelID: p.id})
	}
	if s.direction == events.Outbound && t.d.chance(0.2) {
		created.PromisedWindow = t.promise(s.order, at, 0)
	}
	t.tell(warehouse, string(s.id), at, created)
	for _, p := range s.parcels {
		t.assign(s, p, at)
	}
}

// assign tells the number of a parcel: at once, or long after the carrier's
// first scans of it.
func (t *tale) assign(s *shipment, p *parcel, created time.Time) {
	at := created.Add(t.d.between(10*time.Second, 5*time.Minute))
	if t.d.chance(t.g.cfg.Rates.Renumber) && len(s.parcels) > 1 {
		wrong := s.parcels[0]
		if wrong == p {
			wrong = s.parcels[1]
		}
		t.numbered(s, wrong, p.number, created, at, at)
		at = at.Add(t.d.between(time.Minute, 30*time.Hour))
	}
	known := at
	if p.byNumber && p.late {
		known = at.Add(t.d.between(8*time.Hour, 50*time.Hour))
	}
	t.numbered(s, p, p.number, created, at, known)
}

// numbered tells that a parcel has a number from some time on.
func (t *tale) numbered(s *shipment, p *parcel, number events.TrackingNumber, from, at, known time.Time) {
	f := t.wide(s, at, s.from)
	f.ParcelID, f.Location, f.Facility = p.id, nil, ""
	from = from.In(s.from.zone)
	t.tell(warehouse, string(s.id), known, &events.TrackingAssigned{ShipmentFact: f, TrackingNumber: number, ValidFrom: &from})
}

// wide begins the data of what the shop says of a whole shipment.
func (t *tale) wide(s *shipment, at time.Time, where *place) events.ShipmentFact {
	return events.ShipmentFact{
		Fact: events.Fact{OccurredAt: at.In(where.zone)}, ShipmentID: s.id,
		Carrier: &s.carrier.named, Location: &where.location, Facility: where.hub,
	}
}

// spot begins the data of a scan: of one parcel, or of all where p is nil.
func (t *tale) spot(s *shipment, p *parcel, at time.Time, where *place) events.ShipmentFact {
	f := t.wide(s, at, where)
	f.TZSource = s.carrier.tz
	if p != nil {
		f.ParcelID = p.id
		if p.byNumber {
			f.ShipmentID, f.ParcelID = "", ""
		}
	}
	day, skew := t.d.chance(t.g.cfg.Rates.DayPrecision), t.d.chance(t.g.cfg.Rates.Skew)
	switch {
	case t.g.live:
	case skew:
		f.OccurredAt = f.OccurredAt.Add(t.d.between(30*time.Hour, 90*time.Hour))
	case day:
		y, m, d := f.OccurredAt.Date()
		f.OccurredAt, f.Precision = time.Date(y, m, d, 0, 0, 0, 0, where.zone), events.ToDay
	case s.carrier.precision == events.ToMinute:
		f.OccurredAt, f.Precision = f.OccurredAt.Truncate(time.Minute), events.ToMinute
	}
	return f
}

// scan tells what the carrier saw, some minutes later.
func (t *tale) scan(s *shipment, p *parcel, at time.Time, d events.Data) (events.EventID, string) {
	subject := string(s.id)
	if p != nil && p.byNumber {
		subject = events.TrackingStreamOf(s.carrier.named.SCAC, p.number).ID
	}
	known := at.Add(t.d.between(5*time.Second, 10*time.Minute))
	return t.tell(s.carrier.source, subject, known, d), subject
}
