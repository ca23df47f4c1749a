package projector_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-io/waybill/internal/projector"
)

// outbox keeps dead letters of one partition in memory, three to a portion.
type outbox struct {
	mu      sync.Mutex
	kept    []projector.DeadLetter
	since   []time.Time
	marked  int
	markErr error // what remembering answers
}

func (o *outbox) keep(offsets ...int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, offset := range offsets {
		o.kept = append(o.kept, projector.DeadLetter{Poison: projector.Poison{Record: projector.Record{Partition: part0, Offset: offset}}})
		o.since = append(o.since, time.Now())
	}
}

func (o *outbox) Send(ctx context.Context, publish func(context.Context, []projector.DeadLetter) error) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	portion := o.kept[o.marked:min(len(o.kept), o.marked+3)]
	if len(portion) == 0 {
		return 0, nil
	}
	if err := publish(ctx, portion); err != nil {
		return 0, err
	}
	if o.markErr != nil {
		return 0, o.markErr
	}
	o.marked += len(portion)
	return len(portion), nil
}

func (o *outbox) Backlog(context.Context) (int, time.Duration, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.marked == len(o.kept) {
		return 0, 0, nil
	}
	return len(o.kept) - o.marked, time.Since(o.since[o.marked]), nil
}

// dlq takes copies, or answers with an error.
type dlq struct {
	mu   sync.Mutex
	got  []int64
	err  error
	hang atomic.Bool // until the call's time is over
}

func (d *dlq) Publish(ctx context.Context, letters []projector.DeadLetter) error {
	if d.hang.Load() {
		<-ctx.Done() // with no lock held: time stands still for whoever waits for one
		return ctx.Err()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err != nil {
		return d.err
	}
	for _, l := range letters {
		d.got = append(d.got, l.Offset)
	}
	return nil
}

func (d *dlq) answer(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err = err
}

func (d *dlq) copies() []int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.got)
}

// relayRig runs a relay in a bubble of virtual time.
type relayRig struct {
	outbox *outbox
	dlq    *dlq
	ready  ready
	reg    *prometheus.Registry
}

// ready is the last that Ready was told.
type ready struct {
	mu   sync.Mutex
	told string
}

func (r *ready) set(ok bool, detail string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told = "-" + detail
	if ok {
		r.told = "+" + detail
	}
}

func (r *ready) last() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.told
}

func relayed(t *testing.T, then func(t *testing.T, r *relayRig)) {
	t.Helper()
	in(t, func(t *testing.T) {
		r := &relayRig{outbox: &outbox{}, dlq: &dlq{}, reg: prometheus.NewRegistry()}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		relay := projector.NewRelay(r.outbox, r.dlq, projector.RelayConfig{Ready: r.ready.set, Metrics: r.reg}, slog.New(slog.DiscardHandler))
		go func() { done <- relay.Run(ctx) }()
		synctest.Wait()
		then(t, r)
		stop()
		if err := <-done; err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
	})
}

func (r *relayRig) gauge(t *testing.T, name string) float64 {
	t.Helper()
	families, err := r.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

func TestCopiesArePublishedInOrderAndSoon(t *testing.T) {
	relayed(t, func(t *testing.T, r *relayRig) {
		if r.ready.last() != "+0 copies to publish" {
			t.Errorf("ready = %q before there is anything to publish", r.ready.last())
		}
		r.outbox.keep(1, 4, 5, 7, 8, 9, 12)
		time.Sleep(1100 * time.Millisecond) // virtual
		if diff := cmp.Diff([]int64{1, 4, 5, 7, 8, 9, 12}, r.dlq.copies()); diff != "" {
			t.Errorf("copies after a second (-want +got):\n%s", diff)
		}
	})
}

func TestCopiesThatCannotBePublishedAreTriedUntilTheyAre(t *testing.T) {
	relayed(t, func(t *testing.T, r *relayRig) {
		r.dlq.answer(errors.New("topic missing"))
		r.outbox.keep(1, 2)
		time.Sleep(20 * time.Second) // virtual
		if !strings.HasPrefix(r.ready.last(), "+2") {
			t.Errorf("ready = %q within the patience", r.ready.last())
		}
		time.Sleep(20 * time.Second)
		if got := r.ready.last(); !strings.HasPrefix(got, "-2 dead letters are unpublished") || !strings.Contains(got, "topic missing") {
			t.Errorf("ready = %q, want that two are late, and why", got)
		}
		if got := r.gauge(t, "waybill_dead_letters_unpublished"); got != 2 {
			t.Errorf("unpublished = %v, want 2", got)
		}
		if got := r.gauge(t, "waybill_dead_letters_oldest_unpublished_seconds"); got < 30 {
			t.Errorf("the oldest waits %v s, want more than the patience", got)
		}
		r.dlq.answer(nil)
		time.Sleep(10 * time.Second)
		if diff := cmp.Diff([]int64{1, 2}, r.dlq.copies()); diff != "" {
			t.Errorf("copies (-want +got):\n%s", diff)
		}
		if got := r.ready.last(); got != "+0 copies to publish" {
			t.Errorf("ready = %q after all were published", got)
		}
	})
}

func TestLettersOfOldAreNoAlarmWhenTheRelayBegins(t *testing.T) {
	in(t, func(t *testing.T) {
		o, d, told := &outbox{}, &dlq{err: errors.New("denied")}, &ready{}
		o.keep(1)
		time.Sleep(time.Hour) // virtual: nobody ran
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		done := make(chan error, 1)
		relay := projector.NewRelay(o, d, projector.RelayConfig{Ready: told.set}, slog.New(slog.DiscardHandler))
		go func() { done <- relay.Run(ctx) }()
		synctest.Wait()
		if !strings.HasPrefix(told.last(), "+1") {
			t.Errorf("ready = %q at once", told.last())
		}
		time.Sleep(40 * time.Second)
		if !strings.HasPrefix(told.last(), "-1") {
			t.Errorf("ready = %q after 40 s", told.last())
		}
		stop()
		<-done
	})
}

func TestATopicThatHangsIsGivenUpAndTriedAgain(t *testing.T) {
	relayed(t, func(t *testing.T, r *relayRig) {
		r.dlq.hang.Store(true)
		r.outbox.keep(1)
		time.Sleep(12 * time.Second) // virtual: past the timeout of a call
		r.dlq.hang.Store(false)
		time.Sleep(20 * time.Second)
		if diff := cmp.Diff([]int64{1}, r.dlq.copies()); diff != "" {
			t.Errorf("copies (-want +got):\n%s", diff)
		}
	})
}
