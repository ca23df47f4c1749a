package scenario

import (
	"iter"
	"strconv"
	"time"

	"github.com/waybill-io/waybill/events"
)

// Generator tells the histories that a [Config] describes.
type Generator struct {
	cfg      Config
	core     bool
	live     bool // see Live: no whole days and minutes
	atlas    *atlas
	carriers [regions][]*carrier
	salt     uint64 // of tracking numbers
}

// New returns a Generator, or every problem of cfg at once.
func New(cfg Config) (*Generator, error) {
	cfg, err := cfg.defaults()
	if err != nil {
		return nil, err
	}
	g := &Generator{cfg: cfg, core: cfg.Vocabulary == Core, atlas: newAtlas(), carriers: carriers(), salt: mix(cfg.Seed)}
	for i := range len(cfg.Prefix) {
		g.salt = mix(g.salt + uint64(cfg.Prefix[i]))
	}
	return g, nil
}

// Order tells one order of the default histories of a seed, in all the
// vocabulary; see [Generator.Order].
func Order(seed uint64, i int) []events.Event {
	g, err := New(Config{Seed: seed, Rates: DefaultRates()})
	if err != nil {
		panic(err) // the defaults are valid
	}
	return g.Order(i)
}

// Order tells the history of the i-th order, from 0, with its shipments, its
// carriers' numbers, and the other order where two share parcels or were one:
// all events of all streams concerned, in the order in which they arrive.
func (g *Generator) Order(i int) []events.Event {
	if i < 0 || g.cfg.Orders > 0 && i >= g.cfg.Orders {
		return nil
	}
	for _, t := range g.tales(i / 2) {
		if t.number <= i && i < t.number+t.count {
			return t.arrivals()
		}
	}
	return nil
}

// Events tells all histories, in the order in which their events arrive.
func (g *Generator) Events() iter.Seq[events.Event] {
	return func(yield func(events.Event) bool) {
		m := newMerge(g)
		for {
			a, ok := m.next()
			if !ok || !yield(a.tale.told[a.event]) {
				return
			}
		}
	}
}

// tales tells the orders 2i and 2i+1: as one tale when they have to do with each
// other, else as two. Nothing in them arrives before start(2i).
func (g *Generator) tales(i int) []*tale {
	d := diceOf(g.cfg.Seed, uint64(i)*4)
	shared, relinked := d.chance(g.cfg.Rates.Shared), d.chance(g.cfg.Rates.Relink)
	first, second := 2*i, 2*i+1
	alone := g.cfg.Orders > 0 && second >= g.cfg.Orders
	switch {
	case alone:
		return []*tale{g.single(first)}
	case shared:
		return []*tale{g.shared(first)}
	case relinked && !g.core:
		return []*tale{g.relinked(first)}
	default:
		return []*tale{g.single(first), g.single(second)}
	}
}

// tale begins a tale. Its dice are those of its first order.
func (g *Generator) tale(number int) *tale {
	n := uint64(number)
	return &tale{
		g: g, d: diceOf(g.cfg.Seed, n*2+1), number: number, count: 1,
		told: make([]events.Event, 0, 24), of: make([]int8, 0, 24), news: make([]news, 0, 26),
	}
}

// start is the earliest time of an order.
func (g *Generator) start(number int) time.Time {
	return g.cfg.Start.Add(time.Duration(number) * g.cfg.Every)
}

// appendNumber writes "PREFIX-000123".
func (g *Generator) appendNumber(b []byte, number int) []byte {
	b = append(b, g.cfg.Prefix...)
	b = append(b, '-')
	for width := 100_000; width > number && width > 1; width /= 10 {
		b = append(b, '0')
	}
	return strconv.AppendInt(b, int64(number), 10)
}

// id is PREFIX-000123 with something before it.
func (g *Generator) id(before string, number int) string {
	return string(g.appendNumber(append(make([]byte, 0, 32), before...), number))
}
