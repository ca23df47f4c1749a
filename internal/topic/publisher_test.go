package topic_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/devstack"
	"github.com/waybill-io/waybill/internal/devstack/stacktest"
	"github.com/waybill-io/waybill/internal/projector"
	"github.com/waybill-io/waybill/internal/topic"
)

// bend returns a rig on a broker whose answers the test may bend.
func bend(t testing.TB, partitions int32) (*rig, *kfake.Cluster) {
	t.Helper()
	b := stacktest.Embedded(t, devstack.BrokerConfig{})
	return rigOn(t, b.Brokers(), partitions), b.Cluster()
}

// faulty makes produce requests fail with err, count times or, with -1, always.
func faulty(c *kfake.Cluster, err *kerr.Error, count int, partitions ...int32) *kfake.FaultHandle {
	return c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: err, Count: count, Partitions: partitions})
}

func TestEveryWriteAsksForAllAcknowledgements(t *testing.T) {
	t.Parallel()
	r, c := bend(t, 3)
	var requests, weak atomic.Int32
	c.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		requests.Add(1)
		if req.(*kmsg.ProduceRequest).Acks != -1 {
			weak.Add(1)
		}
		return nil, nil, false
	})
	r.publish(orders(100, 20)...)
	if requests.Load() == 0 || weak.Load() != 0 {
		t.Errorf("%d of %d requests ask for less than all", weak.Load(), requests.Load())
	}
}

func TestAPublisherSurvivesErrorsOfBrokers(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]*kerr.Error{
		"the leader has moved":              kerr.NotLeaderForPartition,
		"the leader is not known":           kerr.LeaderNotAvailable,
		"too few replicas, not written":     kerr.NotEnoughReplicas,
		"too few replicas, yet written":     kerr.NotEnoughReplicasAfterAppend,
		"the answer comes late, yet it did": kerr.RequestTimedOut,
		"an error without a name":           kerr.UnknownServerError,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, c := bend(t, 2)
			sent := orders(300, 50)
			faulty(c, err, 11)
			r.publish(sent...)
			rd := newReader(t)
			r.run(r.source(), rd.serve)
			rd.has(limit, idSet(sent))
		})
	}
}

func TestAPublisherSurvivesBrokenConnections(t *testing.T) {
	t.Parallel()
	r, c := bend(t, 2)
	var broken atomic.Int32
	c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		if broken.Add(1) > 12 {
			return nil, nil, false
		}
		c.KeepControl()
		return nil, errors.New("cut"), true
	})
	sent := orders(200, 50)
	r.publish(sent...)
	rd := newReader(t)
	r.run(r.source(), rd.serve)
	rd.has(limit, idSet(sent))
	if broken.Load() <= 12 {
		t.Errorf("only %d requests", broken.Load())
	}
}

func TestOnlyWhatIsNotAcknowledgedIsWrittenAgain(t *testing.T) {
	t.Parallel()
	r, c := bend(t, 2)
	sent := orders(200, 50)
	faulty(c, kerr.NotLeaderForPartition, 9, 0) // more than the writer's own tries
	r.publish(sent...)
	ctx, s := r.session()
	if got := ids(t, read(t, s.Open(ctx, fromStart(s)), len(sent))); len(got) != len(idsOf(got)) {
		t.Errorf("%d records of %d events", len(got), len(idsOf(got)))
	}
}

func TestARepeatedWriteHasTheSameTime(t *testing.T) {
	t.Parallel()
	r, c := bend(t, 1)
	e := orders(1, 1)
	faulty(c, kerr.RequestTimedOut, 2) // written, but not acknowledged
	before := time.Now().Truncate(time.Millisecond)
	r.publish(e...)
	ctx, s := r.session()
	got := read(t, s.Open(ctx, fromStart(s)), 3)
	for _, rec := range got {
		if !rec.Time.Equal(got[0].Time) || rec.Time.Before(before) {
			t.Errorf("times are %v and %v, began at %v", got[0].Time, rec.Time, before)
		}
	}
}

func TestWhatIsUnknownAtTheDeadlineIsCounted(t *testing.T) {
	t.Parallel()
	r, c := bend(t, 2)
	sent := orders(100, 40)
	inZero := 0
	for _, m := range messages(t, sent...) {
		if topic.PartitionFor(m.Key, 2) == 0 {
			inZero++
		}
	}
	faulty(c, kerr.RequestTimedOut, -1, 0)
	ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
	defer cancel()
	err := r.publisher().Publish(ctx, sent)

	var got *topic.PublishError
	if !errors.As(err, &got) || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("Publish = %v", err)
	}
	want := topic.PublishError{Acked: len(sent) - inZero, Unknown: inZero}
	if got.Acked != want.Acked || got.Unknown != want.Unknown || got.Unsent != 0 {
		t.Errorf("Publish = %v, want %d acknowledged, %d unknown", err, want.Acked, want.Unknown)
	}
	if n := strings.Count(err.Error(), "\n"); n > 1 {
		t.Errorf("the error has %d lines:\n%v", n+1, err)
	}
}

func TestWhatNeverReachedABrokerIsUnsent(t *testing.T) {
	t.Parallel()
	p, err := topic.NewPublisher(topic.PublisherConfig{Brokers: []string{closedPort(t)}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close() }()
	// What a call is busy with when its time is up counts as unknown, so the one
	// time that is up in mid-dial, on a machine with much to do, says nothing.
	eventually(t, limit, func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		var got *topic.PublishError
		err := p.Publish(ctx, orders(7, 2))
		if !errors.As(err, &got) || got.Acked != 0 || got.Unknown+got.Unsent != 7 || got.Unsent == 0 {
			return fmt.Errorf("Publish = %w, want 7 unsent", err)
		}
		return nil
	})
}

func TestARefusalForGoodIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	r, c := bend(t, 1)
	h := faulty(c, kerr.TopicAuthorizationFailed, -1)
	began := time.Now()
	err := r.publisher().Publish(t.Context(), orders(5, 1)) // without a deadline
	var got *topic.PublishError
	if !errors.As(err, &got) || got.Acked != 0 {
		t.Errorf("Publish = %v", err)
	}
	if !strings.Contains(fmt.Sprint(err), "5 of 5 writes") {
		t.Errorf("the error does not count its causes: %v", err)
	}
	if h.Hits() != 1 || time.Since(began) > limit/2 {
		t.Errorf("%d tries in %v", h.Hits(), time.Since(began))
	}
}

func TestAnEventThatCannotBeEncodedKeepsTheCallFromWriting(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	list := orders(3, 1)
	list[1].Tenant = ""
	err := r.publisher().Publish(t.Context(), list)
	var got *topic.PublishError
	var why *events.Error
	if !errors.As(err, &got) || !errors.As(err, &why) || got.Unsent != 3 {
		t.Errorf("Publish = %v", err)
	}
	_, s := r.session()
	_, parts := s.Assignment()
	bounds, err := s.Bounds(t.Context(), parts)
	if err != nil {
		t.Fatal(err)
	}
	for p, b := range bounds {
		if b.End != 0 {
			t.Errorf("%s: %d records", p, b.End)
		}
	}
}

func TestCloseFlushesWhatWasHandedOver(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	p := r.publisher(func(c *topic.PublisherConfig) { c.BatchSize, c.Linger = 2, time.Hour })
	if err := p.Publish(t.Context(), orders(2, 1)); err != nil { // a full batch waits for no linger
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	var got *topic.PublishError
	if err := p.Publish(ctx, orders(1, 1)); !errors.As(err, &got) || got.Unknown != 1 {
		t.Fatalf("Publish = %v, want it unknown", err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	_, s := r.session()
	of := projector.Partition{Topic: r.names.Orders}
	bounds, err := s.Bounds(t.Context(), []projector.Partition{of})
	if err != nil || bounds[of].End != 3 {
		t.Errorf("the log ends at %d (%v), want 3", bounds[of].End, err)
	}
	if err := p.Publish(t.Context(), orders(1, 1)); !errors.Is(err, topic.ErrClosed) {
		t.Errorf("Publish after Close = %v, want %v", err, topic.ErrClosed)
	}
}

func TestBytesThatWaitAreBounded(t *testing.T) {
	t.Parallel()
	r, c := bend(t, 1)
	h := faulty(c, kerr.NotLeaderForPartition, -1)
	p := r.publisher(func(c *topic.PublisherConfig) { c.MaxPending = 100 })
	first, cancelFirst := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Publish(first, orders(5, 1)) }() // more than there is room: alone
	eventually(t, limit, func() error {
		if h.Hits() == 0 {
			return errNotYet
		}
		return nil
	})
	second, cancelSecond := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancelSecond()
	var got *topic.PublishError
	if err := p.Publish(second, orders(2, 1)); !errors.As(err, &got) || got.Unsent != 2 || !strings.Contains(err.Error(), "wait for room") {
		t.Errorf("second Publish = %v", err)
	}
	cancelFirst()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("first Publish = %v", err)
	}
	h.Remove()
	if err := p.Publish(t.Context(), orders(2, 1)); err != nil {
		t.Errorf("third Publish = %v", err)
	}
}

func TestPublishersCallsMayOverlap(t *testing.T) {
	t.Parallel()
	r := newRig(t, 4)
	p := r.publisher()
	sent := orders(400, 40)
	done := make(chan error)
	for i := range 20 {
		go func() { done <- p.Publish(t.Context(), sent[i*20:(i+1)*20]) }()
	}
	for range 20 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	ctx, s := r.session()
	got := read(t, s.Open(ctx, fromStart(s)), len(sent))
	if diff := cmp.Diff(idSet(sent), idsOf(ids(t, got))); diff != "" {
		t.Errorf("ids (-want +got):\n%s", diff)
	}
}

func TestConfigurationsAreChecked(t *testing.T) {
	t.Parallel()
	if _, err := topic.NewPublisher(topic.PublisherConfig{Linger: -1}); err == nil ||
		!strings.Contains(err.Error(), "Brokers") || !strings.Contains(err.Error(), "Linger") {
		t.Errorf("NewPublisher = %v, want both problems", err)
	}
	if _, err := topic.NewSource(topic.SourceConfig{Brokers: []string{"localhost:1"}}); err == nil ||
		!strings.Contains(err.Error(), "Group") {
		t.Errorf("NewSource = %v", err)
	}
}

func idSet(list []events.Event) map[string]bool {
	set := map[string]bool{}
	for _, e := range list {
		set[string(e.ID)] = true
	}
	return set
}

func idsOf(list []string) map[string]bool {
	set := map[string]bool{}
	for _, id := range list {
		set[id] = true
	}
	return set
}
