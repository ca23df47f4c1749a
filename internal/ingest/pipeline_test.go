package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/ingest"
)

func eventsTenant(s string) events.TenantID { return events.TenantID(s) }

// story is n events of some orders in turn.
func story(n, orders int) []events.Event {
	all := make([]events.Event, n)
	for i := range all {
		id := events.OrderID(fmt.Sprintf("o%d", i%orders))
		all[i] = events.New("acme", "urn:x", events.EventID(fmt.Sprintf("e%d", i)), string(id), &events.OrderConfirmed{
			OrderFact: events.OrderFact{OrderID: id, Fact: events.Fact{OccurredAt: noon()}},
		})
	}
	return all
}

// parallel is a log whose writes take a while, and which counts those at once.
type parallel struct {
	mu      sync.Mutex
	now     int
	most    int
	batches int
	log     map[string][]events.EventID
	takes   time.Duration
}

func (p *parallel) Publish(ctx context.Context, batch []events.Event) error {
	p.mu.Lock()
	p.now++
	p.most = max(p.most, p.now)
	p.batches++
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		p.now--
		p.mu.Unlock()
	}()
	select {
	case <-time.After(p.takes):
	case <-ctx.Done():
		return ctx.Err()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range batch {
		p.log[e.Subject] = append(p.log[e.Subject], e.ID)
	}
	return nil
}

func TestEventsOfOneKeyStayInOrderWhileLanesRunAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &parallel{takes: 10 * time.Millisecond, log: map[string][]events.EventID{}}
		p := ingest.NewPipeline(t.Context(), log, ingest.PipelineConfig{Lanes: 4, Batch: 10})
		all := story(3000, 37)
		if err := p.Add(all...); err != nil {
			t.Fatal(err)
		}
		if err := p.Finish(); err != nil {
			t.Fatal(err)
		}
		if p.Acked() != 3000 {
			t.Errorf("%d acknowledged, want 3,000", p.Acked())
		}
		if log.most != 4 {
			t.Errorf("at most %d batches were under way, want 4", log.most)
		}
		for order, got := range log.log {
			last := -1
			for _, id := range got {
				var n int
				if _, err := fmt.Sscanf(string(id), "e%d", &n); err != nil {
					t.Fatal(err)
				}
				if n <= last {
					t.Fatalf("%s: %s is behind e%d", order, id, last)
				}
				last = n
			}
		}
	})
}

// short is the error of a batch of which something is known.
type short struct{ acked, unknown, unsent int }

func (short) Error() string                           { return "no broker" }
func (s short) Outcome() (acked, unknown, unsent int) { return s.acked, s.unknown, s.unsent }

func TestWhatIsKnownOfAFailedBatchIsTold(t *testing.T) {
	for _, tt := range []struct {
		name    string
		err     error
		acked   int
		unknown int
	}{
		{"nothing", errors.New("no broker"), 20, 10},
		{"something", short{acked: 3, unknown: 2, unsent: 5}, 23, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			pub := &recorder{}
			pub.refuse = func([]events.Event) error {
				if len(pub.log) >= 20 {
					return tt.err
				}
				return nil
			}
			p := ingest.NewPipeline(t.Context(), pub, ingest.PipelineConfig{Lanes: 1, Batch: 10})
			var err error
			for range 100 {
				if err = p.Add(story(10, 3)...); err != nil {
					break
				}
			}
			if !errors.Is(err, tt.err) {
				t.Errorf("Add: %v, want %v", err, tt.err)
			}
			stopped, ok := errors.AsType[*ingest.StoppedError](p.Finish())
			if !ok || stopped.Acked != tt.acked || stopped.Unknown != tt.unknown || !errors.Is(stopped, tt.err) {
				t.Errorf("Finish: %v, want %d acknowledged and %d unknown", stopped, tt.acked, tt.unknown)
			}
		})
	}
}

func TestABrokerThatIsNotThereIsGivenUpAfterTheTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		p := ingest.NewPipeline(t.Context(), &parallel{takes: time.Hour}, ingest.PipelineConfig{Timeout: 7 * time.Second})
		if err := p.Add(story(10, 3)...); err != nil {
			t.Fatal(err)
		}
		if err := p.Finish(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Finish: %v, want %v", err, context.DeadlineExceeded)
		}
		if took := time.Since(began); took != 7*time.Second {
			t.Errorf("it took %s, want 7 s", took)
		}
	})
}

func TestAnInterruptLetsBatchesUnderWayFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		log := &parallel{takes: 3 * time.Second, log: map[string][]events.EventID{}}
		p := ingest.NewPipeline(ctx, log, ingest.PipelineConfig{Lanes: 1, Batch: 10})
		if err := p.Add(story(10, 3)...); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		cancel()
		err := p.Finish()
		stopped, ok := errors.AsType[*ingest.StoppedError](err)
		if !ok || stopped.Acked != 10 || stopped.Unknown != 0 || !errors.Is(err, context.Canceled) {
			t.Errorf("Finish: %v, want 10 acknowledged", err)
		}

		ctx, cancel = context.WithCancel(t.Context())
		p = ingest.NewPipeline(ctx, &parallel{takes: time.Hour}, ingest.PipelineConfig{Lanes: 1, Batch: 10, Timeout: time.Hour})
		if err := p.Add(story(10, 3)...); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		cancel()
		began := time.Now()
		if err := p.Finish(); !errors.Is(err, context.Canceled) || time.Since(began) > 5*time.Second {
			t.Errorf("Finish: %v after %s, want it within 5 s", err, time.Since(began))
		}
	})
}

func TestTheRateIsALimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		log := &parallel{log: map[string][]events.EventID{}}
		p := ingest.NewPipeline(t.Context(), log, ingest.PipelineConfig{Rate: 50})
		if err := p.Add(story(500, 7)...); err != nil {
			t.Fatal(err)
		}
		if log.batches < 50 {
			t.Errorf("only %d batches were sent before the end: events wait too long", log.batches)
		}
		if err := p.Finish(); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began).Seconds(); took < 9.5 || took > 10.5 {
			t.Errorf("500 events at 50 a second took %.1f s, want 10", took)
		}
	})
}

// endless yields the same text again and again, n times.
type endless struct {
	text string
	n    int
	rest string
}

func (e *endless) Read(p []byte) (int, error) {
	if e.rest == "" {
		if e.n--; e.n < 0 {
			return 0, io.EOF
		}
		e.rest = e.text
	}
	n := copy(p, e.rest)
	e.rest = e.rest[n:]
	return n, nil
}

// peak is the most memory in use at any time of a run.
type peak struct {
	recorder
	batches int
	most    uint64
}

func (p *peak) Publish(context.Context, []events.Event) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.batches++; p.batches%20 == 0 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		p.most = max(p.most, m.HeapInuse)
	}
	return nil
}

func TestMemoryDoesNotGrowWithTheFile(t *testing.T) {
	text := strings.Repeat(line("1")+"\n"+line("2")+"\n", 500)
	pub := &peak{}
	// Standard input with SkipBad streams: nothing is kept on the way.
	in := &ingest.File{Name: "-", Stdin: &endless{text: text, n: 40}}
	result, err := ingest.NewIntake(ingest.NDJSON{}, pub, ingest.IntakeConfig{SkipBad: true}).Run(t.Context(), []*ingest.File{in})
	if err != nil || result.Published != 40_000 {
		t.Fatalf("%d published, %v", result.Published, err)
	}
	if pub.most == 0 || pub.most > 64<<20 {
		t.Errorf("%d MiB in use at most, want less than 64 MiB for %d MiB read", pub.most>>20, len(text)*40>>20)
	}
}

func TestAnEndlessLineTakesNoMemory(t *testing.T) {
	in := &ingest.File{Name: "-", Stdin: &endless{text: strings.Repeat("x", 1<<20), n: 100}}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	o := intake(t, ingest.NDJSON{}, ingest.IntakeConfig{SkipBad: true}, in)
	runtime.ReadMemStats(&after)
	if o.err != nil || o.result.Skipped != 1 {
		t.Fatalf("%+v %v", o.result, o.err)
	}
	if took := (after.TotalAlloc - before.TotalAlloc) >> 20; took > 16 {
		t.Errorf("100 MiB in one line took %d MiB, want less than 16", took)
	}
}

func FuzzCSV(f *testing.F) {
	f.Add("order,at\no1,2025-01-02 03:04:05\n")
	f.Add("order,at\n\"o\"\"1\",\"2025-01-02 03:04:05\"\n\",\n")
	f.Add("\uFEFForder,at\r\n,\r\n")
	m, err := ingest.ParseMapping("m.yaml", []byte(confirmed()))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for rec, err := range (ingest.CSV{Mapping: m, Now: noon}).Records(strings.NewReader(text)) {
			if err != nil {
				return
			}
			if len(rec.Problems) > 0 && len(rec.Events) > 0 {
				t.Fatal("a bad line has events")
			}
			for _, e := range rec.Events {
				if _, err := events.Encode(e); err != nil {
					t.Fatalf("%q becomes an event that cannot be written: %v", text, err)
				}
			}
		}
	})
}
