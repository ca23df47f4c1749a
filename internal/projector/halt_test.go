package projector_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/projector"
)

var part1 = projector.Partition{Topic: events.OrdersTopic, ID: 1}

// accept does to the store what an operator's accept-gap does.
func (m *memory) accept(part projector.Partition, to int64, cluster string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.claims[part] = projector.Claim{Epoch: m.claims[part].Epoch + 1, Next: to, Cluster: cluster, LastSeen: -1}
}

// remake replaces a partition's log by another one.
func (b *broker) remake(t *testing.T, part projector.Partition, messages ...events.Message) {
	t.Helper()
	b.mu.Lock()
	b.bounds[part], b.logs[part] = projector.Bounds{}, nil
	b.mu.Unlock()
	b.append(part, messages...)
}

func TestALogMadeAnewAndGrownPastThePositionHaltsItsPartition(t *testing.T) {
	in(t, func(t *testing.T) {
		r := newRig(part0, part1)
		r.broker.append(part0, confirmed(t, 0, 3)...)
		r.broker.append(part1, confirmed(t, 50, 2)...)
		r.mustRun(t, func() {})
		r.broker.remake(t, part0, confirmed(t, 100, 9)...)
		r.broker.append(part1, confirmed(t, 52, 2)...)
		r.mustRun(t, func() {
			if got := r.lastReady(); !strings.Contains(got, "other_log") || !strings.Contains(got, "the record at 2 is not the one that was applied last, before the position 3") {
				t.Errorf("ready = %q, want not ready because of the record at 2", got)
			}
			r.broker.append(part1, confirmed(t, 54, 1)...)
			time.Sleep(time.Second)
		})
		if diff := cmp.Diff(slices.Concat(wantIDs(0, 3), wantIDs(50, 5)), slices.Sorted(slices.Values(r.store.ids()))); diff != "" {
			t.Errorf("applied (-want +got):\n%s", diff)
		}
		if got := r.store.claims[part0].Next; got != 3 {
			t.Errorf("position of the halted partition = %d, want 3", got)
		}
		if r.broker.joins != 2 {
			t.Errorf("joined %d times in two runs, want 2: the others are not to be disturbed", r.broker.joins)
		}
	})
}

func TestTheLastRecordIsComparedAndNotAppliedAgain(t *testing.T) {
	in(t, func(t *testing.T) {
		r := newRig(part0)
		r.broker.append(part0, confirmed(t, 0, 5)...)
		for range 3 {
			r.mustRun(t, func() {})
		}
		r.broker.append(part0, confirmed(t, 5, 2)...)
		r.mustRun(t, func() {})
		if diff := cmp.Diff(wantIDs(0, 7), r.store.ids()); diff != "" {
			t.Errorf("applied (-want +got):\n%s", diff)
		}
	})
}

func TestRetentionRightUpToThePositionLosesNothing(t *testing.T) {
	in(t, func(t *testing.T) {
		r := newRig(part0)
		r.broker.append(part0, confirmed(t, 0, 5)...)
		r.mustRun(t, func() {})
		r.broker.append(part0, confirmed(t, 5, 2)...)
		r.broker.cut(part0, 5)
		r.mustRun(t, func() {
			if got := r.lastReady(); !strings.HasPrefix(got, "+") {
				t.Errorf("ready = %q, want ready", got)
			}
		})
		if diff := cmp.Diff(wantIDs(0, 7), r.store.ids()); diff != "" {
			t.Errorf("applied (-want +got):\n%s", diff)
		}
	})
}

func TestRetentionBetweenALookAndAFetchLosesNothing(t *testing.T) {
	in(t, func(t *testing.T) {
		r := newRig(part0)
		r.broker.append(part0, confirmed(t, 0, 5)...)
		r.mustRun(t, func() {})
		r.broker.append(part0, confirmed(t, 5, 2)...)
		r.broker.opened = func() { r.broker.cut(part0, 5) }
		r.mustRun(t, func() {
			if got := r.lastReady(); !strings.HasPrefix(got, "+") {
				t.Errorf("ready = %q, want ready", got)
			}
		})
		if diff := cmp.Diff(wantIDs(0, 7), r.store.ids()); diff != "" {
			t.Errorf("applied (-want +got):\n%s", diff)
		}
	})
}

func TestCorruptBytesHaltTheirPartitionAndNoOther(t *testing.T) {
	in(t, func(t *testing.T) {
		r := newRig(part0, part1)
		r.broker.append(part0, confirmed(t, 0, 5)...)
		r.broker.corrupt = map[projector.Partition]int64{part0: 3}
		r.broker.append(part1, confirmed(t, 50, 2)...)
		err := r.run(t, projector.Config{Workers: 1}, func() {
			if got := r.lastReady(); !strings.Contains(got, "corrupt_log") || !strings.Contains(got, "corrupt log at offset 3") {
				t.Errorf("ready = %q, want corrupt_log and where", got)
			}
			r.broker.append(part1, confirmed(t, 52, 1)...)
			time.Sleep(time.Second)
			r.store.accept(part0, 4, "c1")
			r.broker.mu.Lock()
			r.broker.corrupt = nil
			r.broker.mu.Unlock()
			time.Sleep(5 * time.Second)
		})
		if err != nil {
			t.Error(err)
		}
		got := slices.Sorted(slices.Values(r.store.ids()))
		if diff := cmp.Diff(slices.Concat(wantIDs(0, 3), wantIDs(4, 1), wantIDs(50, 3)), got); diff != "" {
			t.Errorf("applied (-want +got):\n%s", diff)
		}
	})
}

func TestABatchThatHangsIsTriedAgain(t *testing.T) {
	in(t, func(t *testing.T) {
		r := newRig(part0)
		r.store.hang = 1
		r.broker.append(part0, confirmed(t, 0, 3)...)
		r.mustRun(t, func() { time.Sleep(3 * time.Minute) })
		if diff := cmp.Diff(wantIDs(0, 3), r.store.ids()); diff != "" {
			t.Errorf("applied (-want +got):\n%s", diff)
		}
	})
}

func TestAnAcceptedGapIsMovedPastWithoutARestart(t *testing.T) {
	in(t, func(t *testing.T) {
		r := newRig(part0, part1)
		r.broker.append(part0, confirmed(t, 0, 3)...)
		r.mustRun(t, func() {})
		r.broker.append(part0, confirmed(t, 3, 7)...)
		r.broker.cut(part0, 8)
		reg := prometheus.NewRegistry()
		err := r.run(t, projector.Config{Metrics: projector.NewMetrics(reg)}, func() {
			wantHalted(t, reg, 1)
			time.Sleep(time.Minute)
			if got := r.store.claims[part0].Next; got != 3 {
				t.Errorf("position = %d before anybody said anything, want 3", got)
			}
			r.store.accept(part0, 8, "c1")
			time.Sleep(5 * time.Second)
			if got := r.lastReady(); !strings.HasPrefix(got, "+") {
				t.Errorf("ready = %q, want ready", got)
			}
			wantHalted(t, reg, 0)
		})
		if err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
		if diff := cmp.Diff(slices.Concat(wantIDs(0, 3), wantIDs(8, 2)), r.store.ids()); diff != "" {
			t.Errorf("applied (-want +got):\n%s", diff)
		}
		if r.broker.joins != 2 {
			t.Errorf("joined %d times in two runs, want 2", r.broker.joins)
		}
	})
}

func wantHalted(t *testing.T, reg prometheus.Gatherer, want float64) {
	t.Helper()
	if got := metric(t, reg, "waybill_projector_halted_partitions"); got != want {
		t.Errorf("%v partitions are halted, want %v", got, want)
	}
}

// metric is the sum of a gauge or counter over its labels.
func metric(t *testing.T, reg prometheus.Gatherer, name string) (sum float64) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			sum += m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
		return sum
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}

func TestAFloodStaysHaltedWhenTheGroupJoinsAgain(t *testing.T) {
	in(t, func(t *testing.T) {
		r := newRig(part0, part1)
		r.broker.portion = 1000
		bad := slices.Repeat([]events.Message{{Key: []byte("k"), Value: []byte("{")}}, 150)
		r.broker.append(part0, slices.Concat(confirmed(t, 0, 400), bad)...)
		stolen := false
		r.store.before = func(b projector.Batch) error {
			if b.Advances[0].Partition == part1 && !stolen {
				stolen = true
				return projector.ErrFenced
			}
			return nil
		}
		reg := prometheus.NewRegistry()
		err := r.run(t, projector.Config{Metrics: projector.NewMetrics(reg)}, func() {
			r.broker.append(part1, confirmed(t, 1000, 2)...)
			time.Sleep(time.Minute)
			if got := r.lastReady(); !strings.Contains(got, "flood") {
				t.Errorf("ready = %q, want the flood named", got)
			}
			if got := metric(t, reg, "waybill_projector_halts_total"); got != 1 {
				t.Errorf("halted %v times, want once: nobody has moved it", got)
			}
		})
		if err != nil {
			t.Error(err)
		}
		if r.broker.joins != 2 || len(r.store.poison) != 0 {
			t.Errorf("joined %d times with %d dead letters, want twice and none", r.broker.joins, len(r.store.poison))
		}
		if diff := cmp.Diff(wantIDs(1000, 2), r.store.ids()); diff != "" {
			t.Errorf("applied (-want +got):\n%s", diff)
		}
	})
}

func TestARecordOnAPartitionThatItsKeyDoesNotBelongOnIsKept(t *testing.T) {
	for _, tt := range []struct {
		name   string
		cfg    projector.Config
		poison int
	}{
		{"strictly", projector.Config{}, 2},
		{"when any partition will do", projector.Config{AnyPartition: true}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in(t, func(t *testing.T) {
				r := newRig(part0, part1)
				r.broker.home, r.broker.homed = 1, true
				r.broker.append(part0, confirmed(t, 0, 2)...)
				r.broker.append(part1, confirmed(t, 50, 2)...)
				if err := r.run(t, tt.cfg, func() {}); err != nil {
					t.Error(err)
				}
				if len(r.store.poison) != tt.poison || len(r.store.ids()) != 4-tt.poison {
					t.Errorf("%d dead letters and %d events, want %d and %d", len(r.store.poison), len(r.store.ids()), tt.poison, 4-tt.poison)
				}
				for _, p := range r.store.poison {
					if p.Code != "wrong_partition" || p.Partition != part0 {
						t.Errorf("a dead letter of %s: %s, want wrong_partition of %s", p.Partition, p.Code, part0)
					}
				}
			})
		})
	}
}

// newer is an event of a version that nobody knows yet.
func newer(t *testing.T, n int) events.Message {
	t.Helper()
	m := confirmed(t, n, 1)[0]
	for i, h := range m.Headers {
		if h.Key == "ce_type" {
			m.Headers[i].Value = []byte("order.confirmed.v7")
		}
	}
	return m
}

func TestANewerVersionIsKeptOrHaltsItsPartition(t *testing.T) {
	t.Run("kept", func(t *testing.T) {
		in(t, func(t *testing.T) {
			r := newRig(part0)
			r.broker.append(part0, slices.Concat(confirmed(t, 0, 2), []events.Message{newer(t, 2)}, confirmed(t, 3, 2))...)
			r.mustRun(t, func() {})
			if len(r.store.poison) != 1 || r.store.poison[0].Code != "upgrade_needed" || len(r.store.ids()) != 4 {
				t.Errorf("dead letters %v, %d events, want one upgrade_needed, 4", r.store.poison, len(r.store.ids()))
			}
		})
	})
	t.Run("halts", func(t *testing.T) {
		in(t, func(t *testing.T) {
			r := newRig(part0, part1)
			r.broker.portion = 10
			r.broker.append(part0, slices.Concat(confirmed(t, 0, 2), []events.Message{newer(t, 2)}, confirmed(t, 3, 2))...)
			r.broker.append(part1, confirmed(t, 50, 2)...)
			err := r.run(t, projector.Config{HaltOnNewer: true, Workers: 1}, func() {
				if got := r.lastReady(); !strings.Contains(got, "upgrade_needed") || !strings.Contains(got, "the record at 2") {
					t.Errorf("ready = %q, want upgrade_needed and where", got)
				}
			})
			if err != nil {
				t.Error(err)
			}
			got := slices.Sorted(slices.Values(r.store.ids()))
			if diff := cmp.Diff(slices.Concat(wantIDs(0, 2), wantIDs(50, 2)), got); diff != "" {
				t.Errorf("applied (-want +got):\n%s", diff)
			}
			if got := r.store.claims[part0].Next; got != 2 || len(r.store.poison) != 0 {
				t.Errorf("position = %d with %d dead letters, want 2 and none", got, len(r.store.poison))
			}
		})
	})
}

func TestAPanicIsTriedThreeTimesAndThenKept(t *testing.T) {
	for _, heals := range []bool{true, false} {
		in(t, func(t *testing.T) {
			r := newRig(part0)
			r.broker.portion = 20
			r.broker.append(part0, confirmed(t, 0, 20)...)
			alone := 0
			r.store.before = func(b projector.Batch) error {
				if slices.ContainsFunc(b.Events, func(e projector.Event) bool { return e.ID == "e0007" }) {
					if len(b.Events) == 1 {
						alone++
					}
					if alone < 3 || !heals {
						panic("the fold trips")
					}
				}
				return nil
			}
			r.mustRun(t, func() {})
			want := wantIDs(0, 20)
			if !heals {
				want = slices.Delete(want, 7, 8)
			}
			if diff := cmp.Diff(want, r.store.ids()); diff != "" {
				t.Errorf("heals %v: applied (-want +got):\n%s", heals, diff)
			}
			if alone != 3 {
				t.Errorf("heals %v: tried alone %d times, want 3", heals, alone)
			}
			if heals != (len(r.store.poison) == 0) || !heals && r.store.poison[0].Code != "panic" {
				t.Errorf("heals %v: dead letters = %v", heals, r.store.poison)
			}
		})
	}
}
