package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/waybill-io/waybill/cmd/internal/wire"
	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/ops"
	"github.com/waybill-io/waybill/internal/scenario"
	"github.com/waybill-io/waybill/internal/topic"
)

// run is the platform: tests call it in-process. It takes its ports, starts
// broker and database, and runs the parts until ctx ends.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	cfg, err := parse(args, getenv, stdout)
	if err != nil || cfg == nil {
		return err
	}
	log, err := ops.NewLogger(stderr, ops.LogConfig{Format: cfg.LogFormat, Level: max(cfg.LogLevel, slog.LevelWarn)})
	if err != nil {
		return err
	}
	server, err := ops.Listen(ctx, ops.Config{Addr: local(cfg.ops()), Pprof: true}, log)
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", local(cfg.page()))
	if err != nil {
		return errors.Join(fmt.Errorf("listen: %w", err), server.Close())
	}
	fmt.Fprintln(stdout, "starting a broker and a database …")
	stack, err := startStack(ctx, cfg, log)
	if err != nil {
		return errors.Join(err, listener.Close(), server.Close())
	}
	err = wire.Beside(ctx, server, slices.Concat(wire.Projection{}.Checks(), wire.Site{}.Checks()), func(ctx context.Context) error {
		return stack.run(ctx, listener, server, stdout, log)
	})
	return errors.Join(err, stack.close())
}

func local(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// run runs consumer, gateway and traffic, and says when all of it answers.
func (s *stack) run(ctx context.Context, listener net.Listener, server *ops.Server, stdout io.Writer, log *slog.Logger) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.postgres.Wait(ctx) })
	g.Go(func() error {
		p := wire.Projection{
			Brokers: s.broker.Brokers(), DatabaseURL: s.postgres.URL(), Group: "waybill-projector", Workers: 2, Park: s.cfg.Park,
		}
		return p.Run(ctx, server, log)
	})
	g.Go(func() error {
		site := wire.Site{
			Listener: listener, DatabaseURL: s.postgres.URL(), Origins: s.cfg.Origins, Auth: s.auth,
			DevTenant: string(s.cfg.Tenant), DrainWindow: time.Second, CloseWait: 500 * time.Millisecond,
		}
		return site.Run(ctx, server, log)
	})
	if s.cfg.Simulate > 0 {
		g.Go(func() error { return s.simulate(ctx, log) })
	}
	g.Go(func() error { return s.announce(ctx, stdout) })
	return g.Wait()
}

// simulate publishes plausible histories at the rate asked for.
func (s *stack) simulate(ctx context.Context, log *slog.Logger) error {
	publisher, err := topic.NewPublisher(topic.PublisherConfig{Brokers: s.broker.Brokers(), Log: log})
	if err != nil {
		return err
	}
	live := scenario.LiveConfig{
		Config: scenario.Config{Seed: uint64(time.Now().UnixNano()), Tenant: events.TenantID(s.cfg.Tenant), Rates: scenario.DefaultRates()},
		Rate:   s.cfg.Simulate,
	}
	err = scenario.Live(ctx, live, publisher.Publish)
	if ctx.Err() != nil {
		err = nil // it was asked to stop
	}
	return errors.Join(err, publisher.Close())
}
