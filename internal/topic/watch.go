package topic

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/waybill-io/waybill/internal/projector"
)

// errPartitions ends a generation so that the group shares out again.
var errPartitions = errors.New("there are other partitions than were shared out")

// watch ends with a reason to leave the generation: a partition that has more
// and does not move, or, for the member that shared out, other partitions than
// it knew of.
func (s *session) watch(ctx context.Context) error {
	w := watcher{session: s, seen: map[projector.Partition]sighting{}}
	for wait := min(s.cfg.StallTimeout/4, time.Second); pause(ctx, wait); wait = min(s.cfg.StallTimeout/4, 5*time.Second) {
		if s.outdated(ctx) {
			return errPartitions
		}
		if err := w.look(ctx, time.Now()); err != nil {
			return err
		}
	}
	return nil
}

// outdated reports that there are other partitions than this member shared out.
func (s *session) outdated(ctx context.Context) bool {
	if s.shared == nil {
		return false
	}
	l, err := s.cluster.layout(ctx, s.cfg.Topics.list())
	return err == nil && !maps.Equal(l.counts, s.shared)
}

// watcher remembers when partitions last moved.
type watcher struct {
	session *session
	seen    map[projector.Partition]sighting
}

// sighting is where a partition stood, and since when.
type sighting struct {
	feed  *feed
	next  int64
	since time.Time
}

// look returns an error for a partition that stands still though its log goes
// on. Feeds whose reader is slow are left alone.
func (w *watcher) look(ctx context.Context, now time.Time) error {
	old := w.seen
	w.seen = map[projector.Partition]sighting{}
	for _, f := range w.session.open() {
		for p, next := range f.queue.hungry() {
			s, known := old[p]
			if !known || s.feed != f || s.next != next {
				s = sighting{f, next, now}
			}
			if now.Sub(s.since) >= w.session.cfg.StallTimeout {
				b, err := w.session.cluster.bounds(ctx, p, committed)
				if err == nil && b.End > next {
					return fmt.Errorf("%s stands at %d of %d since %s", p, next, b.End, s.since.Format(time.RFC3339))
				}
				s.since = now
			}
			w.seen[p] = s
		}
	}
	return nil
}

// open returns the feeds that are open.
func (s *session) open() []*feed {
	s.mu.Lock()
	defer s.mu.Unlock()
	feeds := make([]*feed, 0, len(s.feeds))
	for f := range s.feeds {
		feeds = append(feeds, f)
	}
	return feeds
}
