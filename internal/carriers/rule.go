package carriers

import (
	"regexp"
	"slices"
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

// happened reports whether what the rule makes of a report took place already.
func (r *rule) happened() bool {
	if r.Class == "" {
		return r.Type != events.TypeETAChanged
	}
	return r.Class == events.Actual
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

// hides reports whether nothing is left for a later rule.
func (r *rule) hides(later *rule) bool {
	return r.Status.covers(later.Status) && r.Reason.covers(later.Reason) && r.Partner.covers(later.Partner) &&
		r.Carrier.covers(later.Carrier) && (r.Text == "" || r.Text == later.Text)
}
