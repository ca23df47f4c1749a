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
	own      int // rules that are not those of another profile; they come first
	edition  uint64
	text     []byte // the file itself
}

// file is a profile as it is written.
type file struct {
	Profile  string            `yaml:"profile"`
	About    string            `yaml:"about"`
	Format   string            `yaml:"format"`
	Extends  string            `yaml:"extends"`
	Edition  any               `yaml:"edition"`
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
	p, err := build(name, content, append(from, name))
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

// Rules counts the rules, its own and those of the profiles that it extends.
func (p *Profile) Rules() (own, inherited int) { return p.own, len(p.rules) - p.own }

// Format names the format of its messages.
func (p *Profile) Format() string { return p.format }

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
