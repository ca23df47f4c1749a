package projector_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/projector"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig runs a projector in a bubble of virtual time.
type rig struct {
	broker *broker
	store  *memory

	mu    sync.Mutex
	ready []string // what Ready was told: "+" or "-" and the detail
}

func newRig(parts ...projector.Partition) *rig {
	return &rig{broker: newBroker(parts...), store: newMemory()}
}

// run runs the projector until everything that can happen without time passing
// has happened, calls then, and stops it.
func (r *rig) run(t *testing.T, cfg projector.Config, then func()) error {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	cfg.Owner, cfg.Ready = "test", func(ok bool, detail string) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if ok {
			r.ready = append(r.ready, "+"+detail)
		} else {
			r.ready = append(r.ready, "-"+detail)
		}
	}
	done := make(chan error, 1)
	go func() {
		done <- projector.New(r.broker, r.store, cfg, slog.New(slog.DiscardHandler)).Run(ctx)
	}()
	synctest.Wait()
	then()
	stop()
	return <-done
}

func (r *rig) lastReady() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ready[len(r.ready)-1]
}

// in runs a test in a bubble of virtual time.
func in(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, test)
}

func (r *rig) mustRun(t *testing.T, then func()) {
	t.Helper()
	if err := r.run(t, projector.Config{}, then); err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
}

func TestRecordsAreAppliedInOrderAndOnce(t *testing.T) {
	in(t, func(t *testing.T) {
		r := newRig(part0)
		r.broker.append(part0, confirmed(t, 0, 10)...)
		r.mustRun(t, func() {
			r.broker.append(part0, confirmed(t, 10, 5)...)
			time.Sleep(time.Second) // virtual
		})
		if diff := cmp.Diff(wantIDs(0, 15), r.store.ids()); diff != "" {
			t.Errorf("applied (-want +got):\n%s", diff)
		}
		if got := r.store.claims[part0].Next; got != 15 {
			t.Errorf("position = %d, want 15", got)
		}
	})
}

func TestARestartGoesOnFromTheStoresPosition(t *testing.T) {
	in(t, func(t *testing.T) {
		r := newRig(part0)
		r.broker.append(part0, confirmed(t, 0, 4)...)
		r.mustRun(t, func() {})
		r.broker.append(part0, confirmed(t, 4, 4)...)
		r.mustRun(t, func() {})
		if diff := cmp.Diff(wantIDs(0, 8), r.store.ids()); diff != "" {
			t.Errorf("applied (-want +got):\n%s", diff)
		}
	})
}

func TestUndecodableRecordsAreKeptAndTheOthersGoOn(t *testing.T) {
	in(t, func(t *testing.T) {
		r := newRig(part0)
		good := confirmed(t, 0, 2)
		r.broker.append(part0, good[0], events.Message{Key: []byte("k"), Value: []byte("{")}, events.Message{Key: []byte("k")}, good[1])
		r.mustRun(t, func() {})
		if diff := cmp.Diff(wantIDs(0, 2), r.store.ids()); diff != "" {
			t.Errorf("applied (-want +got):\n%s", diff)
		}
		var codes []string
		for _, p := range r.store.poison {
			codes = append(codes, p.Code)
		}
		if diff := cmp.Diff([]string{"malformed_json", "null_value"}, codes); diff != "" {
			t.Errorf("dead letters (-want +got):\n%s", diff)
		}
	})
}

func TestTheEventThatTheStoreRefusesIsFoundAndKept(t *testing.T) {
	for _, guilty := range []string{"e0000", "e0007", "e0019"} {
		in(t, func(t *testing.T) {
			r := newRig(part0)
			r.broker.portion = 20
			r.broker.append(part0, confirmed(t, 0, 20)...)
			r.store.before = func(b projector.Batch) error {
				if slices.ContainsFunc(b.Events, func(e projector.Event) bool { return string(e.ID) == guilty }) {
					return &projector.DataError{SQLState: "22P05", Err: errors.New("unsupported Unicode escape sequence")}
				}
				return nil
			}
			r.mustRun(t, func() {})
			want := slices.DeleteFunc(wantIDs(0, 20), func(id string) bool { return id == guilty })
			if diff := cmp.Diff(want, r.store.ids()); diff != "" {
				t.Errorf("guilty %s: applied (-want +got):\n%s", guilty, diff)
			}
			if len(r.store.poison) != 1 || r.store.poison[0].Code != "constraint" || r.store.poison[0].SQLState != "22P05" {
				t.Errorf("guilty %s: dead letters = %+v, want one of code constraint, 22P05", guilty, r.store.poison)
			}
			if got := r.store.claims[part0]; got.Next != 20 || got.LastSeen != 19 {
				t.Errorf("guilty %s: position = %d, last seen %d, want 20 and 19", guilty, got.Next, got.LastSeen)
			}
		})
	}
}

func TestWhoeverIsFencedJoinsAgain(t *testing.T) {
	in(t, func(t *testing.T) {
		r := newRig(part0)
		r.broker.append(part0, confirmed(t, 0, 3)...)
		stolen := false
		r.store.before = func(projector.Batch) error {
			if !stolen {
				stolen = true
				c := r.store.claims[part0]
				c.Epoch++
				r.store.claims[part0] = c
			}
			return nil
		}
		r.mustRun(t, func() {})
		if diff := cmp.Diff(wantIDs(0, 3), r.store.ids()); diff != "" {
			t.Errorf("applied (-want +got):\n%s", diff)
		}
		if r.broker.joins != 2 {
			t.Errorf("joined %d times, want 2", r.broker.joins)
		}
	})
}

func TestWhatPassesIsTriedAgainForAsLongAsItTakes(t *testing.T) {
	in(t, func(t *testing.T) {
		r := newRig(part0)
		r.broker.append(part0, confirmed(t, 0, 3)...)
		until := time.Now().Add(20 * time.Minute) // backoff's own default gives up after 15
		r.store.before = func(projector.Batch) error {
			if time.Now().Before(until) {
				return temporary("the database is away")
			}
			return nil
		}
		r.mustRun(t, func() {
			time.Sleep(10 * time.Minute)
			if got := r.lastReady(); !strings.HasPrefix(got, "-apply a batch: the database is away") {
				t.Errorf("ready after 10 minutes = %q, want not ready with the reason", got)
			}
			time.Sleep(11 * time.Minute)
			if got := r.lastReady(); !strings.HasPrefix(got, "+") {
				t.Errorf("ready in the end = %q, want ready", got)
			}
		})
		if diff := cmp.Diff(wantIDs(0, 3), r.store.ids()); diff != "" {
			t.Errorf("applied (-want +got):\n%s", diff)
		}
	})
}

func TestALostAnswerOfACommitDoublesNothing(t *testing.T) {
	in(t, func(t *testing.T) {
		r := newRig(part0)
		r.broker.append(part0, confirmed(t, 0, 6)...)
		lost := 0
		r.store.after = func(projector.Batch) error {
			if lost++; lost == 1 {
				return temporary("connection reset after the commit was sent")
			}
			return nil
		}
		r.mustRun(t, func() { time.Sleep(time.Minute) })
		if diff := cmp.Diff(wantIDs(0, 6), r.store.ids()); diff != "" {
			t.Errorf("applied (-want +got):\n%s", diff)
		}
		if r.broker.joins != 1 {
			t.Errorf("joined %d times, want 1", r.broker.joins)
		}
	})
}

func TestAnErrorThatDoesNotPassStopsTheProjector(t *testing.T) {
	in(t, func(t *testing.T) {
		r := newRig(part0)
		r.broker.append(part0, confirmed(t, 0, 1)...)
		missing := errors.New("postgres (42P01): relation does not exist")
		r.store.before = func(projector.Batch) error { return missing }
		if err := r.run(t, projector.Config{}, func() {}); !errors.Is(err, missing) {
			t.Errorf("Run = %v, want %v", err, missing)
		}
		if len(r.store.poison) != 0 {
			t.Errorf("%d dead letters, want none: it is not the data's fault", len(r.store.poison))
		}
	})
}

func TestALostRangeHaltsItsPartitionAndNoOther(t *testing.T) {
	part1 := projector.Partition{Topic: events.OrdersTopic, ID: 1}
	in(t, func(t *testing.T) {
		r := newRig(part0, part1)
		r.broker.append(part0, confirmed(t, 0, 3)...)
		r.mustRun(t, func() {})
		r.broker.append(part0, confirmed(t, 3, 7)...)
		r.broker.cut(part0, 8)
		r.broker.append(part1, confirmed(t, 50, 2)...)
		r.mustRun(t, func() {
			if got := r.lastReady(); !strings.Contains(got, "log_gap") || !strings.Contains(got, "5 records are lost: the position is 3, the log begins at 8") {
				t.Errorf("ready = %q, want not ready with the numbers of the gap", got)
			}
		})
		if diff := cmp.Diff(slices.Concat(wantIDs(0, 3), wantIDs(50, 2)), r.store.ids()); diff != "" {
			t.Errorf("applied (-want +got):\n%s", diff)
		}
		if got := r.store.claims[part0].Next; got != 3 {
			t.Errorf("position of the halted partition = %d, want 3", got)
		}
	})
}

func TestAnotherLogBehindTheSameNameHalts(t *testing.T) {
	tests := []struct {
		name   string
		change func(*broker)
		want   string
	}{
		{"another cluster", func(b *broker) { b.cluster = "c2" }, `the position 3 is of cluster "c1", the broker is of cluster "c2"`},
		{"a shorter log", func(b *broker) { b.bounds[part0], b.logs[part0] = projector.Bounds{End: 1}, b.logs[part0][:1] }, "the position 3 lies behind the log's end 1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in(t, func(t *testing.T) {
				r := newRig(part0)
				r.broker.append(part0, confirmed(t, 0, 3)...)
				r.mustRun(t, func() {})
				tt.change(r.broker)
				r.mustRun(t, func() {
					if got := r.lastReady(); !strings.Contains(got, tt.want) {
						t.Errorf("ready = %q, want %q in it", got, tt.want)
					}
				})
				if got := r.store.claims[part0].Next; got != 3 {
					t.Errorf("position = %d, want 3", got)
				}
			})
		})
	}
}

func TestANewProjectionBeginsWhereTheLogDoes(t *testing.T) {
	in(t, func(t *testing.T) {
		r := newRig(part0)
		r.broker.append(part0, confirmed(t, 0, 5)...)
		r.broker.cut(part0, 2)
		r.mustRun(t, func() {})
		if diff := cmp.Diff(wantIDs(2, 3), r.store.ids()); diff != "" {
			t.Errorf("applied (-want +got):\n%s", diff)
		}
	})
}

func TestAFloodOfPoisonStopsThePartition(t *testing.T) {
	in(t, func(t *testing.T) {
		r := newRig(part0)
		r.broker.portion = 1000
		bad := make([]events.Message, 150)
		for i := range bad {
			bad[i] = events.Message{Key: []byte("k"), Value: []byte("{")}
		}
		r.broker.append(part0, slices.Concat(confirmed(t, 0, 400), bad)...)
		r.mustRun(t, func() {
			if got := r.lastReady(); !strings.Contains(got, "flood") {
				t.Errorf("ready = %q, want the flood named", got)
			}
		})
		if len(r.store.poison) != 0 || len(r.store.ids()) != 0 {
			t.Errorf("%d dead letters and %d events, want none of either", len(r.store.poison), len(r.store.ids()))
		}
	})
}

func TestABatchEndsAtItsLimitsAndAtTheEndOfTheLog(t *testing.T) {
	in(t, func(t *testing.T) {
		r := newRig(part0)
		r.broker.append(part0, confirmed(t, 0, 14)...)
		start := time.Now()
		if err := r.run(t, projector.Config{BatchEvents: 6}, func() {}); err != nil {
			t.Fatalf("Run = %v", err)
		}
		var sizes []int
		for _, b := range r.store.batches {
			sizes = append(sizes, len(b.Events))
		}
		if diff := cmp.Diff([]int{6, 6, 2}, sizes); diff != "" {
			t.Errorf("batches (-want +got):\n%s", diff)
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("waited %s although the log had ended", took)
		}
	})
}

func TestTheBatchInHandIsFinishedAtShutdown(t *testing.T) {
	in(t, func(t *testing.T) {
		r := newRig(part0)
		begun, goOn := make(chan struct{}), make(chan struct{})
		r.store.before = func(projector.Batch) error {
			close(begun)
			<-goOn
			return nil
		}
		r.broker.append(part0, confirmed(t, 0, 2)...)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			done <- projector.New(r.broker, r.store, projector.Config{Owner: "test"}, slog.New(slog.DiscardHandler)).Run(ctx)
		}()
		<-begun
		stop()
		close(goOn)
		if err := <-done; err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
		if diff := cmp.Diff(wantIDs(0, 2), r.store.ids()); diff != "" {
			t.Errorf("applied (-want +got):\n%s", diff)
		}
	})
}
