package projector_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/projector"
)

// broker is a log in memory, and the source and the session that read it.
type broker struct {
	cluster string
	portion int // records per fetch

	mu     sync.Mutex
	bounds map[projector.Partition]projector.Bounds
	logs   map[projector.Partition][]projector.Record
	news   chan struct{} // closed and replaced when something is appended
	joins  int

	home    int32 // of all keys, when homed
	homed   bool
	corrupt map[projector.Partition]int64 // offsets that cannot be read
	opened  func()                        // called before a feed is opened
}

func newBroker(parts ...projector.Partition) *broker {
	b := &broker{
		cluster: "c1", portion: 3, news: make(chan struct{}),
		bounds: map[projector.Partition]projector.Bounds{}, logs: map[projector.Partition][]projector.Record{},
	}
	for _, part := range parts {
		b.bounds[part] = projector.Bounds{}
	}
	return b
}

func (b *broker) append(part projector.Partition, messages ...events.Message) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range messages {
		bounds := b.bounds[part]
		b.logs[part] = append(b.logs[part], projector.Record{Partition: part, Offset: bounds.End, Message: m})
		bounds.End++
		b.bounds[part] = bounds
	}
	close(b.news)
	b.news = make(chan struct{})
}

// cut removes the log below an offset, as retention does.
func (b *broker) cut(part projector.Partition, start int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	bounds := b.bounds[part]
	bounds.Start = start
	b.bounds[part] = bounds
}

func (b *broker) Run(ctx context.Context, serve func(context.Context, projector.Session) error) error {
	for ctx.Err() == nil {
		b.mu.Lock()
		b.joins++
		b.mu.Unlock()
		if err := serve(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

func (b *broker) Assignment() (string, []projector.Partition) {
	b.mu.Lock()
	defer b.mu.Unlock()
	parts := make([]projector.Partition, 0, len(b.bounds))
	for part := range b.bounds {
		parts = append(parts, part)
	}
	slices.SortFunc(parts, func(x, y projector.Partition) int { return int(x.ID - y.ID) })
	return b.cluster, parts
}

func (b *broker) Bounds(context.Context, []projector.Partition) (map[projector.Partition]projector.Bounds, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.bounds), nil
}

func (b *broker) Peek(_ context.Context, part projector.Partition, at int64, _ int) (projector.Fetched, error) {
	f := &feed{broker: b, next: map[projector.Partition]int64{part: at}}
	got, _, err := f.fetch()
	delete(got.Next, part)
	if n := len(got.Records); n > 0 {
		got.Next[part] = got.Records[n-1].Offset + 1
	}
	return got, err
}

func (b *broker) Open(_ context.Context, from map[projector.Partition]int64) projector.Feed {
	if b.opened != nil {
		b.opened()
	}
	return &feed{broker: b, next: from}
}

func (b *broker) Home(string, []byte) (int32, bool) { return b.home, b.homed }

func (b *broker) Hint(context.Context, map[projector.Partition]int64) error {
	return errors.New("hints are not taken here")
}

type feed struct {
	*broker
	next map[projector.Partition]int64
}

func (f *feed) Next(ctx context.Context) (projector.Fetched, error) {
	for {
		got, news, err := f.fetch()
		if err != nil || len(got.Next) > 0 {
			return got, err
		}
		select {
		case <-ctx.Done():
			return projector.Fetched{}, ctx.Err()
		case <-news:
		}
	}
}

func (f *feed) fetch() (projector.Fetched, chan struct{}, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	got := projector.Fetched{Next: map[projector.Partition]int64{}, AtEnd: true}
	for part, next := range f.next {
		bounds := f.bounds[part]
		if next < bounds.Start {
			return got, nil, &projector.OutOfRangeError{Partition: part, Position: next, Bounds: bounds}
		}
		if at, ok := f.corrupt[part]; ok && next == at {
			return got, nil, &projector.CorruptError{Partition: part, Offset: at, Err: errors.New("bad checksum")}
		}
		for _, r := range f.logs[part] {
			if at, ok := f.corrupt[part]; ok && next <= at && r.Offset >= at {
				break
			}
			if r.Offset < next || len(got.Records) == f.portion {
				continue
			}
			got.Records = append(got.Records, r)
			got.Next[part] = r.Offset + 1
		}
	}
	maps.Copy(f.next, got.Next)
	for part, next := range f.next {
		got.AtEnd = got.AtEnd && next == f.bounds[part].End
	}
	return got, f.news, nil
}

// memory is a store in memory that keeps positions as strictly as the real one.
type memory struct {
	mu      sync.Mutex
	claims  map[projector.Partition]projector.Claim
	applied []string // ids in the order in which they took effect
	poison  []projector.Poison
	batches []projector.Batch

	hang   int                         // so many batches are never answered
	before func(projector.Batch) error // may refuse a batch before it is applied
	after  func(projector.Batch) error // may lose the answer of one that was
}

func newMemory() *memory { return &memory{claims: map[projector.Partition]projector.Claim{}} }

func (m *memory) Claim(_ context.Context, _, cluster string, parts []projector.Partition) (map[projector.Partition]projector.Claim, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	claims := map[projector.Partition]projector.Claim{}
	for _, part := range parts {
		c, ok := m.claims[part]
		if !ok {
			c = projector.Claim{Cluster: cluster, LastSeen: -1}
		}
		c.Epoch++
		m.claims[part], claims[part] = c, c
	}
	return claims, nil
}

func (m *memory) Positions(_ context.Context, parts []projector.Partition) (map[projector.Partition]projector.Claim, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	claims := map[projector.Partition]projector.Claim{}
	for _, part := range parts {
		claims[part] = m.claims[part]
	}
	return claims, nil
}

func (m *memory) Apply(ctx context.Context, b projector.Batch) (projector.Applied, error) {
	if m.hang > 0 {
		m.hang--
		<-ctx.Done()
		return projector.Applied{}, ctx.Err()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.before != nil {
		if err := m.before(b); err != nil {
			return projector.Applied{}, err
		}
	}
	for _, a := range b.Advances {
		if c := m.claims[a.Partition]; c.Epoch != a.Epoch || c.Next != a.From {
			return projector.Applied{}, projector.ErrFenced
		}
	}
	for _, a := range b.Advances {
		c := m.claims[a.Partition]
		c.Next, c.LastSeen, c.LastHash = a.To, a.LastSeen, a.LastHash
		m.claims[a.Partition] = c
	}
	for _, e := range b.Events {
		m.applied = append(m.applied, string(e.ID))
	}
	m.poison = append(m.poison, b.Poison...)
	m.batches = append(m.batches, b)
	if m.after != nil {
		return projector.Applied{}, m.after(b)
	}
	return projector.Applied{New: len(b.Events)}, nil
}

func (m *memory) ids() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.applied)
}

// temporary is an error that passes.
type temporary string

func (e temporary) Error() string   { return string(e) }
func (e temporary) Temporary() bool { return true }

var part0 = projector.Partition{Topic: events.OrdersTopic}

// confirmed makes n good messages with ids from..from+n-1.
func confirmed(t testing.TB, from, n int) []events.Message {
	t.Helper()
	messages := make([]events.Message, n)
	for i := range messages {
		e := events.New("t", "urn:test", events.EventID(fmt.Sprintf("e%04d", from+i)), "o-1", &events.OrderConfirmed{
			OrderFact: events.OrderFact{OrderID: "o-1", Fact: events.Fact{OccurredAt: time.Date(2026, 1, 1, 0, from+i, 0, 0, time.UTC)}},
		})
		m, err := events.Encode(e)
		if err != nil {
			t.Fatalf("Encode: %v", err)
		}
		messages[i] = m
	}
	return messages
}

func wantIDs(from, n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("e%04d", from+i)
	}
	return ids
}
