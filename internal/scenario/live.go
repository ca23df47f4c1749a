package scenario

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/waybill-io/waybill/events"
)

// LiveConfig says how histories are told now. Start, Every, Rates.Skew and
// Rates.DayPrecision of the embedded Config are not used.
type LiveConfig struct {
	Config               // Prefix defaults to one that no other start has
	Rate   float64       // events per second, above 0
	Life   time.Duration // from an order's first event to its last, about. Defaults to 3 minutes, and is less where MaxOpen demands it
	// MaxOpen is how many shipments may be under way at once. Defaults to 2,900.
	MaxOpen int
}

const (
	defaultLife    = 3 * time.Minute
	defaultMaxOpen = 2900
	liveTick       = 20 * time.Millisecond
	liveBatch      = 1000
)

// What an average order of DefaultRates is like; the pace is derived from it and
// need not be exact.
const (
	eventsPerOrder = 17
	orderSpan      = 108 * time.Hour // from its first event to its last
	roomPerOrder   = 104 * time.Hour // from its first event to the last of each of its shipments, added up
	comfortable    = 0.85            // the share of MaxOpen that is aimed at
)

// Live tells histories as if they happened now: it hands exactly Rate events a
// second to publish, in batches, and an event's times are those at which the
// story reached them, so that an order lives for minutes instead of days. It
// returns nil after Orders orders, or when ctx ends, and otherwise what publish
// returned.
//
// Fewer than MaxOpen shipments are under way at any time: an order waits until
// there is room for all of its shipments.
func Live(ctx context.Context, cfg LiveConfig, publish func(context.Context, []events.Event) error) error {
	began := time.Now()
	l, err := newLive(cfg, began)
	if err != nil {
		return err
	}
	tick := time.NewTicker(liveTick)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		more, err := l.turn(ctx, time.Since(began), publish)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil || !more {
			return err
		}
	}
}

// live is a merge whose pace the clock sets.
type live struct {
	merge *merge
	rate  float64
	warp  *warp
	owed  float64       // events that should have been told by now
	last  time.Duration // of the last turn, since the beginning
	began time.Time
}

func newLive(cfg LiveConfig, began time.Time) (*live, error) {
	if !(cfg.Rate > 0 && cfg.Rate <= 1e6) {
		return nil, fmt.Errorf("rate: %v is not above 0 and at most 1,000,000 events per second", cfg.Rate)
	}
	if cfg.Life < 0 || cfg.MaxOpen < 0 {
		return nil, errors.New("life and open shipments cannot be negative")
	}
	if cfg.Life == 0 {
		cfg.Life = defaultLife
	}
	if cfg.MaxOpen == 0 {
		cfg.MaxOpen = defaultMaxOpen
	}
	if cfg.Prefix == "" {
		cfg.Prefix = strconv.FormatInt(began.UnixMilli(), 36) + "-" + strconv.FormatUint(cfg.Seed%46_656, 36)
	}
	orders := cfg.Rate / eventsPerOrder // a second
	cfg.Start, cfg.Every = began.UTC().Round(0), spacing(cfg, orders)
	g, err := New(cfg.Config)
	if err != nil {
		return nil, err
	}
	g.live = true
	m := newMerge(g)
	m.gate = &room{most: cfg.MaxOpen, left: map[*tale][]int{}}
	pace := float64(time.Second) / orders / float64(cfg.Every)
	return &live{merge: m, rate: cfg.Rate, warp: newWarp(cfg.Start, pace), began: cfg.Start}, nil
}

// spacing is the time between two orders at which as many are under way as live
// for Life at the rate, or as there is room for.
func spacing(cfg LiveConfig, orders float64) time.Duration {
	alive := orders * cfg.Life.Seconds()
	room := comfortable * float64(cfg.MaxOpen) * float64(orderSpan) / float64(roomPerOrder)
	return max(time.Second, time.Duration(float64(orderSpan)/max(1, min(alive, room))))
}

// turn tells what is due since the last turn. It answers whether there is more.
// What could not be told in a second is not made up for.
func (l *live) turn(ctx context.Context, since time.Duration, publish func(context.Context, []events.Event) error) (bool, error) {
	l.owed = min(l.owed+l.rate*(since-l.last).Seconds(), max(1, l.rate))
	l.last = since
	for l.owed >= 1 {
		batch := l.take(int(min(l.owed, liveBatch)), l.began.Add(since))
		if len(batch) == 0 {
			return false, nil
		}
		l.owed -= float64(len(batch))
		if err := publish(ctx, batch); err != nil {
			return false, err
		}
	}
	return true, nil
}

// take tells the next n events, which happened by now.
func (l *live) take(n int, now time.Time) []events.Event {
	arrivals := make([]arrival, 0, n)
	for len(arrivals) < n {
		a, ok := l.merge.next()
		if !ok {
			break
		}
		arrivals = append(arrivals, a)
	}
	if len(arrivals) == 0 {
		return nil
	}
	l.warp.reach(l.merge.now, now)
	batch := make([]events.Event, len(arrivals))
	for i, a := range arrivals {
		batch[i] = l.warp.event(a)
	}
	return batch
}

// room is the gate that keeps the number of shipments under way below a bound.
// A shipment counts from the beginning of its tale to its own last event.
type room struct {
	most int
	open int
	left map[*tale][]int // events still to arrive, by shipment
}

// most shipments that one pair of orders can need at once.
const pairShips = 8

func (r *room) admits() bool { return r.open+pairShips < r.most || r.open == 0 }

func (r *room) began(t *tale) {
	left := make([]int, t.ships+1)
	for _, n := range t.news {
		left[t.of[n.event]]++
	}
	r.left[t] = left
	r.open += t.ships
}

func (r *room) arrived(a arrival) {
	left := r.left[a.tale]
	ship := a.tale.of[a.event]
	if left[ship]--; left[ship] == 0 && ship > 0 {
		r.open--
	}
	for _, n := range left {
		if n > 0 {
			return
		}
	}
	delete(r.left, a.tale)
}
