package main

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/waybill-io/waybill/bench/internal/proc"
	"github.com/waybill-io/waybill/bench/internal/report"
)

// idle weighs connections that subscribe and then hear nothing but pings, of
// both at the same time.
func (b *bench) idle(ctx context.Context) error {
	var g errgroup.Group
	for name, kib := range map[string]*float64{"hub": &b.r.HubIdleConnKiB, "gateway": &b.r.IdleConnKiB} {
		g.Go(func() error {
			one, err := b.weigh(ctx, name)
			*kib = to(1, one)
			return err
		})
	}
	err := g.Wait()
	b.say("memory of each of %d idle connections after %v: gateway %.1f KiB, hub %.1f KiB", b.cfg.idle, b.cfg.rest, b.r.IdleConnKiB, b.r.HubIdleConnKiB)
	return err
}

func (b *bench) weigh(ctx context.Context, name string) (kib float64, err error) {
	p := &pair{name: name}
	if p.server, err = spawn(ctx, name, order{Rate: 10, N: b.cfg.idle}, &p.served); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, p.server.stop()) }()
	before, err := proc.ResidentKiB(p.server.pid())
	if err != nil {
		return 0, err
	}
	if err := p.populate(ctx, b.cfg.idle, 0); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, p.load.stop()) }()
	if err := sleep(ctx, b.cfg.rest); err != nil {
		return 0, err
	}
	after, err := proc.ResidentKiB(p.server.pid())
	if b.cfg.profile != "" && name == "gateway" {
		err = errors.Join(err, p.server.call(order{Do: "heap", Named: b.cfg.profile + name}, nil))
	}
	return (after - before) / float64(b.cfg.idle), err
}

// flat watches the memory of the server under a steady load, a third of what
// the other arms pace it at.
func (b *bench) flat(ctx context.Context) (err error) {
	p, err := couple(ctx, "gateway", b.cfg.subs, 0, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	if err := p.server.call(order{Do: "pace", Rate: b.cfg.frames / 3 / float64(p.clients)}, nil); err != nil {
		return err
	}
	var mib []float64
	for range int(b.cfg.flat / time.Second) {
		if err := sleep(ctx, time.Second); err != nil {
			return err
		}
		kib, err := proc.ResidentKiB(p.server.pid())
		if err != nil {
			return err
		}
		mib = append(mib, kib/1024)
	}
	third := max(1, len(mib)/3)
	b.r.FlatFrom, b.r.FlatTo = to(1, report.Median(mib[:third])), to(1, report.Median(mib[len(mib)-third:]))
	b.say("memory: %.1f MiB in the first third of %v, %.1f in the last", b.r.FlatFrom, b.cfg.flat, b.r.FlatTo)
	return b.audit(p)
}
