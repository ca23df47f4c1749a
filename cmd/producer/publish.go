package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/ingest"
)

// defaultTenant is whose events they are when nobody says.
const defaultTenant = "demo"

// publish checks the files and publishes their events.
func publish(ctx context.Context, cfg *config, _ *slog.Logger, pub ingest.Publisher, stderr io.Writer) (result ingest.Result, err error) {
	c := &cfg.Publish
	format, err := c.open(events.TenantID(cfg.Tenant))
	if err != nil {
		return result, err
	}
	show := newMeter(stderr)
	in := ingest.IntakeConfig{
		Pipeline: ingest.PipelineConfig{Batch: c.Batch, Timeout: c.Timeout},
		SkipBad:  c.SkipBad,
		Report:   show.problem,
		Progress: show.progress,
	}
	if c.Rate != nil {
		in.Pipeline.Rate = *c.Rate
	}
	if c.SkipBad {
		rejects, err := createRejects(c)
		if err != nil {
			return result, err
		}
		defer func() { err = errors.Join(err, rejects.Close()) }()
		in.Rejects = rejects
	}
	files := make([]*ingest.File, len(c.Files))
	for i, name := range c.Files {
		files[i] = &ingest.File{Name: name}
	}
	result, err = ingest.NewIntake(format, pub, in).Run(ctx, files)
	show.done()
	if more := result.Problems - ingest.MaxReports; more > 0 {
		fmt.Fprintf(stderr, "and %d more problems\n", more)
	}
	if err == nil && result.Events+result.Skipped == 0 {
		fmt.Fprintln(stderr, "0 events")
	}
	return result, err
}

// createRejects makes the file for bad lines, which must not be one that is
// read, nor hold those of another run.
func createRejects(c *publishConfig) (*os.File, error) {
	if info, err := os.Stat(c.Rejects); err == nil {
		for _, name := range append([]string{c.Mapping, c.Carrier}, c.Files...) {
			if other, err := os.Stat(name); err == nil && os.SameFile(info, other) {
				return nil, usage(fmt.Errorf("--rejects: %s is read", c.Rejects))
			}
		}
		if info.Mode().IsRegular() && info.Size() > 0 {
			return nil, usage(fmt.Errorf("--rejects: %s is there already and not empty; name another file, or remove it", c.Rejects))
		}
	}
	f, err := os.Create(c.Rejects)
	if err != nil {
		return nil, fmt.Errorf("create the rejects: %w", err)
	}
	return f, nil
}
