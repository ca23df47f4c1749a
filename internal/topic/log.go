package topic

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/waybill-io/waybill/internal/projector"
)

// Log looks at the topics without joining a group: for an operator's commands,
// which must not disturb the members.
type Log struct {
	s *session
}

// OpenLog asks the brokers for the topics' layout. It waits for brokers that do
// not answer yet, until ctx ends. The Group of cfg is not needed.
func OpenLog(ctx context.Context, cfg SourceConfig) (*Log, error) {
	cfg = cfg.withDefaults()
	cfg.Group = "none"
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	c := newCluster(cfg.Brokers, cfg.Security, cfg.Topics.list())
	l, err := patientLayout(ctx, c, cfg.Topics.list())
	if err != nil {
		c.close()
		return nil, fmt.Errorf("open the log: %w", err)
	}
	parts := slices.SortedFunc(maps.Keys(l.leaders), comparePartitions)
	return &Log{&session{cfg: cfg, cluster: c, clusterID: l.cluster, counts: l.counts, parts: parts, feeds: map[*feed]struct{}{}}}, nil
}

// patientLayout asks again while that may help. A topic that is not there is an
// operator's mistake at once.
func patientLayout(ctx context.Context, c *cluster, topics []string) (layout, error) {
	wait := newBackOff(time.Second)
	for {
		l, err := c.layout(ctx, topics)
		if err == nil || errors.Is(err, kafka.UnknownTopicOrPartition) {
			return l, err
		}
		if !pause(ctx, wait.NextBackOff()) {
			return layout{}, fmt.Errorf("%w: %w", ctx.Err(), err)
		}
	}
}

// Close ends the connections.
func (l *Log) Close() { l.s.cluster.close() }

// Assignment names the cluster and all partitions, sorted.
func (l *Log) Assignment() (cluster string, parts []projector.Partition) { return l.s.Assignment() }

// Bounds asks the leaders where the logs of parts begin and end now.
func (l *Log) Bounds(ctx context.Context, parts []projector.Partition) (map[projector.Partition]projector.Bounds, error) {
	return l.s.Bounds(ctx, parts)
}

// First reads the first record of a partition at or behind an offset, or returns
// nil when the log ends before there is one.
func (l *Log) First(ctx context.Context, p projector.Partition, at int64) (*projector.Record, error) {
	ctx, stop := context.WithCancel(ctx)
	defer l.s.loops.Wait()
	defer stop()
	f := l.s.Open(ctx, map[projector.Partition]int64{p: at})
	bounds, err := l.s.Bounds(ctx, []projector.Partition{p})
	if err != nil {
		return nil, fmt.Errorf("read %s at %d: %w", p, at, err)
	}
	for next := at; next < bounds[p].End; {
		got, err := f.Next(ctx)
		if err != nil {
			return nil, fmt.Errorf("read %s at %d: %w", p, at, err)
		}
		if len(got.Records) > 0 {
			return &got.Records[0], nil
		}
		next = got.Next[p]
	}
	return nil, nil
}
