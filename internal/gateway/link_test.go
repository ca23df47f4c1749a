package gateway_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/waybill-io/waybill/internal/auth"
	"github.com/waybill-io/waybill/internal/fanout"
	"github.com/waybill-io/waybill/internal/fanout/fanouttest"
	"github.com/waybill-io/waybill/internal/gateway"
	"github.com/waybill-io/waybill/internal/share"
)

// desk keeps links and revocations, and can be away.
type desk struct {
	mu      sync.Mutex
	links   map[share.Secret]share.Link
	revoked []auth.Revocation
	err     error
}

func (d *desk) Link(_ context.Context, secret share.Secret) (share.Link, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err != nil {
		return share.Link{}, d.err
	}
	l, ok := d.links[secret]
	if !ok {
		return share.Link{}, share.ErrNotFound
	}
	return l, nil
}

func (d *desk) Revocations(context.Context) ([]auth.Revocation, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.revoked, d.err
}

func (d *desk) set(change func(*desk)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change(d)
}

// link makes a link to a shipment of acme.
func (d *desk) link(shipment string) share.Secret {
	secret := share.NewSecret()
	d.set(func(d *desk) {
		d.links[secret] = share.Link{
			ID: secret.Digest().ID(), Tenant: acme, Shipment: shipmentID(shipment), Expires: time.Now().Add(time.Hour),
		}
	})
	return secret
}

// guarded is a stack whose tokens and links can be revoked.
func guarded(t *testing.T) (*stack, *desk) {
	t.Helper()
	d := &desk{links: map[share.Secret]share.Link{}}
	tokens, err := auth.NewVerifier(authConfig())
	if err != nil {
		t.Fatalf("NewVerifier: %v", err)
	}
	guard := auth.NewGuard(tokens, d, slog.New(slog.DiscardHandler))
	s := startWith(t, guard, fanout.Config{Revoked: gateway.Revoked(guard.Revoked)}, gateway.Config{Links: d})
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- guard.Run(ctx, s.hub.Expel) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return s, d
}

func TestALinkOpensOneShipment(t *testing.T) {
	s, d := guarded(t)
	s.model.Put(acme, shipment("S-1", 1, "in_transit"), shipment("S-2", 1, "in_transit"))
	secret := d.link("S-1")
	c := s.dial()
	c.book.Ask(1, nil)
	c.hello(string(secret), m{"sid": 1, "topic": "shipments"}, m{"sid": 2, "topic": "orders"})
	if got := string(c.frame("snap", 1).Rows); !strings.HasPrefix(got, `[{"id":"shipment","v":1,"status":"in_transit"`) || strings.Contains(got, "S-") {
		t.Errorf("rows %s, want the one of the link", got)
	}
	if got := c.frame("err", 1); got.Code != "forbidden" {
		t.Errorf("orders: %+v, want forbidden", got)
	}
	c.send(m{"t": "auth", "token": string(d.link("S-2"))})
	if got := c.closed(); got != 4007 {
		t.Errorf("another link: closed with %d, want 4007", got)
	}
}

// The event stream is opened and closed with the same secrets and tokens.
func TestAStreamTakesALinkUntilItIsRevoked(t *testing.T) {
	s, d := guarded(t)
	s.model.Put(acme, shipment("S-1", 1, "in_transit"), shipment("S-2", 1, "in_transit"))
	secret, token := d.link("S-1"), s.token(auth.Principal{})
	subs := []m{{"sid": 1, "topic": "shipments"}}
	book := fanouttest.NewBook()
	book.Ask(1, nil)
	e := s.listen(book, nil, s.request(string(secret), subs))
	e.frame("live", 1)
	if rows := e.book.View(1).Rows; len(rows) != 1 || rows["shipment"] == nil {
		t.Errorf("rows %v, want the one of the link", rows)
	}
	d.set(func(d *desk) {
		d.revoked = []auth.Revocation{{Tenant: string(acme), ID: secret.Digest().ID()}, {Tenant: string(acme), Subject: "ann", Before: time.Now()}}
		delete(d.links, secret)
	})
	if bye := e.over(); bye == nil || bye.Code != 4505 || bye.Reconnect {
		t.Errorf("the last event is %+v, want close with 4505", bye)
	}
	for name, bearer := range map[string]string{"link": string(secret), "token": token} {
		if resp, _, _ := s.knock(s.request(bearer, subs)); resp.StatusCode != 401 {
			t.Errorf("a revoked %s: status %d, want 401", name, resp.StatusCode)
		}
	}
	if resp, _, _ := s.knock(s.request(string(secret), []m{{"sid": 1, "topic": "orders"}})); resp.StatusCode != 401 {
		t.Errorf("orders with a revoked link: status %d, want 401", resp.StatusCode)
	}
	d.set(func(d *desk) { d.err = errors.New("the database is away") })
	if resp, _, _ := s.knock(s.request(string(secret), subs)); resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("while links cannot be looked for: status %d, Retry-After %q; want 503 and some", resp.StatusCode, resp.Header.Get("Retry-After"))
	}
}

func TestALinkThatIsNoneOpensNothing(t *testing.T) {
	s, d := guarded(t)
	for name, secret := range map[string]string{
		"unknown":      string(share.NewSecret()),
		"only a start": "wbl_",
		"a megabyte":   "wbl_" + strings.Repeat("a", 10_000),
	} {
		c := s.dial()
		c.hello(secret)
		if got := c.closed(); got != 4501 {
			t.Errorf("%s: closed with %d, want 4501", name, got)
		}
	}
	secret := d.link("S-1")
	d.set(func(d *desk) { d.err = errors.New("the database is away") })
	c := s.dial()
	c.hello(string(secret))
	if got := c.closed(); got != 4004 {
		t.Errorf("while links cannot be looked for: closed with %d, want 4004, to come back", got)
	}
}

func TestARevokedTokenOrLinkIsClosedWithinASecondAndRefused(t *testing.T) {
	s, d := guarded(t)
	secret := d.link("S-1")
	ann, bob := s.token(auth.Principal{}), s.token(auth.Principal{Subject: "bob"})
	clients := map[string]*client{}
	for name, bearer := range map[string]string{"ann": ann, "bob": bob, "link": string(secret)} {
		clients[name] = s.dial()
		clients[name].hello(bearer)
		clients[name].frame("welcome", 1)
	}
	began := time.Now()
	d.set(func(d *desk) {
		d.revoked = []auth.Revocation{
			{Tenant: string(acme), Subject: "ann", Before: time.Now()},
			{Tenant: string(acme), ID: secret.Digest().ID()},
		}
		delete(d.links, secret)
	})
	for _, name := range []string{"ann", "link"} {
		if got := clients[name].closed(); got != 4505 {
			t.Errorf("%s: closed with %d, want 4505", name, got)
		}
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("it took %v, want a second at most", took)
	}
	for bearer, want := range map[string]int{ann: 4505, string(secret): 4501} {
		c := s.dial()
		c.hello(bearer)
		if got := int(c.closed()); got != want {
			t.Errorf("a hello with what was revoked: closed with %d, want %d", got, want)
		}
	}
	clients["bob"].send(m{"t": "auth", "token": ann})
	if got := clients["bob"].frame("err", 1); got.Code != "unauthenticated" {
		t.Errorf("auth with a revoked token: %+v, want unauthenticated", got)
	}
	if got := s.metric("waybill_ws_closes_total", "4505"); got != 3 {
		t.Errorf("%v closes with 4505 were counted, want 3", got)
	}
	if got := s.metric("waybill_ws_auth_failures_total", "revoked"); got != 2 {
		t.Errorf("%v revoked tokens were counted, want 2", got)
	}
}
