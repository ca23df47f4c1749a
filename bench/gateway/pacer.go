package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// pacer makes a broadcast again and again: so many a second, as fast as it goes,
// or none.
type pacer struct {
	next func(ctx context.Context, n int64) error

	mu      sync.Mutex
	rate    float64
	changed chan struct{} // closed when the rate changes
}

const (
	// flatOut is the rate of as fast as it goes: the next broadcast begins when
	// the last one was written to everybody.
	flatOut = -1
	// heaped is the rate of the bare hub alone where the next broadcast begins
	// when there is room for it in the queues.
	heaped = -2
)

func newPacer(next func(ctx context.Context, n int64) error) *pacer {
	return &pacer{next: next, changed: make(chan struct{})}
}

func (p *pacer) set(rate float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rate = rate
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *pacer) now() (float64, chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rate, p.changed
}

// run counts broadcasts from 1, until ctx ends. One that is late is made up for.
func (p *pacer) run(ctx context.Context) {
	due := time.Now()
	for n := int64(1); ctx.Err() == nil; {
		rate, changed := p.now()
		switch {
		case rate == 0:
			await(ctx, changed, time.Hour)
			due = time.Now()
			continue
		case rate > 0:
			due = due.Add(time.Duration(float64(time.Second) / rate))
			if !await(ctx, changed, time.Until(due)) {
				due = time.Now()
				continue
			}
		}
		if p.next(ctx, n) == nil {
			n++
		} else {
			await(ctx, changed, 10*time.Millisecond)
		}
	}
}

// await reports whether d passed before anything else happened.
func await(ctx context.Context, changed chan struct{}, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-changed:
		return false
	case <-timer.C:
		return true
	}
}

// written counts frames, and has somebody wait for some number of them.
type written struct {
	n       atomic.Int64
	enough  atomic.Int64 // that somebody waits for
	reached chan struct{}
}

func newWritten() written { return written{reached: make(chan struct{}, 1)} }

func (w *written) add(n int64) {
	if w.n.Add(n) < w.enough.Load() {
		return
	}
	select {
	case w.reached <- struct{}{}:
	default:
	}
}

// await waits until so many frames were written.
func (w *written) await(ctx context.Context, n int64) {
	w.enough.Store(n)
	timer := time.NewTimer(time.Second) // somebody may have left
	defer timer.Stop()
	for w.n.Load() < n {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			return
		case <-w.reached:
		}
	}
}
