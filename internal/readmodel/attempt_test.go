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

// Whoever was taken for dead, and lives, takes its mark back: before anybody has
// counted it, after, and after somebody else has the same in hand.
func TestAMarkIsTakenBack(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		heirs func(*testing.T, *rig)
		want  int // deaths, once the next owner claims
	}{
		{"nobody has claimed", func(*testing.T, *rig) {}, 0},
		{"an heir has claimed", func(t *testing.T, r *rig) { r.again(t) }, 0},
		{"an heir has it in hand, and dies", func(t *testing.T, r *rig) {
			r.again(t)
			if err := r.store.Mark(t.Context(), anyPart, r.claims[anyPart].Epoch, 7, 8); err != nil {
				t.Fatal(err)
			}
		}, 1},
		{"an heir has something else in hand, and dies", func(t *testing.T, r *rig) {
			r.again(t)
			if err := r.store.Mark(t.Context(), anyPart, r.claims[anyPart].Epoch, 0, 7); err != nil {
				t.Fatal(err)
			}
		}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.again(t)
			epoch := r.claims[anyPart].Epoch
			if err := r.store.Mark(t.Context(), anyPart, epoch, 7, 8); err != nil {
				t.Fatal(err)
			}
			tt.heirs(t, r)
			if err := r.store.Absolve(t.Context(), anyPart, epoch, 7, 8); err != nil {
				t.Fatal(err)
			}
			if got := r.again(t).Attempt.Deaths; got != tt.want {
				t.Errorf("%d deaths, want %d", got, tt.want)
			}
		})
	}
}

// An owner that dies while records are tried is told of until they are behind; one
// that lives through it is not.
func TestAnOwnerThatDiesOfATrialIsRemembered(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	note := func(running bool) {
		t.Helper()
		a := projector.Attempt{From: 0, To: 50, Trial: running}
		if err := r.store.Try(t.Context(), anyPart, r.claims[anyPart].Epoch, a); err != nil {
			t.Fatal(err)
		}
	}
	note(true)
	note(false)
	if c := r.again(t); c.Attempt.Trial || c.Attempt.Deaths != 0 {
		t.Errorf("after a trial that was over: %+v", c.Attempt)
	}
	note(true)
	if c := r.again(t); !c.Attempt.Trial || c.Attempt.Deaths != 0 {
		t.Errorf("after a death during a trial: %+v", c.Attempt)
	}
	if err := r.store.Mark(t.Context(), anyPart, r.claims[anyPart].Epoch, 0, 20); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(projector.Attempt{From: 0, To: 20, Deaths: 1, Trial: true}, r.again(t).Attempt); diff != "" {
		t.Errorf("after a further death (-want +got):\n%s", diff)
	}
	if err := r.store.Try(t.Context(), anyPart, r.claims[anyPart].Epoch-1, projector.Attempt{To: 50, Trial: true}); !errors.Is(err, projector.ErrFenced) {
		t.Errorf("Try of an earlier owner = %v, want %v", err, projector.ErrFenced)
	}
	if err := r.store.Release(t.Context(), map[projector.Partition]int64{anyPart: r.claims[anyPart].Epoch}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(projector.Attempt{}, r.again(t).Attempt); diff != "" {
		t.Errorf("after an owner that left in order (-want +got):\n%s", diff)
	}
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
