package topic

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/waybill-io/waybill/internal/projector"
)

// session is one generation of the group.
type session struct {
	cfg       SourceConfig
	cluster   *cluster
	gen       *kafka.Generation
	clusterID string
	parts     []projector.Partition // sorted
	shared    map[string]int        // partitions by topic, when this member shared them out
	counts    map[string]int        // partitions by topic, when the generation began

	mu    sync.Mutex
	feeds map[*feed]struct{} // open
	loops sync.WaitGroup     // of the feeds
}

var _ projector.Session = (*session)(nil)

func (m *member) newSession(gen *kafka.Generation, l layout) *session {
	return &session{
		cfg: m.cfg, cluster: m.cluster, gen: gen,
		clusterID: l.cluster, counts: l.counts, parts: assigned(gen), shared: m.balancer.shared(), feeds: map[*feed]struct{}{},
	}
}

// assigned returns the generation's partitions, sorted.
func assigned(gen *kafka.Generation) []projector.Partition {
	var parts []projector.Partition
	for topic, list := range gen.Assignments {
		for _, a := range list {
			parts = append(parts, projector.Partition{Topic: topic, ID: int32(a.ID)})
		}
	}
	slices.SortFunc(parts, comparePartitions)
	return parts
}

func comparePartitions(a, b projector.Partition) int {
	if a.Topic != b.Topic {
		return strings.Compare(a.Topic, b.Topic)
	}
	return int(a.ID) - int(b.ID)
}

// Assignment names the partitions, sorted, and the cluster they are of.
func (s *session) Assignment() (string, []projector.Partition) {
	return s.clusterID, slices.Clone(s.parts)
}

// Bounds asks the leaders where the logs of parts begin and end now. What fails
// is asked again until ctx ends; then the answer has only what is known.
func (s *session) Bounds(ctx context.Context, parts []projector.Partition) (map[projector.Partition]projector.Bounds, error) {
	out := make(map[projector.Partition]projector.Bounds, len(parts))
	for _, p := range parts {
		b, err := s.patientBounds(ctx, p)
		if err != nil {
			return out, err
		}
		out[p] = b
	}
	return out, nil
}

func (s *session) patientBounds(ctx context.Context, p projector.Partition) (projector.Bounds, error) {
	wait := newBackOff(time.Second)
	for {
		b, err := s.cluster.bounds(ctx, p, uncommitted)
		if err == nil {
			return b, nil
		}
		s.cfg.Log.Debug("list offsets failed, trying again", "partition", p, "error", err)
		if !pause(ctx, wait.NextBackOff()) {
			return projector.Bounds{}, fmt.Errorf("%w: %w", ctx.Err(), err)
		}
	}
}

// Open fetches from the given offsets until ctx ends.
func (s *session) Open(ctx context.Context, from map[projector.Partition]int64) projector.Feed {
	ctx, stop := context.WithCancel(ctx)
	f := &feed{
		cfg:     s.cfg,
		cluster: s.cluster,
		parts:   slices.SortedFunc(maps.Keys(from), comparePartitions),
		queue:   newQueue(s.cfg.PrefetchBytes, from),
		ctx:     ctx,
		stop:    stop,
		log:     s.cfg.Log,
	}
	s.mu.Lock()
	s.feeds[f] = struct{}{}
	s.mu.Unlock()
	s.loops.Go(func() {
		f.run()
		s.mu.Lock()
		delete(s.feeds, f)
		s.mu.Unlock()
	})
	return f
}

// Home names the partition that the publisher, and Java, would write the key to.
func (s *session) Home(topic string, key []byte) (int32, bool) {
	n := s.counts[topic]
	if n == 0 {
		return 0, false
	}
	return PartitionFor(key, n), true
}

// Hint commits offsets to the group. It waits for the coordinator's answer, for
// some seconds at most.
func (s *session) Hint(ctx context.Context, next map[projector.Partition]int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	offsets := map[string]map[int]int64{}
	for p, n := range next {
		if offsets[p.Topic] == nil {
			offsets[p.Topic] = map[int]int64{}
		}
		offsets[p.Topic][int(p.ID)] = n
	}
	if err := s.gen.CommitOffsets(offsets); err != nil {
		return fmt.Errorf("commit offsets of %d partitions: %w", len(next), err)
	}
	return nil
}
