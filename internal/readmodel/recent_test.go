package readmodel_test

import (
	"testing"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/projector"
)

// What another owner has stored is not new, however new it looks to this one:
// the batch is applied all the same, each copy is known as one, and what is new
// among them is stored once.
func TestAWrongGuessOfWhatIsNewIsOnlySlower(t *testing.T) {
	r := newRig(t)
	first, second := histories(3, 2), ofTenant("other", histories(3, 2))
	r.apply(t, first)
	before := dump(t, r)
	other := r.newWorker(t, projector.Partition{Topic: events.OrdersTopic}, projector.Partition{Topic: events.ShipmentsTopic})
	if applied := other.apply(t, first); applied.New != 0 || applied.Duplicates != len(first) || applied.Changes != 0 {
		t.Errorf("the same events once more: %d new, %d duplicates, %d changes", applied.New, applied.Duplicates, applied.Changes)
	}
	if !other.store.Doubts() {
		t.Error("the guess was wrong, and it goes on guessing")
	}
	if diff := diffLines(before, dump(t, r)); diff != "" {
		t.Errorf("the same events once more (-before +after):\n%s", diff)
	}
	third := r.newWorker(t, projector.Partition{Topic: events.OrdersTopic}, projector.Partition{Topic: events.ShipmentsTopic})
	if applied := third.apply(t, append(second, first...)); applied.New != len(second) || applied.Duplicates != len(first) {
		t.Errorf("new events and known ones: %d new, %d duplicates", applied.New, applied.Duplicates)
	}
	third.apply(t, second[:1])
	once := newRig(t)
	once.apply(t, append(first, second...))
	if diff := diffLines(dump(t, once), dump(t, r)); diff != "" {
		t.Errorf("in one batch and as here (-one +here):\n%s", diff)
	}
}
