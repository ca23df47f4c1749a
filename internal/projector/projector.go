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
	// Patience is how long something may fail before Ready hears of it.
	// Defaults to 30 s.
	Patience time.Duration
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
	wait(&c.Patience, 30*time.Second)
	if c.Ready == nil {
		c.Ready = func(bool, string) {}
	}
	if c.Metrics == nil {
		c.Metrics = NewMetrics(nil)
	}
	return c
}

// Projector keeps a store in step with a source.
type Projector struct {
	source Source
	store  Store
	cfg    Config
	log    *slog.Logger

	mu       sync.Mutex          // guards what follows
	assigned int                 // partitions of this generation
	halted   map[Partition]error // stopped until an operator says otherwise
}

// New returns a projector; Run makes it work.
func New(source Source, store Store, cfg Config, log *slog.Logger) *Projector {
	return &Projector{source: source, store: store, cfg: cfg.withDefaults(), log: log, halted: map[Partition]error{}}
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
	claims, err := p.claim(ctx, s, cluster, parts)
	if err != nil {
		return p.leave(err)
	}
	fault.Point("claimed")
	p.mu.Lock()
	p.assigned = len(parts)
	p.mu.Unlock()
	p.report()
	g, working := errgroup.WithContext(ctx)
	for i := range min(p.cfg.Workers, len(parts)) {
		mine := map[Partition]owned{}
		for j := i; j < len(parts); j += p.cfg.Workers {
			if claim, ok := claims[parts[j]]; ok {
				mine[parts[j]] = claim
			}
		}
		if len(mine) > 0 {
			g.Go(func() error { return p.newWorker(s, mine).run(working) })
		}
	}
	if err := g.Wait(); err != nil {
		return p.leave(err)
	}
	<-ctx.Done() // nothing to do, but the partitions are ours
	return nil
}

// leave sorts out why a generation ended early: nil rejoins.
func (p *Projector) leave(err error) error {
	halt, halted := errors.AsType[*HaltError](err)
	switch {
	case errors.Is(err, ErrFenced):
		return nil
	case halted:
		p.halt(halt)
		return nil
	case errors.Is(err, context.Canceled):
		return nil
	}
	p.cfg.Ready(false, err.Error())
	return err
}

// HaltError stops a partition until an operator decides.
type HaltError struct {
	Partition Partition
	Reason    string // log_gap, other_log, corrupt_log or flood
	Err       error
}

// Error reads "topic/0 halted (log_gap): ...".
func (e *HaltError) Error() string {
	return fmt.Sprintf("%s halted (%s): %v", e.Partition, e.Reason, e.Err)
}

// Unwrap returns the cause.
func (e *HaltError) Unwrap() error { return e.Err }

func (p *Projector) halt(e *HaltError) {
	p.mu.Lock()
	p.halted[e.Partition] = e
	p.mu.Unlock()
	p.cfg.Metrics.halts.WithLabelValues(e.Reason).Inc()
	p.log.Error("partition halted", "partition", e.Partition.String(), "reason", e.Reason, "error", e.Err)
}

func (p *Projector) isHalted(part Partition) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.halted[part] != nil
}

// report tells whether all partitions of the generation are worked on.
func (p *Projector) report() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, err := range p.halted {
		p.cfg.Ready(false, err.Error())
		return
	}
	p.cfg.Ready(true, fmt.Sprintf("%d partitions", p.assigned))
}

// claim takes the partitions over and leaves out those that must stand still.
func (p *Projector) claim(ctx context.Context, s Session, cluster string, parts []Partition) (map[Partition]owned, error) {
	var claims map[Partition]Claim
	err := p.retry(ctx, "claim partitions", func(ctx context.Context) (err error) {
		claims, err = p.store.Claim(ctx, p.cfg.Owner, cluster, parts)
		return err
	})
	if err != nil {
		return nil, err
	}
	var bounds map[Partition]Bounds
	err = p.retry(ctx, "ask for the bounds of the logs", func(ctx context.Context) (err error) {
		bounds, err = s.Bounds(ctx, parts)
		return err
	})
	if err != nil {
		return nil, err
	}
	mine := make(map[Partition]owned, len(parts))
	for _, part := range parts {
		c, b := claims[part], bounds[part]
		if p.isHalted(part) {
			continue
		}
		if halt := check(part, c, b, cluster); halt != nil {
			p.halt(halt)
			continue
		}
		mine[part] = own(c, b)
	}
	return mine, nil
}

// owned is a claimed partition. It is read from begin, which lies behind the
// position only where the log begins later and nothing was ever read.
type owned struct {
	Claim
	begin int64
}

func own(c Claim, b Bounds) owned {
	if c.untouched() {
		return owned{c, max(c.Next, b.Start)}
	}
	return owned{c, c.Next}
}

// untouched reports that no record of the partition was ever applied.
func (c Claim) untouched() bool { return c.Next == 0 && c.LastSeen < 0 }

// check compares a position with the log that is there. A projection that has
// never seen a record begins wherever the log does.
func check(part Partition, c Claim, b Bounds, cluster string) *HaltError {
	switch {
	case c.Cluster != cluster && !c.untouched():
		return &HaltError{part, "other_log", fmt.Errorf("the position %d is of cluster %q, the broker is of cluster %q", c.Next, c.Cluster, cluster)}
	case c.Next < b.Start && !c.untouched():
		return &HaltError{part, "log_gap", fmt.Errorf("%d records are lost: the position is %d, the log begins at %d", b.Start-c.Next, c.Next, b.Start)}
	case c.Next > b.End:
		return &HaltError{part, "other_log", fmt.Errorf("the position %d lies behind the log's end %d: the log was truncated or made anew", c.Next, b.End)}
	}
	return nil
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
		p.cfg.Metrics.retries.Inc()
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

// passes reports whether an error may not be met again.
func passes(err error) bool {
	t, ok := errors.AsType[interface {
		error
		Temporary() bool
	}](err)
	return ok && t.Temporary()
}
