package watch_test

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/waybill-io/waybill/events/watch"
)

// seen is what a handler was told, kept.
type seen struct {
	watch.View
	Rows map[string]watch.Row
}

// book keeps what a handler is told and holds the client to what it promises.
type book struct {
	t     *testing.T
	mu    sync.Mutex
	views []seen
	news  chan struct{}
}

func newBook(t *testing.T) *book { return &book{t: t, news: make(chan struct{}, 1)} }

func (b *book) handle(v watch.View) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := seen{v, maps.Collect(v.Rows())}
	if len(b.views) > 0 {
		b.compare(b.views[len(b.views)-1], now)
	}
	b.views = append(b.views, now)
	select {
	case b.news <- struct{}{}:
	default:
	}
}

// compare holds two calls in a row to each other.
func (b *book) compare(old, now seen) {
	if now.Len() != len(now.Rows) {
		b.t.Errorf("Len is %d with %d rows", now.Len(), len(now.Rows))
	}
	if old.Position.Epoch == now.Position.Epoch && now.Position.Seq < old.Position.Seq && now.Event != watch.Loaded {
		b.t.Errorf("%s: position goes from %d back to %d", now.Event, old.Position.Seq, now.Position.Seq)
	}
	if old.Position.Epoch != now.Position.Epoch && now.Event != watch.Loaded {
		b.t.Errorf("%s: epoch goes from %q to %q without Loaded", now.Event, old.Position.Epoch, now.Position.Epoch)
	}
	b.forward(old, now)
	want := maps.Clone(old.Rows)
	switch now.Event {
	case watch.Loaded:
		if old.Freshness.Current() {
			b.t.Errorf("rows that were %s are replaced without a word", old.Freshness)
		}
		return
	case watch.Emptied:
		clear(want)
	case watch.Changed:
		if old.Freshness != watch.Live && old.Freshness != watch.Lagging {
			b.t.Errorf("a delta is applied to rows that were %s", old.Freshness)
		}
		for _, id := range now.Put {
			want[id] = now.Rows[id]
		}
		for _, id := range now.Removed {
			delete(want, id)
		}
	case watch.Checked:
		if now.Position != old.Position {
			b.t.Errorf("checked, and the position goes from %v to %v", old.Position, now.Position)
		}
	}
	if !maps.EqualFunc(want, now.Rows, func(x, y watch.Row) bool { return string(x) == string(y) }) {
		b.t.Errorf("%s: rows are %q, want %q", now.Event, now.Rows, want)
	}
}

// forward holds rows to their revisions, which do not decrease within an epoch.
func (b *book) forward(old, now seen) {
	if old.Position.Epoch != now.Position.Epoch {
		return
	}
	before := old.revisions(b.t)
	for id, v := range now.revisions(b.t) {
		if v < before[id] {
			b.t.Errorf("%s: %s goes from revision %d back to %d", now.Event, id, before[id], v)
		}
	}
}

func (b *book) last() seen {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.views) == 0 {
		return seen{}
	}
	return b.views[len(b.views)-1]
}

// all returns every call so far.
func (b *book) all() []seen {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.views)
}

// until waits for a call after which ok is true.
func (b *book) until(what string, ok func(seen) bool) seen {
	b.t.Helper()
	limit := time.After(20 * time.Second)
	for {
		if v := b.last(); ok(v) {
			return v
		}
		select {
		case <-b.news:
		case <-limit:
			v := b.last()
			b.t.Fatalf("%s: did not come; last is %s, %s at %v with %d rows, %v", what, v.Event, v.Freshness, v.Position, len(v.Rows), v.Err)
		}
	}
}

// at waits until the rows are live at a position.
func (b *book) at(q int) seen {
	b.t.Helper()
	return b.until(fmt.Sprintf("live at %d", q), func(v seen) bool {
		return v.Freshness == watch.Live && v.Position.Seq == int64(q)
	})
}

// revisions are the rows' v.
func (s seen) revisions(t *testing.T) map[string]int {
	t.Helper()
	out := make(map[string]int)
	for id, r := range s.Rows {
		shipment, err := watch.Decode[watch.Shipment](r)
		if err != nil {
			t.Fatal(err)
		}
		out[id] = int(shipment.Revision)
	}
	return out
}
