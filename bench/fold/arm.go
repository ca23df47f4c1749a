package main

import (
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/tracking"
)

// cost is what an event costs.
type cost struct{ ns, allocs, bytes float64 }

// arm is one way through the load. prepare, which is not measured, makes what
// do works on; do says how many events it was.
type arm struct {
	name    string
	prepare func()
	do      func() (events int)
}

// run does it again and again for a turn, and says what an event cost.
func (a arm) run(turn time.Duration) cost {
	var took time.Duration
	var all cost
	n := 0
	var before, after runtime.MemStats
	for took < turn {
		if a.prepare != nil {
			a.prepare()
		}
		runtime.ReadMemStats(&before)
		began := time.Now()
		n += a.do()
		took += time.Since(began)
		runtime.ReadMemStats(&after)
		all.allocs += float64(after.Mallocs - before.Mallocs)
		all.bytes += float64(after.TotalAlloc - before.TotalAlloc)
	}
	per := float64(n)
	return cost{float64(took.Nanoseconds()) / per, all.allocs / per, all.bytes / per}
}

// The arms by name.
const (
	decode    = "decode"
	lastWins  = "last status wins"
	applyOne  = "apply in order"
	refold    = "refold of 40"
	foldOrder = "fold of an order"
	hashing   = "content hash"
)

func (l *load) arms() []arm {
	var states []tracking.Shipment
	return []arm{
		{name: decode, do: l.decode},
		{name: hashing, do: l.hash},
		{name: lastWins, do: l.lastWins},
		{name: applyOne, prepare: func() { states = l.states() }, do: func() int { return l.apply(states) }},
		{name: refold, do: l.refold},
		{name: foldOrder, do: l.foldOrders},
	}
}

func (l *load) decode() int {
	for _, m := range l.messages {
		if _, err := events.Decode(m); err != nil {
			panic(fmt.Sprintf("decoded once, but not twice: %v", err))
		}
	}
	return len(l.messages)
}

func (l *load) hash() int {
	for i := range l.decoded {
		if _, err := l.decoded[i].ContentHash(); err != nil {
			panic(fmt.Sprintf("hashed once, but not twice: %v", err))
		}
	}
	return len(l.decoded)
}

// lastWins is a tracker that believes whatever came last.
func (l *load) lastWins() int {
	status := map[string]events.Type{}
	for i := range l.decoded {
		e := &l.decoded[i]
		status[e.Subject] = e.Type()
	}
	return len(l.decoded)
}

// states are the shipments as they are before anything is applied.
func (l *load) states() []tracking.Shipment {
	states := make([]tracking.Shipment, len(l.ships))
	for i, s := range l.ships {
		states[i] = s.state
		states[i].Parcels, states[i].Contents = slices.Clone(s.state.Parcels), slices.Clone(s.state.Contents)
		states[i].Estimates, states[i].Guard.Estimates = slices.Clone(s.state.Estimates), slices.Clone(s.state.Guard.Estimates)
	}
	return states
}

// apply takes a fact a batch, as when scans come one by one.
func (l *load) apply(states []tracking.Shipment) (n int) {
	for i := range l.ships {
		s := &states[i]
		for _, f := range l.ships[i].facts {
			if _, ok := s.Apply(f); !ok {
				panic(fmt.Sprintf("%s was applied once, but not twice", f.ID))
			}
			s.Settle()
			n++
		}
	}
	return n
}

func (l *load) refold() int {
	const times = 100
	for range times {
		tracking.FoldShipment("s1", l.history, nil)
	}
	return times * len(l.history)
}

func (l *load) foldOrders() (n int) {
	for _, o := range l.orders {
		base, _ := tracking.FoldOrder(o.facts)
		base.With(o.id, o.carried)
		n += len(o.facts)
	}
	return n
}
