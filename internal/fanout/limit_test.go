package fanout_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/fanout"
)

func TestASnapshotAboveTheLimitIsRefused(t *testing.T) {
	inBubble(t, fanout.Config{Rows: 10}, func(b *bench) {
		for i := range 11 {
			b.model.Put(acme, shipment(fmt.Sprintf("S-%02d", i), 1, "in_transit"))
		}
		b.model.Put(acme, shipment("S-99", 1, "lost"))
		p := newPipe()
		c := b.connect(acme, p)
		defer b.leave(c)
		b.subscribe(c, p, fanout.Request{SID: 1, Topic: fanout.Shipments})
		b.settle(time.Second)
		if got := p.book.View(1).Refused; got != "limit" {
			t.Errorf("11 of 10 rows: refused with %q, want limit", got)
		}
		if got := b.hub.Stats().Subscriptions[fanout.Shipments]; got != 0 {
			t.Errorf("%d subscriptions after the refusal", got)
		}
		b.model.Put(acme, shipment("S-10", 2, "lost"))
		b.subscribe(c, p, fanout.Request{SID: 2, Topic: fanout.Shipments, Filter: onlyInTransit})
		b.settle(time.Second)
		b.same(p.book.View(2), acme, fanout.Shipments, inTransit)
		b.honest(p)
	})
}

func TestAConnectionHasSoManySubscriptions(t *testing.T) {
	inBubble(t, fanout.Config{}, func(b *bench) {
		p := newPipe()
		c := b.connect(acme, p)
		defer b.leave(c)
		for sid := range int64(16) {
			b.subscribe(c, p, fanout.Request{SID: sid, Topic: fanout.Shipments})
		}
		if err := c.Subscribe(fanout.Request{SID: 16, Topic: fanout.Shipments}); err == nil || err.Code != fanout.Limit {
			t.Errorf("the 17th: error %v, want %s", err, fanout.Limit)
		}
		c.Unsubscribe(3)
		b.subscribe(c, p, fanout.Request{SID: 16, Topic: fanout.Shipments})
		b.settle(time.Second)
		if got := b.hub.Stats(); got.Subscriptions[fanout.Shipments] != 16 || got.Groups != 1 {
			t.Errorf("%+v, want 16 subscriptions in one group", got)
		}
	})
}

func TestTheSameSubscriptionTwiceIsOne(t *testing.T) {
	inBubble(t, fanout.Config{}, func(b *bench) {
		b.model.Put(acme, shipment("S-1", 1, "in_transit"), shipment("S-2", 1, "lost"))
		p := newPipe()
		c := b.connect(acme, p)
		defer b.leave(c)
		r := fanout.Request{SID: 1, Topic: fanout.Shipments}
		for range 3 {
			b.subscribe(c, p, r)
			b.settle(time.Second)
		}
		if got := len(p.book.Frames("live")); got != 1 {
			t.Errorf("%d times live for one subscription asked for three times", got)
		}
		p.book.Ask(1, nil)
		r.Filter = onlyInTransit
		b.subscribe(c, p, r)
		b.settle(time.Second)
		b.same(p.book.View(1), acme, fanout.Shipments, inTransit)
		if got := b.hub.Stats().Subscriptions[fanout.Shipments]; got != 1 {
			t.Errorf("%d subscriptions, want 1", got)
		}
		b.honest(p)
	})
}

func TestNothingComesAfterUnsubscribing(t *testing.T) {
	inBubble(t, fanout.Config{}, func(b *bench) {
		p := newPipe()
		c := b.connect(acme, p)
		defer b.leave(c)
		b.subscribe(c, p, fanout.Request{SID: 1, Topic: fanout.Shipments})
		b.settle(time.Second)
		b.model.Put(acme, shipment("S-1", 1, "in_transit"))
		b.settle(time.Second)
		c.Unsubscribe(1)
		c.Unsubscribe(1)
		c.Unsubscribe(77)
		b.settle(0)
		p.book.Drop(1)
		b.model.Put(acme, shipment("S-1", 2, "in_transit"))
		b.settle(time.Minute)
		b.honest(p)
	})
}

func TestASubjectHasSoManyConnections(t *testing.T) {
	inBubble(t, fanout.Config{UserConnections: 2}, func(b *bench) {
		c, d := b.connect(acme, newPipe()), b.connect(acme, newPipe())
		peer := fanout.Peer{Subject: "ann", Tenant: acme, Scope: []string{"read"}, Expires: time.Now().Add(time.Hour)}
		if _, err := b.hub.Connect(newPipe(), peer); !errors.Is(err, fanout.ErrTooMany) {
			t.Errorf("the third: error %v, want %v", err, fanout.ErrTooMany)
		}
		peer.Tenant = "zeta"
		e, err := b.hub.Connect(newPipe(), peer)
		if err != nil {
			t.Fatalf("one of the same name elsewhere: %v", err)
		}
		b.leave(c)
		f := b.connect(acme, newPipe())
		for _, c := range []*fanout.Conn{d, e, f} {
			b.leave(c)
		}
	})
}

func TestAScopeSaysWhatMayBeRead(t *testing.T) {
	inBubble(t, fanout.Config{}, func(b *bench) {
		c, err := b.hub.Connect(newPipe(), fanout.Peer{
			Subject: "ann", Tenant: acme, Scope: []string{"write", "read:orders"}, Expires: time.Now().Add(time.Hour),
		})
		if err != nil {
			t.Fatal(err)
		}
		defer b.leave(c)
		for topic, want := range map[fanout.Topic]fanout.Code{fanout.Orders: "", fanout.Shipments: fanout.Forbidden, "*": fanout.UnknownTopic} {
			var got fanout.Code
			if err := c.Subscribe(fanout.Request{SID: 1, Topic: topic}); err != nil {
				got = err.Code
			}
			if got != want {
				t.Errorf("topic %s: code %q, want %q", topic, got, want)
			}
		}
	})
}

// I4: twenty tenants, whose rows say whose they are.
func TestNoRowOfAnotherTenantIsEverSent(t *testing.T) {
	inBubble(t, fanout.Config{}, func(b *bench) {
		var pipes []*pipe
		var conns []*fanout.Conn
		for i := range 20 {
			tenant := events.TenantID(fmt.Sprintf("t%02d", i))
			p := newPipe()
			p.book.Prefix = string(tenant)
			c := b.connect(tenant, p)
			b.model.Put(tenant, shipment(string(tenant)+"-0", 1, "in_transit"))
			b.subscribe(c, p, fanout.Request{SID: 1, Topic: fanout.Shipments, Filter: onlyInTransit})
			pipes, conns = append(pipes, p), append(conns, c)
		}
		for v := range int64(30) {
			for i := range 20 {
				tenant := events.TenantID(fmt.Sprintf("t%02d", i))
				b.model.Put(tenant, shipment(string(tenant)+"-0", v+2, "in_transit"), shipment(string(tenant)+"-1", v+1, "in_transit"))
			}
			b.settle(50 * time.Millisecond)
		}
		b.settle(time.Second)
		for i, p := range pipes {
			b.honest(p)
			if v := p.book.View(1); len(v.Rows) != 2 || v.Deltas < 10 {
				t.Errorf("tenant %d has %d rows after %d deltas, want 2 after 10 or more", i, len(v.Rows), v.Deltas)
			}
			b.leave(conns[i])
		}
	})
}
