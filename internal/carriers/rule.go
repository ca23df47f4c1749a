package carriers

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/waybill-io/waybill/events"
)

// words is a text or a list of texts.
type words []string

// UnmarshalYAML takes both. Numbers are texts too: codes such as 0100 look like
// one, and have to be quoted to keep their zeros.
func (w *words) UnmarshalYAML(unmarshal func(any) error) error {
	var one string
	if err := unmarshal(&one); err == nil {
		*w = words{one}
		return nil
	}
	var many []string
	if err := unmarshal(&many); err != nil {
		return err
	}
	*w = many
	return nil
}

// code is a rule as it is written.
type code struct {
	Status  words  `yaml:"status"`
	Reason  words  `yaml:"reason"`
	Partner words  `yaml:"partner"`
	Carrier words  `yaml:"carrier"`
	Text    string `yaml:"text"`

	Type       events.Type  `yaml:"type"`
	Class      events.Class `yaml:"class"`
	ReasonCode string       `yaml:"reason_code"`
	HandedTo   string       `yaml:"handed_to"`
	Provider   string       `yaml:"provider"`
	Exception  *overlay     `yaml:"exception"`
}

// overlay is an exception that a code opens, beside what it says of the status.
type overlay struct {
	Party          events.Party `yaml:"party"`
	Severity       string       `yaml:"severity"`
	ActionRequired bool         `yaml:"action_required"`
}

// rule says what a code means. Codes are compared without regard to case.
type rule struct {
	code
	text *regexp.Regexp
}

// matches reports whether the rule is about a report of a carrier.
func (r *rule) matches(it *report, carrier events.SCAC) bool {
	return r.Status.have(it.status) && r.Reason.have(it.reason) && r.Partner.have(it.partner) &&
		r.Carrier.have(string(carrier)) && (r.text == nil || r.text.MatchString(it.text))
}

// have reports whether a code is among w, or w does not care.
func (w words) have(s string) bool {
	return w == nil || slices.ContainsFunc(w, func(one string) bool { return strings.EqualFold(one, s) })
}

// covers reports whether w has all that o has.
func (w words) covers(o words) bool {
	if w == nil || o == nil {
		return w == nil
	}
	return !slices.ContainsFunc(o, func(s string) bool { return !w.have(s) })
}

func (b *builder) rules(codes []code) []rule {
	rules := make([]rule, 0, len(codes))
	for i, c := range codes {
		at := fmt.Sprintf("codes[%d]", i)
		r := rule{code: c}
		if c.Text != "" {
			if all := b.patterns(at+": text", []string{c.Text}); len(all) == 1 {
				r.text = all[0]
			}
		}
		b.outcome(at, &r)
		for j := range rules {
			if rules[j].hides(&r) {
				b.fail(at, "is never reached: codes[%d] takes all that it would", j)
				break
			}
		}
		rules = append(rules, r)
	}
	return rules
}

// hides reports whether nothing is left for a later rule.
func (r *rule) hides(later *rule) bool {
	return r.Status.covers(later.Status) && r.Reason.covers(later.Reason) && r.Partner.covers(later.Partner) &&
		r.Carrier.covers(later.Carrier) && (r.Text == "" || r.Text == later.Text)
}

// outcome checks what a rule leads to as far as no report decides.
func (b *builder) outcome(at string, r *rule) {
	data, err := events.NewData(r.Type)
	if err != nil || !strings.HasPrefix(string(r.Type), "shipment.") {
		b.fail(at+": type", "%q is no type of a shipment's event, such as shipment.departed.v1", r.Type)
		return
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
}

// rehearse makes the events of every rule once, so that what the vocabulary
// refuses is found before a message comes.
func (b *builder) rehearse(p *Profile) {
	for i, r := range p.rules {
		for _, problem := range p.trial(&r) {
			b.fail("codes["+strconv.Itoa(i)+"]", "%s", problem)
		}
	}
}
