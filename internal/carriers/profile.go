package carriers

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // the rules of time zones must not depend on the machine

	"github.com/goccy/go-yaml"

	"github.com/waybill-io/waybill/events"
)

//go:embed profiles/*.yaml
var builtin embed.FS

// Profile says what a partner's messages mean.
type Profile struct {
	Name  string
	About string // one line for people

	format string
	formatOf
	carrier  events.SCAC // where a message names none
	source   events.Source
	clock    *time.Location
	carriers map[string]events.SCAC
	number   []string
	partner  []string
	zones    map[string]zone
	reasons  map[string]string
	redact   []*regexp.Regexp
	rules    []rule
	text     []byte // the file itself
}

// file is a profile as it is written.
type file struct {
	Profile  string            `yaml:"profile"`
	About    string            `yaml:"about"`
	Format   string            `yaml:"format"`
	Extends  string            `yaml:"extends"`
	Carrier  string            `yaml:"carrier"`
	Source   string            `yaml:"source"`
	Clock    string            `yaml:"clock"`
	Carriers map[string]string `yaml:"carriers"`
	Number   []string          `yaml:"number"`
	Partner  []string          `yaml:"partner"`
	Zones    map[string]string `yaml:"zones"`
	Reasons  map[string]string `yaml:"reasons"`
	Redact   []string          `yaml:"redact"`
	Codes    []code            `yaml:"codes"`
}

// formatOf is how messages are read, and how events call their origin.
type formatOf struct {
	parse    parser
	standard string
}

func formats() map[string]formatOf {
	return map[string]formatOf{
		"aftership": {parseAfterShip, "AfterShip"},
		"easypost":  {parseEasyPost, "EasyPost"},
		"x12-214":   {parseX12, "X12-214"},
	}
}

// Formats lists the formats that can be read.
func Formats() []string { return slices.Sorted(maps.Keys(formats())) }

// Builtin lists the profiles that are built in.
func Builtin() []string {
	var names []string
	found, err := fs.Glob(builtin, "profiles/*.yaml")
	if err != nil { // of a pattern that is a constant
		panic(err)
	}
	for _, f := range found {
		names = append(names, strings.TrimSuffix(path.Base(f), ".yaml"))
	}
	slices.Sort(names)
	return names
}

// Open reads a profile: one that is built in, by its name, or a YAML file, by a
// name that ends in .yaml or .yml.
func Open(name string) (*Profile, error) { return open(name, nil) }

// ErrNoProfile says that no profile of a name is built in.
var ErrNoProfile = errors.New("no such profile")

// ProfileError says what is wrong with a profile, a problem a line.
type ProfileError struct{ Err error }

// Error lists the problems.
func (e *ProfileError) Error() string { return e.Err.Error() }

// Unwrap returns the problems.
func (e *ProfileError) Unwrap() error { return e.Err }

// maxFile is how large a profile may be.
const maxFile = 1 << 20

// open reads a profile that those in from extend, directly or not.
func open(name string, from []string) (*Profile, error) {
	if slices.Contains(from, name) {
		return nil, &ProfileError{fmt.Errorf("%s: extends itself", name)}
	}
	content, err := read(name)
	if err != nil {
		return nil, err
	}
	var f file
	if err := yaml.UnmarshalWithOptions(content, &f, yaml.Strict(), yaml.DisallowUnknownField()); err != nil {
		return nil, &ProfileError{fmt.Errorf("%s: %s", name, strings.TrimSpace(yaml.FormatError(err, false, false)))}
	}
	p, err := f.build(name, append(from, name))
	if err != nil {
		return nil, err
	}
	p.text = content
	return p, nil
}

func read(name string) ([]byte, error) {
	if ext := path.Ext(name); ext != ".yaml" && ext != ".yml" {
		content, err := builtin.ReadFile("profiles/" + name + ".yaml")
		if err != nil {
			return nil, fmt.Errorf("%w: %q is not built in; there are %s, and files that end in .yaml", ErrNoProfile, name, strings.Join(Builtin(), ", "))
		}
		return content, nil
	}
	content, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read the profile: %w", err)
	}
	if len(content) > maxFile {
		return nil, &ProfileError{fmt.Errorf("%s: is larger than %d KiB", name, maxFile>>10)}
	}
	return content, nil
}

// Text is the profile as it is written.
func (p *Profile) Text() []byte { return slices.Clone(p.text) }

// Format names the format of its messages.
func (p *Profile) Format() string { return p.format }

// build checks what is written and collects all that is wrong with it.
func (f *file) build(name string, from []string) (*Profile, error) {
	b := &builder{name: name}
	p := &Profile{Name: f.Profile, About: f.About, format: f.Format, number: f.Number, partner: f.Partner}
	b.word("profile", f.Profile)
	if p.formatOf = formats()[f.Format]; p.parse == nil {
		b.fail("format", "want one of %s, not %q", strings.Join(Formats(), ", "), f.Format)
	}
	p.source = events.Source(or(f.Source, "urn:carrier:"+f.Profile))
	p.carrier = b.scac("carrier", f.Carrier)
	p.clock = b.clock(f.Clock)
	p.carriers = map[string]events.SCAC{}
	for as, is := range f.Carriers {
		p.carriers[carrierKey(as)] = b.scac("carriers: "+as, is)
	}
	p.zones = b.zones(f.Zones)
	p.reasons = make(map[string]string, len(f.Reasons))
	for foreign, is := range f.Reasons {
		p.reasons[strings.ToUpper(foreign)] = is
	}
	p.redact = b.patterns("redact", f.Redact)
	b.selectors("number", f.Format, f.Number)
	b.selectors("partner", f.Format, f.Partner)
	p.rules = b.rules(f.Codes)
	if f.Extends != "" {
		b.extend(p, f, from)
	}
	if len(b.problems) == 0 {
		b.rehearse(p)
	}
	if len(b.problems) > 0 {
		return nil, &ProfileError{errors.Join(b.problems...)}
	}
	return p, nil
}

// builder collects what is wrong with a profile.
type builder struct {
	name     string
	problems []error
}

func (b *builder) fail(field, format string, args ...any) {
	b.problems = append(b.problems, fmt.Errorf("%s: %s: %s", b.name, field, fmt.Sprintf(format, args...)))
}

var nameOf = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,39}$`)

func (b *builder) word(field, s string) {
	if !nameOf.MatchString(s) {
		b.fail(field, "want 1 to 40 small letters, digits, _ and -, not %q", s)
	}
}

var scacOf = regexp.MustCompile(`^[A-Z0-9_-]{2,32}$`)

func (b *builder) scac(field, s string) events.SCAC {
	if s != "" && !scacOf.MatchString(s) {
		b.fail(field, "want 2 to 32 capital letters, digits, _ and -, not %q", s)
	}
	return events.SCAC(s)
}

func (b *builder) clock(s string) *time.Location {
	loc, err := time.LoadLocation(s) // "" is UTC
	if err != nil || s == "Local" {
		b.fail("clock", "%q is no time zone such as Europe/Berlin", s)
		return time.UTC
	}
	return loc
}

// selectors checks where references stand, which only X12 leaves to the sender.
func (b *builder) selectors(field, format string, texts []string) {
	if len(texts) > 0 && format != "x12-214" {
		b.fail(field, "is for x12-214 only: in %s it has its place", format)
		return
	}
	if _, err := x12Selectors(texts); err != nil {
		b.fail(field, "%v", err)
	}
}

func (b *builder) patterns(field string, texts []string) []*regexp.Regexp {
	var all []*regexp.Regexp
	for _, t := range texts {
		re, err := regexp.Compile(t)
		if err != nil {
			b.fail(field, "%v", err)
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
		b.problems = append(b.problems, fmt.Errorf("%s: extends: %w", b.name, err))
		return
	}
	if base.format != f.Format {
		b.fail("extends", "%s is of format %s, this profile of %s", f.Extends, base.format, f.Format)
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

// under returns own with what it lacks and base has.
func under[V any](own, base map[string]V) map[string]V {
	all := make(map[string]V, len(own)+len(base))
	maps.Copy(all, base)
	maps.Copy(all, own)
	return all
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
