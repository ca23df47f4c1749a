package carriers

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybill-io/waybill/events"
)

// said is the data of an event. No type takes all of it.
type said struct {
	Class          events.Class       `json:"class,omitzero"`
	OccurredAt     time.Time          `json:"occurred_at"`
	TZSource       events.TZSource    `json:"tz_source,omitzero"`
	Precision      events.Precision   `json:"time_precision,omitzero"`
	Carrier        *events.Carrier    `json:"carrier,omitzero"`
	Location       *events.Location   `json:"location,omitzero"`
	Facility       string             `json:"facility,omitzero"`
	Mode           string             `json:"mode,omitzero"`
	ReasonCode     string             `json:"reason_code,omitzero"`
	HandedTo       string             `json:"handed_to,omitzero"`
	Window         *events.Window     `json:"window,omitzero"`
	Provider       string             `json:"provider,omitzero"`
	Confidence     *float64           `json:"confidence,omitzero"`
	ExceptionID    events.ExceptionID `json:"exception_id,omitzero"`
	Party          events.Party       `json:"party,omitzero"`
	Severity       string             `json:"severity,omitzero"`
	ActionRequired bool               `json:"action_required,omitzero"`
	Raw            *events.Raw        `json:"raw"`
}

// unmapped is the meaning of a code that no rule knows.
func unmapped() rule { return rule{code: code{Type: events.TypeScanUnmapped}} }

// meaning is what the first rule that matches says of a report.
func (p *Profile) meaning(it *report, carrier events.SCAC) rule {
	for i := range p.rules {
		if p.rules[i].matches(it, carrier) {
			return p.rules[i]
		}
	}
	return unmapped()
}

// events makes the events of a report: what the code says, and the exception
// that it opens beside that.
func (p *Profile) events(it report, message string, tenant events.TenantID, now time.Time) ([]events.Event, *Problem) {
	carrier := p.carrierOf(it.carrier)
	stream := events.TrackingStreamOf(carrier, numberOf(it.number)) // parsers saw to it that there is one
	for _, re := range p.redact {
		it.text = re.ReplaceAllLiteralString(it.text, "")
	}
	it.text = strings.TrimSpace(it.text)
	r := p.meaning(&it, carrier)
	rules := []rule{r}
	if r.Exception != nil && r.Type != events.TypeExceptionOpened {
		beside := r
		beside.Type = events.TypeExceptionOpened
		rules = append(rules, beside)
	}
	made := make([]events.Event, 0, len(rules))
	for _, r := range rules {
		e, err := p.event(&it, &r, stream, message, tenant, now)
		if err != nil {
			return nil, &Problem{it.line, it.place, err.Error()}
		}
		made = append(made, e)
	}
	return made, nil
}

func (p *Profile) event(it *report, r *rule, stream events.Stream, message string, tenant events.TenantID, now time.Time) (events.Event, error) {
	d := p.said(it, r, stream)
	data, err := json.Marshal(d, json.Deterministic(true))
	if err != nil {
		return events.Event{}, fmt.Errorf("write the event: %w", err)
	}
	doc, err := json.Marshal(struct {
		SpecVersion   string          `json:"specversion"`
		Type          events.Type     `json:"type"`
		Source        events.Source   `json:"source"`
		ID            events.EventID  `json:"id"`
		Subject       string          `json:"subject"`
		TenantID      events.TenantID `json:"tenantid"`
		Time          time.Time       `json:"time"`
		RecordedTime  time.Time       `json:"recordedtime"`
		CorrelationID string          `json:"correlationid,omitzero"`
		Data          jsontext.Value  `json:"data"`
	}{"1.0", r.Type, p.source, p.idOf(it, r, stream, data), stream.ID, tenant, d.OccurredAt.UTC(), p.recorded(it, &d, r).UTC(), message, data})
	if err != nil {
		return events.Event{}, fmt.Errorf("write the event: %w", err)
	}
	return events.Parse(doc, now)
}

// recorded is when the source knew. Nobody knows before it happens that it did,
// whatever the clocks of two machines say.
func (p *Profile) recorded(it *report, d *said, r *rule) time.Time {
	known := p.sent(it.known)
	if known.IsZero() || r.happened() && known.Before(d.OccurredAt) {
		return d.OccurredAt
	}
	return known
}

// said is what a rule makes of a report.
func (p *Profile) said(it *report, r *rule, stream events.Stream) said {
	carrier, _ := stream.Number()
	at, tz := p.happened(it.at, it.where)
	d := said{
		Class: r.Class, OccurredAt: at, TZSource: tz, Precision: it.at.precision,
		Carrier: &events.Carrier{SCAC: carrier}, Location: it.where, Facility: it.facility,
		Raw: &events.Raw{Standard: p.standard, Status: it.status, Reason: it.reason, PartnerCode: it.partner, Text: it.text},
	}
	data, _ := events.NewData(r.Type) // the profile was refused otherwise
	switch data.(type) {
	case *events.Departed, *events.Arrived:
		d.Mode, d.Location = it.mode, somewhere(it)
	case *events.AvailableForPickup:
		d.Location = somewhere(it)
	case *events.Delivered:
		d.HandedTo = r.HandedTo
	case *events.ETAChanged:
		d.Provider, d.Window = or(r.Provider, "carrier"), &events.Window{End: at, Precision: it.at.precision}
		d.Confidence = it.confidence
		if !it.from.isZero() {
			d.Window.Start, _ = p.happened(it.from, it.where)
		}
		d.OccurredAt, d.TZSource = p.stated(it, at, tz)
		d.Precision = ""
		d.ReasonCode = r.ReasonCode
	case *events.ExceptionOpened:
		d.ExceptionID, d.Party, d.Severity, d.ActionRequired = caseOf(it, stream), r.Exception.Party, r.Exception.Severity, r.Exception.ActionRequired
		d.ReasonCode = p.reason(it, r)
	case *events.DeliveryAttempted, *events.CustomsHeld, *events.CustomsReleased, *events.ReturnInitiated, *events.Returned,
		*events.Lost, *events.Damaged, *events.Destroyed, *events.ShipmentCancelled:
		d.ReasonCode = p.reason(it, r)
	}
	return d
}

// stated is when an estimate was made, as far as the message tells.
func (p *Profile) stated(it *report, at time.Time, tz events.TZSource) (time.Time, events.TZSource) {
	switch {
	case it.known.isZero():
		return at, tz
	case it.known.offset:
		return it.known.clock, events.TZOffset
	case p.clock == time.UTC:
		return it.known.clock, events.TZAssumedUTC
	default:
		return p.sent(it.known), events.TZLocation
	}
}

// somewhere is where it happened, which some types cannot do without: a carrier
// that does not tell says nothing of it.
func somewhere(it *report) *events.Location {
	if it.where == nil && it.facility == "" {
		return &events.Location{}
	}
	return it.where
}

// reason is the vocabulary's word for why, as far as there is one.
func (p *Profile) reason(it *report, r *rule) string {
	if r.ReasonCode != "" {
		return r.ReasonCode
	}
	if is, ok := p.reasons[strings.ToUpper(it.reason)]; ok {
		return is
	}
	return or(it.reason, or(it.status, "unknown"))
}

// idOf names an event after all that it says: the same scan in another message
// is the same event, and one of which more is known is another one. The ids of
// what is expected begin with what the report is preferred by, since they decide
// between estimates that are known since the same moment.
func (p *Profile) idOf(it *report, r *rule, stream events.Stream, data []byte) events.EventID {
	of := []string{string(r.Type), stream.ID, string(data)}
	if p.edition > 1 {
		of = append(of, strconv.FormatUint(p.edition, 10))
	}
	if r.happened() || it.prefer == "" {
		return events.EventID(digest(of...))
	}
	return events.EventID("eta-" + it.prefer + "-" + digest(of...))
}

// caseOf names an exception after the scan that opens it, without what senders
// find out later: told anew, it opens no second case.
func caseOf(it *report, stream events.Stream) events.ExceptionID {
	return events.ExceptionID(digest(stream.ID, it.status, it.reason, it.at.clock.Format(time.RFC3339Nano)))
}

// digest is a short name for texts.
func digest(texts ...string) string {
	h := sha256.New()
	for _, s := range texts {
		_, _ = io.WriteString(h, s+"\x00") // a hash takes everything
	}
	return strings.ToLower(base32.HexEncoding.WithPadding(base32.NoPadding).EncodeToString(h.Sum(nil)[:20]))
}

// carrierOf is the code of a carrier as the message names it.
func (p *Profile) carrierOf(name string) events.SCAC {
	if strings.TrimSpace(name) == "" {
		return p.carrier
	}
	if scac, ok := p.carriers[carrierKey(name)]; ok {
		return scac
	}
	return events.SCAC(strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_' || r == '-' {
			return r
		}
		return -1
	}, strings.ToUpper(name)))
}

// carrierKey is a carrier's name without what senders write in several ways.
func carrierKey(name string) string {
	return strings.NewReplacer(" ", "", "-", "", "_", "").Replace(strings.ToUpper(name))
}

// numberOf is a tracking number as the vocabulary writes it.
func numberOf(s string) events.TrackingNumber {
	return events.TrackingNumber(strings.NewReplacer(" ", "", ".", "", "-", "").Replace(strings.ToUpper(s)))
}

// trial makes the event of a rule from a report that has everything.
func (p *Profile) trial(r *rule) (problems []string) {
	at := wall{clock: time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC), offset: true}
	it := report{
		carrier: string(p.carrier), number: "1", status: "S", reason: "R", partner: "P", text: "t",
		at: at, known: at, where: &events.Location{City: "C"},
	}
	types := []events.Type{r.Type}
	if r.Exception != nil && r.Type != events.TypeExceptionOpened {
		types = append(types, events.TypeExceptionOpened)
	}
	for _, t := range types {
		one := *r
		one.Type = t
		if _, err := p.event(&it, &one, events.TrackingStreamOf("XX", "1"), "", "acme", at.clock); err != nil {
			problems = append(problems, err.Error())
		}
	}
	return problems
}
