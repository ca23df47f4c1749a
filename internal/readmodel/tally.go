package readmodel

import (
	"slices"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/projector"
	"github.com/waybill-io/waybill/internal/tracking"
)

// newApplied is what a batch has changed before it begins.
func newApplied() projector.Applied {
	return projector.Applied{
		Fates: map[projector.Fate]int{}, Zones: map[events.TZSource]int{}, Anomalies: map[tracking.Anomaly]int{},
	}
}

// tally counts what became of an event.
func (u *unit) tally(e *entry, outcome projector.Outcome) {
	u.applied.Fates[projector.Fate{Type: e.Type(), Outcome: outcome}]++
}

// tallyStored counts the events that were stored, once it is known which of them
// came late.
func (u *unit) tallyStored() {
	for _, e := range u.entries {
		outcome := projector.OutcomeApplied
		if e.late {
			outcome = projector.OutcomeLate
		}
		u.tally(e, outcome)
		u.applied.Zones[e.TZSource()]++
	}
}

// note counts what a mark says that the stored one did not: folds mark the same
// entries again.
func (u *unit) note(mark, stored tracking.Mark) {
	for _, a := range mark.Anomalies {
		if !slices.Contains(stored.Anomalies, a) {
			u.applied.Anomalies[a]++
		}
	}
	var none tracking.Twin
	if mark.DuplicateOf != none && stored.DuplicateOf == none {
		u.applied.Anomalies[projector.AnomalyCopy]++
	}
	if mark.Unmatched && !stored.Unmatched {
		u.applied.Anomalies[projector.AnomalyUnmatched]++
	}
}
