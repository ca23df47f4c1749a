package trackingtest

import (
	"fmt"

	"pgregory.net/rapid"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/scenario"
)

// Histories draws the histories of up to atMost orders that have much to do with
// each other and arrive badly: all their events, of tenant demo, in the order in
// which they arrive, some of them twice.
func Histories(atMost int) *rapid.Generator[[]events.Event] {
	return rapid.Custom(func(t *rapid.T) []events.Event {
		return History(rapid.Uint64().Draw(t, "seed"), rapid.IntRange(1, atMost).Draw(t, "orders"))
	})
}

// History tells the histories of some orders of a seed, as [Histories] draws
// them.
func History(seed uint64, orders int) []events.Event {
	g, err := scenario.New(scenario.Config{Seed: seed, Orders: orders, Rates: troubled()})
	if err != nil {
		panic(fmt.Sprintf("the troubled rates are refused: %v", err))
	}
	var all []events.Event
	for e := range g.Events() {
		all = append(all, e)
	}
	return all
}

// troubled are the rates of days on which hardly anything goes well.
func troubled() scenario.Rates {
	r := scenario.DefaultRates()
	r.Late, r.Reorder, r.Resend, r.Copy = 0.15, 0.2, 0.08, 0.08
	r.DayPrecision, r.Skew = 0.1, 0.03
	r.ByNumber, r.LateNumber, r.Renumber = 0.5, 0.5, 0.3
	r.MultiParcel, r.FailedAttempt, r.Exception, r.Unmapped = 0.4, 0.3, 0.2, 0.1
	r.ReturnToSender, r.Lost, r.Damaged, r.Retract, r.Stray = 0.1, 0.1, 0.1, 0.15, 0.1
	r.Split, r.CancelBefore, r.CancelAfter, r.Return = 0.3, 0.1, 0.1, 0.2
	r.PromiseChange, r.Hold, r.Amend, r.Backorder = 0.2, 0.2, 0.15, 0.15
	r.Shared, r.Relink = 0.4, 0.1
	return r
}
