package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/waybill-io/waybill/bench/internal/proc"
	"github.com/waybill-io/waybill/bench/internal/report"
	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/scenario"
	"github.com/waybill-io/waybill/internal/topic"
)

// result is the last line.
type result struct {
	Rate           float64           `json:"events_per_s"`
	Events         int               `json:"events"`
	ToAck          report.Spread     `json:"publish_to_ack_ms"`
	ToChange       report.Spread     `json:"publish_to_change_written_ms"`
	ToSocket       report.Spread     `json:"publish_to_socket_ms"`
	ToPage         report.Spread     `json:"publish_to_dom_ms"`
	ChangeToSocket report.Spread     `json:"change_written_to_socket_ms"`
	Frames         int               `json:"frames"`
	LeftScreen     int               `json:"rows_left_screen_first"`
	ClockSlackMS   float64           `json:"page_clock_slack_ms"`
	Browser        string            `json:"browser"`
	PlatformCPU    float64           `json:"platform_cpu_cores"`
	Open           int               `json:"shipments_under_way"`
	Conditions     report.Conditions `json:"conditions"`
}

func measure(ctx context.Context, cfg *config, out io.Writer) (err error) {
	r := result{Open: cfg.open, Conditions: report.Begin()}
	dir, err := os.MkdirTemp("", "waybill-live-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	p, err := startPlatform(ctx, cfg, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	page, err := browse(ctx, cfg, p, dir, out, &r)
	if err != nil {
		return err
	}
	if page != nil {
		defer func() { err = errors.Join(err, page.browser.stop()) }()
	}
	if err := observe(ctx, cfg, p, page, &r); err != nil {
		return err
	}
	r.Conditions.End()
	r.print(out)
	return report.Result(out, r)
}

// browse opens the page, or says why there is none.
func browse(ctx context.Context, cfg *config, p *platform, dir string, out io.Writer, r *result) (*page, error) {
	if !cfg.browser {
		r.Browser = "none, as -browser=false asks"
		return nil, nil
	}
	program, err := findChromium(cfg.chromium)
	if err != nil {
		r.Browser = err.Error()
		fmt.Fprintln(out, err)
		return nil, nil
	}
	b, err := startChromium(ctx, program, dir, cfg.height)
	if err != nil {
		return nil, err
	}
	var version struct {
		Product string `json:"product"`
	}
	err = b.call(ctx, "Browser.getVersion", map[string]any{}, &version)
	r.Browser = version.Product
	page, perr := openPage(ctx, b, p.Page)
	if err = errors.Join(err, perr); err != nil {
		return nil, errors.Join(err, b.stop())
	}
	r.ClockSlackMS = millis(page.slack)
	return page, nil
}

// observe runs the load while the clients watch.
func observe(ctx context.Context, cfg *config, p *platform, page *page, r *result) error {
	l := newLedger()
	s, err := dial(ctx, p, l)
	if err != nil {
		return err
	}
	reading, stop := context.WithCancel(ctx)
	defer stop()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.run(reading) })
	g.Go(func() error {
		defer stop()
		return drive(ctx, cfg, p, l, s, r)
	})
	if err := g.Wait(); err != nil {
		return err
	}
	r.Events, r.Frames = l.count, s.frames
	r.ToAck, r.ToSocket, r.ChangeToSocket = report.SpreadOf(l.acks), report.SpreadOf(s.waits), report.SpreadOf(s.ages)
	if err := r.written(ctx, p, l); err != nil {
		return err
	}
	if page == nil {
		return nil
	}
	seen, err := page.sightings(context.WithoutCancel(ctx))
	if err != nil {
		return err
	}
	ms, left := waits(l, seen)
	r.ToPage, r.LeftScreen = report.SpreadOf(ms), left
	return nil
}

// drive publishes warm-up and load, then waits until everything has arrived.
func drive(ctx context.Context, cfg *config, p *platform, l *ledger, s *socket, r *result) error {
	if err := until(ctx, "the subscriptions are live", 30*time.Second, s.ready); err != nil {
		return err
	}
	before, err := proc.CPU(p.cmd.Process.Pid)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := publish(ctx, cfg, p, l); err != nil {
		return err
	}
	took := time.Since(began)
	r.Rate = math.Round(float64(l.total()) / took.Seconds())
	if after, err := proc.CPU(p.cmd.Process.Pid); err == nil {
		r.PlatformCPU = math.Round((after-before)/took.Seconds()*100) / 100
	}
	return until(ctx, "every event has arrived", 30*time.Second, func() bool { return s.arrived() == l.total() })
}

// publish tells histories at the rate, without anything that would make a row's
// revision differ from the number of events published for it: no copies, no
// scans under a carrier's number, none that come late.
func publish(ctx context.Context, cfg *config, p *platform, l *ledger) (err error) {
	pub, err := topic.NewPublisher(topic.PublisherConfig{Brokers: p.brokers()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pub.Close()) }()
	rates := scenario.DefaultRates()
	rates.Resend, rates.Copy, rates.Late, rates.Reorder, rates.ByNumber = 0, 0, 0, 0, 0
	story := scenario.LiveConfig{
		Config: scenario.Config{Seed: cfg.seed, Tenant: events.TenantID(p.Tenant), Rates: rates},
		Rate:   cfg.rate, MaxOpen: cfg.open,
	}
	begin := time.Now()
	ctx, cancel := context.WithTimeout(ctx, cfg.warmup+cfg.duration)
	defer cancel()
	return scenario.Live(ctx, story, func(_ context.Context, batch []events.Event) error {
		now := time.Now()
		t := told{at: now, measured: now.Sub(begin) >= cfg.warmup}
		l.note(batch, t)
		if err := pub.Publish(context.WithoutCancel(ctx), batch); err != nil {
			return err
		}
		l.acknowledged(t)
		return nil
	})
}

// written finds out from the change feed when each event was in the read model,
// short of the commit.
func (r *result) written(ctx context.Context, p *platform, l *ledger) error {
	ctx = context.WithoutCancel(ctx)
	conn, err := pgx.Connect(ctx, p.Postgres)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, `SELECT entries::text, changed_at FROM waybill.changes`)
	if err != nil {
		return err
	}
	var doc string
	var at time.Time
	first := map[events.EventID]time.Time{}
	_, err = pgx.ForEachRow(rows, []any{&doc, &at}, func() error {
		var entries [][4]string
		if err := json.Unmarshal([]byte(doc), &entries); err != nil {
			return err
		}
		for _, e := range entries {
			id := events.EventID(e[3])
			if was, ok := first[id]; !ok || at.Before(was) {
				first[id] = at
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the change feed: %w", err)
	}
	var ms []float64
	for id, t := range l.ids {
		if at, ok := first[id]; ok && t.measured {
			ms = append(ms, millis(at.Sub(t.at)))
		}
	}
	r.ToChange = report.SpreadOf(ms)
	return nil
}

func (r *result) print(w io.Writer) {
	fmt.Fprintf(w, "%.0f events/s, %d measured, browser: %s\n\n%-34s %7s %8s %8s %8s %8s\n", r.Rate, r.Events, r.Browser, "milliseconds", "n", "p50", "p90", "p99", "max")
	for _, l := range []struct {
		name string
		report.Spread
	}{
		{"publish → acknowledged", r.ToAck}, {"publish → change written", r.ToChange}, {"change written → frame (newest)", r.ChangeToSocket},
		{"publish → WebSocket client", r.ToSocket}, {"publish → document in Chromium", r.ToPage},
	} {
		fmt.Fprintf(w, "%-34s %7d %8.1f %8.1f %8.1f %8.1f\n", l.name, l.N, l.P50, l.P90, l.P99, l.Max)
	}
	fmt.Fprintf(w, "\nplatform: %.2f cores (Postgres not counted), %d frames\n", r.PlatformCPU, r.Frames)
}
