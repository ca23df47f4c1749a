package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/waybill-io/waybill/cmd/internal/cli"
	"github.com/waybill-io/waybill/cmd/internal/clitest"
	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/devstack"
	"github.com/waybill-io/waybill/internal/devstack/stacktest"
	"github.com/waybill-io/waybill/internal/scenario"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// called is what a run of the command left behind.
type called struct {
	stdout, stderr string
	err            error
}

func call(ctx context.Context, env map[string]string, args ...string) called {
	var stdout, stderr bytes.Buffer
	err := run(ctx, args, func(key string) string { return env[key] }, &stdout, &stderr)
	return called{stdout.String(), stderr.String(), err}
}

// code is the exit code that Main would give.
func (c called) code() int {
	if c.err == nil {
		return 0
	}
	if _, ok := errors.AsType[*cli.UsageError](c.err); ok {
		return 2
	}
	if coder, ok := errors.AsType[cli.ExitCoder](c.err); ok {
		return coder.ExitCode()
	}
	return 1
}

// published reads the last line.
func (c called) published(t *testing.T) (published, skipped int) {
	t.Helper()
	m := regexp.MustCompile(`(?:^|\n)published=(\d+) skipped=(\d+) seconds=\d+\.\d{3}\n$`).FindStringSubmatch(c.stdout)
	if m == nil {
		t.Fatalf("the last line of %q does not say what was published (%v, %s)", c.stdout, c.err, c.stderr)
	}
	published, _ = strconv.Atoi(m[1])
	skipped, _ = strconv.Atoi(m[2])
	return published, skipped
}

// readLog is every event of a broker, by identity, and how many records there are.
func readLog(t *testing.T, brokers []string, records int) map[string]events.Event {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumeTopics(events.OrdersTopic, events.ShipmentsTopic))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	all := map[string]events.Event{}
	for n := 0; n < records; {
		fetches := client.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			t.Fatalf("%d of %d records are in the log: %v", n, records, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			n++
			m := events.Message{Key: r.Key, Value: r.Value, Time: r.Timestamp}
			for _, h := range r.Headers {
				m.Headers = append(m.Headers, events.Header{Key: h.Key, Value: h.Value})
			}
			e, err := events.Decode(m)
			if err != nil {
				t.Errorf("record %s: %v", r.Key, err)
				return
			}
			all[fmt.Sprint(e.Stream(), e.Source, e.ID)] = e
		})
	}
	return all
}

func newBroker(t *testing.T) (brokers []string, flag string) {
	t.Helper()
	b := stacktest.Embedded(t, devstack.BrokerConfig{}).Brokers()
	return b, "--brokers=" + strings.Join(b, ",")
}

func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const orders = `order_id,customer_id,order_status,order_purchase_timestamp,order_approved_at,order_delivered_carrier_date,order_delivered_customer_date,order_estimated_delivery_date
a1,c1,delivered,2018-02-10 10:00:00,2018-02-10 10:30:00,2018-02-12 09:00:00,2018-02-20 21:25:13,2018-03-01 00:00:00
b2,c2,canceled,2018-01-26 21:34:08,,,,2018-02-22 00:00:00
`

const olistMapping = "../../examples/olist.yaml"

func TestATableIsPublishedThroughItsMapping(t *testing.T) {
	brokers, flag := newBroker(t)
	file := write(t, "orders.csv", orders)
	env := map[string]string{"WAYBILL_TENANT": "acme"}
	for range 2 { // again: the same events
		got := call(t.Context(), env, flag, "publish", "--mapping", olistMapping, file)
		if n, skipped := got.published(t); got.err != nil || n != 7 || skipped != 0 {
			t.Fatalf("published %d, skipped %d: %v %s", n, skipped, got.err, got.stderr)
		}
	}
	log := readLog(t, brokers, 14)
	if len(log) != 7 {
		t.Errorf("%d different events are in the log, want 7", len(log))
	}
	for id, e := range log {
		if e.Tenant != "acme" || time.Since(e.IngestedAt) > time.Minute {
			t.Errorf("%s: tenant %s, ingested %s", id, e.Tenant, e.IngestedAt)
		}
	}
}

func TestBadLinesKeepAFileFromBeingPublished(t *testing.T) {
	brokers, flag := newBroker(t)
	file := write(t, "orders.csv", strings.Replace(orders, "2018-01-26", "2018-02-30", 1))
	got := call(t.Context(), nil, flag, "publish", "--mapping", olistMapping, file)
	if got.code() != 65 || got.stdout != "" {
		t.Errorf("exit code %d, %q: %v", got.code(), got.stdout, got.err)
	}
	if want := file + `:3:4: order_purchase_timestamp: order.placed.v1: "2018-02-30 21:34:08" is no time`; !strings.Contains(got.stderr, want) {
		t.Errorf("stderr %q, want %q", got.stderr, want)
	}
	rejects := filepath.Join(t.TempDir(), "rejects.csv")
	got = call(t.Context(), nil, flag, "publish", "--mapping", olistMapping, "--skip-bad", "--rejects", rejects, file)
	if n, skipped := got.published(t); got.err != nil || n != 5 || skipped != 1 {
		t.Errorf("published %d, skipped %d: %v", n, skipped, got.err)
	}
	kept, err := os.ReadFile(rejects)
	if err != nil || strings.Count(string(kept), "\n") != 2 || !strings.Contains(string(kept), "\nb2,c2,") {
		t.Errorf("rejects %q, %v", kept, err)
	}
	if log := readLog(t, brokers, 5); len(log) != 5 {
		t.Errorf("%d events are in the log, want 5", len(log))
	}
}

func TestSimulatedOrdersAreTheSameWhenSimulatedAgain(t *testing.T) {
	brokers, flag := newBroker(t)
	g, err := scenario.New(scenario.Config{Seed: 7, Orders: 30, Rates: scenario.DefaultRates()})
	if err != nil {
		t.Fatal(err)
	}
	want, different := 0, map[string]bool{}
	for e := range g.Events() {
		want++
		different[fmt.Sprint(e.Stream(), e.Source, e.ID)] = true
	}
	for range 2 {
		got := call(t.Context(), nil, flag, "simulate", "--orders", "30", "--seed", "7", "--rate", "0")
		if n, _ := got.published(t); got.err != nil || n != want {
			t.Fatalf("published %d, want %d: %v", n, want, got.err)
		}
	}
	if log := readLog(t, brokers, 2*want); len(log) != len(different) {
		t.Errorf("%d different events are in the log, want %d", len(log), len(different))
	}
}

func TestASimulationAtARateEndsWithItsOrders(t *testing.T) {
	brokers, flag := newBroker(t)
	began := time.Now()
	got := call(t.Context(), nil, flag, "simulate", "--orders", "10", "--rate", "400", "--late", "0", "--vocabulary", "core")
	n, _ := got.published(t)
	if got.err != nil || n < 100 {
		t.Fatalf("published %d: %v", n, got.err)
	}
	for id, e := range readLog(t, brokers, n) {
		if e.IngestedAt.Before(began.Add(-time.Second)) || e.IngestedAt.After(time.Now()) {
			t.Errorf("%s was ingested at %s, which is not now", id, e.IngestedAt)
		}
	}
}

func TestAnInterruptedSimulationSaysWhatItPublished(t *testing.T) {
	brokers, flag := newBroker(t)
	ctx, interrupt := context.WithCancelCause(t.Context())
	timer := time.AfterFunc(time.Second, func() { interrupt(errors.New("a signal")) })
	defer timer.Stop()
	got := call(ctx, nil, flag, "simulate", "--rate", "200")
	n, _ := got.published(t)
	if got.err != nil || n == 0 {
		t.Fatalf("published %d: %v", n, got.err)
	}
	readLog(t, brokers, n)
}

func TestAnInterruptedFileIsNoSuccess(t *testing.T) {
	ctx, interrupt := context.WithCancelCause(t.Context())
	timer := time.AfterFunc(500*time.Millisecond, func() { interrupt(errors.New("a signal")) })
	defer timer.Stop()
	_, flag := newBroker(t)
	got := call(ctx, nil, flag, "publish", "--rate", "2", "--mapping", olistMapping, write(t, "orders.csv", orders))
	if got.code() != 130 || strings.Contains(got.stdout, "published=") {
		t.Errorf("exit code %d, %q: %v, want 130", got.code(), got.stdout, got.err)
	}
}

func TestWrongUsageNamesTheFlagOrTheVariable(t *testing.T) {
	file := write(t, "orders.csv", orders)
	tests := []struct {
		name string
		env  map[string]string
		args []string
		want string
	}{
		{"an unknown flag", nil, []string{"publish", "--frobnicate", "x.ndjson"}, "--frobnicate"},
		{"a secret", nil, []string{"publish", "--password=x", "x.ndjson"}, "--password"},
		{"a secret in an address", nil, []string{"publish", "--brokers=user:secret@kafka:9092", "x.ndjson"}, "--brokers"},
		{"no file", nil, []string{"publish"}, "file"},
		{"a rate of nothing", nil, []string{"publish", "--rate", "0", "x.ndjson"}, "--rate"},
		{"a negative rate", nil, []string{"publish", "--rate=-1", "x.ndjson"}, "--rate"},
		{"a batch of a billion", nil, []string{"publish", "--batch", "1000000000", "x.ndjson"}, "--batch"},
		{"no time", nil, []string{"publish", "--timeout", "0s", "x.ndjson"}, "--timeout"},
		{"a span without its unit", nil, []string{"publish", "--timeout", "30", "x.ndjson"}, "--timeout"},
		{"a table without a mapping", nil, []string{"publish", file}, "--mapping"},
		{"a mapping without a table", nil, []string{"publish", "--mapping", olistMapping, "x.ndjson"}, "--mapping"},
		{"a name that does not tell", nil, []string{"publish", "orders"}, "--format"},
		{"two formats", nil, []string{"publish", "--mapping", olistMapping, "a.csv", "b.ndjson"}, "two formats"},
		{"rejects without a wish for them", nil, []string{"publish", "--rejects", "r", "x.ndjson"}, "--skip-bad"},
		{"rejects by the name of what is compressed", nil, []string{"publish", "--skip-bad", "--rejects", "r.csv.gz", "x.ndjson"}, "leave .gz out"},
		{"nowhere to put bad lines", nil, []string{"publish", "--skip-bad", "x.ndjson"}, "--rejects"},
		{"rejects over the file", nil, []string{"publish", "--mapping", olistMapping, "--skip-bad", "--rejects", file, file}, "--rejects"},
		{"a tenant that is none", nil, []string{"--tenant", "a b", "types"}, "--tenant"},
		{"a simulation at less than nothing", nil, []string{"simulate", "--rate=-1"}, "--rate"},
		{"less than no orders", nil, []string{"simulate", "--orders=-1"}, "--orders"},
		{"more than all", nil, []string{"simulate", "--late", "1.5"}, "--late"},
		{"another vocabulary", nil, []string{"simulate", "--vocabulary", "latin"}, "--vocabulary"},
		{"a variable that is no number", map[string]string{"WAYBILL_RATE": "fast"}, []string{"simulate"}, "WAYBILL_RATE"},
		{"a variable that is no address", map[string]string{"WAYBILL_BROKERS": "kafka"}, []string{"simulate"}, "WAYBILL_BROKERS"},
		{"a variable that is no tenant", map[string]string{"WAYBILL_TENANT": "a/b"}, []string{"simulate"}, "WAYBILL_TENANT"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := call(t.Context(), tt.env, tt.args...)
			if got.code() != 2 || !strings.Contains(got.err.Error(), tt.want) {
				t.Errorf("exit code %d: %v, want 2 and a word on %s", got.code(), got.err, tt.want)
			}
			if strings.Contains(fmt.Sprint(got.err), "user:secret") {
				t.Errorf("the secret is repeated: %v", got.err)
			}
		})
	}
	if content, err := os.ReadFile(file); err != nil || string(content) != orders {
		t.Errorf("the file was changed, %v", err)
	}
}

// nobody is an address where nobody listens.
const nobody = "--brokers=" + clitest.Nowhere

func TestExitCodes(t *testing.T) {
	flag := nobody
	table := write(t, "orders.csv", orders)
	tests := []struct {
		name string
		args []string
		code int
		want string
	}{
		{"types", []string{"types"}, 0, ""},
		{"an empty file", []string{"publish", write(t, "e.ndjson", "\n")}, 0, ""},
		{"a bad file", []string{"publish", write(t, "b.ndjson", "x\n")}, 65, "1 record is bad, nothing was published"},
		{"a bad mapping", []string{"publish", "--mapping", write(t, "m.yaml", "version: 1\nsauce: x\n"), table}, 65, `m.yaml:2:1: unknown key "sauce"`},
		{"a file that is not there", []string{"publish", "/none.ndjson"}, 66, "/none.ndjson: no such file or directory"},
		{"a mapping that is not there", []string{"publish", "--mapping", "/none.yaml", table}, 66, "none.yaml"},
		{"a folder", []string{"publish", "--format=ndjson", t.TempDir()}, 66, "is a directory"},
		{"no broker", []string{"publish", "--timeout", "300ms", "--mapping", olistMapping, table}, 75, "publishing stopped: 0 events acknowledged, 0 unknown"},
		{"no broker for a simulation", []string{"simulate", "--timeout", "300ms", "--rate", "0", "--orders", "10"}, 75, "0 events acknowledged"},
		{"no broker for a simulation at a rate", []string{"simulate", "--timeout", "300ms", "--rate", "100"}, 75, "0 events acknowledged"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := call(t.Context(), nil, append([]string{flag}, tt.args...)...)
			if got.code() != tt.code {
				t.Fatalf("exit code %d, want %d: %v", got.code(), tt.code, got.err)
			}
			if tt.code == 0 {
				return
			}
			if !strings.Contains(got.err.Error(), tt.want) || strings.Contains(strings.TrimSpace(got.err.Error()), "\n") && tt.code != 65 {
				t.Errorf("%v, want one line with %s", got.err, tt.want)
			}
			if strings.Contains(got.stdout, "published=") {
				t.Errorf("%q counts a success", got.stdout)
			}
		})
	}
	if got := call(t.Context(), nil, flag, "publish", write(t, "e.ndjson", "")); !strings.Contains(got.stderr, "0 events") {
		t.Errorf("stderr of an empty file is %q", got.stderr)
	}
}

// shut is an output that nobody reads.
type shut struct{}

func (shut) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestASuccessThatCannotBeToldIsNone(t *testing.T) {
	err := run(t.Context(), []string{nobody, "publish", write(t, "e.ndjson", "")}, func(string) string { return "" }, shut{}, io.Discard)
	if got := (called{err: err}); !errors.Is(err, io.ErrClosedPipe) || got.code() != 74 {
		t.Errorf("exit code %d: %v, want 74 and %v", got.code(), err, io.ErrClosedPipe)
	}
}
