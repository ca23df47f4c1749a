package topic

import (
	"context"
	"time"

	"github.com/waybill-io/waybill/internal/projector"
)

// Peek reads about so many bytes of a partition at once, from an offset on, and
// nothing ahead. A broker that is asked for next to nothing sends one batch,
// whole. It returns nothing when the log has nothing there now; what passes is
// tried again until ctx ends.
func (s *session) Peek(ctx context.Context, p projector.Partition, at int64, most int) (projector.Fetched, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	cfg := s.cfg
	cfg.FetchBytes, cfg.PartitionBytes = most, most
	f := &feed{
		cfg: cfg, cluster: s.cluster, parts: []projector.Partition{p},
		queue: newQueue(1, map[projector.Partition]int64{p: at}), ctx: ctx, stop: stop, log: cfg.Log,
	}
	wait := newBackOff(time.Second)
	for failures := 1; ; failures++ {
		l, err := f.round(ctx)
		if err == nil {
			return f.queue.all(), nil
		}
		if ctx.Err() != nil {
			return projector.Fetched{}, ctx.Err()
		}
		if l != nil && l.end(ctx, err, failures) {
			return projector.Fetched{}, f.queue.broken()
		}
		f.trouble("peek", err)
		if !pause(ctx, wait.NextBackOff()) {
			return projector.Fetched{}, ctx.Err()
		}
	}
}

// round fetches once from the leader of the feed's only partition. The loop is nil when
// nobody knows the leader.
func (f *feed) round(ctx context.Context) (*loop, error) {
	now, err := f.layout(ctx)
	if err != nil {
		return nil, err
	}
	l := &loop{feed: f, leader: now.leader(f.parts[0]), parts: f.parts, budget: f.cfg.FetchBytes}
	return l, l.round(ctx)
}

// all takes everything that there is.
func (q *queue) all() projector.Fetched {
	var got projector.Fetched
	for {
		f, ok, _ := q.pop()
		if !ok {
			return got
		}
		got.Records = append(got.Records, f.Records...)
		got.Next, got.AtEnd = f.Next, f.AtEnd
	}
}

// Peek reads about so many bytes, as that of a session.
func (l *Log) Peek(ctx context.Context, p projector.Partition, at int64, most int) (projector.Fetched, error) {
	return l.s.Peek(ctx, p, at, most)
}
