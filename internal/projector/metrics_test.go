package projector_test

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/projector"
)

// series reads the series of a metric that are not zero, by the values of their
// labels.
func series(t *testing.T, reg prometheus.Gatherer, name string) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]float64{}
	for _, f := range families {
		if f.GetName() != "waybill_projector_"+name {
			continue
		}
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			if v := value(m); v != 0 {
				found[strings.Join(labels, " ")] = v
			}
		}
	}
	return found
}

// value is a metric's value, of a histogram how often it was observed.
func value(m *dto.Metric) float64 {
	switch {
	case m.GetHistogram() != nil:
		return float64(m.GetHistogram().GetSampleCount())
	case m.GetCounter() != nil:
		return m.GetCounter().GetValue()
	}
	return m.GetGauge().GetValue()
}

func wantSeries(t *testing.T, reg prometheus.Gatherer, name string, want map[string]float64) {
	t.Helper()
	if diff := cmp.Diff(want, series(t, reg, name)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// foreign is a record whose producer says whatever it likes.
func foreign(typ string) events.Message {
	return events.Message{Key: []byte("k"), Value: []byte("{"), Headers: []events.Header{{Key: "ce_type", Value: []byte(typ)}}}
}

func TestMetricsTellWhatBecameOfRecordsInBoundedLabels(t *testing.T) {
	in(t, func(t *testing.T) {
		r, reg := newRig(part0), prometheus.NewRegistry()
		good := confirmed(t, 0, 2)
		broken := good[1]
		broken.Value = []byte(`{"order_id":`)
		r.broker.append(part0, good[0], foreign("made.up.v1"), foreign("\xff"), broken)
		if err := r.run(t, projector.Config{Metrics: projector.NewMetrics(reg)}, func() {}); err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
		wantSeries(t, reg, "events_total", map[string]float64{"dead_letter order.confirmed.v1": 1, "dead_letter other": 2})
		classes := slices.Sorted(maps.Keys(series(t, reg, "dead_letters_total")))
		codes := map[string]bool{}
		for _, p := range r.store.poison {
			codes[p.Code] = true
		}
		if diff := cmp.Diff(slices.Sorted(maps.Keys(codes)), classes); diff != "" || slices.Contains(classes, "other") {
			t.Errorf("classes (-of the dead letters +of the metric):\n%s\nwant them alike and none of them other: %q", diff, classes)
		}
		wantSeries(t, reg, "claims_total", map[string]float64{"": 1})
		wantSeries(t, reg, "next_offset", map[string]float64{"0 " + events.OrdersTopic: 4})
		batches := float64(len(r.store.batches))
		wantSeries(t, reg, "batch_stage_seconds", map[string]float64{"gather": batches, "decode": batches, "transaction": batches, "commit": batches})
		wantSeries(t, reg, "last_commit_timestamp_seconds", map[string]float64{"": float64(time.Now().Unix())})
	})
}

// classed is an error that passes, of a class.
type classed struct {
	temporary
	class string
}

func (e classed) Class() string { return e.class }

func TestRetriesAreCountedByClass(t *testing.T) {
	in(t, func(t *testing.T) {
		r, reg := newRig(part0), prometheus.NewRegistry()
		r.broker.append(part0, confirmed(t, 0, 1)...)
		failures := []error{
			classed{"away", "connection"}, classed{"away", "connection"}, classed{"slow", "timeout"},
			classed{"odd", "a class of its own"}, temporary("no class"),
		}
		r.store.before = func(projector.Batch) error {
			if len(failures) == 0 {
				return nil
			}
			err := failures[0]
			failures = failures[1:]
			return err
		}
		if err := r.run(t, projector.Config{Metrics: projector.NewMetrics(reg)}, func() { time.Sleep(time.Minute) }); err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
		wantSeries(t, reg, "retries_total", map[string]float64{"connection": 2, "timeout": 1, "other": 2})
	})
}

func TestAHaltedPartitionIsNamedWithItsReasonUntilItMovesOn(t *testing.T) {
	in(t, func(t *testing.T) {
		r, reg := newRig(part0), prometheus.NewRegistry()
		r.broker.append(part0, confirmed(t, 0, 3)...)
		r.mustRun(t, func() {})
		r.broker.append(part0, confirmed(t, 3, 7)...)
		r.broker.cut(part0, 8)
		err := r.run(t, projector.Config{Metrics: projector.NewMetrics(reg)}, func() {
			wantSeries(t, reg, "partition_halted", map[string]float64{"0 log_gap " + events.OrdersTopic: 1})
			wantSeries(t, reg, "halts_total", map[string]float64{"log_gap": 1})
			r.store.mu.Lock()
			c := r.store.claims[part0]
			c.Epoch, c.Next, c.LastSeen, c.LastHash = c.Epoch+1, 8, -1, nil
			r.store.claims[part0] = c
			r.store.mu.Unlock()
			time.Sleep(time.Minute)
			wantSeries(t, reg, "partition_halted", map[string]float64{})
			wantSeries(t, reg, "next_offset", map[string]float64{"0 " + events.OrdersTopic: 10})
		})
		if err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
	})
}

// The first of its kind has to be an increase: a series that begins with 1 is
// none.
func TestMetricsAreThereBeforeTheyCount(t *testing.T) {
	reg := prometheus.NewRegistry()
	projector.NewMetrics(reg)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, f := range families {
		seen[strings.TrimPrefix(f.GetName(), "waybill_projector_")] = len(f.GetMetric())
		if f.GetHelp() == "" {
			t.Errorf("%s has no help", f.GetName())
		}
	}
	for name, least := range map[string]int{"fenced_total": 1, "halts_total": 5, "dead_letters_total": 20, "retries_total": 5, "anomalies_total": 9} {
		if seen[name] < least {
			t.Errorf("%s has %d series before anything happened, want at least %d", name, seen[name], least)
		}
	}
}

// A class that the metric does not know counts as "other", where nobody looks for
// it.
func TestEveryCodeOfTheVocabularyIsAClassOfDeadLetters(t *testing.T) {
	source, err := os.ReadFile("../../events/error.go")
	if err != nil {
		t.Fatal(err)
	}
	reg := prometheus.NewRegistry()
	projector.NewMetrics(reg)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	classes := map[string]bool{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "waybill_projector_dead_letters_total" {
				classes[m.GetLabel()[0].GetValue()] = true
			}
		}
	}
	codes := regexp.MustCompile(`(?m)^\tCode\w+ +Code = "(\w+)"`).FindAllSubmatch(source, -1)
	if len(codes) < 10 {
		t.Fatalf("%d codes were found in events/error.go", len(codes))
	}
	for _, code := range codes {
		if !classes[string(code[1])] {
			t.Errorf("the metric of dead letters does not know the class %s", code[1])
		}
	}
}
