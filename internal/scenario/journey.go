package scenario

import (
	"time"

	"github.com/waybill-io/waybill/events"
)

// ship tells a shipment from its creation to its end.
func (t *tale) ship(s *shipment, at time.Time) end {
	t.create(s, at)
	t.announce(s, at)
	at = t.handOver(s, at)
	at, over := t.travel(s, at)
	if over.at.IsZero() {
		over = t.lastMile(s, at)
	}
	return over
}

// handOver tells when the carrier took the parcels.
func (t *tale) handOver(s *shipment, at time.Time) time.Time {
	at = at.Add(t.d.between(time.Hour, 16*time.Hour))
	for _, p := range s.parcels {
		info := at.Add(-t.d.between(time.Minute, 50*time.Minute))
		t.scan(s, p, info, &events.InfoReceived{ShipmentFact: t.spot(s, p, info, s.from)})
		taken := at.Add(t.d.between(0, 2*time.Minute))
		t.scan(s, p, taken, &events.PickedUp{ShipmentFact: t.spot(s, p, taken, s.from)})
	}
	if s.cancel {
		later := at.Add(t.d.between(30*time.Minute, 20*time.Hour))
		t.order(s.order, later, &events.OrderCancelled{
			OrderFact: t.fact(s.order, later), Scope: events.CancelAll, ReasonCode: "changed_mind", By: "customer",
		})
	}
	return at.Add(5 * time.Minute)
}

// announce tells what is planned for the first leg.
func (t *tale) announce(s *shipment, at time.Time) {
	if !t.d.chance(t.g.cfg.Rates.Planned) {
		return
	}
	leaves, arrives := at.Add(24*time.Hour), at.Add(48*time.Hour)
	plan := t.wide(s, leaves, s.from)
	plan.Class = events.Planned
	t.tell(warehouse, string(s.id), at, &events.Departed{Movement: events.Movement{ShipmentFact: plan, Mode: "road"}})
	plan = t.wide(s, arrives, s.to)
	plan.Class = events.Estimated
	t.tell(warehouse, string(s.id), at, &events.Arrived{Movement: events.Movement{ShipmentFact: plan, Mode: "road"}})
}

// route is the places that a shipment comes through.
func (t *tale) route(s *shipment) []*place {
	stops := []*place{s.from}
	if via := oneOf(t.d, t.g.atlas[s.from.region]); via != s.from && via != s.to && t.d.chance(0.6) {
		stops = append(stops, via)
	}
	if s.from.region != s.to.region {
		if gate := t.g.atlas[s.to.region][0]; gate != s.to {
			stops = append(stops, gate)
		}
	}
	return append(stops, s.to)
}

// travel tells the legs. The second answer is the shipment's end where it does
// not come to the last mile.
func (t *tale) travel(s *shipment, at time.Time) (time.Time, end) {
	stops := t.route(s)
	trouble := t.troubleOf(s, len(stops)-1)
	for i, to := range stops[1:] {
		from := stops[i]
		at = at.Add(t.d.between(30*time.Minute, 8*time.Hour))
		mode, takes := leg(from, to)
		t.move(s, at, func(p *parcel, at time.Time) events.Data {
			return &events.Departed{Movement: events.Movement{ShipmentFact: t.spot(s, p, at, from), Mode: mode}}
		})
		t.along(s, at.Add(takes/2), from, to)
		at = at.Add(takes + t.d.between(0, 3*time.Hour))
		t.move(s, at, func(p *parcel, at time.Time) events.Data {
			return &events.Arrived{Movement: events.Movement{ShipmentFact: t.spot(s, p, at, to), Mode: mode}}
		})
		at = t.border(s, at, from, to)
		if i == trouble.leg {
			var over end
			if at, over = t.befall(s, trouble, at, to); !over.at.IsZero() {
				return at, over
			}
		}
	}
	return at, end{}
}

// leg is how long it takes between two places, and by what.
func leg(from, to *place) (mode string, takes time.Duration) {
	km := time.Duration(distance(from, to))
	if km < 1500 {
		return "road", 40*time.Minute + km*time.Hour/60
	}
	return "air", 5*time.Hour + km*time.Hour/700
}

// move tells a scan of the parcels: of each, or of all of them in one.
func (t *tale) move(s *shipment, at time.Time, data func(*parcel, time.Time) events.Data) {
	if len(s.parcels) > 1 && s.together && !s.anyByNumber() {
		t.scan(s, nil, at, data(nil, at))
		return
	}
	for _, p := range s.parcels {
		seen := at.Add(t.d.between(0, 15*time.Minute))
		t.scan(s, p, seen, data(p, seen))
	}
}

func (s *shipment) anyByNumber() bool {
	for _, p := range s.parcels {
		if p.byNumber {
			return true
		}
	}
	return false
}

// lastMile tells how each parcel comes to its consignee, or goes back.
func (t *tale) lastMile(s *shipment, at time.Time) end {
	fetched := t.d.chance(t.g.cfg.Rates.PickupPoint) && !s.careful && !t.g.core
	refused := t.d.chance(t.g.cfg.Rates.ReturnToSender) && !s.careful && !t.g.core
	if s.loose && len(s.parcels) > 1 && !s.anyByNumber() && !fetched && !refused && !t.g.core {
		return t.handAll(s, at)
	}
	last := end{at: at, delivered: !refused}
	for _, p := range s.parcels {
		at := t.tour(s, p, at.Add(p.delay), fetched)
		if refused {
			at = t.bringBack(s, p, at)
		} else {
			at = t.handOut(s, p, at)
		}
		if at.After(last.at) {
			last.at = at
		}
	}
	return last
}

// tour tells the way to the door or to the pickup point, and returns when the
// parcel can be handed out.
func (t *tale) tour(s *shipment, p *parcel, at time.Time, fetched bool) time.Time {
	if fetched {
		at = at.Add(t.d.between(time.Hour, 10*time.Hour))
		deadline := at.Add(7 * 24 * time.Hour)
		t.scan(s, p, at, &events.AvailableForPickup{
			ShipmentFact: t.spot(s, p, at, s.to), Place: "Shop " + s.to.location.City, PickupDeadline: &deadline,
		})
		return at.Add(t.d.between(2*time.Hour, 60*time.Hour))
	}
	at = t.drive(s, p, at)
	if attempt := int64(1); t.d.chance(t.g.cfg.Rates.FailedAttempt) {
		at = at.Add(t.d.between(time.Hour, 8*time.Hour))
		t.scan(s, p, at, &events.DeliveryAttempted{
			ShipmentFact: t.spot(s, p, at, s.to), AttemptNo: &attempt,
			ReasonCode: oneOf(t.d, []string{"no_access", "consignee_absent", "address_incomplete"}),
		})
		at = t.drive(s, p, at.Add(6*time.Hour))
	}
	return at.Add(t.d.between(time.Hour, 9*time.Hour))
}

// drive tells that the parcel went on a tour in the morning.
func (t *tale) drive(s *shipment, p *parcel, at time.Time) time.Time {
	y, m, d := at.In(s.to.zone).Date()
	morning := time.Date(y, m, d, 7, 0, 0, 0, s.to.zone)
	if morning.Before(at) {
		morning = morning.AddDate(0, 0, 1)
	}
	at = morning.Add(t.d.between(0, 90*time.Minute))
	out := &events.OutForDelivery{ShipmentFact: t.spot(s, p, at, s.to)}
	if t.d.chance(0.3) {
		stops := int64(t.d.n(120))
		out.StopsBefore = &stops
	}
	t.scan(s, p, at, out)
	return at
}

// handOut tells a delivery, and now and then a scan that cannot be after it.
func (t *tale) handOut(s *shipment, p *parcel, at time.Time) time.Time {
	t.scan(s, p, at, &events.Delivered{
		ShipmentFact: t.spot(s, p, at, s.to), HandedTo: t.taker(), PODRef: "pod-" + string(p.number),
	})
	if t.d.chance(t.g.cfg.Rates.Stray) {
		later := at.Add(t.d.between(time.Hour, 20*time.Hour))
		t.scan(s, p, later, &events.Arrived{Movement: events.Movement{ShipmentFact: t.spot(s, p, later, s.to)}})
	}
	return at
}

func (t *tale) taker() events.HandedTo {
	return oneOf(t.d, []events.HandedTo{
		events.ToRecipient, events.ToRecipient, events.ToRecipient, events.ToNeighbour, events.ToLocker, events.ToSafePlace,
	})
}

// handAll tells a delivery by quantities, where nobody knows what was in which
// parcel.
func (t *tale) handAll(s *shipment, at time.Time) end {
	at = t.drive(s, nil, at).Add(t.d.between(time.Hour, 9*time.Hour))
	t.scan(s, nil, at, &events.Delivered{
		ShipmentFact: t.spot(s, nil, at, s.to), Contents: s.contents, HandedTo: t.taker(),
	})
	return end{at: at, delivered: true}
}

// bringBack tells the way back to the sender.
func (t *tale) bringBack(s *shipment, p *parcel, at time.Time) time.Time {
	reason := oneOf(t.d, []string{"refused", "unclaimed", "address_unknown"})
	t.scan(s, p, at, &events.ReturnInitiated{Reasoned: events.Reasoned{ShipmentFact: t.spot(s, p, at, s.to), ReasonCode: reason}})
	mode, takes := leg(s.to, s.from)
	at = at.Add(t.d.between(2*time.Hour, 20*time.Hour))
	t.scan(s, p, at, &events.Departed{Movement: events.Movement{ShipmentFact: t.spot(s, p, at, s.to), Mode: mode}})
	at = at.Add(takes + t.d.between(time.Hour, 20*time.Hour))
	t.scan(s, p, at, &events.Returned{Reasoned: events.Reasoned{ShipmentFact: t.spot(s, p, at, s.from), ReasonCode: reason}})
	return at
}
