package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/pprof"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/waybill-io/waybill/internal/auth"
	"github.com/waybill-io/waybill/internal/fanout"
	"github.com/waybill-io/waybill/internal/gateway"
	"github.com/waybill-io/waybill/internal/ops"
)

// manyHz makes a subscription's pace that of the feed.
const manyHz = 1e6

// site is our gateway on a port, with everything behind it.
type site struct {
	hub    *fanout.Hub
	tally  *tally
	server *http.Server
	served
	cancel context.CancelFunc
	work   *errgroup.Group

	mu    sync.Mutex
	conns map[net.Conn]struct{} // of sockets
}

// openSite serves a read model until it is closed. handshakes is how many clients
// are let in per second; 0 for the default.
func openSite(ctx context.Context, feed fanout.Feed, snapshots fanout.Snapshots, cfg fanout.Config, handshakes int) (*site, error) {
	keys := auth.Config{Keys: []auth.Key{{Secret: []byte("a secret of at least thirty-two bytes")}}, Issuer: "bench", Audience: "bench"}
	verifier, err := auth.NewVerifier(keys)
	if err != nil {
		return nil, err
	}
	signer, err := auth.NewSigner(keys)
	if err != nil {
		return nil, err
	}
	token, _, err := signer.Mint(auth.Principal{Subject: "bench", Tenant: string(tenant), Scope: []string{"read"}}, time.Hour)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	meter := gateway.NewMeter(nil)
	s := &site{tally: newTally(meter), conns: make(map[net.Conn]struct{}), served: served{URL: "http://" + l.Addr().String(), Token: token}}
	ops.SpareMemory() // as the gateway does
	cfg.Meter, cfg.UserConnections = s.tally, 1<<20
	s.hub = fanout.New(feed, snapshots, cfg)
	live := gateway.New(s.hub, verifier, meter, gateway.Config{Connections: 1 << 20, Handshakes: 1 << 20, DrainWindow: time.Millisecond, CloseWait: 100 * time.Millisecond})
	s.server = &http.Server{Handler: live, ReadHeaderTimeout: 10 * time.Second}
	if handshakes == 0 { // nobody is cut off where memory is weighed
		s.server.ConnState = s.note
	}
	ctx, s.cancel = context.WithCancel(ctx)
	s.work, ctx = errgroup.WithContext(ctx)
	s.work.Go(func() error { return s.hub.Run(ctx) })
	s.work.Go(func() error { return live.Run(ctx) })
	go func() { _ = s.server.Serve(l) }()
	return s, nil
}

// note remembers the connections that became sockets.
func (s *site) note(conn net.Conn, state http.ConnState) {
	if state != http.StateHijacked {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[conn] = struct{}{}
}

// cut breaks every socket off, as a network does.
func (s *site) cut() int {
	s.mu.Lock()
	conns := s.conns
	s.conns = make(map[net.Conn]struct{})
	s.mu.Unlock()
	for conn := range conns {
		_ = conn.Close()
	}
	return len(conns)
}

func (s *site) close() error {
	s.cut()
	s.cancel()
	err := s.work.Wait()
	_ = s.server.Close()
	return err
}

// tally is a meter that knows as well how many deltas were written.
type tally struct {
	*gateway.Meter
	written
}

func newTally(m *gateway.Meter) *tally { return &tally{m, newWritten()} }

// Count implements [fanout.Meter].
func (t *tally) Count(c fanout.Counter, label string, n int) {
	t.Meter.Count(c, label, n)
	if c == fanout.CountFrames && label == "d" {
		t.add(int64(n))
	}
}

// gatewayPart is our gateway on a read model in memory.
type gatewayPart struct {
	*site
	feed   *feed
	pacer  *pacer
	subs   atomic.Int64
	cancel context.CancelFunc
	work   sync.WaitGroup
}

// newGatewayPart takes the most deltas of a subscription per second as Rate; 0
// is one for every change. N is how many clients are let in per second.
func newGatewayPart(ctx context.Context, o order) (part, any, error) {
	p := &gatewayPart{feed: newFeed()}
	cfg := fanout.Config{MaxHz: o.Rate}
	if o.Rate == 0 {
		cfg.MaxHz, cfg.TickMin = manyHz, time.Microsecond
	}
	p.feed.commit() // so that there is an epoch and a row
	var err error
	if p.site, err = openSite(ctx, p.feed, p.feed, cfg, o.N); err != nil {
		return nil, nil, err
	}
	p.pacer = newPacer(p.broadcast)
	ctx, p.cancel = context.WithCancel(ctx)
	p.work.Go(func() { p.pacer.run(ctx) })
	return p, p.served, nil
}

// broadcast commits a change.
func (p *gatewayPart) broadcast(ctx context.Context, _ int64) error {
	rate, _ := p.pacer.now()
	if rate != flatOut {
		p.feed.commit()
		return nil
	}
	want := p.tally.n.Load() + p.subs.Load()
	p.feed.commit()
	p.tally.await(ctx, want)
	return nil
}

// stood is what the gateway tells of itself.
type stood struct {
	Snapshots int64 // read so far
	Open      int   // connections
}

func (p *gatewayPart) do(_ context.Context, o order) (any, error) {
	switch o.Do {
	case "pace":
		p.subs.Store(int64(o.N))
		p.pacer.set(o.Rate)
		return struct{}{}, nil
	case "stand":
		return p.stand(p.feed.snapshots.Load()), nil
	case "cut":
		return p.cut(), nil
	case "profile":
		return struct{}{}, profile(o.Named)
	case "heap":
		return struct{}{}, heap(o.Named)
	}
	return nil, fmt.Errorf("the gateway cannot %s", o.Do)
}

func (s *site) stand(snapshots int64) stood {
	return stood{Snapshots: snapshots, Open: s.hub.Stats().Connections}
}

func (p *gatewayPart) close() error {
	p.cancel()
	p.work.Wait()
	return p.site.close()
}

// profile begins a profile of the processor's time in a file, or ends it when
// there is no name.
func profile(name string) error {
	if name == "" {
		pprof.StopCPUProfile()
		return nil
	}
	f, err := os.Create(name + "." + strconv.Itoa(os.Getpid()))
	if err != nil {
		return err
	}
	return pprof.StartCPUProfile(f)
}

// heap writes a profile of what memory is used for.
func heap(name string) (err error) {
	f, err := os.Create(name + ".heap")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	runtime.GC() // so that it is what is used now
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	fmt.Fprintf(os.Stderr, "heap: %d KiB used, %d KiB in spans, %d KiB idle, %d KiB of that returned; stacks: %d KiB; all: %d KiB; next collection at %d KiB\n",
		m.HeapAlloc>>10, m.HeapInuse>>10, m.HeapIdle>>10, m.HeapReleased>>10, m.StackInuse>>10, m.Sys>>10, m.NextGC>>10)
	return pprof.Lookup("heap").WriteTo(f, 0)
}
