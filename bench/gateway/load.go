package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/waybill-io/waybill/bench/internal/proc"
	"github.com/waybill-io/waybill/bench/internal/report"
)

// load is the generator: many clients in a process of their own.
type load struct {
	url, token string
	clients    []*client
	dials      chan struct{} // one per connection that is being opened
	done       chan struct{} // closed when it is over
	work       sync.WaitGroup

	frames, bytes, rows atomic.Int64
	gaps, resets        atomic.Int64
	lives, resumes      atomic.Int64
	losses              atomic.Int64
	ages                *ages
	began               time.Time
	cpu                 float64

	mu    sync.Mutex
	ended bool
	conns map[net.Conn]struct{}
	why   error // of the first loss
	when  time.Time
}

// dialsAtOnce is how many connections are being opened at a time.
const dialsAtOnce = 2000

// newLoadPart opens N clients, the last Mute of which never read once they are
// live, and answers when all are live. With a name they watch what filters says,
// and keep books.
func newLoadPart(ctx context.Context, o order) (part, any, error) {
	l := &load{
		url: o.URL, token: o.Token, dials: make(chan struct{}, dialsAtOnce), done: make(chan struct{}),
		conns: make(map[net.Conn]struct{}), ages: new(ages),
	}
	watched := filters()
	for i := range o.N {
		c := &client{load: l, nth: i, filter: "{}", mute: i >= o.N-o.Mute}
		if o.Named != "" {
			c.filter, c.book = watched[i%len(watched)], newBook()
		}
		l.clients = append(l.clients, c)
		l.work.Go(c.run)
	}
	took, err := l.await(ctx, int64(o.N), 60*time.Second)
	if err != nil {
		return nil, nil, errors.Join(err, l.close())
	}
	return l, took.Seconds(), nil
}

func (l *load) do(ctx context.Context, o order) (any, error) {
	switch o.Do {
	case "begin":
		l.begin()
		return struct{}{}, nil
	case "end":
		return l.end(), nil
	case "brace":
		l.brace()
		return struct{}{}, nil
	case "return":
		took, err := l.await(ctx, int64(len(l.clients)), o.For)
		return returned{Seconds: took.Seconds(), Resumed: l.resumes.Load()}, err
	case "judge":
		return l.judge(ctx, o)
	}
	return nil, fmt.Errorf("the load cannot %s", o.Do)
}

// brace gets ready for a storm.
func (l *load) brace() {
	l.lives.Store(0)
	l.resumes.Store(0)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.why, l.when = nil, time.Time{}
}

// returned is how a storm ended.
type returned struct {
	Seconds float64 // from the first connection that broke until all were live
	Resumed int64
}

// seen is what clients have seen since begin.
type seen struct {
	Seconds      float64
	Frames       int64
	Rows         int64
	Bytes        int64
	Gaps, Resets int64 // of all time
	Losses       int64 // of all time
	Ages         report.Spread
	CPU          float64
}

func (l *load) begin() {
	l.ages.clear()
	l.frames.Store(0)
	l.rows.Store(0)
	l.bytes.Store(0)
	l.began, l.cpu = time.Now(), proc.SelfCPU()
}

func (l *load) end() seen {
	return seen{
		Seconds: time.Since(l.began).Seconds(), Frames: l.frames.Load(), Rows: l.rows.Load(), Bytes: l.bytes.Load(),
		Gaps: l.gaps.Load(), Resets: l.resets.Load(), Losses: l.losses.Load(), Ages: l.ages.spread(), CPU: proc.SelfCPU() - l.cpu,
	}
}

// await waits until n clients have gone live since they were last counted.
func (l *load) await(ctx context.Context, n int64, most time.Duration) (time.Duration, error) {
	began := time.Now()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for l.lives.Load() < n {
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-tick.C:
		}
		if time.Since(began) > most {
			l.mu.Lock()
			defer l.mu.Unlock()
			return 0, fmt.Errorf("%d of %d clients are live after %v (%d lost a connection, the first for: %w)", l.lives.Load(), n, most, l.losses.Load(), l.why)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.when.After(began) || l.when.IsZero() {
		return time.Since(began), nil
	}
	return time.Since(l.when), nil
}

func (l *load) opened(resumed bool) {
	if resumed {
		l.resumes.Add(1)
	}
	l.lives.Add(1)
}

// lost notes a connection that ended.
func (l *load) lost(c *client, err error) {
	l.losses.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.why == nil {
		l.why, l.when = fmt.Errorf("client %d: %w", c.nth, err), time.Now()
	}
}

// enter notes a connection, unless it is over.
func (l *load) enter(conn net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.ended {
		l.conns[conn] = struct{}{}
	}
	return !l.ended
}

func (l *load) exit(conn net.Conn) {
	l.mu.Lock()
	delete(l.conns, conn)
	l.mu.Unlock()
	_ = conn.Close()
}

func (l *load) over() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ended
}

func (l *load) close() error {
	l.mu.Lock()
	l.ended = true
	close(l.done)
	for conn := range l.conns {
		_ = conn.Close()
	}
	l.mu.Unlock()
	l.work.Wait()
	return nil
}
