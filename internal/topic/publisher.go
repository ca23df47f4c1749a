package topic

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"golang.org/x/sync/semaphore"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/ingest"
)

// ErrClosed is the cause of a publish after Close.
var ErrClosed = errors.New("the publisher is closed")

// Publisher writes events to the log.
type Publisher struct {
	cfg     PublisherConfig
	cluster *cluster
	writer  *kafka.Writer
	room    *semaphore.Weighted // bytes

	mu      sync.Mutex // guards closed, and calls.Add against calls.Wait
	closed  bool
	calls   sync.WaitGroup
	closing chan struct{}
}

var _ ingest.Publisher = (*Publisher)(nil)

// NewPublisher returns a Publisher that connects when it is first used. Close it.
func NewPublisher(cfg PublisherConfig) (*Publisher, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("configure publisher: %w", err)
	}
	c := newCluster(cfg.Brokers, cfg.Security, cfg.Topics.list())
	return &Publisher{
		cfg:     cfg,
		cluster: c,
		writer:  newWriter(cfg, c),
		room:    semaphore.NewWeighted(cfg.MaxPending),
		closing: make(chan struct{}),
	}, nil
}

// newWriter sets every value that kafka-go would choose badly. Its few attempts
// keep the batches of a partition in order; the publisher's own go on from there.
func newWriter(cfg PublisherConfig, c *cluster) *kafka.Writer {
	return &kafka.Writer{
		Addr:            c.addr,
		Transport:       c,
		Balancer:        kafka.Murmur2Balancer{Consistent: true},
		RequiredAcks:    kafka.RequireAll,
		Compression:     kafka.Lz4,
		MaxAttempts:     4,
		WriteBackoffMin: 50 * time.Millisecond,
		WriteBackoffMax: time.Second,
		BatchSize:       cfg.BatchSize,
		BatchTimeout:    cfg.Linger,
		WriteTimeout:    cfg.WriteTimeout,
		ReadTimeout:     cfg.WriteTimeout,
		Completion:      acknowledge,
	}
}

// Publish writes the events and returns nil once all of them are acknowledged.
// What fails is tried again until ctx ends, except what the brokers refuse for
// good. Every other error is a [PublishError]; writes that are under way when
// ctx ends may still succeed.
func (p *Publisher) Publish(ctx context.Context, batch []events.Event) error {
	if len(batch) == 0 {
		return nil
	}
	d, err := p.newDelivery(batch)
	if err != nil {
		return &PublishError{Unsent: len(batch), Err: err}
	}
	if err := p.enter(); err != nil {
		return &PublishError{Unsent: len(batch), Err: err}
	}
	need := min(d.size, p.cfg.MaxPending)
	if err := p.room.Acquire(ctx, need); err != nil {
		p.calls.Done()
		return &PublishError{Unsent: len(batch), Err: fmt.Errorf("wait for room: %w", err)}
	}
	finished := make(chan struct{})
	go func() {
		defer p.calls.Done()
		defer p.room.Release(need)
		defer close(finished)
		p.deliver(ctx, d)
	}()
	select {
	case <-finished:
	case <-ctx.Done(): // the room stays taken until the writer lets go of the events
	}
	return d.result(ctx)
}

// enter counts a call, unless the publisher is closed.
func (p *Publisher) enter() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return ErrClosed
	}
	p.calls.Add(1)
	return nil
}

// Close writes what was handed over, without trying anything again that fails,
// and waits for it.
func (p *Publisher) Close() error {
	p.mu.Lock()
	if !p.closed {
		p.closed = true
		close(p.closing)
	}
	p.mu.Unlock()
	err := p.writer.Close()
	p.calls.Wait()
	p.cluster.close()
	if err != nil {
		return fmt.Errorf("close publisher: %w", err)
	}
	return nil
}
