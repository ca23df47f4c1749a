package main

import (
	"context"
	"errors"
	"time"

	"github.com/waybill-io/waybill/bench/internal/proc"
	"github.com/waybill-io/waybill/bench/internal/report"
)

// idleFor is how long connections have been idle when they are weighed.
const idleFor = 10 * time.Second

// idle weighs connections that subscribe and then hear nothing, of both.
func (b *bench) idle(ctx context.Context) error {
	for _, name := range []string{"hub", "gateway"} {
		kib, err := b.weigh(ctx, name)
		if err != nil {
			return err
		}
		if b.say("%s: %.1f KiB for each of %d idle connections", name, kib, b.cfg.idle); name == "hub" {
			b.r.HubIdleConnKiB = to(1, kib)
		} else {
			b.r.IdleConnKiB = to(1, kib)
		}
	}
	return nil
}

func (b *bench) weigh(ctx context.Context, name string) (kib float64, err error) {
	p := &pair{name: name}
	if p.server, err = spawn(ctx, name, order{Rate: 10}, &p.served); err != nil {
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
	if err := sleep(ctx, idleFor); err != nil {
		return 0, err
	}
	after, err := proc.ResidentKiB(p.server.pid())
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
