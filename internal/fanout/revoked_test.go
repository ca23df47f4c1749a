package fanout_test

import (
	"testing"
	"time"

	"github.com/waybill-io/waybill/internal/fanout"
)

// holding connects the holder of a token who sees all shipments.
func (b *bench) holding(token string) (*pipe, *fanout.Conn) {
	b.t.Helper()
	p := newPipe()
	c := b.visit(p, fanout.Peer{Subject: "ann", Tenant: acme, Scope: []string{"read"}, Expires: time.Now().Add(time.Hour), ID: token})
	b.subscribe(c, p, fanout.Request{SID: 1, Topic: fanout.Shipments})
	b.settle(time.Second)
	return p, c
}

func TestWhoeverIsRevokedIsClosedAndGetsNothingMore(t *testing.T) {
	revoked := map[string]bool{}
	inBubble(t, fanout.Config{Revoked: func(p fanout.Peer) bool { return revoked[p.ID] }}, func(b *bench) {
		b.model.Put(acme, shipment("S-1", 1, "in_transit"))
		pipes := map[string]*pipe{}
		for _, id := range []string{"stays", "goes", "stuck"} {
			p, c := b.holding(id)
			defer b.leave(c)
			pipes[id] = p
		}
		pipes["stuck"].pause(true)
		b.model.Put(acme, shipment("S-1", 2, "lost"))
		b.settle(time.Second)
		b.model.Put(acme, shipment("S-1", 3, "in_transit")) // not yet read when they are revoked
		revoked["goes"], revoked["stuck"] = true, true
		b.hub.Expel()
		b.settle(10 * time.Millisecond)
		pipes["stuck"].pause(false)
		b.settle(time.Second)
		for id, want := range map[string]fanout.CloseCode{"stays": 0, "goes": fanout.CloseRevoked, "stuck": fanout.CloseRevoked} {
			if got := pipes[id].closed(); got != want {
				t.Errorf("%s: closed with %d, want %d", id, got, want)
			}
		}
		for id, want := range map[string]int{"stays": 2, "goes": 1, "stuck": 0} {
			if got := len(pipes[id].book.Frames("d")); got != want {
				t.Errorf("%s: %d deltas, want %d", id, got, want)
			}
		}
	})
}

// A token may be revoked between its look at and the connection or the renewal.
func TestWhoeverIsRevokedOnTheWayInIsClosed(t *testing.T) {
	inBubble(t, fanout.Config{Revoked: func(p fanout.Peer) bool { return p.ID == "bad" }}, func(b *bench) {
		b.model.Put(acme, shipment("S-1", 1, "in_transit"))
		p, c := b.holding("bad")
		if p.closed() != fanout.CloseRevoked || len(p.book.Frames("snap")) != 0 {
			t.Errorf("closed with %d after %v, want %d before any row", p.closed(), kinds(p), fanout.CloseRevoked)
		}
		c.Wait()

		p, c = b.holding("good")
		renewed := fanout.Peer{Subject: "ann", Tenant: acme, Scope: []string{"read"}, Expires: time.Now().Add(time.Hour), ID: "bad"}
		if !c.Renew(renewed) {
			t.Error("the renewal was refused")
		}
		b.settle(time.Second)
		if got := p.closed(); got != fanout.CloseRevoked {
			t.Errorf("renewed with a revoked token: closed with %d, want %d", got, fanout.CloseRevoked)
		}
		c.Wait()
	})
}

// What was revoked is the token that was left behind.
func TestWhoeverHasRenewedInTimeStays(t *testing.T) {
	revoked := map[string]bool{}
	inBubble(t, fanout.Config{Revoked: func(p fanout.Peer) bool { return revoked[p.ID] }}, func(b *bench) {
		p, c := b.holding("old")
		defer b.leave(c)
		if !c.Renew(fanout.Peer{Subject: "ann", Tenant: acme, Scope: []string{"read"}, Expires: time.Now().Add(time.Hour), ID: "new"}) {
			t.Fatal("the renewal was refused")
		}
		revoked["old"] = true
		b.hub.Expel()
		b.settle(time.Second)
		if got := p.closed(); got != 0 {
			t.Errorf("closed with %d, want it to stay open", got)
		}
	})
}
