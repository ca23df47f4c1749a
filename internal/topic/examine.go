package topic

import (
	"context"
	"errors"
	"time"

	"github.com/waybill-io/waybill/internal/projector"
)

// outside checks the partitions whose positions a broker refused: a leader that
// has just taken over may not know all of its log yet. It returns an
// OutOfRangeError for the first that is really outside, and the error of asking
// otherwise.
func (l *loop) outside(ctx context.Context, parts []projector.Partition, from map[projector.Partition]int64) error {
	var trouble error
	for _, p := range parts {
		b, err := l.cluster.bounds(ctx, p, uncommitted)
		switch {
		case err != nil:
			trouble = errors.Join(trouble, err)
		case from[p] < b.Start || from[p] > b.End:
			return &projector.OutOfRangeError{Partition: p, Position: from[p], Bounds: b}
		default:
			trouble = errors.Join(trouble, errUnsettled)
		}
	}
	return trouble
}

var errUnsettled = errors.New("the leader refuses a position that lies within its log")

// findCorrupt fetches each partition alone, because kafka-go cannot say which one
// an answer broke on. It returns nil unless one of them is unreadable while its
// leader answers other questions about it.
func (l *loop) findCorrupt(ctx context.Context) error {
	for _, p := range l.parts {
		alone := &loop{feed: l.feed, leader: l.leader, parts: []projector.Partition{p}, budget: l.budget}
		if at, err := alone.unreadable(ctx); err != nil {
			return &projector.CorruptError{Partition: p, Offset: at, Err: err}
		}
	}
	return nil
}

// unreadable returns the error of the partition's bytes, and where they are, if
// it comes every time, over connections that do not break.
func (l *loop) unreadable(ctx context.Context) (int64, error) {
	const tries = 3
	p := l.parts[0]
	from := l.queue.positions(l.parts)
	var last error
	for range tries {
		if _, err := l.cluster.bounds(ctx, p, uncommitted); err != nil {
			return 0, nil
		}
		broken := l.cluster.dialer.broken.Load()
		_, last = l.fetch(ctx, l.request(from, time.Millisecond))
		if !undecodable(last) && !cutOff(last) || l.cluster.dialer.broken.Load() != broken {
			return 0, nil
		}
	}
	return from[p], last
}
