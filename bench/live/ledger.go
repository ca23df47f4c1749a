package main

import (
	"sync"
	"time"

	"github.com/waybill-io/waybill/events"
)

// told is one published event.
type told struct {
	at       time.Time // when publish was called
	measured bool      // not of the warm-up
}

// ledger knows when every event was published, by what a client sees of it: the
// n-th event of an order or shipment makes revision n of its row.
type ledger struct {
	mu    sync.Mutex
	told  map[key][]told
	ids   map[events.EventID]told
	acks  []float64 // milliseconds from call to acknowledgement
	count int       // of measured ones
}

// key names a row.
type key struct{ topic, id string }

func newLedger() *ledger { return &ledger{told: map[key][]told{}, ids: map[events.EventID]told{}} }

// note is called right before the events are published.
func (l *ledger) note(batch []events.Event, t told) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range batch {
		e := &batch[i]
		k := key{topicOf(e), e.Subject}
		l.told[k] = append(l.told[k], t)
		l.ids[e.ID] = t
		if t.measured {
			l.count++
		}
	}
}

func (l *ledger) acknowledged(t told) {
	if !t.measured {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acks = append(l.acks, millis(time.Since(t.at)))
}

// between returns the events behind revisions (from, to] of a row; a negative to
// means all there are.
func (l *ledger) between(k key, from, to int) []told {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := l.told[k]
	if to < 0 || to > len(all) {
		to = len(all)
	}
	if from >= to {
		return nil
	}
	return all[from:to]
}

// total is how many events there are.
func (l *ledger) total() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.ids)
}

func topicOf(e *events.Event) string {
	if e.Stream().Kind == events.OrderStream {
		return "orders"
	}
	return "shipments"
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
