package carriers

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	syntax "github.com/goccy/go-yaml/parser"

	"github.com/waybill-io/waybill/events"
)

// builder collects what is wrong with a profile.
type builder struct {
	name     string
	tree     *ast.File // nil where the file is no YAML
	problems []error
	silent   bool // of the source, which every event has
}

// build checks what is written and collects all that is wrong with it. Those in
// from extend the profile.
func build(name string, content []byte, from []string) (*Profile, error) {
	b := &builder{name: name}
	f, err := b.read(content)
	if err != nil {
		return nil, err
	}
	p := b.profile(f)
	if f.Extends != "" {
		b.extend(p, f, from)
	}
	if len(b.problems) > 0 {
		return nil, &ProfileError{errors.Join(b.problems...)}
	}
	return p, nil
}

// read decodes the file. A key that nobody knows is a problem, and the rest is
// looked at all the same.
func (b *builder) read(content []byte) (*file, error) {
	var f file
	strict := yaml.UnmarshalWithOptions(content, &f, yaml.Strict(), yaml.DisallowUnknownField())
	if strict != nil {
		b.problems = append(b.problems, fmt.Errorf("%s: %s", b.name, strings.TrimSpace(yaml.FormatError(strict, false, false))))
		f = file{}
		if err := yaml.Unmarshal(content, &f); err != nil {
			return nil, &ProfileError{errors.Join(b.problems...)}
		}
	}
	if tree, err := syntax.ParseBytes(content, 0); err == nil {
		b.tree = tree
	}
	return &f, nil
}

// profile is what the file itself says.
func (b *builder) profile(f *file) *Profile {
	p := &Profile{Name: f.Profile, About: f.About, format: f.Format, number: f.Number, partner: f.Partner, own: len(f.Codes)}
	b.word("profile", f.Profile)
	if p.formatOf = formats()[f.Format]; p.parse == nil {
		b.fail(b.at("format"), "want one of %s, not %q", strings.Join(Formats(), ", "), f.Format)
	}
	p.source = events.Source(or(f.Source, "urn:carrier:"+f.Profile))
	p.edition = b.edition(f.Edition)
	p.carrier = b.scac(b.at("carrier"), f.Carrier)
	p.clock = b.clock(f.Clock)
	p.carriers = map[string]events.SCAC{}
	for _, as := range slices.Sorted(maps.Keys(f.Carriers)) {
		p.carriers[carrierKey(as)] = b.scac(b.at("carriers", as), f.Carriers[as])
	}
	p.zones = b.zones(f.Zones)
	p.redact = b.patterns(b.at("redact"), f.Redact)
	b.selectors("number", f.Format, f.Number)
	b.selectors("partner", f.Format, f.Partner)
	p.reasons = b.reasons(p, f.Reasons)
	p.rules = b.rules(p, f.Codes)
	return p
}

// fail notes what is wrong at a place of the file.
func (b *builder) fail(at, format string, args ...any) {
	b.problems = append(b.problems, fmt.Errorf("%s: %s: %s", b.name, at, fmt.Sprintf(format, args...)))
}

// at names a place by its keys, and the line where the file has it.
func (b *builder) at(keys ...string) string {
	path := (&yaml.PathBuilder{}).Root()
	for _, key := range keys {
		path = path.Child(key)
	}
	return strings.Join(keys, ": ") + b.line(path)
}

// rule names a rule as people count.
func (b *builder) rule(i int) string {
	return fmt.Sprintf("rule %d%s", i+1, b.line((&yaml.PathBuilder{}).Root().Child("codes").Index(uint(i))))
}

func (b *builder) line(path *yaml.PathBuilder) string {
	if b.tree == nil {
		return ""
	}
	node, err := path.Build().FilterFile(b.tree)
	if err != nil || node == nil || node.GetToken() == nil {
		return ""
	}
	return fmt.Sprintf(", line %d", node.GetToken().Position.Line)
}

// edition is decoded by hand, since the decoder cuts fractions off.
func (b *builder) edition(written any) uint64 {
	switch n := written.(type) {
	case nil:
		return 1
	case uint64:
		if n > 0 {
			return n
		}
	}
	b.fail(b.at("edition"), "want a whole number from 1, not %v", written)
	return 1
}

// reasons tries each of the words once, after what the vocabulary says of them.
func (b *builder) reasons(p *Profile, words map[string]string) map[string]string {
	all := make(map[string]string, len(words))
	for foreign, is := range words {
		all[strings.ToUpper(foreign)] = is
	}
	attempt := unmapped()
	for _, foreign := range slices.Sorted(maps.Keys(words)) {
		attempt.Type, attempt.ReasonCode = events.TypeDeliveryAttempted, words[foreign]
		if attempt.ReasonCode == "" {
			b.fail(b.at("reasons", foreign), "want a word")
		} else if b.sound(p) {
			b.rehearse(p, b.at("reasons", foreign), &attempt)
		}
	}
	return all
}

var nameOf = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,39}$`)

func (b *builder) word(field, s string) {
	if !nameOf.MatchString(s) {
		b.fail(b.at(field), "want 1 to 40 small letters, digits, _ and -, not %q", s)
	}
}

var scacOf = regexp.MustCompile(`^[A-Z0-9_-]{2,32}$`)

func (b *builder) scac(at, s string) events.SCAC {
	if s != "" && !scacOf.MatchString(s) {
		b.fail(at, "want 2 to 32 capital letters, digits, _ and -, not %q", s)
	}
	return events.SCAC(s)
}

func (b *builder) clock(s string) *time.Location {
	loc, err := time.LoadLocation(s) // "" is UTC
	if err != nil || s == "Local" {
		b.fail(b.at("clock"), "%q is no time zone such as Europe/Berlin", s)
		return time.UTC
	}
	return loc
}

// selectors checks where references stand, which only X12 leaves to the sender.
func (b *builder) selectors(field, format string, texts []string) {
	if len(texts) > 0 && format != "x12-214" {
		b.fail(b.at(field), "is for x12-214 only: in %s it has its place", format)
		return
	}
	if _, err := x12Selectors(texts); err != nil {
		b.fail(b.at(field), "%v", err)
	}
}

func (b *builder) patterns(at string, texts []string) []*regexp.Regexp {
	var all []*regexp.Regexp
	for _, t := range texts {
		re, err := regexp.Compile(t)
		if err != nil {
			b.fail(at, "%v", err)
			continue
		}
		all = append(all, re)
	}
	return all
}

// extend lets p inherit what its file does not say.
func (b *builder) extend(p *Profile, f *file, from []string) {
	base, err := open(f.Extends, from)
	if err != nil {
		b.problems = append(b.problems, fmt.Errorf("%s: %s: %w", b.name, b.at("extends"), err))
		return
	}
	if base.format != f.Format {
		b.fail(b.at("extends"), "%s is of format %s, this profile of %s", f.Extends, base.format, f.Format)
	}
	p.rules = append(p.rules, base.rules...)
	p.redact = append(p.redact, base.redact...)
	p.zones, p.reasons, p.carriers = under(p.zones, base.zones), under(p.reasons, base.reasons), under(p.carriers, base.carriers)
	if p.number == nil {
		p.number = base.number
	}
	if p.partner == nil {
		p.partner = base.partner
	}
	if f.Clock == "" {
		p.clock = base.clock
	}
	if p.carrier == "" {
		p.carrier = base.carrier
	}
}
