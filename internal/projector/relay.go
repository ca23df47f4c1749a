package projector

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-io/waybill/internal/fault"
)

// Outbox is a store's dead letters whose copies are still to be published.
type Outbox interface {
	// Send calls publish with letters of one partition at a time, in offset
	// order, and remembers those for which it returned nil. A partition that
	// fails does not keep the others back; the error names every one that did.
	// Of several processes one sends at a time; the others are told of nothing.
	Send(ctx context.Context, publish func(ctx context.Context, letters []DeadLetter) error) (sent int, err error)
	// Backlog counts what is unpublished, and says how long the oldest has been.
	Backlog(ctx context.Context) (letters int, oldest time.Duration, err error)
}

// RelayConfig sets how long a relay waits.
type RelayConfig struct {
	// Every is how often the outbox is looked into. Defaults to 1 s.
	Every time.Duration
	// Timeout bounds one call to Publish. Defaults to 10 s.
	Timeout time.Duration
	// Patience is how long copies may be late before Ready hears of it. Defaults
	// to 30 s.
	Patience time.Duration
	// Ready is told whether copies are published in time. Defaults to nobody.
	Ready func(ok bool, detail string)
	// Metrics counts what happens. Defaults to nowhere.
	Metrics prometheus.Registerer
}

func (c RelayConfig) withDefaults() RelayConfig {
	wait := func(v *time.Duration, to time.Duration) {
		if *v == 0 {
			*v = to
		}
	}
	wait(&c.Every, time.Second)
	wait(&c.Timeout, 10*time.Second)
	wait(&c.Patience, 30*time.Second)
	if c.Ready == nil {
		c.Ready = func(bool, string) {}
	}
	return c
}

// Relay publishes copies of the dead letters that a store keeps.
//
// The letters are in the store since the transaction that moved past them, so
// that a topic which is missing, denied or full costs no letter and stops no
// partition: copies come late, and Ready and the metrics tell so. A copy may be
// published twice, when its process ends before it is remembered.
type Relay struct {
	outbox Outbox
	to     DeadLetters
	cfg    RelayConfig
	log    *slog.Logger

	published prometheus.Counter
	failures  prometheus.Counter
	backlog   prometheus.Gauge
	oldest    prometheus.Gauge
}

// NewRelay returns a relay; Run makes it work.
func NewRelay(outbox Outbox, to DeadLetters, cfg RelayConfig, log *slog.Logger) *Relay {
	const ns, sub = "waybill", "dead_letters"
	r := &Relay{
		outbox: outbox, to: to, cfg: cfg.withDefaults(), log: log,
		published: prometheus.NewCounter(prometheus.CounterOpts{Namespace: ns, Subsystem: sub, Name: "published_total",
			Help: "Copies of dead letters that their topics acknowledged."}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{Namespace: ns, Subsystem: sub, Name: "publish_failures_total",
			Help: "Rounds in which a copy could not be published."}),
		backlog: prometheus.NewGauge(prometheus.GaugeOpts{Namespace: ns, Subsystem: sub, Name: "unpublished",
			Help: "Dead letters whose copy is still to be published."}),
		oldest: prometheus.NewGauge(prometheus.GaugeOpts{Namespace: ns, Subsystem: sub, Name: "oldest_unpublished_seconds",
			Help: "How long the oldest of them has been waiting."}),
	}
	if cfg.Metrics != nil {
		cfg.Metrics.MustRegister(r.published, r.failures, r.backlog, r.oldest)
	}
	return r
}

// Run publishes copies until ctx ends, and then returns nil. Whatever fails is
// tried again with growing pauses.
func (r *Relay) Run(ctx context.Context) error {
	began, pause := time.Now(), backoff.NewExponentialBackOff(backoff.WithInitialInterval(100*time.Millisecond),
		backoff.WithMaxInterval(5*time.Second), backoff.WithMaxElapsedTime(0))
	for {
		sent, err := r.outbox.Send(ctx, r.publish)
		if ctx.Err() != nil {
			return nil
		}
		r.tell(ctx, began, err)
		wait := r.cfg.Every
		switch {
		case err != nil:
			wait = pause.NextBackOff()
			r.failures.Inc()
			r.log.Warn("copies of dead letters were not published", "wait", wait, "error", err)
		case sent > 0:
			pause.Reset()
			continue // there may be more
		default:
			pause.Reset()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

func (r *Relay) publish(ctx context.Context, letters []DeadLetter) error {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Timeout)
	defer cancel()
	if err := r.to.Publish(ctx, letters); err != nil {
		return err
	}
	fault.Point("letters_sent")
	r.published.Add(float64(len(letters)))
	r.log.Info("published copies of dead letters", "partition", letters[0].Partition.String(),
		"first", letters[0].Offset, "letters", len(letters))
	return nil
}

// tell says how far the copies are behind. Old letters are no reason to
// complain of a relay that has only begun.
func (r *Relay) tell(ctx context.Context, began time.Time, sending error) {
	letters, oldest, err := r.outbox.Backlog(ctx)
	switch {
	case ctx.Err() != nil:
		return
	case err != nil:
		r.log.Warn("the backlog of dead letters is not known", "error", err)
		return // the database is away: others say so
	}
	r.backlog.Set(float64(letters))
	r.oldest.Set(oldest.Seconds())
	if min(oldest, time.Since(began)) < r.cfg.Patience {
		r.cfg.Ready(true, fmt.Sprintf("%d copies to publish", letters))
		return
	}
	detail := fmt.Sprintf("%d dead letters are unpublished, the oldest for %v", letters, oldest.Round(time.Second))
	if sending != nil {
		detail += ": " + sending.Error()
	}
	r.cfg.Ready(false, detail)
}
