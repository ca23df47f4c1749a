package readmodel_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/projector"
)

var anyPart = projector.Partition{Topic: events.OrdersTopic}

// again claims the partition anew and says how its last owner left it.
func (r *rig) again(t *testing.T) projector.Claim {
	t.Helper()
	r.claim(t)
	return r.claims[anyPart]
}

func TestClaimTellsHowTheLastOwnerLeft(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if c := r.claims[anyPart]; c.Unclean {
		t.Error("the first owner is told of one before it")
	}
	if c := r.again(t); !c.Unclean {
		t.Error("an owner that released nothing is taken for one that left in order")
	}
	before := r.claims[anyPart].Epoch - 1
	if err := r.store.Release(t.Context(), map[projector.Partition]int64{anyPart: before}); err != nil {
		t.Fatal(err)
	}
	if c := r.again(t); !c.Unclean {
		t.Error("somebody released a partition that was no longer theirs")
	}
	if err := r.store.Release(t.Context(), map[projector.Partition]int64{anyPart: r.claims[anyPart].Epoch}); err != nil {
		t.Fatal(err)
	}
	if c := r.again(t); c.Unclean {
		t.Error("an owner that left in order is taken for one that was killed")
	}
}

func TestDeathsAreCountedOfOwnersThatHadTheSameInHand(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	mark := func(from, to int64) {
		t.Helper()
		if err := r.store.Mark(t.Context(), anyPart, r.claims[anyPart].Epoch, from, to); err != nil {
			t.Fatal(err)
		}
	}
	want := func(what string, a projector.Attempt) {
		t.Helper()
		if diff := cmp.Diff(a, r.again(t).Attempt); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	want("nothing in hand", projector.Attempt{})
	mark(0, 50)
	want("one death", projector.Attempt{From: 0, To: 50, Deaths: 1})
	want("an owner that did not come to it", projector.Attempt{From: 0, To: 50, Deaths: 1})
	mark(0, 50)
	want("two deaths", projector.Attempt{From: 0, To: 50, Deaths: 2})
	mark(7, 8)
	want("something else in hand", projector.Attempt{From: 7, To: 8, Deaths: 1})

	stale := r.claims[anyPart].Epoch - 1
	if err := r.store.Mark(t.Context(), anyPart, stale, 1, 2); !errors.Is(err, projector.ErrFenced) {
		t.Errorf("Mark of an earlier owner = %v, want %v", err, projector.ErrFenced)
	}
	mark(7, 8)
	if err := r.store.Release(t.Context(), map[projector.Partition]int64{anyPart: r.claims[anyPart].Epoch}); err != nil {
		t.Fatal(err)
	}
	want("an owner that left in order", projector.Attempt{})
}

// A position that nothing was ever read at belongs to whatever log there is.
func TestAnUntouchedPositionTakesItsClusterFromItsClaim(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, cluster := range []string{"first", "second"} {
		claims, err := r.store.Claim(t.Context(), "owner", cluster, []projector.Partition{anyPart})
		if err != nil {
			t.Fatal(err)
		}
		if got := claims[anyPart].Cluster; got != cluster {
			t.Errorf("cluster = %q, want %q", got, cluster)
		}
	}
}
