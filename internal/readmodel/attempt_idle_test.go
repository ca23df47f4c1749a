package readmodel_test

import (
	"testing"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/projector"
)

// A record is not to blame for the death of a process that had not come to it.
func TestADeathCountsOnlyForWhatWasInHand(t *testing.T) {
	r := newRig(t) // whose worker claims, and leaves nothing in order
	part := projector.Partition{Topic: events.OrdersTopic}
	mark := func() {
		t.Helper()
		if err := r.store.Mark(t.Context(), part, r.claims[part].Epoch, 0, 1); err != nil {
			t.Fatalf("Mark: %v", err)
		}
	}
	for _, step := range []struct {
		marks bool
		want  int
	}{{false, 0}, {true, 1}, {false, 1}, {false, 1}, {true, 2}, {false, 2}} {
		if step.marks {
			mark()
		}
		r.claim(t)
		if got := r.claims[part].Attempt.Deaths; got != step.want {
			t.Errorf("marked %t before the owner was killed: %d deaths, want %d", step.marks, got, step.want)
		}
	}
}
