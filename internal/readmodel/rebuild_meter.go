package readmodel

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// rebuildMeter counts what a run folds.
type rebuildMeter struct {
	mu     sync.Mutex // guards what follows, and the calls of Progress
	began  time.Time
	before int64 // folded by runs before this one
	done   int64
	total  int64
	phase  string
}

// measure asks how much there is to do.
func (r *rebuild) measure(ctx context.Context) error {
	const query = `-- name: chunks_done
		SELECT coalesce(sum(events) FILTER (WHERE done), 0)::bigint, coalesce(sum(events), 0)::bigint
		  FROM rebuild.chunks WHERE phase <> 'assignments'`
	m := &r.meter
	m.mu.Lock()
	defer m.mu.Unlock()
	m.began = time.Now()
	if err := r.pool.QueryRow(ctx, query).Scan(&m.before, &m.total); err != nil {
		return fmt.Errorf("measure what is left: %w", classify(err))
	}
	return nil
}

// tell says that a phase begins.
func (r *rebuild) tell(phase string) { r.did(phase, 0) }

// did notes folded events.
func (r *rebuild) did(phase string, events int64) {
	m := &r.meter
	m.mu.Lock()
	defer m.mu.Unlock()
	m.phase = phase
	m.done += events
	p := RebuildProgress{Version: r.run.version, Phase: phase, Done: m.before + m.done, Total: m.total}
	if took := time.Since(m.began).Seconds(); m.done > 0 && took > 0 {
		p.Rate = float64(m.done) / took
		p.ETA = time.Duration(float64(p.Total-p.Done) / p.Rate * float64(time.Second))
	}
	r.cfg.Progress(p)
}

// filled says how much this run has folded, and how fast.
func (m *rebuildMeter) filled() (events int64, seconds, rate float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	seconds = time.Since(m.began).Seconds()
	if seconds > 0 {
		rate = float64(m.done) / seconds
	}
	return m.done, seconds, rate
}
