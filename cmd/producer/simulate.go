package main

import (
	"context"
	"errors"
	"io"
	"log/slog"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/ingest"
	"github.com/waybill-io/waybill/internal/scenario"
)

// simulate publishes made-up histories until they end, or ctx does.
func simulate(ctx context.Context, cfg *config, log *slog.Logger, pub ingest.Publisher, stderr io.Writer) (ingest.Result, error) {
	c := &cfg.Simulate
	story := c.scenario(events.TenantID(cfg.Tenant))
	if story.Tenant == "" {
		story.Tenant = defaultTenant
	}
	log.Info("simulating", "seed", c.Seed, "orders", c.Orders, "rate", c.Rate, "tenant", story.Tenant)
	p := ingest.NewPipeline(ctx, pub, ingest.PipelineConfig{Timeout: c.Timeout})
	show := newMeter(stderr)
	tell := func(_ context.Context, batch []events.Event) error {
		show.progress(ingest.Progress{File: "simulation", Size: -1, Published: p.Acked()})
		if err := p.Add(batch...); err != nil || c.Rate == 0 {
			return err
		}
		return p.Flush()
	}
	var err error
	if c.Rate > 0 {
		err = scenario.Live(ctx, scenario.LiveConfig{Config: story, Rate: c.Rate, Life: c.Life, MaxOpen: c.MaxOpen}, tell)
	} else {
		err = tellAll(ctx, story, tell)
	}
	stopped := p.Finish()
	show.done()
	if interrupted(ctx, stopped) {
		stopped, err = nil, nil
	}
	if stopped != nil {
		err = stopped
	}
	return ingest.Result{Published: p.Acked()}, err
}

// interrupted reports that publishing stopped because the user wished so, and
// that everything that was handed over is in the log.
func interrupted(ctx context.Context, stopped error) bool {
	how, ok := errors.AsType[*ingest.StoppedError](stopped)
	return ctx.Err() != nil && (!ok || how.Unknown == 0 && errors.Is(how.Err, context.Cause(ctx)))
}

// tellAll tells the histories as fast as they can be published.
func tellAll(ctx context.Context, story scenario.Config, tell func(context.Context, []events.Event) error) error {
	g, err := scenario.New(story)
	if err != nil {
		return usage(err)
	}
	for e := range g.Events() {
		if ctx.Err() != nil {
			return nil
		}
		if err := tell(ctx, []events.Event{e}); err != nil {
			return err
		}
	}
	return nil
}
