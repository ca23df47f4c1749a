package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/ingest"
	"github.com/waybill-io/waybill/internal/ops"
	"github.com/waybill-io/waybill/internal/topic"
)

// run is the producer: tests call it in-process.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	cfg, command, err := parse(args, getenv, stdout)
	if err != nil || cfg == nil {
		return err
	}
	switch command {
	case "types":
		return listTypes(ctx, stdout)
	case "carriers":
		return listCarriers(ctx, &cfg.Carriers, stdout, stderr)
	}
	log, err := ops.NewLogger(stderr, ops.LogConfig{Format: cfg.LogFormat, Level: cfg.LogLevel})
	if err != nil {
		return err
	}
	work := publish
	if command == "simulate" {
		work = simulate
	}
	pub, err := topic.NewPublisher(topic.PublisherConfig{Brokers: cfg.Brokers, Log: log})
	if err != nil {
		return err
	}
	began := time.Now()
	result, err := work(ctx, cfg, log, broker{pub}, stderr)
	err = errors.Join(err, pub.Close())
	if err != nil {
		return exit(ctx, err)
	}
	return conclude(ctx, stdout, result, time.Since(began))
}

// task is what a command does with a publisher.
type task func(ctx context.Context, cfg *config, log *slog.Logger, pub ingest.Publisher, stderr io.Writer) (ingest.Result, error)

var _ = []task{publish, simulate}

// conclude prints the last line, which scripts read.
func conclude(ctx context.Context, stdout io.Writer, r ingest.Result, took time.Duration) error {
	_, err := fmt.Fprintf(stdout, "published=%d skipped=%d seconds=%.3f\n", r.Published, r.Skipped, took.Seconds())
	if err != nil {
		return exit(ctx, fmt.Errorf("%w: %w", errOutput, err))
	}
	return nil
}

func listTypes(ctx context.Context, stdout io.Writer) error {
	for _, t := range events.Types() {
		if _, err := fmt.Fprintln(stdout, t); err != nil {
			return exit(ctx, fmt.Errorf("%w: %w", errOutput, err))
		}
	}
	return nil
}

// broker is the publisher, whose errors tell ingest what became of a batch.
type broker struct{ *topic.Publisher }

// Publish publishes a batch.
func (b broker) Publish(ctx context.Context, batch []events.Event) error {
	err := b.Publisher.Publish(ctx, batch)
	if told, ok := errors.AsType[*topic.PublishError](err); ok {
		return partly{told}
	}
	return err
}

// partly is an error that counts.
type partly struct{ *topic.PublishError }

var _ ingest.Outcome = partly{}

// Outcome is what became of the batch.
func (p partly) Outcome() (acked, unknown, unsent int) { return p.Acked, p.Unknown, p.Unsent }

// Unwrap returns the cause.
func (p partly) Unwrap() error { return p.PublishError }
