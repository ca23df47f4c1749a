package topic_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/waybill-io/waybill/internal/projector"
	"github.com/waybill-io/waybill/internal/topic"
)

// holder is a member that only notes what it holds.
type holder struct {
	name string
	mu   sync.Mutex
	held []projector.Partition
}

func (h *holder) serve(ctx context.Context, s projector.Session) error {
	_, parts := s.Assignment()
	h.set(parts)
	<-ctx.Done()
	h.set(nil)
	return nil
}

func (h *holder) set(parts []projector.Partition) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.held = parts
}

func (h *holder) parts() []projector.Partition {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.held
}

// holds says what is wrong when the holders do not share all partitions.
func holds(want int, all ...*holder) func() error {
	return func() error {
		owners := map[projector.Partition]string{}
		for _, h := range all {
			parts := h.parts()
			if len(parts) == 0 {
				return fmt.Errorf("%s has nothing", h.name)
			}
			for _, p := range parts {
				if other, taken := owners[p]; taken {
					return fmt.Errorf("%s and %s both have %s", other, h.name, p)
				}
				owners[p] = h.name
			}
		}
		if len(owners) != want {
			return fmt.Errorf("%d of %d partitions are held", len(owners), want)
		}
		return nil
	}
}

func TestMembersShareThePartitionsAndHandThemOver(t *testing.T) {
	t.Parallel()
	r := newRig(t, 4)
	one, two := &holder{name: "one"}, &holder{name: "two"}
	r.run(r.source(), one.serve)
	eventually(t, limit, holds(8, one))
	stop := r.run(r.source(), two.serve)
	eventually(t, limit, holds(8, one, two))
	stop()
	eventually(t, 5*time.Second, holds(8, one))
}

func TestAMemberWithoutPartitionsWaitsAndTakesOver(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	one, two := &holder{name: "one"}, &holder{name: "two"}
	stop := r.run(r.source(), one.serve)
	eventually(t, limit, holds(2, one))
	var calls atomic.Int32
	r.run(r.source(), func(ctx context.Context, s projector.Session) error {
		calls.Add(1)
		return two.serve(ctx, s)
	})
	eventually(t, limit, func() error { // it has joined, which the first was told
		if _, members := r.members(); members != 2 {
			return errNotYet
		}
		return nil
	})
	stop()
	eventually(t, limit, holds(2, two))
	if n := calls.Load(); n != 1 {
		t.Errorf("serve was called %d times, want once, with partitions", n)
	}
}

func TestServeIsNeverRunTwiceAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2)
	var running, calls atomic.Int32
	release := make(chan struct{})
	r.run(r.source(), func(ctx context.Context, s projector.Session) error {
		if n := running.Add(1); n != 1 {
			t.Errorf("serve runs %d times at once", n)
		}
		calls.Add(1)
		<-ctx.Done()
		if calls.Load() == 1 {
			<-release // a slow end
		}
		running.Add(-1)
		return nil
	})
	eventually(t, limit, func() error {
		if calls.Load() < 1 {
			return errNotYet
		}
		return nil
	})
	// The second member's join is not answered before the first has ended its
	// generation and rejoined.
	second := &holder{name: "second"}
	r.run(r.source(), second.serve)
	eventually(t, limit, func() error {
		if state, _ := r.members(); state != "PreparingRebalance" {
			return fmt.Errorf("the group is %s", state)
		}
		return nil
	})
	if len(second.parts()) != 0 || calls.Load() != 1 {
		t.Errorf("second holds %v, serve was called %d times", second.parts(), calls.Load())
	}
	close(release)
	eventually(t, limit, func() error {
		if calls.Load() < 2 || len(second.parts()) == 0 {
			return errNotYet
		}
		return nil
	})
}

func TestANilReturnRejoins(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	var calls atomic.Int32
	r.run(r.source(), func(ctx context.Context, s projector.Session) error {
		if calls.Add(1) < 3 {
			return nil
		}
		<-ctx.Done()
		return nil
	})
	eventually(t, limit, func() error {
		if calls.Load() < 3 {
			return errNotYet
		}
		return nil
	})
}

func TestTheErrorOfServeEndsRun(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	want := errors.New("no more")
	err := r.source().Run(t.Context(), func(context.Context, projector.Session) error { return want })
	if !errors.Is(err, want) {
		t.Errorf("Run = %v, want %v", err, want)
	}
}

func TestRunEndsWithinASecondWhileALongPollIsParked(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2)
	ctx, cancel := context.WithCancel(t.Context())
	parked, done := make(chan struct{}), make(chan error, 1)
	source := r.source(func(c *topic.SourceConfig) { c.MaxWait = 10 * time.Second })
	go func() {
		done <- source.Run(ctx, func(ctx context.Context, s projector.Session) error {
			f := s.Open(ctx, fromStart(s))
			close(parked)
			_, err := f.Next(ctx)
			return err
		})
	}()
	<-parked
	began := time.Now()
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
	case <-time.After(limit):
		t.Fatal("Run has not ended")
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("Run ended after %v", took)
	}
	// What is written now ends the poll that nobody waits for any more.
	r.publish(orders(10, 10)...)
}

func TestRunEndsWhileOthersAreWaitedFor(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	release, served := make(chan struct{}), make(chan struct{})
	var once sync.Once
	r.run(r.source(), func(ctx context.Context, s projector.Session) error {
		once.Do(func() { close(served) })
		<-ctx.Done()
		<-release
		return nil
	})
	<-served
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	second := r.source()
	go func() { done <- second.Run(ctx, (&holder{name: "second"}).serve) }()
	eventually(t, limit, func() error { // the second waits for the first to rejoin
		if state, _ := r.members(); state != "PreparingRebalance" {
			return fmt.Errorf("the group is %s", state)
		}
		return nil
	})
	began := time.Now()
	cancel()
	if err := <-done; err != nil || time.Since(began) > 2*time.Second {
		t.Errorf("Run = %v after %v", err, time.Since(began))
	}
	close(release)
}

func TestRunWaitsForTopicsThatDoNotExist(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	r.names = unusedNames(t, r.brokers)
	h := &holder{name: "early"}
	r.run(r.source(), h.serve)
	if err := topic.EnsureTopics(t.Context(), topic.TopicsConfig{Brokers: r.brokers, Topics: r.names, Partitions: 3}); err != nil {
		t.Fatal(err)
	}
	eventually(t, limit, holds(6, h))
}

// The broker that the group's leader asks may learn of a new topic later than
// others do.
func TestPartitionsThatWereNotKnownWhenTheGroupMetAreSharedOut(t *testing.T) {
	t.Parallel()
	r, c := bend(t, 2)
	// kafka-go asks for the partitions to share out in version 6, and for
	// everything else in a later one.
	c.ControlKey(int16(kmsg.Metadata), func(kreq kmsg.Request) (kmsg.Response, error, bool) {
		req := kreq.(*kmsg.MetadataRequest)
		if req.Version != 6 {
			return nil, nil, false
		}
		res := req.ResponseKind().(*kmsg.MetadataResponse)
		for _, rt := range req.Topics {
			mt := kmsg.NewMetadataResponseTopic()
			mt.Topic, mt.ErrorCode = rt.Topic, kerr.UnknownTopicOrPartition.Code
			res.Topics = append(res.Topics, mt)
		}
		return res, nil, true // once
	})
	h := &holder{name: "one"}
	r.run(r.source(), h.serve)
	eventually(t, limit, holds(4, h))
}

func TestNewPartitionsAreSharedOut(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	h := &holder{name: "one"}
	r.run(r.source(func(c *topic.SourceConfig) { c.StallTimeout = 2 * time.Second }), h.serve)
	eventually(t, limit, holds(2, h))
	r.addPartitions(r.names.Orders, 3)
	eventually(t, limit, holds(4, h))
}

// reader serves generations: it goes on from where it stands, as a read model
// does, and keeps what it has seen.
type reader struct {
	t        testing.TB
	mu       sync.Mutex
	next     map[projector.Partition]int64
	seen     []projector.Record
	sessions int
}

func newReader(t testing.TB) *reader { return &reader{t: t, next: map[projector.Partition]int64{}} }

func (r *reader) serve(ctx context.Context, s projector.Session) error {
	f := s.Open(ctx, r.positions(s))
	for {
		got, err := f.Next(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		r.take(got)
	}
}

func (r *reader) positions(s projector.Session) map[projector.Partition]int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sessions++
	from := fromStart(s)
	for p := range from {
		from[p] = r.next[p]
	}
	return from
}

func (r *reader) take(got projector.Fetched) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rec := range got.Records {
		if rec.Offset < r.next[rec.Partition] {
			r.t.Errorf("%s: offset %d came twice", rec.Partition, rec.Offset)
		}
		r.next[rec.Partition] = rec.Offset + 1
		r.seen = append(r.seen, rec)
	}
	maps.Copy(r.next, got.Next)
}

// has waits for the events with these ids, each at least once.
func (r *reader) has(within time.Duration, want map[string]bool) {
	r.t.Helper()
	eventually(r.t, within, func() error {
		r.mu.Lock()
		defer r.mu.Unlock()
		missing := maps.Clone(want)
		for _, id := range ids(r.t, r.seen) {
			delete(missing, id)
		}
		if len(missing) > 0 {
			return fmt.Errorf("%d of %d events are missing", len(missing), len(want))
		}
		return nil
	})
}
