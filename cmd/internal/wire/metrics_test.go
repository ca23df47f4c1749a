package wire_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"github.com/waybill-io/waybill/cmd/internal/wire"
	"github.com/waybill-io/waybill/internal/auth"
	"github.com/waybill-io/waybill/internal/devstack/stacktest"
	"github.com/waybill-io/waybill/internal/ops"
	"github.com/waybill-io/waybill/internal/readmodel"
)

// watched is a projection and a site whose metrics are read.
type watched struct {
	*stack
	metrics *prometheus.Registry
	site    string
}

func newWatched(t *testing.T, change ...func(*wire.Projection)) *watched {
	t.Helper()
	url, brokers := stacktest.Postgres(t), stacktest.Broker(t)
	if _, _, err := readmodel.Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	server, err := ops.Listen(t.Context(), ops.Config{Addr: "127.0.0.1:0"}, log)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := wire.Projection{Brokers: brokers, DatabaseURL: url, Group: "watched", Workers: 2, BatchWait: 5 * time.Millisecond, Survey: 250 * time.Millisecond}
	for _, change := range change {
		change(&p)
	}
	site := wire.Site{
		Listener: listener, DatabaseURL: url, DrainWindow: time.Millisecond, CloseWait: time.Millisecond,
		Auth: auth.Config{Keys: []auth.Key{{Secret: []byte("a secret of the tests, long enough")}}, Issuer: "waybill-test", Audience: "waybill"},
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- wire.Beside(ctx, server, slices.Concat(p.Checks(), site.Checks()), func(ctx context.Context) error {
			g, ctx := errgroup.WithContext(ctx)
			g.Go(func() error { return p.Run(ctx, server, log) })
			g.Go(func() error { return site.Run(ctx, server, log) })
			return g.Wait()
		})
	}()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("the platform ended with %v", err)
		}
	})
	w := &watched{stack: &stack{brokers: brokers}, metrics: server.Metrics, site: "http://" + listener.Addr().String()}
	w.client = w.connect(t, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	eventually(t, func() error {
		_, err := ops.Get(t.Context(), server.Addr(), "/readyz")
		return err
	})
	return w
}

func (w *watched) gather(t *testing.T) map[string]*dto.MetricFamily {
	t.Helper()
	families, err := w.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]*dto.MetricFamily{}
	for _, f := range families {
		byName[f.GetName()] = f
	}
	return byName
}

// value is what the series of a metric that have these values of labels come to,
// of a histogram how often it was observed; -1 when there is none.
func (w *watched) value(t *testing.T, name string, labels ...string) float64 {
	t.Helper()
	sum := -1.0
	for _, m := range w.gather(t)[name].GetMetric() {
		var values []string
		for _, l := range m.GetLabel() {
			values = append(values, l.GetValue())
		}
		if slices.ContainsFunc(labels, func(l string) bool { return !slices.Contains(values, l) }) {
			continue
		}
		sum = max(0, sum) + m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
	}
	return sum
}

// wantValues waits until metrics have these values; a key is a name and values of
// its labels, separated by spaces.
func (w *watched) wantValues(t *testing.T, want map[string]float64) {
	t.Helper()
	eventually(t, func() error {
		var errs []error
		for key, v := range want {
			words := strings.Fields(key)
			if got := w.value(t, words[0], words[1:]...); got != v {
				errs = append(errs, fmt.Errorf("%s = %v, want %v", key, got, v))
			}
		}
		return errors.Join(errs...)
	})
}

func TestMetricsSayWhatBecameOfEverything(t *testing.T) {
	t.Parallel()
	w := newWatched(t)
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	first := w.order(t)
	order := subject(first)
	bad := w.confirmed(t, order, "e-bad", at)
	bad.Value = []byte("{")
	w.produce(t, first,
		w.confirmed(t, order, "e-1", at),                // a duplicate
		w.confirmed(t, order, "e-1", at.Add(time.Hour)), // a conflict
		w.confirmed(t, order, "e-2", at.Add(2*time.Hour)),
		w.confirmed(t, order, "e-3", at.Add(time.Hour)), // late
		bad)
	w.wantValues(t, map[string]float64{
		"waybill_projector_events_total order.confirmed.v1 applied":     2,
		"waybill_projector_events_total order.confirmed.v1 late":        1,
		"waybill_projector_events_total order.confirmed.v1 duplicate":   1,
		"waybill_projector_events_total order.confirmed.v1 conflict":    1,
		"waybill_projector_events_total order.confirmed.v1 dead_letter": 1,
		"waybill_projector_events_total":                                6,
		"waybill_projector_time_zones_total offset":                     3,
		"waybill_projector_dead_letters_total id_conflict":              1,
		"waybill_projector_dead_letters_total malformed_json":           1,
		"waybill_projector_dead_letters_total":                          2,
		"waybill_projector_assigned_partitions":                         2 * partitions,
		"waybill_projector_claims_total":                                2 * partitions,
		"waybill_projector_next_offset":                                 6,
		"waybill_log_lag_records":                                       0,
		"waybill_log_waiting_seconds":                                   0,
		"waybill_dead_letters_unhandled id_conflict":                    1,
		"waybill_dead_letters_unhandled malformed_json":                 1,
		"waybill_survey_failures_total":                                 0,
	})
	for _, step := range []string{"positions", "timeline", "dead_letters", "numbers", "shipments", "orders", "parking", "marks", "feed"} {
		if got := w.value(t, "waybill_projector_transaction_step_seconds", step); got < 1 {
			t.Errorf("step %s was observed %v times, want at least once", step, got)
		}
	}
	eventually(t, func() error {
		if got := len(w.gather(t)["waybill_log_lag_records"].GetMetric()); got != 2*partitions {
			return fmt.Errorf("the lag of %d partitions is known, want %d", got, 2*partitions)
		}
		for _, table := range []string{"orders", "shipments", "parcels", "projection_offsets", "tenant_stream"} {
			for _, name := range []string{"waybill_table_updates_total", "waybill_table_hot_updates_total", "waybill_table_rows", "waybill_table_dead_rows"} {
				if w.value(t, name, table) < 0 {
					return fmt.Errorf("%s is not known of %s", name, table)
				}
			}
		}
		return nil
	})
}

func TestOddEventsAreCountedOnce(t *testing.T) {
	t.Parallel()
	w := newWatched(t)
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	order := subject(w.order(t))
	// The copy says what e-1 says, and every later event of the order folds it again.
	w.produce(t, w.confirmed(t, order, "e-1", at), w.confirmed(t, order, "e-copy", at))
	w.wantValues(t, map[string]float64{"waybill_projector_anomalies_total content_duplicate": 1})
	w.produce(t, w.confirmed(t, order, "e-2", at.Add(-time.Hour)), w.confirmed(t, order, "e-3", at.Add(time.Hour)))
	w.wantValues(t, map[string]float64{
		"waybill_projector_events_total order.confirmed.v1":   4,
		"waybill_projector_anomalies_total content_duplicate": 1,
	})
}

func TestMetricsKeepToTheConventions(t *testing.T) {
	t.Parallel()
	w := newWatched(t)
	var ours []*dto.MetricFamily
	for name, f := range w.gather(t) {
		if strings.HasPrefix(name, "waybill_") {
			ours = append(ours, f)
		}
	}
	problems, err := promlint.NewWithMetricFamilies(ours).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// described reads the names and labels of all metrics, of those too that have no
// series yet.
func (w *watched) described(t *testing.T) map[string][]string {
	t.Helper()
	descs := make(chan *prometheus.Desc)
	go func() {
		defer close(descs)
		w.metrics.Describe(descs)
	}()
	pattern := regexp.MustCompile(`^Desc\{fqName: "([^"]+)",.*constLabels: \{(.*)\}, variableLabels: \{(.*)\}\}$`)
	found := map[string][]string{}
	for d := range descs {
		m := pattern.FindStringSubmatch(d.String())
		if m == nil {
			t.Errorf("a metric does not say its name: %s", d)
			continue
		}
		found[m[1]] = strings.FieldsFunc(m[3], func(r rune) bool { return r == ',' })
	}
	return found
}

// refused asks the read API without a token, so that it has counted something.
func (w *watched) refused(t *testing.T) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.site+"/v1/shipments/s-1", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Fatalf("a request without a token is answered %s, want 401", resp.Status)
	}
}
