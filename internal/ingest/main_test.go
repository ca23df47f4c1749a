package ingest_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/ingest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorder is a log in memory.
type recorder struct {
	mu     sync.Mutex
	log    []events.Event
	refuse func(batch []events.Event) error // called before a batch is kept
}

func (r *recorder) Publish(ctx context.Context, batch []events.Event) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refuse != nil {
		if err := r.refuse(batch); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	r.log = append(r.log, batch...)
	return nil
}

func (r *recorder) events() []events.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log
}

// noon is when events are ingested that do not say so.
func noon() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

// file writes a file of the test's own.
func file(t testing.TB, name, content string) *ingest.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return &ingest.File{Name: path}
}

// outcome is what came of an intake.
type outcome struct {
	result   ingest.Result
	err      error
	problems []string // without the folder
	log      []events.Event
}

func intake(t testing.TB, format ingest.Format, cfg ingest.IntakeConfig, files ...*ingest.File) outcome {
	t.Helper()
	var o outcome
	cfg.Report = func(p ingest.Problem) {
		p.File = filepath.Base(p.File)
		o.problems = append(o.problems, p.String())
	}
	pub := &recorder{}
	o.result, o.err = ingest.NewIntake(format, pub, cfg).Run(t.Context(), files)
	o.log = pub.events()
	return o
}

func mapping(t testing.TB, yaml string) *ingest.Mapping {
	t.Helper()
	m, err := ingest.ParseMapping("m.yaml", []byte(yaml))
	if err != nil {
		t.Fatalf("ParseMapping: %v", err)
	}
	return m.WithTenant("acme")
}

// confirmed is a mapping with one event, and what the test puts in.
func confirmed(more ...string) string {
	return `version: 1
source: urn:test
tenant: acme
timezone: Europe/Berlin
time_layout: YYYY-MM-DD HH:mm:ss
` + strings.Join(more, "\n") + `
events:
  - type: order.confirmed.v1
    id: ${order}-c
    subject: ${order}
    time: at
    data: { order_id: "${order}" }
`
}

const line1 = `{"specversion":"1.0","id":"e1","source":"urn:x","type":"order.confirmed.v1","subject":"o1","tenantid":"acme","time":"2026-01-02T03:04:05Z","data":{"order_id":"o1"}}`

// line is an event of order o and with id e and a number.
func line(n string) string {
	return strings.NewReplacer(`"e1"`, `"e`+n+`"`, `"o1"`, `"o`+n+`"`).Replace(line1)
}
