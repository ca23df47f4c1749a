package topic

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/segmentio/kafka-go/protocol/fetch"

	"github.com/waybill-io/waybill/internal/projector"
)

// feed fetches some partitions, with one goroutine per leader.
type feed struct {
	cfg     SourceConfig
	cluster *cluster
	parts   []projector.Partition
	queue   *queue
	ctx     context.Context // of Open
	stop    context.CancelFunc
	log     *slog.Logger
}

var _ projector.Feed = (*feed)(nil)

// Next waits for records.
func (f *feed) Next(ctx context.Context) (projector.Fetched, error) {
	for {
		if err := cmp.Or(ctx.Err(), f.ended()); err != nil {
			return projector.Fetched{}, err
		}
		if got, ok, err := f.queue.pop(); ok || err != nil {
			return got, err
		}
		select {
		case <-f.queue.ready:
		case <-f.ctx.Done():
		case <-ctx.Done():
		}
	}
}

// ended returns why nothing more is yielded, unless the feed ended by an error
// of its own, which comes behind what was fetched before.
func (f *feed) ended() error {
	if f.queue.broken() != nil {
		return nil
	}
	return f.ctx.Err()
}

// run follows the leaders until the feed's context ends.
func (f *feed) run() {
	defer f.stop()
	wait := newBackOff(time.Second)
	for f.ctx.Err() == nil {
		l, err := f.layout(f.ctx)
		if err != nil {
			f.trouble("find leaders", err)
			pause(f.ctx, wait.NextBackOff())
			continue
		}
		wait.Reset()
		f.followAll(l)
	}
}

// followAll has one loop per leader; the first that sees its leader change ends
// them all.
func (f *feed) followAll(l layout) {
	byLeader := map[int32][]projector.Partition{}
	for _, p := range f.parts {
		byLeader[l.leader(p)] = append(byLeader[l.leader(p)], p)
	}
	ctx, cancel := context.WithCancel(f.ctx)
	defer cancel()
	var loops sync.WaitGroup
	for leader, parts := range byLeader {
		loops.Go(func() {
			defer cancel()
			f.follow(ctx, leader, parts)
		})
	}
	loops.Wait()
}

// follow fetches parts until their leader is another one, or ctx ends.
func (f *feed) follow(ctx context.Context, leader int32, parts []projector.Partition) {
	wait := newBackOff(time.Second) // others of this leader wait with a partition in trouble, so not long
	failures := 0
	for round := 0; f.queue.awaitRoom(ctx); round++ {
		err := errNoLeader
		if leader != noLeader {
			err = f.round(ctx, round, parts)
		}
		if err == nil {
			failures = 0
			wait.Reset()
			continue
		}
		failures++
		if ctx.Err() != nil || f.end(ctx, err, failures, parts) {
			return
		}
		f.trouble("fetch", err)
		if !pause(ctx, wait.NextBackOff()) || f.moved(ctx, leader, parts) {
			return
		}
	}
}

var errNoLeader = errors.New("partitions have no leader")

// end reports whether err is more than trouble that passes, and if so ends the
// feed. An answer that was cut off is trouble, unless it goes on.
func (f *feed) end(ctx context.Context, err error, failures int, parts []projector.Partition) bool {
	const patience = 3
	if undecodable(err) || cutOff(err) && failures > patience {
		if corrupt := f.findCorrupt(ctx, parts); corrupt != nil {
			err = corrupt
		}
	}
	var outside *projector.OutOfRangeError
	var corrupt *projector.CorruptError
	if !errors.As(err, &outside) && !errors.As(err, &corrupt) {
		return false
	}
	f.queue.fail(err)
	f.stop()
	return true
}

// moved reports that one of parts has another leader than the given one.
func (f *feed) moved(ctx context.Context, leader int32, parts []projector.Partition) bool {
	l, err := f.layout(ctx)
	if err != nil {
		return false
	}
	for _, p := range parts {
		if l.leader(p) != leader {
			return true
		}
	}
	return false
}

func (f *feed) layout(ctx context.Context) (layout, error) {
	return f.cluster.layout(ctx, f.cfg.Topics.list())
}

func (f *feed) trouble(what string, err error) {
	f.log.Debug(what+" failed, trying again", "error", err)
}

// request asks for parts from where they stand, in an order that turns with the
// round, because brokers fill answers from the front.
func (f *feed) request(round int, parts []projector.Partition, from map[projector.Partition]int64, wait time.Duration) *fetch.Request {
	byTopic := map[string][]fetch.RequestPartition{}
	var topics []string
	for i := range parts {
		p := parts[(i+round)%len(parts)]
		if byTopic[p.Topic] == nil {
			topics = append(topics, p.Topic)
		}
		byTopic[p.Topic] = append(byTopic[p.Topic], fetch.RequestPartition{
			Partition:          p.ID,
			CurrentLeaderEpoch: -1,
			FetchOffset:        from[p],
			LogStartOffset:     -1,
			PartitionMaxBytes:  int32(f.cfg.PartitionBytes),
		})
	}
	req := &fetch.Request{
		ReplicaID:      -1,
		MaxWaitTime:    int32(wait.Milliseconds()),
		MinBytes:       1,
		MaxBytes:       int32(f.cfg.FetchBytes),
		IsolationLevel: int8(committed),
		SessionID:      0,
		SessionEpoch:   -1,
	}
	for _, t := range topics {
		req.Topics = append(req.Topics, fetch.RequestTopic{Topic: t, Partitions: byTopic[t]})
	}
	return req
}
