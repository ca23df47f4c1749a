package main

import (
	"context"
	"errors"
	"time"
)

// stormPace is how many changes a second there are during a storm.
const stormPace = 20

// storm cuts all clients off at once.
func (b *bench) storm(ctx context.Context) (err error) {
	p, err := couple(ctx, "gateway", b.cfg.storm, 0, 10)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	if err := p.server.call(order{Do: "pace", Rate: stormPace}, nil); err != nil {
		return err
	}
	if err := sleep(ctx, 2*time.Second); err != nil {
		return err
	}
	var before, after stood
	var back returned
	err = errors.Join(
		p.server.call(order{Do: "stand"}, &before),
		p.load.call(order{Do: "brace"}, nil),
		p.server.call(order{Do: "cut"}, nil),
		p.load.call(order{Do: "return", For: 30 * time.Second}, &back),
		sleep(ctx, 2*time.Second),
		p.server.call(order{Do: "stand"}, &after),
	)
	if err != nil {
		return err
	}
	b.r.StormLive, b.r.StormSnapshots, b.r.StormResumed = to(2, back.Seconds), after.Snapshots-before.Snapshots, back.Resumed
	b.r.Losses -= int64(b.cfg.storm)
	b.say("%d clients are live again after %.2f s, %d of them resumed, %d snapshots", b.cfg.storm, back.Seconds, back.Resumed, b.r.StormSnapshots)
	return b.audit(p)
}
