package main

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/scenario"
	"github.com/waybill-io/waybill/internal/topic"
)

// warmup is how long thin traffic flows before it is measured: plans are made
// and the first orders are under way.
const warmup = 10 * time.Second

// underWay is how many shipments are under way at once in thin traffic.
const underWay = 1000

// latency is the pipeline over a log that is written meanwhile.
func latency(ctx context.Context, j job, begin func()) (figures, error) {
	return pipeline(ctx, j, begin)
}

// thin measures how long single events take from publishing to commit.
func (b *bench) thin(ctx context.Context) error {
	s := &stage{names: b.broker.topics("thin")}
	if err := b.broker.makeTopics(ctx, s.names); err != nil {
		return err
	}
	const name = "latency"
	url, err := b.server.create(ctx, name)
	if err != nil {
		return err
	}
	j := b.job(name, name, url, s)
	j.Skip = int(b.cfg.latencyRate * warmup.Seconds())
	j.Expect = j.Skip + int(b.cfg.latencyRate*b.cfg.latency.Seconds())
	g, gctx := errgroup.WithContext(ctx)
	var t taken
	g.Go(func() (err error) { t, err = b.arm(gctx, j, s, runArm); return err })
	g.Go(func() error { return b.tell(gctx, s.names, j.Expect) })
	if err := g.Wait(); err != nil {
		return err
	}
	b.waits = t.Waits
	b.say("publish to commit of %d events at %.0f/s: median %.1f ms, p90 %.1f, p99 %.1f, at most %.1f",
		t.Waits.N, b.cfg.latencyRate, t.Waits.P50, t.Waits.P90, t.Waits.P99, t.Waits.Max)
	return b.server.drop(ctx, name)
}

// tell publishes n events at the rate, each stamped with the time of the call
// that publishes it.
func (b *bench) tell(ctx context.Context, names topic.Names, n int) (err error) {
	pub, err := topic.NewPublisher(topic.PublisherConfig{Brokers: b.broker.brokers, Topics: names})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pub.Close()) }()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	story := scenario.LiveConfig{
		Config: scenario.Config{Seed: b.cfg.seed, Tenant: "bench", Rates: b.cfg.story().Rates}, Rate: b.cfg.latencyRate, MaxOpen: underWay,
	}
	return scenario.Live(ctx, story, func(ctx context.Context, batch []events.Event) error {
		batch = batch[:min(len(batch), n)]
		now := time.Now()
		for i := range batch {
			batch[i].IngestedAt = now
		}
		if n -= len(batch); n == 0 {
			defer cancel()
		}
		return pub.Publish(ctx, batch)
	})
}
