package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"text/tabwriter"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/readmodel"
)

// differs is the exit code of a rebuild that stops because the versions differ,
// and wrongRows that of a verification which finds something.
const (
	differs   = 3
	wrongRows = 1
)

// exitError ends the process with a code of its own.
type exitError struct {
	error
	code int
}

// ExitCode implements cli.ExitCoder.
func (e *exitError) ExitCode() int { return e.code }

// Unwrap returns the cause.
func (e *exitError) Unwrap() error { return e.error }

// rebuild fills a new version of the read model and makes it live, or takes one
// away.
func rebuild(ctx context.Context, cfg rebuildConfig, stdout, stderr io.Writer, log *slog.Logger) error {
	url := string(cfg.DatabaseURL)
	switch {
	case cfg.DropOld:
		dropped, err := readmodel.DropOld(ctx, url)
		if err == nil {
			fmt.Fprintf(stdout, "dropped versions %v\n", dropped)
		}
		return err
	case cfg.Abandon:
		version, err := readmodel.Abandon(ctx, url)
		if err == nil && version == 0 {
			fmt.Fprintln(stdout, "no rebuild has begun")
		} else if err == nil {
			fmt.Fprintf(stdout, "abandoned version %d\n", version)
		}
		return err
	}
	bar := newBar(stderr)
	done, err := readmodel.Rebuild(ctx, readmodel.RebuildConfig{
		URL: url, Workers: cfg.Workers, ChunkEvents: cfg.ChunkEvents, Restart: cfg.Restart, Force: cfg.Force,
		Progress: bar.show, Log: log,
	})
	bar.end()
	if err != nil && !errors.Is(err, readmodel.ErrDiffer) {
		return err
	}
	if printErr := printRebuilt(stdout, done, cfg.JSON); printErr != nil {
		return printErr
	}
	if err != nil {
		return &exitError{fmt.Errorf("%w; --force swaps them, --abandon drops version %d", err, done.Version), differs}
	}
	return nil
}

func printRebuilt(w io.Writer, done readmodel.Rebuilt, asJSON bool) error {
	if asJSON {
		return printJSON(w, done)
	}
	fmt.Fprintf(w, "version %d: %d events in %.1f s, %.0f/s, %d streams folded again, %d rows compared\n",
		done.Version, done.Events, done.FillSeconds, done.PerSecond, done.Followed, done.Compared)
	if done.Swapped {
		fmt.Fprintf(w, "live instead of version %d, which stays until --drop-old; the projection stood still for %.3f s\n", done.From, done.Pause)
	}
	if len(done.Differences) == 0 {
		return nil
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "TABLE\tMISSING\tEXTRA\tDIFFERENT\tFOR EXAMPLE")
	for _, d := range done.Differences {
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%s\n", d.Table, d.Missing, d.Extra, d.Different, d.Examples[0])
	}
	return table.Flush()
}

func printJSON(w io.Writer, v any) error {
	if err := json.MarshalWrite(w, v, jsontext.Multiline(true), json.Deterministic(true)); err != nil {
		return fmt.Errorf("write the summary: %w", err)
	}
	_, err := fmt.Fprintln(w)
	return err
}

// verify holds stored rows against what the timeline folds to.
func verify(ctx context.Context, cfg verifyConfig, stdout io.Writer, log *slog.Logger) error {
	told := time.Now()
	found, err := readmodel.Verify(ctx, readmodel.VerifyConfig{
		URL: string(cfg.DatabaseURL), Tenant: events.TenantID(cfg.Tenant), Order: events.OrderID(cfg.Order),
		Shipment: events.ShipmentID(cfg.Shipment), Sample: cfg.Sample,
		Progress: func(streams int64) {
			if time.Since(told) >= plainEvery {
				told = time.Now()
				log.Info("verifying", "streams", streams)
			}
		},
	})
	if err != nil {
		return err
	}
	if err := printVerified(stdout, found, cfg.JSON); err != nil {
		return err
	}
	if one := cfg.Order + cfg.Shipment; one != "" && found.Wrong == 0 && rowsOf(found) == 0 {
		return fmt.Errorf("tenant %s has nothing of %s", cfg.Tenant, one)
	}
	if found.Wrong > 0 {
		return &exitError{fmt.Errorf("%d rows are not what the timeline folds to", found.Wrong), wrongRows}
	}
	return nil
}

func printVerified(w io.Writer, found readmodel.Verified, asJSON bool) error {
	if asJSON {
		return printJSON(w, found)
	}
	for _, m := range found.Mismatches {
		key, err := json.Marshal(m.Key, json.Deterministic(true))
		if err != nil {
			return fmt.Errorf("write a key: %w", err)
		}
		what := m.Column
		if what == "" {
			what = "(row)"
		}
		fmt.Fprintf(w, "%s %s %s: stored %s, folded %s\n", m.Table, key, what, value(m.Stored), value(m.Folded))
	}
	_, err := fmt.Fprintf(w, "version %d: %d streams, %d rows folded, %d wrong\n", found.Version, found.Streams, rowsOf(found), found.Wrong)
	return err
}

func value(v any) string {
	if v == nil {
		return "nothing"
	}
	return fmt.Sprint(v)
}

// rowsOf is how many rows were folded, of all tables.
func rowsOf(found readmodel.Verified) (rows int64) {
	for _, n := range found.Rows {
		rows += n
	}
	return rows
}
