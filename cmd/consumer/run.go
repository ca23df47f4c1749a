package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/waybill-io/waybill/cmd/internal/wire"
	"github.com/waybill-io/waybill/internal/ops"
	"github.com/waybill-io/waybill/internal/projector"
	"github.com/waybill-io/waybill/internal/readmodel"
	"github.com/waybill-io/waybill/internal/topic"
)

// trying is the consumer as a program of its own, which runs itself once more to
// try records that may kill it.
func trying(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	return command{trials: true}.run(ctx, args, getenv, stdout, stderr)
}

// run is the consumer within another program: tests call it in-process.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	return command{}.run(ctx, args, getenv, stdout, stderr)
}

// command says whether this process is the consumer and nothing else.
type command struct{ trials bool }

func (c command) run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	cfg, command, err := parse(args, getenv, stdout)
	if err != nil || cfg == nil {
		return err
	}
	log, err := ops.NewLogger(stderr, ops.LogConfig{Format: cfg.LogFormat, Level: cfg.LogLevel})
	if err != nil {
		return err
	}
	if about, ok := strings.CutPrefix(command, "deadletters "); ok {
		about, _, _ = strings.Cut(about, " ") // what follows names arguments
		return letters(ctx, cfg.Letters, about, stdout, stderr)
	}
	switch command {
	case "migrate":
		return migrate(ctx, cfg.Migrate, stdout, log)
	case "positions":
		return showPositions(ctx, cfg.Positions, stdout)
	case "accept-gap":
		return acceptGap(ctx, cfg.AcceptGap, stdout)
	case "rebuild":
		return rebuild(ctx, cfg.Rebuild, stdout, stderr, log)
	case "verify":
		return verify(ctx, cfg.Verify, stdout, log)
	case "health":
		_, err := ops.Get(ctx, string(cfg.Health.OpsAddr), "/readyz")
		return err
	}
	p := projection(cfg.Run)
	ops.LimitMemory(cmp.Or(int64(cfg.Run.Memory)<<20, projector.MemoryFor(cfg.Run.Workers)))
	if c.trials && getenv(wire.TrialVar) != "" {
		return p.Rehearse(ctx, os.Stdin, stdout, log)
	}
	if c.trials {
		p.Trials = &wire.Trials{Args: args}
	}
	return project(ctx, cfg.Run, p, log)
}

func projection(cfg runConfig) wire.Projection {
	return wire.Projection{
		Brokers: cfg.Brokers, DatabaseURL: string(cfg.DatabaseURL), Group: cfg.Group,
		Workers: cfg.Workers, BatchEvents: cfg.BatchEvents, BatchWait: cfg.BatchWait,
		HaltOnNewer: cfg.HaltOnNewer, AnyPartition: cfg.AnyPartition, Park: cfg.Park,
	}
}

// project runs the projection beside the port that answers for it.
func project(ctx context.Context, cfg runConfig, p wire.Projection, log *slog.Logger) error {
	server, err := ops.Listen(ctx, ops.Config{Addr: string(cfg.OpsAddr), Pprof: cfg.Pprof}, log)
	if err != nil {
		return err
	}
	log.Info("consumer running", "brokers", cfg.Brokers, "group", cfg.Group, "park", cfg.Park, "ops", server.Addr())
	return wire.Beside(ctx, server, p.Checks(), func(ctx context.Context) error { return p.Run(ctx, server, log) })
}

// migrate brings the schema up to date, and makes topics that are missing.
func migrate(ctx context.Context, cfg migrateConfig, stdout io.Writer, log *slog.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, cfg.Timeout)
	defer cancel()
	var from, to int64
	bring := func() (err error) {
		from, to, err = readmodel.Migrate(ctx, string(cfg.DatabaseURL))
		if err != nil && !readmodel.Unreachable(err) {
			return backoff.Permanent(err)
		}
		return err
	}
	waiting := func(err error, wait time.Duration) {
		log.Warn("waiting for the database", "wait", wait, "error", err)
	}
	if err := backoff.RetryNotify(bring, backoff.WithContext(wire.Patient(), ctx), waiting); err != nil {
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
