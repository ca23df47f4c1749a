package readmodel_test

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/projector"
	"github.com/waybill-io/waybill/internal/readmodel"
)

// tape is a log in memory of some partitions of each topic, and the source and the
// session that read it.
type tape struct {
	portion int // records per fetch

	mu    sync.Mutex
	logs  map[projector.Partition][]projector.Record
	news  chan struct{} // closed and replaced when something is appended
	joins int
}

func newTape(partitions int32) *tape {
	p := &tape{portion: 7, logs: map[projector.Partition][]projector.Record{}, news: make(chan struct{})}
	for _, topic := range []string{events.OrdersTopic, events.ShipmentsTopic} {
		for id := range partitions {
			p.logs[projector.Partition{Topic: topic, ID: id}] = nil
		}
	}
	return p
}

// append writes messages of a topic where their keys belong, and returns where that
// is.
func (p *tape) append(topic string, messages ...events.Message) []readmodel.Place {
	p.mu.Lock()
	defer p.mu.Unlock()
	var at []readmodel.Place
	for _, m := range messages {
		h := fnv.New32a()
		_, _ = h.Write(m.Key)
		part := projector.Partition{Topic: topic, ID: int32(h.Sum32() % uint32(len(p.logs)/2))}
		r := projector.Record{Partition: part, Offset: int64(len(p.logs[part])), Message: m}
		p.logs[part] = append(p.logs[part], r)
		at = append(at, readmodel.Place{Partition: part, Offset: r.Offset})
	}
	close(p.news)
	p.news = make(chan struct{})
	return at
}

// tell writes events.
func (p *tape) tell(t testing.TB, evs ...events.Event) []readmodel.Place {
	t.Helper()
	var at []readmodel.Place
	for _, e := range evs {
		m, err := events.Encode(e)
		if err != nil {
			t.Fatalf("Encode(%s): %v", e.ID, err)
		}
		at = append(at, p.append(e.Stream().Topic(), m)...)
	}
	return at
}

// garble writes what cannot be read, under the key of an event.
func (p *tape) garble(t testing.TB, e events.Event) readmodel.Place {
	t.Helper()
	m, err := events.Encode(e)
	if err != nil {
		t.Fatalf("Encode(%s): %v", e.ID, err)
	}
	m.Value = []byte(garbage)
	return p.append(e.Stream().Topic(), m)[0]
}

// places lists all records but those that say again what an earlier one of their
// key says.
func (p *tape) places() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []string
	for part, log := range p.logs {
		said := map[string]bool{}
		for i, r := range log {
			id := string(r.Key) + "\n" + string(r.Value)
			for _, h := range r.Headers {
				if h.Key == "ce_id" || h.Key == "ce_source" {
					id += "\n" + string(h.Value)
				}
			}
			if string(r.Value) == garbage || !said[id] {
				all = append(all, fmt.Sprintf("%s/%d", part, i))
			}
			said[id] = true
		}
	}
	slices.Sort(all)
	return all
}

// records counts them.
func (p *tape) records() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, log := range p.logs {
		n += len(log)
	}
	return n
}

// garbage is what nobody can read.
const garbage = "{"

func (p *tape) Run(ctx context.Context, serve func(context.Context, projector.Session) error) error {
	for ctx.Err() == nil {
		p.mu.Lock()
		p.joins++
		p.mu.Unlock()
		if err := serve(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

func (p *tape) Assignment() (string, []projector.Partition) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return "cluster", slices.SortedFunc(maps.Keys(p.logs), func(a, b projector.Partition) int {
		return strings.Compare(a.String(), b.String())
	})
}

func (p *tape) Bounds(_ context.Context, parts []projector.Partition) (map[projector.Partition]projector.Bounds, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	bounds := map[projector.Partition]projector.Bounds{}
	for _, part := range parts {
		bounds[part] = projector.Bounds{End: int64(len(p.logs[part]))}
	}
	return bounds, nil
}

func (*tape) Peek(context.Context, projector.Partition, int64, int) (projector.Fetched, error) {
	return projector.Fetched{}, errors.New("nobody is careful here")
}

func (p *tape) Open(_ context.Context, from map[projector.Partition]int64) projector.Feed {
	return &tapeFeed{p, from}
}

func (*tape) Home(string, []byte) (int32, bool) { return 0, false }

func (*tape) Hint(context.Context, map[projector.Partition]int64) error { return nil }

type tapeFeed struct {
	*tape
	next map[projector.Partition]int64
}

func (f *tapeFeed) Next(ctx context.Context) (projector.Fetched, error) {
	for {
		got, news := f.fetch()
		if len(got.Next) > 0 {
			return got, nil
		}
		select {
		case <-ctx.Done():
			return got, ctx.Err()
		case <-news:
		}
	}
}

func (f *tapeFeed) fetch() (projector.Fetched, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	got := projector.Fetched{Next: map[projector.Partition]int64{}, AtEnd: true}
	for part, next := range f.next {
		end := min(int64(len(f.logs[part])), next+int64(f.portion))
		if next >= end {
			continue
		}
		got.Records = append(got.Records, f.logs[part][next:end]...)
		got.Next[part], f.next[part] = end, end
	}
	return got, f.news
}
