package topic

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"time"

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
		l := &loop{feed: f, leader: leader, parts: parts, budget: f.cfg.FetchBytes}
		loops.Go(func() {
			defer cancel()
			l.run(ctx)
		})
	}
	loops.Wait()
}

func (f *feed) layout(ctx context.Context) (layout, error) {
	return f.cluster.layout(ctx, f.cfg.Topics.list())
}

func (f *feed) trouble(what string, err error) {
	f.log.Debug("trying again", "what", what, "error", err)
}
