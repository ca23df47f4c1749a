package main

import (
	"testing"

	"github.com/waybill-io/waybill/internal/tracking"
)

// What is measured must be what it says: facts that Apply takes, to the state
// that a fold gives, and a history of 40.
func TestLoad_isWhatTheArmsSay(t *testing.T) {
	t.Parallel()
	l, err := newLoad(config{orders: 50, seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	states := l.states()
	if n := l.apply(states); n != l.applies || n < l.own/2 {
		t.Errorf("%d facts are applied, %d were said to be, of %d", n, l.applies, l.own)
	}
	for i, s := range l.ships {
		if len(s.facts) == 0 {
			continue
		}
		now, last := states[i].Guard, s.facts[len(s.facts)-1]
		if now.Newest != last.Key && now.NewestEstimate != last.Key {
			t.Errorf("shipment %s does not end with the last fact applied", s.state.ID)
		}
		if was := s.state.Guard; was.Newest == now.Newest && was.NewestEstimate == now.NewestEstimate || len(was.Estimates) > 0 {
			t.Errorf("the state of shipment %s is no longer what it was before", s.state.ID)
		}
	}
	s, marks := tracking.FoldShipment("s1", l.history, nil)
	if len(l.history) != 40 || s.Revision != 40 || s.Status != tracking.Delivered || len(marks) != 1 {
		t.Errorf("the history of %d facts ends as %s at revision %d with %d marks", len(l.history), s.Status, s.Revision, len(marks))
	}
}

func TestFigures_areMediansOfRatiosWithinRounds(t *testing.T) {
	t.Parallel()
	got := figuresOf([]cost{{ns: 10}, {ns: 40}, {ns: 30}}, []cost{{ns: 10}, {ns: 10}, {ns: 10}}, []cost{{ns: 1}, {ns: 8}, {ns: 6}})
	if got.Ns != 30 || got.ToDecode != 3 || got.ToNaive != 5 {
		t.Errorf("figures %+v, want 30 ns, ratios 3 and 5", got)
	}
}
