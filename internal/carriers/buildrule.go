package carriers

import (
	"strings"

	"github.com/waybill-io/waybill/events"
)

// rules checks the rules that the file itself has.
func (b *builder) rules(p *Profile, codes []code) []rule {
	rules := make([]rule, 0, len(codes))
	for i, c := range codes {
		at := b.rule(i)
		r := rule{code: c}
		if c.Text != "" {
			if all := b.patterns(at+": text", []string{c.Text}); len(all) == 1 {
				r.text = all[0]
			}
		}
		if b.outcome(at, &r) && b.sound(p) {
			b.rehearse(p, at, &r)
		}
		for j := range rules {
			if rules[j].hides(&r) {
				b.fail(at, "is never reached: %s, takes all that it would", b.rule(j))
				break
			}
		}
		rules = append(rules, r)
	}
	return rules
}

// outcome checks what a rule leads to as far as no report decides, and reports
// whether it can be tried.
func (b *builder) outcome(at string, r *rule) bool {
	before := len(b.problems)
	data, err := events.NewData(r.Type)
	if err != nil || !strings.HasPrefix(string(r.Type), "shipment.") {
		b.fail(at+": type", "%q is no type of a shipment's event, such as shipment.departed.v1", r.Type)
		return false
	}
	switch data.(type) {
	case *events.ShipmentCreated, *events.TrackingAssigned, *events.ExceptionResolved, *events.Position:
		b.fail(at+": type", "%s cannot come from a code alone", r.Type)
	case *events.ExceptionOpened:
		if r.Exception == nil {
			b.fail(at+": exception", "is required: who is answerable (party), and how bad it is (severity)")
		}
	}
	if r.Provider != "" && r.Type != events.TypeETAChanged {
		b.fail(at+": provider", "is for %s only", events.TypeETAChanged)
	}
	if r.HandedTo != "" && r.Type != events.TypeDelivered {
		b.fail(at+": handed_to", "is for %s only", events.TypeDelivered)
	}
	return len(b.problems) == before
}

// sound reports whether the profile makes any event at all. If not, its source
// is to blame, once.
func (b *builder) sound(p *Profile) bool {
	plain := unmapped()
	problems := p.trial(&plain)
	if len(problems) > 0 && !b.silent {
		b.silent = true
		b.fail(b.at("source"), "%s", problems[0])
	}
	return len(problems) == 0
}

// rehearse makes the events of a rule once, so that what the vocabulary refuses
// is found before a message comes.
func (b *builder) rehearse(p *Profile, at string, r *rule) {
	for _, problem := range p.trial(r) {
		b.fail(at, "%s", problem)
	}
}
