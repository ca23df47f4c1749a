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
func (f *feed) outside(ctx context.Context, parts []projector.Partition, from map[projector.Partition]int64) error {
	var trouble error
	for _, p := range parts {
		b, err := f.cluster.bounds(ctx, p, uncommitted)
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

// findCorrupt fetches each of parts alone, because kafka-go cannot say which one
// an answer broke on. It returns nil unless one of them is unreadable while its
// leader answers other questions about it.
func (f *feed) findCorrupt(ctx context.Context, parts []projector.Partition) error {
	for _, p := range parts {
		if err := f.unreadable(ctx, p); err != nil {
			at := f.queue.positions([]projector.Partition{p})[p]
			return &projector.CorruptError{Partition: p, Offset: at, Err: err}
		}
	}
	return nil
}

// unreadable returns the error of p's bytes if it comes every time, over
// connections that do not break.
func (f *feed) unreadable(ctx context.Context, p projector.Partition) error {
	const tries = 3
	var last error
	for range tries {
		if _, err := f.cluster.bounds(ctx, p, uncommitted); err != nil {
			return nil
		}
		from := f.queue.positions([]projector.Partition{p})
		broken := f.cluster.dialer.broken.Load()
		_, last = f.fetch(ctx, f.request(0, []projector.Partition{p}, from, time.Millisecond))
		if !undecodable(last) && !cutOff(last) || f.cluster.dialer.broken.Load() != broken {
			return nil
		}
	}
	return last
}
