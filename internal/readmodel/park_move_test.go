package readmodel_test

import (
	"errors"
	"testing"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/projector"
	"github.com/waybill-io/waybill/internal/readmodel"
)

// What waits is in no timeline, so that a rebuild does not see it; it goes over to
// the new version with the dead letters.
func TestARebuildLeavesWhatWaitsWhereItIs(t *testing.T) {
	t.Parallel()
	r, l := newParkRig(t, 1), &teller{tenant: "acme"}
	all := []events.Event{l.placed("o1", 0), l.created("s1", "o1", 1), l.departed("s1", 2), l.delivered("s1", 3), l.lost("s1", 4)}
	r.refuses(t, all[2])
	r.project(t, "*")
	at := r.tape.tell(t, all[:4]...)
	r.drained(t)
	before := dump(t, r.rig)
	done := r.mustRebuild(t, nil)
	if diff := diffLines(before, r.dumpOf(t, int(done.Version))); diff != "" {
		t.Errorf("rows differ (-live +rebuilt):\n%s", diff)
	}
	r.tape.tell(t, all[4]) // the projector follows
	waitFor(t, "the record that came after the swap waits", func() bool {
		return one[int](t, r.rig, `SELECT count(*) FROM waybill.parked_records WHERE projection = 'rm_2'`) == 2
	})
	r.accounted(t)
	r.allows(t, all[2])
	if got := r.replay(t, at[2]); got.Behind != (readmodel.Unparked{Applied: 2}) {
		t.Errorf("Replay in the new version = %+v", got)
	}
	r.version = int(done.Version)
	r.accounted(t)
	r.ordered(t)
	r.like(t, all)
}

// An operator who moves the position back has everything read again: nothing is
// lost or doubled, whether it waits, was let go, or is still poison.
func TestAPositionMovedBackDoublesNothingThatWaits(t *testing.T) {
	t.Parallel()
	r, l := newParkRig(t, 1), &teller{tenant: "acme"}
	stop := r.project(t, "*")
	all := []events.Event{l.created("s1", "o1", 1), l.created("s2", "o2", 1), l.departed("s1", 2), l.departed("s2", 2)}
	r.tape.tell(t, all[:2]...)
	gone := r.tape.garble(t, all[0])
	r.tape.garble(t, all[1])
	r.tape.tell(t, all[2:]...)
	r.drained(t)
	r.discard(t, gone)
	const settled = "acme|s1@2 discarded; acme|s2@3 new <- 5"
	r.wantState(t, settled)
	stop()
	part := projector.Partition{Topic: events.ShipmentsTopic}
	back := readmodel.Gap{Partition: part, Cause: "by_choice", From: 6, To: 0, Cluster: "cluster", ToCluster: "cluster", Reason: "a test", Who: "me"}
	if _, err := r.store.AcceptGap(t.Context(), back); err != nil {
		t.Fatal(err)
	}
	r.project(t, "*")
	r.drained(t)
	// What was discarded is poison again, and one behind it that is known waits for it.
	r.wantState(t, "acme|s1@2 new <- 4; acme|s2@3 new <- 5")
	r.discard(t, gone)
	r.wantState(t, settled)
	r.accounted(t)
	if got := r.discard(t, readmodel.Place{Partition: part, Offset: 3}); got.Behind != (readmodel.Unparked{Applied: 1}) {
		t.Errorf("Discard = %+v", got)
	}
	r.accounted(t)
	r.like(t, all)
}

// At the same offsets another log has other records.
func TestAnotherLogIsNotAcceptedWhileRecordsOfTheOldOneWait(t *testing.T) {
	t.Parallel()
	r, l := newParkRig(t, 1), &teller{tenant: "acme"}
	stop := r.project(t, "*")
	bad := r.tape.garble(t, l.created("s1", "o1", 1))
	r.drained(t)
	stop()
	other := readmodel.Gap{Partition: bad.Partition, Cause: "other_log", From: 1, To: 0, Cluster: "cluster", ToCluster: "other", Reason: "a test", Who: "me"}
	if _, err := r.store.AcceptGap(t.Context(), other); !errors.Is(err, readmodel.ErrParked) {
		t.Errorf("AcceptGap = %v, want %v", err, readmodel.ErrParked)
	}
	r.discard(t, bad)
	if _, err := r.store.AcceptGap(t.Context(), other); err != nil {
		t.Errorf("AcceptGap once nothing waits: %v", err)
	}
}
