package carriers

import (
	_ "embed"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/waybill-io/waybill/events"
)

// zone is what a code for a time zone stands for.
type zone struct {
	at    *time.Location
	local bool // the zone of the place
}

// zones reads the codes of a profile: zones of the IANA database, offsets such
// as -06:00, or local.
func (b *builder) zones(codes map[string]string) map[string]zone {
	all := make(map[string]zone, len(codes))
	for _, code := range slices.Sorted(maps.Keys(codes)) {
		is := codes[code]
		z, ok := zoneOf(is)
		if !ok {
			b.fail(b.at("zones", code), "%q is no time zone such as Europe/Berlin, no offset such as -06:00, and not local", is)
		}
		all[strings.ToUpper(code)] = z
	}
	return all
}

func zoneOf(s string) (zone, bool) {
	if s == "local" {
		return zone{local: true}, true
	}
	if t, err := time.Parse("-07:00", s); err == nil {
		_, offset := t.Zone()
		return zone{at: time.FixedZone(s, offset)}, true
	}
	at, err := time.LoadLocation(s)
	return zone{at: at}, err == nil && s != "" && s != "Local"
}

//go:embed places.yaml
var placesFile []byte

// places are the time zones of countries, and of states and provinces where a
// country has several.
var places = sync.OnceValue(func() map[string]*time.Location {
	var names map[string]string
	if err := yaml.Unmarshal(placesFile, &names); err != nil {
		panic("places.yaml: " + err.Error()) // embedded, and read by a test
	}
	all := make(map[string]*time.Location, len(names))
	for place, name := range names {
		at, err := time.LoadLocation(name)
		if err != nil {
			panic("places.yaml: " + place + ": " + err.Error())
		}
		all[place] = at
	}
	return all
})

// zoneAt is the time zone of a place, or nil.
func zoneAt(l *events.Location) *time.Location {
	if l == nil || l.Country == "" {
		return nil
	}
	if at := places()[l.Country+"-"+strings.ToUpper(strings.TrimSpace(l.Region))]; at != nil {
		return at
	}
	return places()[l.Country]
}

// happened is when a report's fact took place, and where its offset is from. A
// time without any hint is taken as UTC, and its offset is said to be unknown.
func (p *Profile) happened(w wall, where *events.Location) (time.Time, events.TZSource) {
	if w.offset {
		return w.clock, events.TZOffset
	}
	z, known := p.zones[strings.ToUpper(w.zone)]
	if known && !z.local {
		return events.AtPlace(w.clock, z.at), events.TZZoneCode
	}
	if at := zoneAt(where); at != nil {
		return events.AtPlace(w.clock, at), events.TZLocation
	}
	return w.clock, events.TZUnknown
}

// sent is when a message was made, on the sender's clock.
func (p *Profile) sent(w wall) time.Time {
	if w.offset || w.isZero() {
		return w.clock
	}
	return events.AtPlace(w.clock, p.clock)
}
