package projector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"
	"golang.org/x/sync/errgroup"

	"github.com/waybill-io/waybill/internal/fault"
)

// Config sets what a projector may take and how long it waits.
type Config struct {
	// Owner names this process in the positions. Required.
	Owner string
	// Workers apply batches side by side, each to partitions of its own.
	// Defaults to 2.
	Workers int
	// BatchEvents, BatchBytes and BatchWait end a batch, whichever comes first.
	// Default to 5,000, 4 MiB and 25 ms after its first record. A batch that has
	// reached the end of the log does not wait.
	BatchEvents int
	BatchBytes  int
	BatchWait   time.Duration
	// Grace is how long the batch in hand may take once the context has ended.
	// Defaults to 10 s.
	Grace time.Duration
	// ApplyTimeout ends an attempt to apply a batch that hangs, as on a connection
	// that nobody answers on any more; then it is tried again. Defaults to 2 min,
	// which is far more than the statements of a batch may take.
	ApplyTimeout time.Duration
	// Patience is how long something may fail before Ready hears of it.
	// Defaults to 30 s.
	Patience time.Duration
	// Recheck is how often a stopped partition is looked at, whether an operator
	// has moved it on. Defaults to 3 s.
	Recheck time.Duration
	// AnyPartition takes records on partitions that their keys do not belong on.
	// Topics that were given more partitions hold such records. Defaults to
	// dead letters of class wrong_partition.
	AnyPartition bool
	// HaltOnNewer stops a partition at a record of a newer version of a type
	// that this program knows. Defaults to dead letters of class upgrade_needed.
	HaltOnNewer bool
	// Park is whose dead letters have the later records of their key wait until
	// they are settled. Defaults to nobody's: keys go on past their dead letters.
	Park Parking
	// Attempts remembers what was in hand when a process was killed, so that a
	// record that kills every process is found. Defaults to nobody.
	Attempts Attempts
	// Trials has the records tried, in a process of its own, that killed owners may
	// have had in hand. Needs Attempts. Defaults to nobody.
	Trials Trials
	// Ready is told whether the projector works, and if not, why. Defaults to
	// nobody.
	Ready func(ok bool, detail string)
	// Metrics counts what happens. Defaults to nowhere.
	Metrics *Metrics
}

func (c Config) withDefaults() Config {
	set := func(v *int, to int) {
		if *v == 0 {
			*v = to
		}
	}
	wait := func(v *time.Duration, to time.Duration) {
		if *v == 0 {
			*v = to
		}
	}
	set(&c.Workers, 2)
	set(&c.BatchEvents, 5000)
	set(&c.BatchBytes, 4<<20)
	wait(&c.BatchWait, 25*time.Millisecond)
	wait(&c.Grace, 10*time.Second)
	wait(&c.ApplyTimeout, 2*time.Minute)
	wait(&c.Patience, 30*time.Second)
	wait(&c.Recheck, 3*time.Second)
	if c.Ready == nil {
		c.Ready = func(bool, string) {}
	}
	if c.Metrics == nil {
		c.Metrics = NewMetrics(nil)
	}
	return c
}

// MemoryFor is how many bytes a process with so many workers should stay below:
// for each a batch being decoded, one being written, and what was fetched ahead.
func MemoryFor(workers int) int64 { return 96<<20 + int64(workers)*(64<<20) }

// Projector keeps a store in step with a source.
type Projector struct {
	source Source
	store  Store
	cfg    Config
	log    *slog.Logger

	probing sync.Mutex // held while records are in hand that may kill the process

	mu       sync.Mutex             // guards what follows
	assigned int                    // partitions of this generation
	halted   map[Partition]standing // stopped until an operator says otherwise
}

// New returns a projector; Run makes it work.
func New(source Source, store Store, cfg Config, log *slog.Logger) *Projector {
	return &Projector{source: source, store: store, cfg: cfg.withDefaults(), log: log, halted: map[Partition]standing{}}
}

// Run projects until ctx ends, and then returns nil. Another error is an
// operator's business: trying again would not help.
func (p *Projector) Run(ctx context.Context) error {
	p.cfg.Ready(false, "joining the group")
	return p.source.Run(ctx, p.serve)
}

// serve works one generation: it claims the partitions, checks that their logs
// still hold the positions, and runs the workers.
func (p *Projector) serve(ctx context.Context, s Session) error {
	cluster, parts := s.Assignment()
	p.assign(parts)
	g, working := errgroup.WithContext(ctx)
	gen := &generation{Projector: p, session: s, cluster: cluster, held: map[Partition]int64{}}
	gen.start = func(mine map[Partition]owned) {
		g.Go(func() error {
			w := p.newWorker(s, mine)
			defer gen.keepUnclean(w)
			return w.run(working)
		})
	}
	claims, err := gen.claim(ctx, parts)
	if err == nil {
		err = gen.examine(ctx, claims)
	}
	if err != nil {
		return p.leave(err)
	}
	fault.Point("claimed")
	p.report()
	for i := range min(p.cfg.Workers, len(parts)) {
		mine := map[Partition]owned{}
		for j := i; j < len(parts); j += p.cfg.Workers {
			if claim, ok := claims[parts[j]]; ok {
				mine[parts[j]] = claim
			}
		}
		if len(mine) > 0 {
			gen.start(mine)
		}
	}
	g.Go(func() error { return gen.awaitOperator(working) })
	err = g.Wait()
	gen.release(ctx)
	return p.leave(err)
}

// leave sorts out why a generation ended early: nil rejoins.
func (p *Projector) leave(err error) error {
	switch {
	case err == nil, errors.Is(err, ErrFenced), errors.Is(err, context.Canceled):
		return nil
	}
	p.cfg.Ready(false, err.Error())
	return err
}

// retry runs do until it succeeds, ctx ends, or the error is not one that
// passes.
func (p *Projector) retry(ctx context.Context, what string, do func(context.Context) error) error {
	pause := backoff.NewExponentialBackOff(backoff.WithInitialInterval(50*time.Millisecond), backoff.WithMaxInterval(5*time.Second), backoff.WithMaxElapsedTime(0))
	start, told := time.Now(), false
	for try := 1; ; try++ {
		err := do(ctx)
		if err == nil {
			if told {
				p.report()
			}
			return nil
		}
		if !passes(err) || ctx.Err() != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		p.cfg.Metrics.retry(err)
		if !told && time.Since(start) >= p.cfg.Patience {
			told = true
			p.cfg.Ready(false, fmt.Sprintf("%s: %v", what, err))
		}
		wait := pause.NextBackOff()
		p.log.Warn("trying again", "what", what, "try", try, "wait", wait, "error", err)
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, ctx.Err())
		case <-time.After(wait):
		}
	}
}

// classOf is the class of an error that passes, as its package names it.
func classOf(err error) string {
	if e, ok := errors.AsType[interface {
		error
		Class() string
	}](err); ok {
		return known(e.Class(), retryClasses)
	}
	return other
}

// passes reports whether an error may not be met again.
func passes(err error) bool {
	t, ok := errors.AsType[interface {
		error
		Temporary() bool
	}](err)
	return ok && t.Temporary()
}
