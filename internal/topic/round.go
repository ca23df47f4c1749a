package topic

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/fetch"

	"github.com/waybill-io/waybill/internal/projector"
)

// round is one fetch and what comes of it: records in the queue, and an error
// that says what is wrong with some of the partitions.
func (l *loop) round(ctx context.Context) error {
	if l.leader == noLeader {
		return errNoLeader
	}
	from := l.queue.positions(l.parts)
	res, err := l.fetch(ctx, l.request(from, l.cfg.MaxWait))
	if err != nil {
		return err
	}
	a := answer{at: maps.Clone(from), limit: l.cfg.MaxRecords, shelf: &l.shelf, behind: map[projector.Partition]bool{}}
	for _, t := range res.Topics {
		for _, p := range t.Partitions {
			a.partition(projector.Partition{Topic: t.Topic, ID: p.Partition}, &p)
		}
	}
	a.cut()
	l.queue.push(a.portions, a.behind)
	if len(a.outside) > 0 {
		return errors.Join(a.err, l.outside(ctx, a.outside, from))
	}
	if a.err == nil && len(a.portions) == 0 && a.starved() {
		return errNothing
	}
	return a.err
}

// errNothing is an answer without the records that it says are there. If it goes
// on, the stall watchdog ends the generation.
var errNothing = errors.New("the broker sends none of the records that it has")

// answer sorts what a fetch brought.
type answer struct {
	at       map[projector.Partition]int64 // where partitions stand
	limit    int                           // records of a portion
	shelf    *shelf
	portions []portion
	current  portion
	behind   map[projector.Partition]bool
	outside  []projector.Partition // were asked for an offset that they do not have
	err      error
}

// partition adds what came of one partition.
func (a *answer) partition(p projector.Partition, res *fetch.ResponsePartition) {
	switch code := kafka.Error(res.ErrorCode); {
	case code == kafka.OffsetOutOfRange:
		a.outside = append(a.outside, p)
		return
	case code != 0:
		a.behind[p] = false // nothing to wait for
		a.err = errors.Join(a.err, fmt.Errorf("%s: %w", p, code))
		return
	}
	w := newWalk(p, a.at[p], res.AbortedTransactions, a.shelf, a.add)
	if err := w.records(res.RecordSet); err != nil {
		a.err = errors.Join(a.err, &projector.CorruptError{Partition: p, Offset: w.next, Err: err})
	}
	if w.next > a.at[p] {
		a.move(p, w.next)
	}
	a.behind[p] = w.next < stableEnd(res)
}

// stableEnd is the end of what may be read.
func stableEnd(res *fetch.ResponsePartition) int64 {
	if res.LastStableOffset >= 0 {
		return res.LastStableOffset
	}
	return res.HighWatermark
}

// add appends a record; portions are cut when they are full.
func (a *answer) add(r projector.Record) {
	const few = 16
	if all := a.current.Records; len(all) == cap(all) {
		a.current.Records = slices.Grow(all, min(max(few, len(all)), a.limit-len(all)))
	}
	a.current.Records = append(a.current.Records, r)
	a.current.bytes += sizeOf(r.Message)
	if len(a.current.Records) >= a.limit {
		a.move(r.Partition, r.Offset+1)
		a.cut()
	}
}

func (a *answer) move(p projector.Partition, next int64) {
	if a.current.Next == nil {
		a.current.Next = map[projector.Partition]int64{}
	}
	a.current.Next[p] = next
	a.at[p] = next
}

// cut ends a portion, if there is anything in it.
func (a *answer) cut() {
	if a.current.Next == nil {
		return
	}
	a.portions = append(a.portions, a.current)
	a.current = portion{}
}

// starved reports that some partition has more than the answer brought.
func (a *answer) starved() bool {
	for more := range maps.Values(a.behind) {
		if more {
			return true
		}
	}
	return false
}
