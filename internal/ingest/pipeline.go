package ingest

import (
	"context"
	"errors"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/waybill-io/waybill/events"
)

// PipelineConfig says how events are published.
type PipelineConfig struct {
	// Lanes is how many batches may be under way at once. Defaults to 4.
	Lanes int
	// Batch is how many events a batch holds at most. Defaults to 500.
	Batch int
	// Timeout is how long one batch may take, retries included. Defaults to 30 s.
	Timeout time.Duration
	// Rate is how many events a second are published at most. Defaults to no
	// limit.
	Rate float64
	// Now is the clock of the limit. Defaults to time.Now.
	Now func() time.Time
}

const (
	defaultLanes   = 4
	defaultBatch   = 500
	defaultTimeout = 30 * time.Second
	grace          = 5 * time.Second        // for batches under way when the context has ended
	restless       = 100 * time.Millisecond // how long events wait for their batch at a limited rate
)

// Pipeline publishes events in batches, several at once: those with the same key
// one after the other. It has one user, who adds events and then finishes.
type Pipeline struct {
	cfg     PipelineConfig
	pub     Publisher
	limit   *rate.Limiter // nil for none
	seed    maphash.Seed
	waiting [][]events.Event
	lanes   []chan []events.Event
	flushed time.Time

	group   sync.WaitGroup
	stop    context.CancelCauseFunc
	ctx     context.Context // ends with parent, or when a lane fails
	parent  context.Context // the caller's
	acked   atomic.Int64
	unknown atomic.Int64
}

// NewPipeline starts the lanes. Finish it, whatever happens. When ctx ends, Add
// and Finish take nothing new; batches that are under way are given some seconds
// more.
func NewPipeline(ctx context.Context, pub Publisher, cfg PipelineConfig) *Pipeline {
	if cfg.Lanes == 0 {
		cfg.Lanes = defaultLanes
	}
	if cfg.Batch == 0 {
		cfg.Batch = defaultBatch
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = defaultTimeout
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	p := &Pipeline{
		cfg: cfg, pub: pub, seed: maphash.MakeSeed(), flushed: cfg.Now(),
		waiting: make([][]events.Event, cfg.Lanes), lanes: make([]chan []events.Event, cfg.Lanes),
	}
	p.parent = ctx
	p.ctx, p.stop = context.WithCancelCause(ctx)
	if cfg.Rate > 0 {
		p.limit = rate.NewLimiter(rate.Limit(cfg.Rate), max(1, int(cfg.Rate/10)))
	}
	for i := range p.lanes {
		p.lanes[i] = make(chan []events.Event)
		p.group.Go(func() { p.run(p.lanes[i]) })
	}
	return p
}

// Acked is how many events are known to be in the log.
func (p *Pipeline) Acked() int { return int(p.acked.Load()) }

// Add takes events, in their order. It waits while the lanes are busy, and
// returns an error when one of them has failed or ctx has ended; Finish says
// more.
func (p *Pipeline) Add(list ...events.Event) error {
	for _, e := range list {
		if err := p.pace(); err != nil {
			return err
		}
		lane := int(maphash.String(p.seed, e.Key()) % uint64(len(p.lanes)))
		p.waiting[lane] = append(p.waiting[lane], e)
		if len(p.waiting[lane]) >= p.cfg.Batch {
			if err := p.flush(lane); err != nil {
				return err
			}
		}
	}
	return context.Cause(p.ctx)
}

// pace waits for the limit. Events do not wait long for a batch then.
func (p *Pipeline) pace() error {
	if p.limit == nil {
		return nil
	}
	if now := p.cfg.Now(); now.Sub(p.flushed) > restless {
		p.flushed = now
		if err := p.Flush(); err != nil {
			return err
		}
	}
	if err := p.limit.Wait(p.ctx); err != nil {
		return cmpErr(context.Cause(p.ctx), err)
	}
	return nil
}

func cmpErr(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

func (p *Pipeline) flush(lane int) error {
	batch := p.waiting[lane]
	if len(batch) == 0 {
		return nil
	}
	select {
	case p.lanes[lane] <- batch:
		p.waiting[lane] = nil
		return nil
	case <-p.ctx.Done():
		return context.Cause(p.ctx)
	}
}

// Flush hands over what is waiting for a fuller batch. It does not wait for its
// acknowledgement.
func (p *Pipeline) Flush() error {
	for lane := range p.lanes {
		if err := p.flush(lane); err != nil {
			return err
		}
	}
	return nil
}

// Finish publishes what is waiting and returns when all lanes have ended. When
// not everything that was added is in the log, its error is a [*StoppedError].
func (p *Pipeline) Finish() error {
	err := p.Flush()
	for _, lane := range p.lanes {
		close(lane)
	}
	p.group.Wait()
	err = cmpErr(context.Cause(p.ctx), err)
	p.stop(nil)
	if err == nil {
		return nil
	}
	return &StoppedError{Acked: p.Acked(), Unknown: int(p.unknown.Load()), Err: err}
}

// run publishes the batches of a lane until it fails or the lane is closed. A
// batch is not cut short when the others stop: whether it is in the log would
// not be known.
func (p *Pipeline) run(lane <-chan []events.Event) {
	for batch := range lane {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(p.ctx), p.cfg.Timeout)
		forget := context.AfterFunc(p.parent, func() { time.AfterFunc(grace, cancel) })
		err := p.pub.Publish(ctx, batch)
		forget()
		cancel()
		if err != nil {
			p.count(err, len(batch))
			p.stop(err)
			return
		}
		p.acked.Add(int64(len(batch)))
	}
}

// count notes what is known of a batch that failed.
func (p *Pipeline) count(err error, n int) {
	told, ok := errors.AsType[Outcome](err)
	if !ok {
		p.unknown.Add(int64(n))
		return
	}
	acked, unknown, _ := told.Outcome()
	p.acked.Add(int64(acked))
	p.unknown.Add(int64(unknown))
}
