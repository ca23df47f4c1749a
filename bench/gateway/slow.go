package main

import (
	"context"
	"errors"
	"math"
	"slices"
	"time"
)

// slow measures the clients that read, with some beside them that never do and
// without, in turn.
func (b *bench) slow(ctx context.Context) error {
	mute := int(math.Round(float64(b.cfg.subs) * b.cfg.slow))
	s := newSeries()
	for round := range b.cfg.rounds {
		turns := []int{0, mute}
		if round%2 == 1 {
			slices.Reverse(turns)
		}
		for _, m := range turns {
			if err := b.beside(ctx, m, mute, s); err != nil {
				return err
			}
		}
		s.ratio("slow", "alone", "beside")
	}
	b.r.SlowP99, b.r.SlowAloneP99, b.r.SlowRatio = to(1, s.of("beside")), to(1, s.of("alone")), to(3, s.of("slow"))
	return nil
}

// stuck is how long it takes until what a client does not read has filled the
// kernel's buffers.
const stuck = 4 * time.Second

// beside measures the clients that read, as many in both cases, before those
// that do not are closed for it.
func (b *bench) beside(ctx context.Context, mute, most int, s series) (err error) {
	healthy := b.cfg.subs - most
	p, err := couple(ctx, "gateway", healthy+mute, mute, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	t, err := p.run(ctx, b.cfg.frames/float64(b.cfg.subs), stuck, min(b.cfg.duration, 8*time.Second), "")
	if err != nil {
		return err
	}
	name := "alone"
	if mute > 0 {
		name = "beside"
	}
	s.add(name, t.Ages.P99)
	b.say("%d clients that read, %d that do not: %.0f frames/s, p50 %.1f p99 %.1f ms", healthy, mute, t.perSecond(), t.Ages.P50, t.Ages.P99)
	return b.audit(p)
}
