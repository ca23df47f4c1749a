package topic

import (
	"context"
	"maps"
	"sync"

	"github.com/waybill-io/waybill/internal/projector"
)

// queue stands between the goroutines that fetch and the one that calls Next.
type queue struct {
	limit int64         // bytes
	ready chan struct{} // holds a token when pop may find something

	mu     sync.Mutex
	items  []portion
	bytes  int64
	room   chan struct{} // closed, and replaced, when bytes shrinks
	next   map[projector.Partition]int64
	behind map[projector.Partition]struct{} // are known to have more than was fetched
	err    error                            // ends the feed behind items
}

// portion is a Fetched with its size.
type portion struct {
	projector.Fetched
	bytes int64
}

func newQueue(limit int, from map[projector.Partition]int64) *queue {
	return &queue{
		limit:  int64(limit),
		ready:  make(chan struct{}, 1),
		room:   make(chan struct{}),
		next:   maps.Clone(from),
		behind: map[projector.Partition]struct{}{},
	}
}

// awaitRoom blocks while the queue is full and reports false when ctx ended.
func (q *queue) awaitRoom(ctx context.Context) bool {
	for {
		q.mu.Lock()
		full, room := q.bytes >= q.limit, q.room
		q.mu.Unlock()
		if !full {
			return ctx.Err() == nil
		}
		select {
		case <-ctx.Done():
			return false
		case <-room:
		}
	}
}

// push appends what an answer brought, and where its partitions go on.
func (q *queue) push(portions []portion, behind map[projector.Partition]bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, p := range portions {
		q.bytes += p.bytes
		maps.Copy(q.next, p.Next)
	}
	q.items = append(q.items, portions...)
	for p, more := range behind {
		if more {
			q.behind[p] = struct{}{}
		} else {
			delete(q.behind, p)
		}
	}
	if len(portions) > 0 {
		q.signal()
	}
}

// fail ends the feed with err, once everything before it was taken.
func (q *queue) fail(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err == nil {
		q.err = err
	}
	q.signal()
}

func (q *queue) signal() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// pop takes the first portion. It reports false when there is none, and the
// error of the feed when there will be none.
func (q *queue) pop() (projector.Fetched, bool, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) == 0 {
		return projector.Fetched{}, false, q.err
	}
	first := q.items[0]
	q.items[0] = portion{}
	q.items = q.items[1:]
	q.bytes -= first.bytes
	close(q.room)
	q.room = make(chan struct{})
	first.AtEnd = len(q.items) == 0 && len(q.behind) == 0
	return first.Fetched, true, nil
}

// positions returns where the given partitions go on.
func (q *queue) positions(parts []projector.Partition) map[projector.Partition]int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	out := make(map[projector.Partition]int64, len(parts))
	for _, p := range parts {
		out[p] = q.next[p]
	}
	return out
}

// hungry returns the positions of all partitions, or nil when it is the caller
// of Next that is waited for.
func (q *queue) hungry() map[projector.Partition]int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) > 0 || q.err != nil {
		return nil
	}
	return maps.Clone(q.next)
}

// broken returns the error that ends the feed, if there is one.
func (q *queue) broken() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.err
}
