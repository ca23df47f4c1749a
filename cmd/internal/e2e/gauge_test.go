package e2e_test

import (
	"context"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// gauge looks at how far the read model is behind the log.
type gauge struct {
	stop func()

	mu      sync.Mutex
	waiting []*happened
}

// reading is how many records the log had at a time.
type reading struct {
	at   time.Time
	ends int64
}

// measure begins to look, several times a second. While the broker or the database
// does not answer, nothing is known, and the read model counts as behind.
func (p *platform) measure() *gauge {
	p.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(p.brokers...))
	if err != nil {
		p.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	g := &gauge{}
	var looking sync.WaitGroup
	looking.Go(func() {
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		var log []reading
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			log = p.look(ctx, client, g, log)
		}
	})
	g.stop = sync.OnceFunc(func() {
		cancel()
		looking.Wait()
		client.Close()
	})
	p.t.Cleanup(g.stop)
	return g
}

// look takes a reading, and tells those that wait when everything that was in the
// log a second ago has been applied.
func (p *platform) look(ctx context.Context, client *kgo.Client, g *gauge, log []reading) []reading {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	var applied int64
	if err := p.pool.QueryRow(ctx, `SELECT coalesce(sum(next_offset), 0)::bigint FROM waybill.projection_offsets`).Scan(&applied); err != nil {
		return log
	}
	now := time.Now()
	ends, err := p.endsBy(ctx, client)
	if err != nil {
		return log
	}
	for len(log) > 1 && now.Sub(log[1].at) >= time.Second {
		log = log[1:]
	}
	if len(log) > 0 && now.Sub(log[0].at) >= time.Second && applied >= log[0].ends {
		g.caughtUp(log[0].at, now)
	}
	var all int64
	for _, end := range ends {
		all += end
	}
	return append(log, reading{time.Now(), all})
}

// watch notes when the read model has caught up after a fault.
func (g *gauge) watch(h *happened) {
	g.mu.Lock()
	defer g.mu.Unlock()
	h.late = len(g.waiting) > 0
	g.waiting = append(g.waiting, h)
}

// caughtUp says that what was in the log then is applied by now. That is news for
// those faults only that had happened a second before: what came in at once may
// have been applied by those that were not hit.
func (g *gauge) caughtUp(then, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var still []*happened
	for _, h := range g.waiting {
		if then.Sub(h.at) < time.Second {
			still = append(still, h)
			continue
		}
		h.over = now.Sub(h.at)
	}
	g.waiting = still
}
