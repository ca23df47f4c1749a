package ops_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/waybill-io/waybill/internal/ops"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// run serves until the test ends.
func run(t *testing.T, cfg ops.Config) *ops.Server {
	t.Helper()
	cfg.Addr = "127.0.0.1:0"
	s, err := ops.Listen(t.Context(), cfg, discard())
	if err != nil {
		t.Fatalf("Listen: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return s
}

// ask returns the status and the body.
func ask(t *testing.T, s *ops.Server, method, path string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.Addr()+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return resp, string(body)
}

func TestLivenessDoesNotLookAtDependencies(t *testing.T) {
	s := run(t, ops.Config{})
	s.Ready.Check("postgres").Set(false, "connection refused")
	if resp, body := ask(t, s, http.MethodGet, "/healthz"); resp.StatusCode != http.StatusOK || body != "ok\n" {
		t.Errorf("/healthz = %s %q, want 200", resp.Status, body)
	}
}

func TestReadinessNeedsEveryCheck(t *testing.T) {
	s := run(t, ops.Config{})
	steps := []struct {
		name   string
		do     func()
		status int
		want   map[string]ops.Status
	}{
		{"no checks", func() {}, http.StatusOK, map[string]ops.Status{}},
		{"a new check", func() { s.Ready.Check("kafka") }, http.StatusServiceUnavailable,
			map[string]ops.Status{"kafka": {Detail: "starting"}}},
		{"it is ok", func() { s.Ready.Check("kafka").Set(true, "12 partitions") }, http.StatusOK,
			map[string]ops.Status{"kafka": {OK: true, Detail: "12 partitions"}}},
		{"another is not", func() { s.Ready.Check("postgres").Set(false, "connection refused") }, http.StatusServiceUnavailable,
			map[string]ops.Status{"kafka": {OK: true, Detail: "12 partitions"}, "postgres": {Detail: "connection refused"}}},
		{"both are", func() { s.Ready.Check("postgres").Set(true, "") }, http.StatusOK,
			map[string]ops.Status{"kafka": {OK: true, Detail: "12 partitions"}, "postgres": {OK: true}}},
	}
	for _, step := range steps {
		step.do()
		resp, body := ask(t, s, http.MethodGet, "/readyz")
		if resp.StatusCode != step.status {
			t.Errorf("%s: /readyz = %s, want %d", step.name, resp.Status, step.status)
		}
		var got ops.Report
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Fatalf("%s: read %q: %v", step.name, body, err)
		}
		for name, c := range got.Checks {
			if c.Since.IsZero() {
				t.Errorf("%s: check %s has no since", step.name, name)
			}
			c.Since = time.Time{}
			got.Checks[name] = c
		}
		want := ops.Report{Ready: step.status == http.StatusOK, Checks: step.want}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: report (-want +got):\n%s", step.name, diff)
		}
	}
}

func TestSinceMovesWhenTheAnswerDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r ops.Readiness
		c, began := r.Check("kafka"), time.Now()
		time.Sleep(time.Minute)
		c.Set(false, "no broker")
		if got := c.Status().Since; !got.Equal(began) {
			t.Errorf("another detail moved since to %s, want %s", got, began)
		}
		c.Set(true, "")
		if got, want := c.Status().Since, began.Add(time.Minute); !got.Equal(want) {
			t.Errorf("since = %s, want %s", got, want)
		}
	})
}

func TestChecksMayBeSetFromAnywhere(t *testing.T) {
	var r ops.Readiness
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			c := r.Check(fmt.Sprint("check ", i%4))
			for n := range 100 {
				c.Set(n%2 == 1, "")
				r.Report()
			}
		})
	}
	wg.Wait()
	if report := r.Report(); !report.Ready || len(report.Checks) != 4 {
		t.Errorf("report = %+v, want 4 checks that are ok", report)
	}
	var none *ops.Check
	none.Set(true, "nobody asks")
}

func TestMetricsHaveRuntimeProcessBuildAndReadiness(t *testing.T) {
	s := run(t, ops.Config{})
	s.Ready.Check("kafka").Set(true, "")
	s.Ready.Check("postgres")
	resp, body := ask(t, s, http.MethodGet, "/metrics")
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("/metrics = %s", resp.Status)
	}
	for _, want := range []string{
		"go_goroutines ", "process_open_fds ", "go_build_info{",
		`waybill_ready{check="kafka"} 1`, `waybill_ready{check="postgres"} 0`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("/metrics lacks %s", want)
		}
	}
}

func TestProfilesAreServedWhenEnabledOnly(t *testing.T) {
	for enabled, want := range map[bool]int{false: http.StatusNotFound, true: http.StatusOK} {
		s := run(t, ops.Config{Pprof: enabled})
		if resp, _ := ask(t, s, http.MethodGet, "/debug/pprof/goroutine?debug=1"); resp.StatusCode != want {
			t.Errorf("enabled %v: profile = %s, want %d", enabled, resp.Status, want)
		}
	}
}

func TestOtherMethodsAndPathsAreRefused(t *testing.T) {
	s := run(t, ops.Config{})
	for _, tt := range []struct {
		method, path string
		want         int
	}{
		{http.MethodPost, "/healthz", http.StatusMethodNotAllowed},
		{http.MethodDelete, "/readyz", http.StatusMethodNotAllowed},
		{http.MethodGet, "/", http.StatusNotFound},
		{http.MethodGet, "/readyz/../etc", http.StatusNotFound},
	} {
		if resp, _ := ask(t, s, tt.method, tt.path); resp.StatusCode != tt.want {
			t.Errorf("%s %s = %s, want %d", tt.method, tt.path, resp.Status, tt.want)
		}
	}
}

func TestAPortInUseIsAnErrorOfListen(t *testing.T) {
	first, err := ops.Listen(t.Context(), ops.Config{Addr: "127.0.0.1:0"}, discard())
	if err != nil {
		t.Fatalf("Listen: %v", err)
	}
	if s, err := ops.Listen(t.Context(), ops.Config{Addr: first.Addr()}, discard()); err == nil {
		_ = s.Close()
		t.Error("Listen took a port that is in use")
	} else if !strings.Contains(err.Error(), first.Addr()) {
		t.Errorf("error %q does not name the address", err)
	}
	if err := first.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	second, err := ops.Listen(t.Context(), ops.Config{Addr: first.Addr()}, discard())
	if err != nil {
		t.Fatalf("Listen after Close: %v", err)
	}
	if err := second.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func TestRequestsInHandFinish(t *testing.T) {
	s, err := ops.Listen(t.Context(), ops.Config{Addr: "127.0.0.1:0", Pprof: true}, discard())
	if err != nil {
		t.Fatalf("Listen: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()

	answers := make(chan error, 1)
	go func() {
		_, err := ops.Get(context.WithoutCancel(t.Context()), s.Addr(), "/debug/pprof/trace?seconds=1")
		answers <- err
	}()
	for deadline := time.Now().Add(10 * time.Second); inHand(t, s) == 0; {
		if time.Now().After(deadline) {
			t.Fatal("the request never arrived")
		}
	}
	cancel()
	if err := <-answers; err != nil {
		t.Errorf("the request in hand: %v", err)
	}
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close after Run: %v", err)
	}
}

// inHand counts the traces that are being taken.
func inHand(t *testing.T, s *ops.Server) int {
	_, body := ask(t, s, http.MethodGet, "/debug/pprof/goroutine?debug=2")
	return strings.Count(body, "net/http/pprof.Trace")
}

func TestGetReadsAnAddressToListenOn(t *testing.T) {
	s := run(t, ops.Config{})
	_, port, _ := strings.Cut(s.Addr(), ":")
	for _, addr := range []string{s.Addr(), ":" + port, "0.0.0.0:" + port} {
		if body, err := ops.Get(t.Context(), addr, "/healthz"); err != nil || body != "ok\n" {
			t.Errorf("Get(%s) = %q, %v", addr, body, err)
		}
	}
	s.Ready.Check("kafka").Set(false, "no broker")
	body, err := ops.Get(t.Context(), s.Addr(), "/readyz")
	if err == nil || !strings.Contains(err.Error(), "no broker") || !strings.Contains(body, "no broker") {
		t.Errorf("Get of a command that is not ready = %q, %v, want the reason", body, err)
	}
	if _, err := ops.Get(t.Context(), "nowhere", "/healthz"); err == nil {
		t.Error("Get takes an address without a port")
	}
}

func TestLogFormats(t *testing.T) {
	tests := []struct {
		format string
		json   bool
	}{{"", true}, {"auto", true}, {"json", true}, {"text", false}}
	for _, tt := range tests {
		var out bytes.Buffer
		log, err := ops.NewLogger(&out, ops.LogConfig{Format: tt.format, Level: slog.LevelWarn})
		if err != nil {
			t.Fatalf("NewLogger(%q): %v", tt.format, err)
		}
		log.Info("too quiet")
		log.Warn("loud", "text", "a\r\nlevel=ERROR")
		if got := json.Valid(out.Bytes()); got != tt.json {
			t.Errorf("format %q: JSON = %v, want %v: %s", tt.format, got, tt.json, out.Bytes())
		}
		if strings.Count(out.String(), "\n") != 1 || strings.Contains(out.String(), "too quiet") {
			t.Errorf("format %q wrote %q, want the warning in one line", tt.format, out.String())
		}
	}
	if _, err := ops.NewLogger(io.Discard, ops.LogConfig{Format: "xml"}); err == nil {
		t.Error("NewLogger takes the format xml")
	}
	file, err := os.CreateTemp(t.TempDir(), "log")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	log, err := ops.NewLogger(file, ops.LogConfig{})
	if err != nil {
		t.Fatal(err)
	}
	log.Info("to a file")
	if doc, err := os.ReadFile(file.Name()); err != nil || !json.Valid(doc) {
		t.Errorf("a file gets %q, %v, want JSON", doc, err)
	}
}
