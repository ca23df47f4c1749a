package main

import (
	"context"
	"errors"
	"slices"

	"github.com/waybill-io/waybill/bench/internal/report"
)

// spread measures the bare hub and the gateway in turn, as fast as each goes and
// at a pace. The one that rests costs nothing.
func (b *bench) spread(ctx context.Context) (err error) {
	hub, err := couple(ctx, "hub", b.cfg.subs, 0, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, hub.stop()) }()
	ours, err := couple(ctx, "gateway", b.cfg.subs, 0, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ours.stop()) }()
	s := newSeries()
	for round := range b.cfg.rounds {
		turns := []*pair{hub, ours}
		if round%2 == 1 {
			slices.Reverse(turns)
		}
		for _, p := range turns {
			if err := b.turn(ctx, p, s); err != nil {
				return err
			}
		}
		s.ratio("frames", "frames hub", "frames gateway")
		s.ratio("cpu", "cpu hub", "cpu gateway")
		s.ratio("cpu paced", "cpu paced hub", "cpu paced gateway")
	}
	b.r.FramesPerS, b.r.HubFramesPerS, b.r.RatioBareHub = to(0, s.of("frames gateway")), to(0, s.of("frames hub")), to(3, s.of("frames"))
	b.r.CPU, b.r.HubCPU, b.r.CPURatio = to(2, s.of("cpu gateway")), to(2, s.of("cpu hub")), to(3, s.of("cpu"))
	b.r.CPUPaced, b.r.HubCPUPaced, b.r.CPUPacedRatio = to(2, s.of("cpu paced gateway")), to(2, s.of("cpu paced hub")), to(3, s.of("cpu paced"))
	b.r.P50, b.r.P99, b.r.HubP99 = to(1, s.of("p50 gateway")), to(1, s.of("p99 gateway")), to(1, s.of("p99 hub"))
	b.r.FastP99, b.r.HubFastP99 = to(1, s.of("p99 fast gateway")), to(1, s.of("p99 fast hub"))
	b.r.HeapedFramesPerS, b.r.HeapedCPU, b.r.HeapedP99 = to(0, s.of("frames heaped")), to(2, s.of("cpu heaped")), to(1, s.of("p99 heaped"))
	b.r.FrameBytes = to(1, s.of("bytes gateway"))
	return b.audit(ours)
}

// turn measures one of the two, once.
func (b *bench) turn(ctx context.Context, p *pair, s series) error {
	fast, err := p.run(ctx, flatOut, settling, b.cfg.duration, b.cfg.profile)
	if err != nil {
		return err
	}
	paced, err := p.run(ctx, b.cfg.frames/float64(p.clients), settling, b.cfg.duration, "")
	if err != nil {
		return err
	}
	if p.name == "hub" {
		heap, err := p.run(ctx, heaped, settling, b.cfg.duration, "")
		if err != nil {
			return err
		}
		s.add("frames heaped", heap.perSecond())
		s.add("cpu heaped", heap.perMillion())
		s.add("p99 heaped", heap.Ages.P99)
		b.say("%-8s %8.0f frames/s, %5.2f s/million (p99 %.1f ms) with full queues", p.name, heap.perSecond(), heap.perMillion(), heap.Ages.P99)
	}
	s.add("frames "+p.name, fast.perSecond())
	s.add("p99 fast "+p.name, fast.Ages.P99)
	s.add("cpu "+p.name, fast.perMillion())
	s.add("bytes "+p.name, float64(fast.Bytes)/float64(fast.Frames))
	s.add("cpu paced "+p.name, paced.perMillion())
	s.add("p50 "+p.name, paced.Ages.P50)
	s.add("p99 "+p.name, paced.Ages.P99)
	b.say("%-8s %8.0f frames/s, %5.2f s/million (p99 %.1f ms); paced %.0f frames/s of %.2f rows, %5.2f s/million, p50 %.1f p99 %.1f max %.1f ms",
		p.name, fast.perSecond(), fast.perMillion(), fast.Ages.P99, paced.perSecond(), float64(paced.Rows)/float64(paced.Frames), paced.perMillion(), paced.Ages.P50, paced.Ages.P99, paced.Ages.Max)
	return nil
}

// series are figures of several rounds.
type series map[string][]float64

func newSeries() series { return series{} }

func (s series) add(name string, x float64) { s[name] = append(s[name], x) }

// ratio adds what the last figure of one is of the last of another.
func (s series) ratio(name, of, is string) {
	s.add(name, s[is][len(s[is])-1]/s[of][len(s[of])-1])
}

// of is the median.
func (s series) of(name string) float64 { return report.Median(s[name]) }
