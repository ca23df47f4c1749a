package carriers

import (
	"errors"
	"strings"
	"time"

	"github.com/waybill-io/waybill/events"
)

// unusable says why a carrier and a number, as a message writes them, name no
// stream.
func (p *Profile) unusable(carrier, number string) (badCarrier, badNumber string) {
	scac := p.carrierOf(carrier)
	switch {
	case scac == "" && strings.TrimSpace(carrier) == "":
		badCarrier = "is required: the profile " + p.Name + " has no carrier of its own"
	case !streamable(scac, "1"):
		badCarrier = quoted(carrier) + " cannot be used: name its code under carriers in the profile"
	}
	switch is := numberOf(number); {
	case strings.TrimSpace(number) == "":
		badNumber = "is required"
	case !streamable("XX", is):
		badNumber = quoted(number) + " cannot be used: want 1 to 48 letters and digits"
	}
	return badCarrier, badNumber
}

// streamable reports whether the vocabulary takes a carrier and a number.
func streamable(carrier events.SCAC, number events.TrackingNumber) bool {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	scan := &events.InfoReceived{ShipmentFact: events.ShipmentFact{Fact: events.Fact{OccurredAt: at}}}
	e := events.New("acme", "urn:carrier", "1", events.TrackingStreamOf(carrier, number).ID, scan)
	e.IngestedAt = at
	refused, ok := errors.AsType[*events.Error](e.Validate())
	return !ok || refused.Field != "subject"
}

// whose notes, once for all the scans of a tracking, that it cannot be told whose
// they are, and reports whether it can. The fields are pointers.
func (m *message) whose(p *Profile, r report, carrierField, numberField string) bool {
	badCarrier, badNumber := p.unusable(r.carrier, r.number)
	if badNumber != "" {
		m.fail(r.line, numberField, badNumber)
	}
	if badCarrier != "" {
		m.fail(r.line, carrierField, badCarrier)
	}
	return badCarrier == "" && badNumber == ""
}
