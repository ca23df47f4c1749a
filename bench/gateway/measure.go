package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/waybill-io/waybill/bench/internal/report"
)

// bench is a run.
type bench struct {
	cfg *config
	out io.Writer
	r   result
}

func measure(ctx context.Context, cfg *config, out io.Writer) error {
	b := &bench{cfg: cfg, out: out, r: result{Conditions: report.Begin(), Paced: cfg.frames}}
	run := map[string]func(context.Context) error{
		"spread": b.spread, "slow": b.slow, "storm": b.storm, "idle": b.idle, "commit": b.commit, "flat": b.flat,
	}
	for _, arm := range arms {
		if !slices.Contains(cfg.arms, arm) {
			continue
		}
		b.say("%s", arm)
		if err := run[arm](ctx); err != nil {
			return fmt.Errorf("%s: %w", arm, err)
		}
	}
	b.r.Conditions.End()
	b.r.print(out)
	return report.Result(out, b.r)
}

func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(b.out, time.Now().Format("15:04:05 ")+format+"\n", args...)
}

// audit adds up what must not have happened to the clients of a gateway.
func (b *bench) audit(p *pair) error {
	var t seen
	if err := p.load.call(order{Do: "end"}, &t); err != nil {
		return err
	}
	b.r.Gaps, b.r.Resets, b.r.Losses = b.r.Gaps+t.Gaps, b.r.Resets+t.Resets, b.r.Losses+t.Losses
	return nil
}
