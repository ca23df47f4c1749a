package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/waybill-io/waybill/bench/internal/report"
)

// bench is a run.
type bench struct {
	cfg    *config
	out    io.Writer
	broker *broker
	server *server
	stages map[int]*stage // by the number of their events
	taken  map[string][]taken
	waits  report.Spread // from publishing to commit
}

// taken is what one arm took in one round.
type taken struct {
	figures
	pgCPU float64
	wal   int64
	hot   float64

	wrong  int
	judged int // rows that were compared
}

// measure loads the topic once, then runs the arms in turn, round by round, each
// on a database of its own.
func measure(ctx context.Context, cfg *config, out io.Writer) (err error) {
	conditions := report.Begin()
	dir := cfg.dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "waybill-bench-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	b := &bench{cfg: cfg, out: out, stages: map[int]*stage{}, taken: map[string][]taken{}}
	if b.server, err = startServer(ctx, dir, cfg.statements); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.server.close()) }()
	if b.broker, err = startBroker(ctx, cfg, dir); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.broker.close()) }()
	if err := b.run(ctx); err != nil {
		return err
	}
	conditions.End()
	b.table()
	return report.Result(out, b.result(conditions))
}

func (b *bench) run(ctx context.Context) (err error) {
	if err := b.set(ctx); err != nil {
		return err
	}
	for round := range b.cfg.rounds {
		if err := b.round(ctx, round); err != nil {
			return fmt.Errorf("round %d: %w", round+1, err)
		}
	}
	if b.cfg.kill {
		if err := b.killed(ctx); err != nil {
			return fmt.Errorf("kill the pipeline: %w", err)
		}
	}
	if b.cfg.latency > 0 {
		if err := b.thin(ctx); err != nil {
			return fmt.Errorf("measure thin traffic: %w", err)
		}
	}
	return nil
}

// orders are those of the arms, round by round. The pipeline's batches must be
// known before they can be repeated.
var orders = [][]string{
	{"pipeline", "sql", "copy", "watermill", "watermill-batched", "watermill-early"},
	{"watermill-early", "copy", "pipeline", "watermill-batched", "watermill", "sql"},
	{"watermill", "pipeline", "watermill-early", "copy", "watermill-batched", "sql"},
}

// rebuilding runs on the database of the pipeline, after it.
const rebuilding = "rebuild"

// round runs every arm once.
func (b *bench) round(ctx context.Context, round int) error {
	var cuts []cut
	for _, arm := range orders[round%len(orders)] {
		if !slices.Contains(b.cfg.arms, arm) {
			continue
		}
		j := b.job(arm, fmt.Sprintf("%s_%d", strings.ReplaceAll(arm, "-", "_"), round+1), "", b.stageOf(arm))
		j.Cuts = cuts
		if arm == "pipeline" && round == b.cfg.rounds-1 {
			j.Profile = b.cfg.profile
		}
		then := []string{arm}
		if arm == "pipeline" && slices.Contains(b.cfg.arms, rebuilding) {
			then = append(then, rebuilding)
		}
		all, err := b.onDatabase(ctx, j, then)
		if err != nil {
			return err
		}
		if arm == "pipeline" {
			cuts = all[0].Cuts
		}
		for i, t := range all {
			t.Cuts = nil
			b.took(fmt.Sprintf("round %d", round+1), then[i], t)
		}
	}
	return nil
}

// took keeps what an arm took, and says so.
func (b *bench) took(when, arm string, t taken) {
	b.taken[arm] = append(b.taken[arm], t)
	b.say("%s %-17s %7.0f events/s  %6.1f s  cpu %5.1f s + postgres %5.1f s  peak %4.0f MiB  wrong rows %d",
		when, arm, t.perSecond(), t.Seconds, t.CPU, t.pgCPU, t.PeakMiB, t.wrong)
}

func (b *bench) job(arm, name, url string, s *stage) job {
	return job{
		Arm: arm, Name: name, Brokers: b.broker.brokers, Names: s.names, Group: "bench-" + name, DatabaseURL: url,
		Workers: b.cfg.workers, BatchEvents: b.cfg.batchEvents,
	}
}

// onDatabase runs arms one after the other on one fresh database.
func (b *bench) onDatabase(ctx context.Context, j job, names []string) (all []taken, err error) {
	s := b.stageOf(names[0])
	if j.DatabaseURL, err = b.server.create(ctx, j.Name); err != nil {
		return nil, err
	}
	for _, arm := range names {
		j.Arm = arm
		t, err := b.arm(ctx, j, s, runArm)
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, b.server.drop(ctx, j.Name)
}

// arm runs one arm and holds what it wrote against the oracle.
func (b *bench) arm(ctx context.Context, j job, s *stage, run func(context.Context, job) (figures, error)) (t taken, err error) {
	if b.cfg.statements {
		if err := b.server.forget(ctx); err != nil {
			return t, err
		}
	}
	before, err := b.server.used(ctx)
	if err != nil {
		return t, err
	}
	if t.figures, err = run(ctx, j); err != nil {
		return t, err
	}
	after, err := b.server.used(ctx)
	if err != nil {
		return t, err
	}
	t.pgCPU, t.wal = after.cpu-before.cpu, after.wal-before.wal
	if t.hot, err = hot(ctx, j.DatabaseURL); err != nil {
		return t, err
	}
	if b.cfg.statements {
		if err := b.explain(ctx, j.Arm); err != nil {
			return t, err
		}
	}
	if s.rows != nil && j.Arm != "copy" {
		err = b.judge(ctx, j.DatabaseURL, j.Arm, s, &t)
	}
	return t, err
}

// explain prints where the database's time went.
func (b *bench) explain(ctx context.Context, arm string) error {
	all, err := b.server.statements(ctx)
	if err != nil {
		return err
	}
	var sum float64
	for _, s := range all {
		sum += s.ms
	}
	fmt.Fprintf(b.out, "%s: %.1f s in statements\n", arm, sum/1000)
	for _, s := range all {
		fmt.Fprintf(b.out, "  %5.1f %%  %8.2f s  %7d calls  %9d rows  %s\n", 100*s.ms/sum, s.ms/1000, s.calls, s.rows, s.name)
	}
	return nil
}

func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(b.out, "%s  %s\n", time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...))
}
