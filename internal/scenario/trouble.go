package scenario

import (
	"time"

	"github.com/waybill-io/waybill/events"
)

// trouble is what happens to a shipment on its way, at the end of one leg.
type trouble struct {
	leg       int
	exception bool
	estimate  bool
	lost      bool
	damaged   bool
	unmapped  bool
	retract   bool
}

func (t *tale) troubleOf(s *shipment, legs int) trouble {
	r := &t.g.cfg.Rates
	tr := trouble{
		leg:       t.d.n(legs),
		exception: t.d.chance(r.Exception), estimate: t.d.chance(r.Estimate),
		lost: t.d.chance(r.Lost), damaged: t.d.chance(r.Damaged),
		unmapped: t.d.chance(r.Unmapped), retract: t.d.chance(r.Retract),
	}
	if s.careful || t.g.core {
		tr.lost, tr.damaged = false, false
	}
	return tr
}

// befall tells a trouble. The second answer is the shipment's end where it is
// one.
func (t *tale) befall(s *shipment, tr trouble, at time.Time, where *place) (time.Time, end) {
	at = at.Add(t.d.between(time.Minute, time.Hour))
	if tr.unmapped {
		t.unmapped(s, at, where)
	}
	if tr.retract {
		t.mistake(s, at, where)
	}
	if tr.exception {
		at = t.exception(s, at, where)
	}
	if tr.estimate || tr.exception {
		t.estimate(s, at)
	}
	switch {
	case tr.lost:
		at = at.Add(t.d.between(72*time.Hour, 240*time.Hour))
		t.reasoned(s, at, where, func(r events.Reasoned) events.Data {
			r.ReasonCode = "not_found"
			return &events.Lost{Reasoned: r}
		})
		return at, end{at: at, lost: true}
	case tr.damaged:
		return t.damage(s, at, where)
	default:
		return at, end{}
	}
}

// reasoned tells an event with a reason of every parcel.
func (t *tale) reasoned(s *shipment, at time.Time, where *place, data func(events.Reasoned) events.Data) {
	for _, p := range s.parcels {
		t.scan(s, p, at, data(events.Reasoned{ShipmentFact: t.spot(s, p, at, where)}))
	}
}

func (t *tale) damage(s *shipment, at time.Time, where *place) (time.Time, end) {
	t.reasoned(s, at, where, func(r events.Reasoned) events.Data {
		r.ReasonCode = "crushed"
		return &events.Damaged{Reasoned: r}
	})
	if t.d.chance(0.5) {
		return at, end{}
	}
	at = at.Add(t.d.between(time.Hour, 48*time.Hour))
	t.reasoned(s, at, where, func(r events.Reasoned) events.Data {
		r.ReasonCode = "not_deliverable"
		return &events.Destroyed{Reasoned: r}
	})
	return at, end{at: at, lost: true}
}

// exception tells a case from its opening to its end.
func (t *tale) exception(s *shipment, at time.Time, where *place) time.Time {
	kind := oneOf(t.d, []struct {
		reason, severity string
		party            events.Party
	}{
		{"missorted", "low", events.PartyCarrier},
		{"vehicle_breakdown", "medium", events.PartyCarrier},
		{"storm", "high", events.PartyWeather},
		{"address_incomplete", "medium", events.PartyConsignee},
		{"documents_missing", "high", events.PartyShipper},
	})
	p := oneOf(t.d, s.parcels)
	id := events.ExceptionID("x-" + string(t.eventID(len(t.told))))
	t.scan(s, p, at, &events.ExceptionOpened{
		ShipmentFact: t.spot(s, p, at, where), ExceptionID: id, ReasonCode: kind.reason,
		Party: kind.party, Severity: kind.severity, ActionRequired: t.d.chance(0.3),
	})
	at = at.Add(t.d.between(2*time.Hour, 48*time.Hour))
	t.scan(s, p, at, &events.ExceptionResolved{ShipmentFact: t.spot(s, p, at, where), ExceptionID: id})
	return at
}

// estimate tells when the shipment is expected now.
func (t *tale) estimate(s *shipment, at time.Time) {
	_, takes := leg(s.from, s.to)
	begin := at.Add(takes + t.d.between(6*time.Hour, 48*time.Hour)).In(s.to.zone)
	sure := float64(50+t.d.n(50)) / 100
	f := t.wide(s, at, s.to)
	f.Class, f.Location, f.Facility = events.Estimated, nil, ""
	t.scan(s, nil, at, &events.ETAChanged{
		ShipmentFact: f, Window: &events.Window{Start: begin, End: begin.Add(4 * time.Hour)},
		Provider: oneOf(t.d, []string{"carrier", "model", "ops"}), Confidence: &sure,
	})
}

// unmapped tells a scan with a code that nobody knows.
func (t *tale) unmapped(s *shipment, at time.Time, where *place) {
	p := s.parcels[0]
	f := t.spot(s, p, at, where)
	f.Raw = &events.Raw{Standard: string(s.carrier.named.SCAC), Status: oneOf(t.d, []string{"ZZ", "K9", "OD7"}), Text: "Sendung umgeleitet"}
	t.scan(s, p, at, &events.ScanUnmapped{ShipmentFact: f})
}

// mistake tells a delivery that never was, and takes it back: at once, or so
// soon that it is known before the mistake itself.
func (t *tale) mistake(s *shipment, at time.Time, where *place) {
	if t.g.core {
		return
	}
	p := s.parcels[0]
	id, subject := t.scan(s, p, at, &events.Delivered{ShipmentFact: t.spot(s, p, at, where), HandedTo: events.ToRecipient})
	kind := events.ShipmentStream
	if p.byNumber {
		kind = events.TrackingStream
	}
	at = at.Add(t.d.between(10*time.Second, 20*time.Minute))
	t.tell(s.carrier.source, subject, at, &events.Retracted{
		Fact: events.Fact{OccurredAt: at.In(where.zone)}, Stream: kind,
		RetractedSource: s.carrier.source, RetractedID: id, Reason: "did_not_occur",
	})
}

// along tells where a tracker saw the shipment between two places.
func (t *tale) along(s *shipment, at time.Time, from, to *place) {
	if !t.d.chance(t.g.cfg.Rates.Position) {
		return
	}
	f := t.wide(s, at, from)
	f.Location, f.Facility = nil, ""
	accuracy := float64(5 + t.d.n(60))
	t.tell("urn:waybill:tracker", string(s.id), at, &events.Position{
		ShipmentFact: f, Accuracy: &accuracy,
		Lat: middle(*from.location.Lat, *to.location.Lat), Lon: middle(*from.location.Lon, *to.location.Lon),
	})
}

// middle is exact to four decimals.
func middle(a, b float64) float64 {
	return float64(int((a+b)/2*10_000)) / 10_000
}

// border tells what customs do where a leg crosses one.
func (t *tale) border(s *shipment, at time.Time, from, to *place) time.Time {
	held := t.d.chance(t.g.cfg.Rates.Customs)
	if !held || t.g.core || from.region == to.region {
		return at
	}
	at = at.Add(t.d.between(time.Minute, time.Hour))
	t.reasoned(s, at, to, func(r events.Reasoned) events.Data {
		r.ReasonCode = "inspection"
		return &events.CustomsHeld{Reasoned: r}
	})
	at = at.Add(t.d.between(time.Hour, 40*time.Hour))
	t.reasoned(s, at, to, func(r events.Reasoned) events.Data {
		r.ReasonCode = "cleared"
		return &events.CustomsReleased{Reasoned: r}
	})
	return at
}
