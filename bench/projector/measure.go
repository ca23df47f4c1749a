package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/waybill-io/waybill/bench/internal/report"
)

// bench is a run.
type bench struct {
	cfg    *config
	out    io.Writer
	broker *broker
	server *server
	load   loaded
	truth  dump // nil without -oracle
	taken  map[string][]taken
}

// taken is what one arm took in one round.
type taken struct {
	figures
	pgCPU float64
	wal   int64
	hot   float64
	wrong int
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
	b := &bench{cfg: cfg, out: out, taken: map[string][]taken{}}
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
	b.say("publishing %d events to %s", b.cfg.events, b.broker.kind)
	if b.load, err = load(ctx, b.cfg, b.broker.brokers, b.broker.names); err != nil {
		return err
	}
	b.say("published %d events of %d B in %.1f s", b.load.events, b.load.bytes/int64(b.load.events), b.load.seconds)
	if b.cfg.oracle {
		if err := b.ask(ctx); err != nil {
			return err
		}
	}
	for round := range b.cfg.rounds {
		if err := b.round(ctx, round); err != nil {
			return fmt.Errorf("round %d: %w", round+1, err)
		}
	}
	return nil
}

// ask has the oracle write the rows that all others are held against.
func (b *bench) ask(ctx context.Context) error {
	const name = "oracle"
	url, err := b.server.create(ctx, name)
	if err != nil {
		return err
	}
	f, err := runArm(ctx, b.job("oracle", name, url))
	if err != nil {
		return err
	}
	if b.truth, err = dumpOf(ctx, url); err != nil {
		return err
	}
	b.say("oracle: %d events, %d orders, %d shipments, %d parcels in %.1f s by one thread",
		f.Stored, b.truth.rows("orders"), b.truth.rows("shipments"), b.truth.rows("parcels"), f.Seconds)
	return b.server.drop(ctx, name)
}

// orders are those of the arms, round by round. The pipeline's batches must be
// known before they can be repeated.
var orders = [][]string{{"pipeline", "sql", "copy"}, {"copy", "pipeline", "sql"}, {"pipeline", "copy", "sql"}}

// round runs every arm once.
func (b *bench) round(ctx context.Context, round int) error {
	var cuts []cut
	for _, arm := range orders[round%len(orders)] {
		if !slices.Contains(b.cfg.arms, arm) {
			continue
		}
		name := fmt.Sprintf("%s_%d", arm, round+1)
		t, err := b.arm(ctx, arm, name, cuts, round == b.cfg.rounds-1)
		if err != nil {
			return err
		}
		if arm == "pipeline" {
			cuts = t.Cuts
		}
		t.Cuts = nil
		b.taken[arm] = append(b.taken[arm], t)
		b.say("round %d %-8s %7.0f events/s  %6.1f s  cpu %5.1f s + postgres %5.1f s  peak %4.0f MiB  wrong rows %d",
			round+1, arm, t.perSecond(), t.Seconds, t.CPU, t.pgCPU, t.PeakMiB, t.wrong)
	}
	return nil
}

func (b *bench) job(arm, name, url string) job {
	return job{
		Arm: arm, Brokers: b.broker.brokers, Names: b.broker.names, Group: "bench-" + name, DatabaseURL: url,
		Workers: b.cfg.workers, BatchEvents: b.cfg.batchEvents,
	}
}

// arm runs one arm on a fresh database and holds what it wrote against the
// oracle.
func (b *bench) arm(ctx context.Context, arm, name string, cuts []cut, last bool) (t taken, err error) {
	url, err := b.server.create(ctx, name)
	if err != nil {
		return t, err
	}
	j := b.job(arm, name, url)
	j.Cuts = cuts
	if last && arm == "pipeline" {
		j.Profile = b.cfg.profile
	}
	if b.cfg.statements {
		if err := b.server.forget(ctx); err != nil {
			return t, err
		}
	}
	before, err := b.server.used(ctx)
	if err != nil {
		return t, err
	}
	if t.figures, err = runArm(ctx, j); err != nil {
		return t, err
	}
	after, err := b.server.used(ctx)
	if err != nil {
		return t, err
	}
	t.pgCPU, t.wal = after.cpu-before.cpu, after.wal-before.wal
	if t.hot, err = hot(ctx, url); err != nil {
		return t, err
	}
	if b.cfg.statements {
		if err := b.explain(ctx, arm); err != nil {
			return t, err
		}
	}
	if b.truth != nil && arm != "copy" {
		if err := b.judge(ctx, url, arm, &t); err != nil {
			return t, err
		}
	}
	return t, b.server.drop(ctx, name)
}

func (b *bench) judge(ctx context.Context, url, arm string, t *taken) error {
	rows, err := dumpOf(ctx, url)
	if err != nil {
		return err
	}
	var detail string
	if t.wrong, detail = rows.wrong(b.truth); t.wrong > 0 {
		b.say("%s: %d rows are not as the oracle's:%s", arm, t.wrong, detail)
	}
	return nil
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
