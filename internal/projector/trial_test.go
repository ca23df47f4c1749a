package projector_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/waybill-io/waybill/internal/projector"
)

// court tries records in this process, which it pretends to die of some of them.
type court struct {
	*broker
	deadly  func(projector.InHand) bool
	refuses func(projector.Batch) bool // as Postgres refuses data
	fails   error                      // of every try
	slow    time.Duration              // to fetch
	tries   int
}

func (c *court) Try(ctx context.Context, suspects []projector.Suspect) (trial projector.Trial, err error) {
	c.tries++
	if c.fails != nil {
		return trial, c.fails
	}
	var last projector.InHand
	r := projector.Rehearsal{Log: c, Store: c, Say: func(h projector.InHand) error {
		if last = h; h.Stage == projector.Lived {
			trial.Lived = append(trial.Lived, h.Partition)
		} else if h.Stage == projector.Decoding && c.deadly(h) {
			return errKilled
		}
		return nil
	}}
	if err = r.Run(ctx, suspects); errors.Is(err, errKilled) {
		trial.Died, err = &last, nil
	}
	return trial, err
}

// Peek unpacks the batches of a few records, or only the first of them.
func (c *court) Peek(ctx context.Context, part projector.Partition, at int64, most int) (projector.Fetched, error) {
	select {
	case <-time.After(c.slow):
	case <-ctx.Done():
		return projector.Fetched{}, ctx.Err()
	}
	n := int64(1)
	if most > 1 {
		n = int64(c.portion)
	}
	for o := at; o < at+n; o++ {
		if c.deadly(projector.InHand{Partition: part, Stage: projector.Fetching, From: o, To: o + 1}) {
			return projector.Fetched{}, errKilled
		}
	}
	return c.broker.Peek(ctx, part, at, most)
}

func (c *court) Rehearse(_ context.Context, b projector.Batch) error {
	if c.refuses != nil && c.refuses(b) {
		return &projector.DataError{SQLState: "23514", Err: errors.New("refused")}
	}
	for _, e := range b.Events {
		if c.deadly(projector.InHand{Partition: part0, Stage: projector.Applying, From: e.Record.Offset, To: e.Record.Offset + 1}) {
			return errKilled
		}
	}
	return nil
}

// at is deadly to who has one of the records in hand, in that stage.
func at(stage projector.Stage, offsets ...int64) func(projector.InHand) bool {
	return func(h projector.InHand) bool {
		return h.Stage == stage && slices.ContainsFunc(offsets, func(o int64) bool { return h.From <= o && o < h.To })
	}
}

// tried is a ledger whose owners have records tried.
func tried(b *broker, deadly func(projector.InHand) bool) (*ledger, *court) {
	l := newLedger()
	c := &court{broker: b, deadly: deadly}
	l.trials = c
	return l, c
}

// lives runs processes until one of them lives, and returns how many died.
func (l *ledger) lives(t *testing.T, b *broker) (deaths int) {
	t.Helper()
	for l.live(t, b) {
		if deaths++; deaths > 20 {
			t.Fatal("it kills process after process")
		}
	}
	return deaths
}

// letters are the dead letters, by class and offset.
func (l *ledger) letters() []string {
	var list []string
	for _, p := range l.poison {
		list = append(list, fmt.Sprintf("%s %d", p.Code, p.Offset))
	}
	return list
}

func TestARecordThatKillsOneProcessIsFoundByTryingIt(t *testing.T) {
	tests := []struct {
		name    string
		stage   projector.Stage
		records int
		killers []int64
		tries   int // at most
	}{
		{"decoded, alone", projector.Decoding, 1, []int64{0}, 3},
		{"decoded, in a full batch", projector.Decoding, 5000, []int64{4321}, 3},
		{"applied, alone", projector.Applying, 1, []int64{0}, 3},
		{"applied, the last of a few", projector.Applying, 20, []int64{19}, 4},
		{"applied, in a full batch", projector.Applying, 5000, []int64{4321}, 6},
		{"applied, two of them", projector.Applying, 400, []int64{11, 399}, 9},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in(t, func(t *testing.T) {
				b := newBroker(part0)
				b.portion = 500
				b.append(part0, confirmed(t, 0, tt.records)...)
				l, c := tried(b, at(tt.stage, tt.killers...))
				var ids, want []string
				for _, k := range tt.killers {
					ids = append(ids, fmt.Sprintf("e%04d", k))
					want = append(want, fmt.Sprintf("kills_process %d", k))
				}
				l.killers(ids...)
				if deaths := l.lives(t, b); deaths != 1 {
					t.Errorf("%d processes died, want 1", deaths)
				}
				if c.tries > tt.tries {
					t.Errorf("%d trials, want %d at most", c.tries, tt.tries)
				}
				if diff := cmp.Diff(want, l.letters()); diff != "" {
					t.Errorf("dead letters (-want +got):\n%s", diff)
				}
				rest := slices.DeleteFunc(wantIDs(0, tt.records), func(id string) bool { return slices.Contains(ids, id) })
				if diff := cmp.Diff(rest, l.ids(), cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("applied (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// What the store refuses parts the batch, in a trial too: or what comes behind it
// would not be reached.
func TestAKillerBesideARefusedRecordIsFound(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBroker(part0)
		b.append(part0, confirmed(t, 0, 40)...)
		l, c := tried(b, at(projector.Applying, 5))
		has := func(batch projector.Batch, id string) bool {
			return slices.ContainsFunc(batch.Events, func(e projector.Event) bool { return string(e.ID) == id })
		}
		c.refuses = func(batch projector.Batch) bool { return has(batch, "e0030") }
		l.before = func(batch projector.Batch) error {
			switch {
			case has(batch, "e0030"):
				return &projector.DataError{SQLState: "23514", Err: errors.New("refused")}
			case has(batch, "e0005"):
				l.dead = true
				return errKilled
			}
			return nil
		}
		if deaths := l.lives(t, b); deaths != 1 {
			t.Errorf("%d processes died, want 1", deaths)
		}
		if diff := cmp.Diff([]string{"kills_process 5", "constraint 30"}, l.letters()); diff != "" {
			t.Errorf("dead letters (-want +got):\n%s", diff)
		}
	})
}

// Whoever is killed from outside, owner after owner, with whatever in hand: trials
// live, and nobody is blamed.
func TestKillsFromOutsideBlameNobody(t *testing.T) {
	for _, records := range []int{1, 7, 300} {
		t.Run(fmt.Sprint(records), func(t *testing.T) {
			in(t, func(t *testing.T) {
				b := newBroker(part0)
				b.append(part0, confirmed(t, 0, records)...)
				l, _ := tried(b, func(projector.InHand) bool { return false })
				kills := 4
				l.before = func(projector.Batch) error {
					if kills > 0 {
						kills--
						l.dead = true
						return errKilled
					}
					return nil
				}
				if deaths := l.lives(t, b); deaths != 4 || len(l.poison) != 0 {
					t.Errorf("%d processes died, dead letters %q; want 4 and none", deaths, l.letters())
				}
				if diff := cmp.Diff(wantIDs(0, records), l.ids()); diff != "" {
					t.Errorf("applied (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// A trial that is killed from outside names a record that does not kill the next.
func TestATrialThatDiesOnlyOnceBlamesNobody(t *testing.T) {
	for _, stage := range []projector.Stage{projector.Fetching, projector.Decoding, projector.Applying} {
		t.Run(string(stage), func(t *testing.T) {
			in(t, func(t *testing.T) {
				b := newBroker(part0)
				b.append(part0, confirmed(t, 0, 30)...)
				died := false
				l, _ := tried(b, func(h projector.InHand) bool {
					now := !died && h.Stage == stage
					died = died || now
					return now
				})
				l.unclean[part0] = 1
				if deaths := l.lives(t, b); deaths != 0 || !died || len(l.poison) != 0 {
					t.Errorf("%d processes died, a trial died: %t, dead letters %q", deaths, died, l.letters())
				}
				if diff := cmp.Diff(wantIDs(0, 30), l.ids()); diff != "" {
					t.Errorf("applied (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// Where nothing can be tried, or trying takes the owner along, marks find what
// kills.
func TestWithoutATrialMarksFindWhatKills(t *testing.T) {
	for name, prepare := range map[string]func(*ledger, *court){
		"it cannot be made": func(_ *ledger, c *court) { c.fails = errors.New("no more processes") },
		"an owner died of it": func(l *ledger, c *court) {
			c.fails = errors.New("it was tried again")
			l.attempts[part0], l.unclean[part0] = projector.Attempt{To: 20, Trial: true}, 1
		},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, func(t *testing.T) {
				b := newBroker(part0)
				b.portion = 20
				b.append(part0, confirmed(t, 0, 20)...)
				l, c := tried(b, nil)
				l.killers("e0007")
				prepare(l, c)
				again := len(l.attempts) > 0
				if deaths := l.lives(t, b); deaths > 4 {
					t.Errorf("%d processes died, want 4 at most", deaths)
				}
				if again && c.tries > 0 {
					t.Error("it was tried again")
				}
				if diff := cmp.Diff([]string{"kills_process 7"}, l.letters()); diff != "" {
					t.Errorf("dead letters (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// packed makes records one batch that no trial can unpack; the owner is not to
// come near it.
func packed(b *broker, from, to int64) func(projector.InHand) bool {
	b.corrupt = map[projector.Partition]int64{part0: from}
	return func(h projector.InHand) bool { return h.Stage == projector.Fetching && from <= h.From && h.From < to }
}

func TestARecordThatCannotBeUnpackedIsADeadLetterWithoutItsContents(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBroker(part0)
		b.append(part0, confirmed(t, 0, 20)...)
		l, _ := tried(b, packed(b, 10, 11))
		l.unclean[part0] = 1
		if deaths := l.lives(t, b); deaths != 0 {
			t.Errorf("%d processes died, want none", deaths)
		}
		if diff := cmp.Diff([]string{"kills_process 10"}, l.letters()); diff != "" {
			t.Errorf("dead letters (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(slices.Concat(wantIDs(0, 10), wantIDs(11, 9)), l.ids()); diff != "" {
			t.Errorf("applied (-want +got):\n%s", diff)
		}
		if len(l.poison) == 1 && len(l.poison[0].Value) > 0 {
			t.Error("it has contents")
		}
	})
}

func TestABatchThatCannotBeUnpackedHaltsItsPartitionBeforeIt(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBroker(part0, part1)
		b.append(part0, confirmed(t, 0, 20)...)
		b.append(part1, confirmed(t, 20, 5)...)
		l, _ := tried(b, packed(b, 10, 12))
		l.unclean[part0], l.unclean[part1] = 1, 1
		if deaths := l.lives(t, b); deaths != 0 {
			t.Errorf("%d processes died, want none", deaths)
		}
		got := l.ids()
		slices.Sort(got)
		if diff := cmp.Diff(slices.Concat(wantIDs(0, 10), wantIDs(20, 5)), got); diff != "" {
			t.Errorf("applied (-want +got):\n%s", diff)
		}
		if at := l.claims[part0].Next; at != 10 || len(l.poison) != 0 {
			t.Errorf("it stands at %d with dead letters %q, want 10 and none", at, l.letters())
		}
		if l.unclean[part0] == 0 {
			t.Error("it was left in order: the next owner would unpack it")
		}
	})
}

// An owner that somebody else has taken the partition from, while it had a marked
// record in hand, was not killed by it.
func TestAnOwnerThatIsFencedTakesItsMarkBack(t *testing.T) {
	in(t, func(t *testing.T) {
		b, l := newBroker(part0), newLedger()
		b.append(part0, confirmed(t, 0, 1)...)
		l.unclean[part0] = 1
		applied := 0
		l.before = func(projector.Batch) error {
			if applied++; applied > 1 {
				return nil
			}
			l.mu.Unlock() // which Apply holds
			defer l.mu.Lock()
			claims, _ := l.Claim(t.Context(), "heir", "c1", []projector.Partition{part0})
			if claims[part0].Attempt.Deaths != 1 {
				t.Errorf("the heir was told of %+v, want one death", claims[part0].Attempt)
			}
			return nil
		}
		var deaths []int
		l.claimed = func(c projector.Claim) { deaths = append(deaths, c.Attempt.Deaths) }
		if l.live(t, b) {
			t.Error("it died")
		}
		if diff := cmp.Diff([]int{0, 1, 0}, deaths); diff != "" { // of the first, of the heir, of the first again
			t.Errorf("deaths that owners were told of (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff("e0000", strings.Join(l.ids(), " ")); diff != "" {
			t.Errorf("applied (-want +got):\n%s", diff)
		}
	})
}

// An owner that is asked to stop before it has come to what the one before may
// have died of does not leave in order: whoever is next is to be as careful.
func TestWhatIsStillToBeTriedCarefullyIsNotLeftInOrder(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBroker(part0, part1)
		b.append(part0, confirmed(t, 0, 5)...)
		l, _ := tried(b, func(projector.InHand) bool { return false })
		l.unclean[part0], l.unclean[part1] = 1, 1
		l.before = func(projector.Batch) error { return temporary("the store is away") }
		if l.live(t, b) {
			t.Error("it died")
		}
		if l.unclean[part0] == 0 || l.unclean[part1] != 0 {
			t.Errorf("claims since partitions were left in order: %v, want some of the first, none of the one without records", l.unclean)
		}
	})
}

// The partitions of a killed owner do not wait for long while their records live;
// once it has happened again, with the same in hand, all of them are gone through.
func TestATrialThatTakesLongIsFinishedOnlyAfterASecondDeath(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBroker(part0)
		b.portion = 20
		b.append(part0, confirmed(t, 0, 20)...)
		l, c := tried(b, at(projector.Applying, 7))
		c.slow = 5 * time.Second
		l.killers("e0007")
		var took []time.Duration
		for died := true; died; {
			began := time.Now()
			died = l.liveFor(t, b, 2*time.Minute)
			took = append(took, time.Since(began))
		}
		if len(took) != 3 || took[1] != 2*time.Second {
			t.Errorf("processes took %v, want three, the second 2 s, all but the last killed", took)
		}
		if diff := cmp.Diff([]string{"kills_process 7"}, l.letters()); diff != "" {
			t.Errorf("dead letters (-want +got):\n%s", diff)
		}
	})
}

// A generation that ends while records are tried is no death.
func TestAnOwnerThatIsAskedToStopDuringATrialHasNotDiedOfIt(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBroker(part0)
		b.append(part0, confirmed(t, 0, 5)...)
		l, c := tried(b, func(projector.InHand) bool { return false })
		c.slow = time.Hour
		l.unclean[part0] = 1
		if l.live(t, b) || c.tries != 1 {
			t.Errorf("it died, or %d trials were begun, want one", c.tries)
		}
		if len(l.trying) > 0 || l.unclean[part0] < 2 {
			t.Errorf("%v are on trial still; %d claims since it was left in order", l.trying, l.unclean[part0])
		}
	})
}
