package e2e_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/scenario"
)

// What the load marks its poison with.
const (
	garbage = "this is no event" // the value of a record that is none
	refused = "urn:refused"      // the source of events that the database refuses
	twofold = "urn:twofold"      // the source of events with two contents under one id
)

// refuses has the database refuse the events of a source, so that batches with
// one of them are parted until it is alone.
func (p *platform) refuses(source string) {
	p.t.Helper()
	query := fmt.Sprintf(`ALTER TABLE waybill.events ADD CONSTRAINT refused CHECK (source <> '%s')`, source)
	if _, err := p.pool.Exec(p.t.Context(), query); err != nil {
		p.t.Fatal(err)
	}
}

// load publishes histories with all that comes with them: events again, records
// that are none, events that the database refuses, and events whose id another
// one has.
type load struct {
	p    *platform
	stop func() // waits for the end
	sent int    // events, after stop
}

// loaded publishes about so many events a second until it is stopped. What the
// brokers do not take is tried again for as long as that takes.
func (p *platform) loaded(seed uint64, rate int) *load {
	p.t.Helper()
	g, err := scenario.New(scenario.Config{Seed: seed, Tenant: tenant, Rates: scenario.DefaultRates()})
	if err != nil {
		p.t.Fatal(err)
	}
	raw, err := kgo.NewClient(kgo.SeedBrokers(p.brokers...), kgo.DisableIdempotentWrite(), kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.UnknownTopicRetries(-1), kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)))
	if err != nil {
		p.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	l, pub := &load{p: p}, p.publisher()
	var running sync.WaitGroup
	running.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		var batch []events.Event
		rounds := 0
		for e := range g.Events() {
			if batch = append(batch, e); len(batch) < max(rate/10, 1) {
				continue
			}
			l.publish(ctx, pub, raw, rounds, batch)
			batch, rounds = batch[:0], rounds+1
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	})
	l.stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
		raw.Close()
	})
	p.t.Cleanup(l.stop)
	return l
}

// publish writes one round: it is whole, even when the load is stopped meanwhile.
func (l *load) publish(ctx context.Context, pub interface {
	Publish(context.Context, []events.Event) error
}, raw *kgo.Client, round int, batch []events.Event) {
	s := &story{tenant: tenant, name: fmt.Sprintf("round-%d", round)}
	list := slices.Concat(batch, batch[:1+len(batch)/50], s.twofold())
	if round%15 == 0 {
		list = slices.Insert(list, len(list)/2, s.refused())
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*limit)
	defer cancel()
	if err := pub.Publish(ctx, list); err != nil {
		l.p.t.Errorf("publish: %v", err)
	}
	none := &kgo.Record{Topic: l.p.topics.Shipments, Key: []byte(tenant + "|" + s.name), Value: []byte(garbage)}
	if err := raw.ProduceSync(ctx, none).FirstErr(); err != nil {
		l.p.t.Errorf("publish garbage: %v", err)
	}
	l.sent += len(list)
}

// twofold is an order that is placed twice under one id, with different contents.
func (s *story) twofold() []events.Event {
	first, second := s.placed(), s.placed()
	first.Source, second.Source, second.ID = twofold, twofold, first.ID
	return []events.Event{first, second}
}

// refused is an event of a source that the database refuses.
func (s *story) refused() events.Event {
	e := s.placed()
	e.Source = refused
	return e
}
