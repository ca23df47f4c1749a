package fanout_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/fanout"
	"github.com/waybill-io/waybill/internal/fanout/fanouttest"
)

// A subscription for which nothing happens is told of positions, whatever its
// topic: those who come back from far behind could not resume.
func TestSilenceIsToldInEveryTopic(t *testing.T) {
	of := events.Stream{Kind: events.ShipmentStream, ID: "S-1"}
	for _, topic := range fanout.Topics() {
		t.Run(string(topic), func(t *testing.T) {
			inBubble(t, fanout.Config{}, func(b *bench) {
				b.model.Put(acme, shipment("S-1", 1, "in_transit"), &fanout.OrderRow{ID: "O-1", Status: "placed"})
				b.model.Tell(acme, of, fanouttest.Fact{Source: "erp", ID: "e-1", Type: events.TypeLost, Alert: true})
				r := fanout.Request{SID: 1, Topic: topic}
				switch topic {
				case fanout.Shipments, fanout.Orders:
					r.Filter = []byte(`{"f":"id","op":"eq","v":"nothing"}`)
				case fanout.Timeline:
					r.Filter = fmt.Appendf(nil, `{"f":"shipment","op":"eq","v":%q}`, of.ID)
				case fanout.KPIs, fanout.Alerts:
				}
				p := newPipe()
				c := b.connect(acme, p)
				defer b.leave(c)
				b.subscribe(c, p, r)
				b.settle(time.Second)
				for v := range int64(20) {
					b.model.Put(acme, shipment("S-9", v+1, "in_transit"))
					b.settle(100 * time.Millisecond)
				}
				b.settle(30 * time.Second)
				if got, want := p.book.View(1).Pos, b.model.Position(acme).Seq; got != want {
					t.Errorf("position %d after half a minute of silence, want %d", got, want)
				}
				b.honest(p)
			})
		})
	}
}

// Where much happens to others, silence is told more often than every heartbeat:
// who has been there all the time resumes without a snapshot.
func TestWhomNothingConcernsDoesNotFallTooFarBehindToResume(t *testing.T) {
	for _, filter := range []string{`{"f":"id","op":"eq","v":"nothing"}`, ""} {
		inBubble(t, fanout.Config{Resume: 400}, func(b *bench) {
			r := fanout.Request{SID: 1, Topic: fanout.Shipments, Filter: []byte(filter)}
			if filter == "" {
				r.Topic, r.Filter = fanout.Timeline, []byte(`{"f":"shipment","op":"eq","v":"nothing"}`)
			}
			p := newPipe()
			c := b.connect(acme, p)
			b.subscribe(c, p, r)
			b.settle(time.Second)
			for v := range int64(1000) {
				b.model.Put(acme, shipment("S-9", v+1, "in_transit"))
				b.settle(10 * time.Millisecond)
			}
			b.leave(c)
			_, before := b.model.Reads()
			again, c := b.again(p.book.View(1), r)
			if v := again.book.View(1); v.Resumes != 1 || len(v.Resets) > 0 {
				t.Errorf("%s: position %d of %d, resets %v; want to resume", r.Topic, p.book.View(1).Pos, b.model.Position(acme).Seq, v.Resets)
			}
			if _, after := b.model.Reads(); r.Topic == fanout.Shipments && after > before {
				t.Errorf("%d snapshots for a resume", after-before)
			}
			b.leave(c)
		})
	}
}

// slower is a model whose snapshots and alerts take longer than its feed.
type slower struct{ *fanouttest.Model }

const much = 45 * time.Millisecond

func (s slower) Snapshot(ctx context.Context, q fanout.Query, page func([]fanout.Row) error) (fanout.Position, error) {
	at, err := s.Model.Snapshot(ctx, q, page)
	time.Sleep(much)
	return at, err
}

func (s slower) Alerts(ctx context.Context, tenant events.TenantID, after fanout.Position) (fanout.Log, error) {
	log, err := s.Model.Alerts(ctx, tenant, after)
	time.Sleep(much)
	return log, err
}

// Newcomers of every topic are let in although something changes all the time.
func TestWhoComesUnderConstantLoadIsLetIn(t *testing.T) {
	for _, topic := range fanout.Topics() {
		synctest.Test(t, func(t *testing.T) {
			model := fanouttest.NewModel()
			ctx, stop := context.WithCancel(t.Context())
			hub := fanout.New(model, slower{model}, fanout.Config{Alerts: slower{model}})
			done := make(chan error, 1)
			go func() { done <- hub.Run(ctx) }()
			b := &bench{t: t, model: model, hub: hub}
			r := fanout.Request{SID: 1, Topic: topic}
			if topic == fanout.Timeline {
				r.Filter = []byte(`{"f":"shipment","op":"eq","v":"S-9"}`)
			}
			p := newPipe()
			c := b.connect(acme, p)
			b.subscribe(c, p, r)
			for v := range int64(1000) {
				b.model.Put(acme, shipment("S-9", v+1, "in_transit"))
				b.settle(5 * time.Millisecond)
			}
			if !p.book.View(1).Live {
				t.Errorf("%s: not live after 5 s of changes", topic)
			}
			b.leave(c)
			b.honest(p)
			stop()
			<-done
		})
	}
}
