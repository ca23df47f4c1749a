package topic

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/fetch"

	"github.com/waybill-io/waybill/internal/projector"
)

// loop fetches those partitions of a feed that one broker leads.
type loop struct {
	*feed
	leader int32
	parts  []projector.Partition
	turn   int // of parts, see request
	budget int // bytes of an answer
	shelf  shelf
}

var errNoLeader = errors.New("partitions have no leader")

// run fetches until one of the partitions has another leader, or ctx ends.
func (l *loop) run(ctx context.Context) {
	wait := newBackOff(time.Second) // others of this leader wait with a partition in trouble, so not long
	failures := 0
	for l.queue.awaitRoom(ctx) {
		err := l.round(ctx)
		l.adapt(err)
		if err == nil {
			failures = 0
			wait.Reset()
			continue
		}
		failures++
		if ctx.Err() != nil || l.end(ctx, err, failures) {
			return
		}
		l.trouble("fetch", err)
		if !pause(ctx, wait.NextBackOff()) || l.moved(ctx) {
			return
		}
	}
}

// adapt asks for less after an answer that took too long: the same again would
// take as long, for ever.
func (l *loop) adapt(err error) {
	const least = 64 * kib
	switch {
	case err == nil:
		l.budget = min(l.cfg.FetchBytes, l.budget*2)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		l.budget = max(min(least, l.cfg.FetchBytes), l.budget/2)
	}
}

// end reports whether err is more than trouble that passes, and if so ends the
// feed. An answer that was cut off is trouble, unless it goes on.
func (l *loop) end(ctx context.Context, err error, failures int) bool {
	const patience = 3
	if undecodable(err) || cutOff(err) && failures > patience {
		if corrupt := l.findCorrupt(ctx); corrupt != nil {
			err = corrupt
		}
	}
	var outside *projector.OutOfRangeError
	var corrupt *projector.CorruptError
	if !errors.As(err, &outside) && !errors.As(err, &corrupt) {
		return false
	}
	l.queue.fail(err)
	l.stop()
	return true
}

// moved reports that one of the partitions has another leader by now.
func (l *loop) moved(ctx context.Context) bool {
	now, err := l.layout(ctx)
	if err != nil {
		return false
	}
	for _, p := range l.parts {
		if now.leader(p) != l.leader {
			return true
		}
	}
	return false
}

// request asks for the partitions from where they stand, in an order that turns
// every time, because brokers fill answers from the front.
func (l *loop) request(from map[projector.Partition]int64, wait time.Duration) *fetch.Request {
	byTopic := map[string][]fetch.RequestPartition{}
	var topics []string
	for i := range l.parts {
		p := l.parts[(i+l.turn)%len(l.parts)]
		if byTopic[p.Topic] == nil {
			topics = append(topics, p.Topic)
		}
		byTopic[p.Topic] = append(byTopic[p.Topic], fetch.RequestPartition{
			Partition:          p.ID,
			CurrentLeaderEpoch: -1,
			FetchOffset:        from[p],
			LogStartOffset:     -1,
			PartitionMaxBytes:  int32(min(l.cfg.PartitionBytes, l.budget)),
		})
	}
	l.turn++
	req := &fetch.Request{
		ReplicaID:      -1,
		MaxWaitTime:    int32(wait.Milliseconds()),
		MinBytes:       1,
		MaxBytes:       int32(l.budget),
		IsolationLevel: int8(committed),
		SessionEpoch:   -1, // no fetch session
	}
	for _, t := range topics {
		req.Topics = append(req.Topics, fetch.RequestTopic{Topic: t, Partitions: byTopic[t]})
	}
	return req
}

// fetch sends a request to the leader of its partitions. Its time includes that
// of decompressing the answer.
func (l *loop) fetch(ctx context.Context, req *fetch.Request) (*fetch.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(req.MaxWaitTime)*time.Millisecond+l.cfg.FetchTimeout)
	defer cancel()
	msg, err := l.cluster.RoundTrip(ctx, l.cluster.addr, req)
	if err != nil {
		return nil, err
	}
	res, ok := msg.(*fetch.Response)
	if !ok {
		return nil, fmt.Errorf("unexpected answer %T", msg)
	}
	if res.ErrorCode != 0 {
		return nil, kafka.Error(res.ErrorCode)
	}
	return res, nil
}
