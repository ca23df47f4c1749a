package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/cenkalti/backoff/v4"
	"golang.org/x/sync/errgroup"

	"github.com/waybill-io/waybill/internal/ops"
	"github.com/waybill-io/waybill/internal/projector"
	"github.com/waybill-io/waybill/internal/readmodel"
	"github.com/waybill-io/waybill/internal/topic"
)

// run is the consumer: tests call it in-process.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	cfg, command, err := parse(args, getenv, stdout)
	if err != nil || cfg == nil {
		return err
	}
	log, err := ops.NewLogger(stderr, ops.LogConfig{Format: cfg.LogFormat, Level: cfg.LogLevel})
	if err != nil {
		return err
	}
	switch command {
	case "migrate":
		return migrate(ctx, cfg.Migrate, stdout, log)
	case "health":
		_, err := ops.Get(ctx, string(cfg.Health.OpsAddr), "/readyz")
		return err
	default:
		return project(ctx, cfg.Run, log)
	}
}

// project wires the consumer in the order the data flows: topic, projector,
// read model.
func project(ctx context.Context, cfg runConfig, log *slog.Logger) error {
	server, err := ops.Listen(ctx, ops.Config{Addr: string(cfg.OpsAddr), Pprof: cfg.Pprof}, log)
	if err != nil {
		return err
	}
	source, err := topic.NewSource(topic.SourceConfig{Brokers: cfg.Brokers, Group: cfg.Group, Log: log})
	if err != nil {
		return errors.Join(err, server.Close())
	}
	ready := server.Ready.Check("projector")
	metrics := projector.NewMetrics(server.Metrics)

	g, gctx := errgroup.WithContext(ctx)
	ending, end := context.WithCancel(context.WithoutCancel(ctx)) // probes are answered while the work winds up
	g.Go(func() error { return server.Run(ending) })
	g.Go(func() error {
		defer end()
		store, err := openStore(gctx, cfg, server.Ready.Check("postgres"), log)
		if err != nil {
			return endOf(ctx, err)
		}
		defer store.Close()
		p := projector.New(source, store, projector.Config{
			Owner: owner(), Workers: cfg.Workers, BatchEvents: cfg.BatchEvents, BatchWait: cfg.BatchWait,
			Ready: ready.Set, Metrics: metrics,
		}, log)
		log.Info("consumer running", "brokers", cfg.Brokers, "group", cfg.Group, "ops", server.Addr())
		work, wctx := errgroup.WithContext(gctx)
		work.Go(func() error { return p.Run(wctx) })
		work.Go(func() error { return store.Run(wctx, log) })
		return work.Wait()
	})
	return g.Wait()
}

// endOf makes nothing of an error that only says that ctx has ended.
func endOf(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// openStore waits for the database as long as it takes. A schema of another
// release is an operator's business at once.
func openStore(ctx context.Context, cfg runConfig, ready *ops.Check, log *slog.Logger) (*readmodel.Store, error) {
	var store *readmodel.Store
	open := func() (err error) {
		store, err = readmodel.OpenStore(ctx, readmodel.Config{
			URL: string(cfg.DatabaseURL), Name: "waybill consumer", MaxConns: int32(cfg.Workers) + 2,
		})
		if errors.Is(err, readmodel.ErrSchema) {
			return backoff.Permanent(err)
		}
		return err
	}
	waiting := func(err error, wait time.Duration) {
		ready.Set(false, err.Error())
		log.Warn("waiting for the database", "wait", wait, "error", err)
	}
	if err := backoff.RetryNotify(open, backoff.WithContext(patient(), ctx), waiting); err != nil {
		return nil, err
	}
	ready.Set(true, "connected")
	return store, nil
}

func patient() backoff.BackOff {
	return backoff.NewExponentialBackOff(backoff.WithInitialInterval(100*time.Millisecond), backoff.WithMaxInterval(5*time.Second), backoff.WithMaxElapsedTime(0))
}

// owner names this process among those that claim partitions.
func owner() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s/%d", host, os.Getpid())
}

// migrate brings the schema up to date, and makes topics that are missing.
func migrate(ctx context.Context, cfg migrateConfig, stdout io.Writer, log *slog.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, cfg.Timeout)
	defer cancel()
	var from, to int64
	bring := func() (err error) {
		from, to, err = readmodel.Migrate(ctx, string(cfg.DatabaseURL))
		if !readmodel.Unreachable(err) && err != nil {
			return backoff.Permanent(err)
		}
		return err
	}
	waiting := func(err error, wait time.Duration) {
		log.Warn("waiting for the database", "wait", wait, "error", err)
	}
	if err := backoff.RetryNotify(bring, backoff.WithContext(patient(), ctx), waiting); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	fmt.Fprintf(stdout, "schema from=%d to=%d\n", from, to)
	if len(cfg.Brokers) == 0 {
		return nil
	}
	err := topic.EnsureTopics(ctx, topic.TopicsConfig{Brokers: cfg.Brokers, Partitions: cfg.Partitions, Replication: cfg.Replication, Log: log})
	if err != nil {
		return fmt.Errorf("make the topics: %w", err)
	}
	fmt.Fprintln(stdout, "topics ready")
	return nil
}
