package e2e_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/devstack/stacktest"
	"github.com/waybill-io/waybill/internal/projector"
	"github.com/waybill-io/waybill/internal/readmodel"
	"github.com/waybill-io/waybill/internal/scenario"
)

var windows = flag.Int("windows", 300, "how often a partition is to have two owners that both write")

// lone is the partition that has two owners.
var lone = projector.Partition{Topic: "waybill.test.lone"}

// paper is a log in memory that grows as it is read, until it is closed. Every
// source of it believes that the partition is its own.
type paper struct {
	mu      sync.Mutex
	records []projector.Record
	more    func() (events.Event, bool)
	closed  bool
	news    chan struct{} // closed with it
	joins   int
}

func newPaper(t testing.TB, seed uint64) *paper {
	t.Helper()
	g, err := scenario.New(scenario.Config{Seed: seed, Tenant: tenant, Rates: scenario.DefaultRates()})
	if err != nil {
		t.Fatal(err)
	}
	all := make(chan events.Event)
	ctx := t.Context()
	go func() {
		for e := range g.Events() {
			select {
			case all <- e:
			case <-ctx.Done():
				return
			}
		}
	}()
	return &paper{news: make(chan struct{}), more: func() (events.Event, bool) {
		select {
		case e := <-all:
			return e, true
		case <-ctx.Done():
			return events.Event{}, false
		}
	}}
}

// from returns a few records.
func (l *paper) from(next int64) ([]projector.Record, error) {
	const few = 3
	l.mu.Lock()
	defer l.mu.Unlock()
	for !l.closed && int64(len(l.records)) < next+few {
		e, ok := l.more()
		if !ok {
			break
		}
		m, err := events.Encode(e)
		if err != nil {
			return nil, err
		}
		l.records = append(l.records, projector.Record{Partition: lone, Offset: int64(len(l.records)), Message: m})
	}
	return slices.Clone(l.records[next:min(next+few, int64(len(l.records)))]), nil
}

func (l *paper) end() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return int64(len(l.records))
}

func (l *paper) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	close(l.news)
}

// Run implements [projector.Source].
func (l *paper) Run(ctx context.Context, serve func(context.Context, projector.Session) error) error {
	for ctx.Err() == nil {
		if err := serve(ctx, l); err != nil {
			return err
		}
		l.mu.Lock()
		l.joins++
		l.mu.Unlock()
	}
	return nil
}

// Assignment implements [projector.Session].
func (l *paper) Assignment() (string, []projector.Partition) {
	return "paper", []projector.Partition{lone}
}

// Bounds implements [projector.Session].
func (l *paper) Bounds(context.Context, []projector.Partition) (map[projector.Partition]projector.Bounds, error) {
	return map[projector.Partition]projector.Bounds{lone: {End: l.end()}}, nil
}

// Home implements [projector.Session].
func (l *paper) Home(string, []byte) (int32, bool) { return 0, false }

// Hint implements [projector.Session].
func (l *paper) Hint(context.Context, map[projector.Partition]int64) error { return nil }

// Peek implements [projector.Session].
func (l *paper) Peek(context.Context, projector.Partition, int64, int) (projector.Fetched, error) {
	return projector.Fetched{}, errors.New("there is nothing to be careful about")
}

// Open implements [projector.Session].
func (l *paper) Open(_ context.Context, from map[projector.Partition]int64) projector.Feed {
	return &paperFeed{l, maps.Clone(from)}
}

type paperFeed struct {
	*paper
	next map[projector.Partition]int64
}

// Next implements [projector.Feed].
func (f *paperFeed) Next(ctx context.Context) (projector.Fetched, error) {
	records, err := f.from(f.next[lone])
	if err != nil {
		return projector.Fetched{}, err
	}
	if len(records) == 0 {
		<-ctx.Done()
		return projector.Fetched{}, ctx.Err()
	}
	f.next[lone] += int64(len(records))
	return projector.Fetched{Records: records, Next: map[projector.Partition]int64{lone: f.next[lone]}, AtEnd: true}, nil
}

// owner projects the log into a database until it is stopped.
func (l *paper) owner(p *platform, name string) (fenced func() int, stop func()) {
	p.t.Helper()
	store, err := readmodel.OpenStore(p.t.Context(), readmodel.Config{URL: p.db, Name: "waybill consumer"})
	if err != nil {
		p.t.Fatal(err)
	}
	reg := prometheus.NewRegistry()
	cfg := projector.Config{Owner: name, Workers: 1, Metrics: projector.NewMetrics(reg)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- projector.New(l, store, cfg, p.log).Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			p.t.Errorf("%s: %v", name, err)
		}
		store.Close()
	})
	p.t.Cleanup(stop)
	return func() int { return counted(p.t, reg, "waybill_projector_fenced_total") }, stop
}

// counted reads a counter.
func counted(t testing.TB, reg *prometheus.Registry, name string) int {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == name {
			return int(family.GetMetric()[0].GetCounter().GetValue())
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}

// Two projectors own the same partition, and each takes it from the other
// whenever it is refused. What they write together is what one would have.
func TestTwoOwnersOfAPartitionWriteWhatOneWould(t *testing.T) {
	t.Parallel()
	l := newPaper(t, 12)
	contested := newPlatformOn(t, nil, defaultTopics(), stacktest.Postgres(t))
	contested.log = discard()
	firstFenced, stopFirst := l.owner(contested, "first")
	secondFenced, stopSecond := l.owner(contested, "second")
	began := time.Now()
	must(t, fmt.Sprintf("owners were refused %d times", *windows), func() bool {
		return firstFenced()+secondFenced() >= *windows
	})
	l.close()
	stopFirst()
	contested.holds(l)
	first, second, took := firstFenced(), secondFenced(), time.Since(began)
	stopSecond()

	calm := newPlatformOn(t, nil, defaultTopics(), stacktest.Postgres(t))
	_, stop := l.owner(calm, "only")
	calm.holds(l)
	stop()
	want := calm.rows()
	same(t, want, contested.rows())
	for who, n := range map[string]int{"first": first, "second": second} {
		if n == 0 {
			t.Errorf("the %s owner was never refused", who)
		}
	}
	t.Logf("%d records; refused %d and %d times within %v; %s", l.end(), first, second, took.Round(time.Millisecond), summary(want))
}

// holds waits until the whole log is in the read model.
func (p *platform) holds(l *paper) {
	p.t.Helper()
	must(p.t, "the log is in the read model", func() bool { return p.position(lone.Topic) == l.end() })
}
