package topic

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/waybill-io/waybill/internal/projector"
)

// Source yields the log to one member of a consumer group.
type Source struct {
	cfg SourceConfig
}

var _ projector.Source = (*Source)(nil)

// NewSource returns a Source that connects when it runs.
func NewSource(cfg SourceConfig) (*Source, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("configure source: %w", err)
	}
	return &Source{cfg}, nil
}

// Run joins the group and calls serve once per generation that gives it
// partitions. It waits for topics and coordinators that do not exist yet, and
// returns nil when ctx ends, or the error of serve.
func (s *Source) Run(ctx context.Context, serve func(context.Context, projector.Session) error) error {
	c := newCluster(s.cfg.Brokers, s.cfg.Security, s.cfg.Topics.list())
	defer c.close()
	m := &member{cfg: s.cfg, cluster: c, serve: serve}
	if _, ok := m.awaitTopics(ctx); !ok {
		return nil
	}
	d := newDialer()
	group, err := kafka.NewConsumerGroup(s.groupConfig(d, &m.balancer))
	if err != nil {
		return fmt.Errorf("join group %q: %w", s.cfg.Group, err)
	}
	defer func() {
		d.cut() // or a join that waits for other members would be waited for
		_ = group.Close()
	}()
	return m.run(ctx, group)
}

// groupConfig sets the values that decide how fast a rebalance is.
func (s *Source) groupConfig(d *dialer, b *balancer) kafka.ConsumerGroupConfig {
	return kafka.ConsumerGroupConfig{
		ID:      s.cfg.Group,
		Brokers: s.cfg.Brokers,
		Topics:  s.cfg.Topics.list(),
		Dialer: &kafka.Dialer{
			ClientID:      clientID,
			Timeout:       3 * time.Second,
			DialFunc:      d.dial,
			TLS:           s.cfg.Security.TLS,
			SASLMechanism: s.cfg.Security.mechanism(),
		},
		GroupBalancers:    []kafka.GroupBalancer{b},
		HeartbeatInterval: time.Second,
		SessionTimeout:    10 * time.Second,
		RebalanceTimeout:  20 * time.Second,
		JoinGroupBackoff:  time.Second,
		StartOffset:       kafka.FirstOffset,
	}
}

// member is a Source that runs.
type member struct {
	cfg     SourceConfig
	cluster *cluster
	serve   func(context.Context, projector.Session) error

	balancer balancer
}

// awaitTopics waits until both topics exist. It reports false when ctx ended.
func (m *member) awaitTopics(ctx context.Context) (layout, bool) {
	wait := newBackOff(5 * time.Second)
	for {
		l, err := m.cluster.layout(ctx, m.cfg.Topics.list())
		if err == nil {
			return l, true
		}
		if ctx.Err() != nil {
			return layout{}, false
		}
		m.cfg.Log.Warn("topics cannot be read yet, waiting", "topics", m.cfg.Topics.list(), "error", err)
		if !pause(ctx, wait.NextBackOff()) {
			return layout{}, false
		}
	}
}

// run serves one generation after the other.
func (m *member) run(ctx context.Context, group *kafka.ConsumerGroup) error {
	for {
		gen, err := group.Next(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil: // the group tries again by itself, after a pause
			m.logJoin(err)
			continue
		}
		done := make(chan error, 1)
		gen.Start(func(genCtx context.Context) { done <- m.generation(ctx, genCtx, gen) })
		if err := <-done; err != nil {
			return err
		}
	}
}

// logJoin says why there is no generation. A coordinator that is still being
// found, and other members that join, are the ordinary course of things.
func (m *member) logJoin(err error) {
	ordinary := errors.Is(err, kafka.GroupCoordinatorNotAvailable) || errors.Is(err, kafka.GroupLoadInProgress) ||
		errors.Is(err, kafka.NotCoordinatorForGroup) || errors.Is(err, kafka.RebalanceInProgress) ||
		errors.Is(err, kafka.UnknownMemberId)
	if ordinary {
		m.cfg.Log.Debug("group cannot be joined yet, trying again", "group", m.cfg.Group, "error", err)
		return
	}
	m.cfg.Log.Warn("group cannot be joined, trying again", "group", m.cfg.Group, "error", err)
}

// generation calls serve and returns its error, unless that is only the end of
// the generation. When it returns, nothing of the generation is left running.
func (m *member) generation(ctx, genCtx context.Context, gen *kafka.Generation) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(genCtx, func() { cancel(kafka.ErrGenerationEnded) })()
	m.cluster.renew() // the cluster behind the address may be another one by now
	l, ok := m.awaitTopics(ctx)
	if !ok || genCtx.Err() != nil {
		return nil
	}
	log := m.cfg.Log.With("group", gen.GroupID, "generation", gen.ID)
	s := m.newSession(gen, l)
	log.Info("joined group", "partitions", len(s.parts))

	var watching sync.WaitGroup
	watching.Go(func() {
		if err := s.watch(ctx); err != nil {
			log.Error("ending generation", "error", err)
			cancel(err)
		}
	})
	err := m.serveOrWait(ctx, s)
	ended := ctx.Err() != nil
	cancel(nil)
	s.loops.Wait()
	watching.Wait()
	if ended && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// serveOrWait calls serve, unless there is nothing to serve: then leaving would
// only disturb the members that have partitions.
func (m *member) serveOrWait(ctx context.Context, s *session) error {
	if len(s.parts) == 0 {
		<-ctx.Done()
		return nil
	}
	return m.serve(ctx, s)
}
