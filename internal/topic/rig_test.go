package topic_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/devstack/stacktest"
	"github.com/waybill-io/waybill/internal/projector"
	"github.com/waybill-io/waybill/internal/topic"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// limit is how long a test waits for what must happen.
const limit = 30 * time.Second

// rig is two topics and a group of the test's own.
type rig struct {
	t       testing.TB
	brokers []string
	names   topic.Names
	group   string
}

// newRig has topics on the brokers that the environment names, or on kfake.
func newRig(t testing.TB, partitions int32) *rig {
	t.Helper()
	return rigOn(t, stacktest.Broker(t), partitions)
}

func rigOn(t testing.TB, brokers []string, partitions int32) *rig {
	t.Helper()
	return &rig{
		t: t, brokers: brokers,
		names: topic.Names{
			Orders:    stacktest.Topic(t, brokers, partitions),
			Shipments: stacktest.Topic(t, brokers, partitions),
		},
		group: freshName(),
	}
}

func freshName() string { return "waybill.test." + strings.ToLower(rand.Text()[:13]) }

// closedPort is an address where nobody listens.
func closedPort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// publisher returns one that is closed when the test ends.
func (r *rig) publisher(edit ...func(*topic.PublisherConfig)) *topic.Publisher {
	r.t.Helper()
	cfg := topic.PublisherConfig{Brokers: r.brokers, Topics: r.names, Log: logTo(r.t)}
	for _, e := range edit {
		e(&cfg)
	}
	p, err := topic.NewPublisher(cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		if err := p.Close(); err != nil {
			r.t.Error(err)
		}
	})
	return p
}

// publish writes events and fails the test when that fails.
func (r *rig) publish(list ...events.Event) {
	r.t.Helper()
	if err := r.publisher().Publish(r.t.Context(), list); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) source(edit ...func(*topic.SourceConfig)) *topic.Source {
	r.t.Helper()
	cfg := topic.SourceConfig{Brokers: r.brokers, Topics: r.names, Group: r.group, Log: logTo(r.t)}
	for _, e := range edit {
		e(&cfg)
	}
	s, err := topic.NewSource(cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

// run runs a source until the test is over or stop is called, and fails the test
// when it ends with an error.
func (r *rig) run(s *topic.Source, serve func(context.Context, projector.Session) error) (stop func()) {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, serve) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			r.t.Errorf("Run: %v", err)
		}
	})
	r.t.Cleanup(stop)
	return stop
}

// session runs a source and returns its first session, which lasts until the
// test is over.
func (r *rig) session(edit ...func(*topic.SourceConfig)) (context.Context, projector.Session) {
	r.t.Helper()
	type given struct {
		ctx context.Context
		s   projector.Session
	}
	got := make(chan given, 1)
	r.run(r.source(edit...), func(ctx context.Context, s projector.Session) error {
		select {
		case got <- given{ctx, s}:
		default:
		}
		<-ctx.Done()
		return nil
	})
	select {
	case g := <-got:
		return g.ctx, g.s
	case <-time.After(limit):
		r.t.Fatalf("no generation after %v", limit)
		return nil, nil
	}
}

// fromStart is position 0 in all partitions of the session.
func fromStart(s projector.Session) map[projector.Partition]int64 {
	_, parts := s.Assignment()
	from := map[projector.Partition]int64{}
	for _, p := range parts {
		from[p] = 0
	}
	return from
}

// read takes from the feed until it has n records and the feed says that there
// are no more.
func read(t testing.TB, f projector.Feed, n int) []projector.Record {
	t.Helper()
	got, err := tryRead(t.Context(), f, n)
	if err != nil {
		t.Fatalf("after %d of %d records: %v", len(got), n, err)
	}
	if len(got) != n {
		t.Fatalf("%d records, want %d", len(got), n)
	}
	return got
}

func tryRead(ctx context.Context, f projector.Feed, n int) ([]projector.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var got []projector.Record
	for atEnd := false; len(got) < n || !atEnd; {
		part, err := f.Next(ctx)
		if err != nil {
			return got, err
		}
		got, atEnd = append(got, part.Records...), part.AtEnd
	}
	return got, nil
}

// eventually waits until check has nothing to say.
func eventually(t testing.TB, within time.Duration, check func() error) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(within); ; <-tick.C {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %v: %v", within, err)
		}
	}
}

// base is when the first event happened: longer ago than brokers keep records.
var base = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

// orders returns n events, one after the other about keys orders.
func orders(n, keys int) []events.Event {
	list := make([]events.Event, n)
	for i := range list {
		id := events.OrderID(fmt.Sprintf("o-%d", i%keys))
		list[i] = events.New("acme", "test", events.EventID(fmt.Sprintf("e-%d", i)), string(id),
			&events.OrderConfirmed{OrderFact: events.OrderFact{
				Fact: events.Fact{OccurredAt: base.Add(time.Duration(i) * time.Second)}, OrderID: id,
			}})
		list[i].IngestedAt = base.Add(time.Duration(i) * time.Millisecond)
	}
	return list
}

// shipment returns an event for the shipments' topic.
func shipment(id string) events.Event {
	e := events.New("acme", "test", events.EventID("e-"+id), id, &events.DeliveryAttempted{
		ShipmentFact: events.ShipmentFact{Fact: events.Fact{OccurredAt: base}, ShipmentID: events.ShipmentID(id)},
		ReasonCode:   "nobody_home",
	})
	e.IngestedAt = base
	return e
}

// messages encodes events as they should come back.
func messages(t testing.TB, list ...events.Event) []events.Message {
	t.Helper()
	out := make([]events.Message, len(list))
	for i, e := range list {
		m, err := events.Encode(e)
		if err != nil {
			t.Fatal(err)
		}
		out[i] = m
	}
	return out
}

func messagesOf(records []projector.Record) []events.Message {
	out := make([]events.Message, len(records))
	for i, r := range records {
		out[i] = r.Message
	}
	return out
}

// byKey sorts messages by key, and leaves those of one key in their order.
func byKey(list []events.Message) []events.Message {
	slices.SortStableFunc(list, func(a, b events.Message) int { return strings.Compare(string(a.Key), string(b.Key)) })
	return list
}

// otherTime leaves a record's time out: it is when it was published.
func otherTime() cmp.Option { return cmpopts.IgnoreFields(events.Message{}, "Time") }

// ids returns what the events of the records are called.
func ids(t testing.TB, records []projector.Record) []string {
	t.Helper()
	out := make([]string, len(records))
	for i, r := range records {
		for _, h := range r.Headers {
			if h.Key == "ce_id" {
				out[i] = string(h.Value)
			}
		}
	}
	return out
}

var errNotYet = errors.New("not yet")

// logTo shows a test's log lines when it fails.
func logTo(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}
