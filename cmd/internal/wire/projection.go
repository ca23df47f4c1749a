package wire

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/cenkalti/backoff/v4"
	"golang.org/x/sync/errgroup"

	"github.com/waybill-io/waybill/internal/ops"
	"github.com/waybill-io/waybill/internal/projector"
	"github.com/waybill-io/waybill/internal/readmodel"
	"github.com/waybill-io/waybill/internal/topic"
)

// Projection is topic, projector and read model.
type Projection struct {
	Brokers     []string
	DatabaseURL string
	Group       string
	// Topics are the topics' names. Defaults to those of package events.
	Topics      topic.Names
	Workers     int
	BatchEvents int
	BatchWait   time.Duration
	// HaltOnNewer and AnyPartition are as in [projector.Config].
	HaltOnNewer, AnyPartition bool
	// Park is as in [projector.Config].
	Park projector.Parking
	// Trials tries what killed processes may have had in hand. Defaults to nobody.
	Trials projector.Trials `json:"-"`
	// Survey is how often lag is looked at for the metrics; tables are every third
	// time. Defaults to 10 s.
	Survey time.Duration
}

// Checks names what must be right for it to work.
func (Projection) Checks() []string { return []string{"store", "projector", "deadletters"} }

// Run projects until ctx ends.
func (c Projection) Run(ctx context.Context, server *ops.Server, log *slog.Logger) error {
	source, err := topic.NewSource(topic.SourceConfig{Brokers: c.Brokers, Group: c.Group, Topics: c.Topics, Log: log})
	if err != nil {
		return err
	}
	store, err := await(ctx, server.Ready.Check("store"), log, func(ctx context.Context) (*readmodel.Store, error) {
		return readmodel.OpenStore(ctx, readmodel.Config{URL: c.DatabaseURL, Name: "waybill consumer", MaxConns: int32(c.Workers) + 4})
	})
	if err != nil {
		return endOf(ctx, err)
	}
	defer store.Close()
	p := projector.New(source, store, projector.Config{
		Owner: owner(), Workers: c.Workers, BatchEvents: c.BatchEvents, BatchWait: c.BatchWait,
		HaltOnNewer: c.HaltOnNewer, AnyPartition: c.AnyPartition, Park: c.Park, Attempts: store, Trials: c.Trials,
		Ready: server.Ready.Check("projector").Set, Metrics: projector.NewMetrics(server.Metrics),
	}, log)
	copies, err := topic.NewDeadLetters(topic.DeadLettersConfig{Brokers: c.Brokers, Topics: c.Topics})
	if err != nil {
		return err
	}
	defer copies.Close()
	relay := projector.NewRelay(store, copies, projector.RelayConfig{
		Ready: server.Ready.Check("deadletters").Set, Metrics: server.Metrics,
	}, log)
	look := newSurvey(store, topic.SourceConfig{Brokers: c.Brokers, Topics: c.Topics, Log: log}, c.Survey, log)
	if err := server.Metrics.Register(look); err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return p.Run(ctx) })
	g.Go(func() error { return relay.Run(ctx) })
	g.Go(func() error { return store.Run(ctx, log) })
	g.Go(func() error { return look.Run(ctx) })
	return g.Wait()
}

// await opens something in the database, waiting as long as that is away. A
// schema of another release is an operator's business at once.
func await[T any](ctx context.Context, ready *ops.Check, log *slog.Logger, open func(context.Context) (T, error)) (T, error) {
	try := func() (T, error) {
		opened, err := open(ctx)
		if err != nil && !readmodel.Unreachable(err) {
			err = backoff.Permanent(err)
		}
		return opened, err
	}
	opened, err := backoff.RetryNotifyWithData(try, backoff.WithContext(Patient(), ctx), func(err error, wait time.Duration) {
		ready.Set(false, err.Error())
		log.Warn("waiting for the database", "wait", wait, "error", err)
	})
	if err == nil {
		ready.Set(true, "connected")
	}
	return opened, err
}

// Patient pauses between tries, longer each time up to 5 s, and never gives up.
func Patient() backoff.BackOff {
	return backoff.NewExponentialBackOff(backoff.WithInitialInterval(100*time.Millisecond), backoff.WithMaxInterval(5*time.Second), backoff.WithMaxElapsedTime(0))
}

// endOf makes nothing of an error that only says that ctx has ended.
func endOf(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// owner names this process among those that claim partitions.
func owner() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s/%d", host, os.Getpid())
}
