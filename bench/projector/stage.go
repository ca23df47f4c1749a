package main

import (
	"context"
	"fmt"

	"github.com/waybill-io/waybill/internal/topic"
)

// stage is a load in topics of its own, and what it comes to. Arms that would
// take forever over the whole load have a stage with the first of its events.
type stage struct {
	names  topic.Names
	load   loaded
	rows   dump // of the oracle; nil without -oracle
	status dump
}

// stageOf is the stage that an arm runs over.
func (b *bench) stageOf(arm string) *stage { return b.stages[b.cfg.eventsOf(arm)] }

// set publishes the load of every arm and has the oracle fold it.
func (b *bench) set(ctx context.Context) error {
	for _, arm := range append([]string{"pipeline"}, b.cfg.arms...) {
		n := b.cfg.eventsOf(arm)
		if b.stages[n] != nil {
			continue
		}
		s := &stage{names: b.broker.names}
		if n != b.cfg.events {
			s.names = b.broker.topics(fmt.Sprintf("first.%d", n))
		}
		if err := b.publish(ctx, s, n); err != nil {
			return err
		}
		if b.cfg.oracle {
			if err := b.ask(ctx, s); err != nil {
				return err
			}
		}
		b.stages[n] = s
	}
	return nil
}

func (b *bench) publish(ctx context.Context, s *stage, n int) (err error) {
	b.say("publishing %d events to %s", n, b.broker.kind)
	if err := b.broker.makeTopics(ctx, s.names); err != nil {
		return err
	}
	if s.load, err = load(ctx, b.cfg, n, b.broker.brokers, s.names); err != nil {
		return err
	}
	b.say("published %d events of %d B in %.1f s", s.load.events, s.load.bytes/int64(s.load.events), s.load.seconds)
	return nil
}

// ask has the oracle write the rows that all others are held against.
func (b *bench) ask(ctx context.Context, s *stage) error {
	const name = "oracle"
	url, err := b.server.create(ctx, name)
	if err != nil {
		return err
	}
	f, err := runArm(ctx, b.job("oracle", name, url, s))
	if err != nil {
		return err
	}
	if s.rows, err = dumpOf(ctx, url); err != nil {
		return err
	}
	if s.status, err = statusesOf(ctx, url, true); err != nil {
		return err
	}
	b.say("oracle: %d events, %d orders, %d shipments, %d parcels in %.1f s by one thread",
		f.Stored, s.rows.rows("orders"), s.rows.rows("shipments"), s.rows.rows("parcels"), f.Seconds)
	return b.server.drop(ctx, name)
}

// judge holds what an arm wrote against the oracle.
func (b *bench) judge(ctx context.Context, url, arm string, s *stage, t *taken) error {
	have, want := dump{}, s.rows
	var err error
	if overwrites(arm) {
		want = s.status
		have, err = statusesOf(ctx, url, false)
	} else {
		have, err = dumpOf(ctx, url)
	}
	if err != nil {
		return err
	}
	var detail string
	if overwrites(arm) {
		t.wrong, detail = have.unmet(want)
	} else if t.wrong, detail = have.wrong(want); s.load.poison != have.rows(deadLetters) {
		t.wrong += max(1, s.load.poison-have.rows(deadLetters))
		detail += fmt.Sprintf(" %s=%d instead of %d", deadLetters, have.rows(deadLetters), s.load.poison)
	}
	if t.wrong > 0 {
		b.say("%s: %d rows are not as the oracle's:%s", arm, t.wrong, detail)
	}
	t.judged = want.all()
	return nil
}
