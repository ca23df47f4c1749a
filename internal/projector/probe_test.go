package projector_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/projector"
)

// ledger is a memory that also remembers attempts, and a process that can be
// killed while it applies: then nothing is released.
type ledger struct {
	*memory
	unclean  map[projector.Partition]int
	attempts map[projector.Partition]projector.Attempt
	marked   map[projector.Partition]bool
	marks    int
	dead     bool
	trials   projector.Trials
	claimed  func(projector.Claim)
	trying   []projector.Partition
}

func newLedger() *ledger {
	return &ledger{memory: newMemory(), unclean: map[projector.Partition]int{}, attempts: map[projector.Partition]projector.Attempt{}, marked: map[projector.Partition]bool{}}
}

func (l *ledger) Claim(ctx context.Context, owner, cluster string, parts []projector.Partition) (map[projector.Partition]projector.Claim, error) {
	claims, err := l.memory.Claim(ctx, owner, cluster, parts)
	l.mu.Lock()
	defer l.mu.Unlock()
	for part, c := range claims {
		if a, ok := l.attempts[part]; ok && (a.To <= c.Next || l.unclean[part] == 0) {
			delete(l.attempts, part)
		} else if ok {
			if l.marked[part] {
				a.Deaths++
			}
			a.Trial = a.Trial || slices.Contains(l.trying, part)
			l.attempts[part] = a
		}
		delete(l.marked, part)
		c.Unclean, c.Attempt = l.unclean[part] > 0, l.attempts[part]
		l.unclean[part]++
		claims[part] = c
		if l.claimed != nil {
			l.claimed(c)
		}
	}
	return claims, err
}

func (l *ledger) Mark(_ context.Context, part projector.Partition, epoch, from, to int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.claims[part].Epoch != epoch {
		return projector.ErrFenced
	}
	l.marks++
	l.marked[part] = true
	a := projector.Attempt{From: from, To: to}
	if before := l.attempts[part]; before.From == from && before.To == to {
		a.Deaths = before.Deaths
	}
	a.Trial = l.attempts[part].Trial
	l.attempts[part] = a
	return nil
}

func (l *ledger) Absolve(_ context.Context, part projector.Partition, _, from, to int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch a := l.attempts[part]; {
	case a.From != from || a.To != to:
	case l.marked[part]:
		delete(l.marked, part)
	default:
		a.Deaths = max(a.Deaths-1, 0)
		l.attempts[part] = a
	}
	return nil
}

func (l *ledger) Try(ctx context.Context, part projector.Partition, _ int64, a projector.Attempt) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !a.Trial {
		l.trying = nil
		return nil
	}
	l.trying = append(l.trying, part)
	if _, ok := l.attempts[part]; !ok {
		l.attempts[part] = projector.Attempt{From: a.From, To: a.To}
	}
	return nil
}

func (l *ledger) Release(_ context.Context, epochs map[projector.Partition]int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for part := range epochs {
		if !l.dead {
			l.unclean[part] = 0
		}
	}
	return nil
}

var errKilled = errors.New("killed")

// live runs one process until it is killed, or has nothing left to do.
func (l *ledger) live(t *testing.T, b *broker) (killed bool) {
	t.Helper()
	return l.liveFor(t, b, 0)
}

// liveFor waits for as long before it looks whether there is something to do.
func (l *ledger) liveFor(t *testing.T, b *broker, d time.Duration) (killed bool) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	l.dead = false
	cfg := projector.Config{Owner: "test", Attempts: l, Trials: l.trials}
	done := make(chan error, 1)
	go func() { done <- projector.New(b, l, cfg, slog.New(slog.DiscardHandler)).Run(ctx) }()
	var err error
	select {
	case err = <-done:
	case <-time.After(d):
		synctest.Wait()
		stop()
		err = <-done
	}
	if err != nil && !errors.Is(err, errKilled) {
		t.Fatalf("Run = %v", err)
	}
	return err != nil
}

// killers makes the named events kill the process that applies them.
func (l *ledger) killers(ids ...string) {
	l.before = func(b projector.Batch) error {
		if slices.ContainsFunc(b.Events, func(e projector.Event) bool { return slices.Contains(ids, string(e.ID)) }) {
			l.dead = true
			return errKilled
		}
		return nil
	}
}

func TestARecordThatKillsEveryProcessIsFoundAndNotDecodedAgain(t *testing.T) {
	tests := []struct {
		name    string
		records int
		killers []string
		deaths  int
	}{
		{"alone in its batch", 1, []string{"e0000"}, 3},
		{"the first of a few", 20, []string{"e0000"}, 4},
		{"the last of a few", 20, []string{"e0019"}, 4},
		{"in a full batch", 5000, []string{"e4321"}, 5},
		{"two of them", 400, []string{"e0011", "e0399"}, 10},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in(t, func(t *testing.T) {
				b, l := newBroker(part0), newLedger()
				b.portion = 5000
				b.append(part0, confirmed(t, 0, tt.records)...)
				l.killers(tt.killers...)
				deaths := 0
				for l.live(t, b) {
					if deaths++; deaths > tt.deaths {
						t.Fatalf("%d processes died, want %d", deaths, tt.deaths)
					}
				}
				if deaths != tt.deaths {
					t.Errorf("%d processes died, want %d", deaths, tt.deaths)
				}
				want := slices.DeleteFunc(wantIDs(0, tt.records), func(id string) bool { return slices.Contains(tt.killers, id) })
				if diff := cmp.Diff(want, l.ids(), cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("applied (-want +got):\n%s", diff)
				}
				var kept []string
				for _, p := range l.poison {
					kept = append(kept, p.Code+" "+header(p.Record, "ce_id"))
				}
				want = nil
				for _, id := range tt.killers {
					want = append(want, "kills_process "+id)
				}
				if diff := cmp.Diff(want, kept); diff != "" {
					t.Errorf("dead letters (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func header(r projector.Record, key string) string {
	i := slices.IndexFunc(r.Headers, func(h events.Header) bool { return h.Key == key })
	return string(r.Headers[i].Value)
}

func TestNothingIsMarkedWhileOwnersLeaveInOrder(t *testing.T) {
	in(t, func(t *testing.T) {
		b, l := newBroker(part0), newLedger()
		for i := range 5 {
			b.append(part0, confirmed(t, i*10, 10)...)
			l.live(t, b)
		}
		if l.marks != 0 {
			t.Errorf("%d marks, want none", l.marks)
		}
		if diff := cmp.Diff(wantIDs(0, 50), l.ids()); diff != "" {
			t.Errorf("applied (-want +got):\n%s", diff)
		}
	})
}

// Processes are killed at any time for reasons of their own. One mark per
// partition is what that costs, and no record is to blame.
func TestAKilledProcessCostsOneMarkAndBlamesNobody(t *testing.T) {
	in(t, func(t *testing.T) {
		b, l := newBroker(part0), newLedger()
		b.portion = 100
		b.append(part0, confirmed(t, 0, 300)...)
		applied := 0
		l.before = func(projector.Batch) error {
			if applied++; applied == 1 {
				l.dead = true
				return errKilled
			}
			return nil
		}
		for l.live(t, b) {
		}
		if l.marks != 1 || len(l.poison) != 0 {
			t.Errorf("%d marks and %d dead letters, want 1 and none", l.marks, len(l.poison))
		}
		if diff := cmp.Diff(wantIDs(0, 300), l.ids()); diff != "" {
			t.Errorf("applied (-want +got):\n%s", diff)
		}
	})
}
