package gateway_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/auth"
	"github.com/waybill-io/waybill/internal/fanout"
	"github.com/waybill-io/waybill/internal/fanout/fanouttest"
	"github.com/waybill-io/waybill/internal/gateway"
)

// tap is a client that keeps every byte that comes over its connection.
type tap struct {
	conn net.Conn
	mu   sync.Mutex
	all  bytes.Buffer
	done chan struct{}
}

// tap connects as a peer, says hello with these subscriptions and listens.
func (s *stack) tap(p auth.Principal, subs []m) *tap {
	s.t.Helper()
	resp, conn, r := s.knock(s.shake("/v1/live"))
	if resp.StatusCode != 101 {
		s.t.Fatalf("status %d", resp.StatusCode)
	}
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		s.t.Fatal(err)
	}
	c := &tap{conn: conn, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		_, _ = io.Copy(c, r) // until the end, whatever that is
	}()
	s.t.Cleanup(func() {
		_ = conn.Close()
		<-c.done
	})
	c.say(s.t, m{"t": "hello", "v": 1, "token": s.token(p), "subs": subs})
	return c
}

func (c *tap) say(t *testing.T, frame m) {
	t.Helper()
	text, err := json.Marshal(frame)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.conn.Write(masked(0x81, text)); err != nil {
		t.Fatal(err)
	}
}

// Write implements [io.Writer].
func (c *tap) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.all.Write(b)
}

func (c *tap) heard() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.all.String()
}

// sing gives a tenant rows and facts in which its canary sings.
func sing(model *fanouttest.Model, tenant events.TenantID, v int64) {
	id := string(tenant) + "-1"
	ship := shipment(id, v, "in_transit")
	ship.LastLocation, ship.Orders = canary(tenant), []events.OrderID{events.OrderID(id)}
	model.Put(tenant, ship, &fanout.OrderRow{ID: events.OrderID(id), Revision: v, Status: "placed", Number: canary(tenant)})
	for _, kind := range []events.StreamKind{events.ShipmentStream, events.OrderStream} {
		model.Tell(tenant, events.Stream{Kind: kind, ID: id}, fanouttest.Fact{
			Source: events.Source(canary(tenant)), ID: events.EventID(fmt.Sprint("e-", v)), Type: events.TypeLost, Alert: true,
		})
	}
}

func canary(tenant events.TenantID) string { return "canary of " + string(tenant) + "!" }

// everything asks for all topics: what is one's own, and what is of another.
func everything(own, other string) []m {
	eq := func(field, value string) m { return m{"f": field, "op": "eq", "v": value} }
	subs := []m{
		{"topic": "shipments"}, {"topic": "orders"}, {"topic": "kpis"}, {"topic": "alerts"},
		{"topic": "timeline", "filter": eq("shipment", own)}, {"topic": "timeline", "filter": eq("order", own)},
		{"topic": "shipments", "filter": eq("id", other)}, {"topic": "orders", "filter": m{"f": "id", "op": "prefix", "v": other}},
		{"topic": "timeline", "filter": eq("shipment", other)}, {"topic": "timeline", "filter": eq("order", other)},
		{"topic": "alerts", "filter": eq("shipment", other)},
	}
	for i := range subs {
		subs[i]["sid"] = i
	}
	return subs
}

// I4: of all bytes that a tenant's clients get, in every topic, whatever they ask
// for, none is of another tenant. Each tenant's rows have a canary of their own.
func TestNoByteOfAnotherTenantIsOnTheWire(t *testing.T) {
	s := start(t, hubConfig(), gateway.Config{Commands: 1000})
	const tenants, rounds = 6, 20
	name := func(i int) events.TenantID { return events.TenantID(fmt.Sprintf("tenant-%c", 'a'+i%tenants)) }
	var taps []*tap
	for i := range tenants {
		sing(s.model, name(i), 1)
	}
	for i := range tenants {
		own, other := string(name(i))+"-1", string(name(i+1))+"-1"
		taps = append(taps, s.tap(auth.Principal{Tenant: string(name(i))}, everything(own, other)))
	}
	for _, c := range taps { // alerts have no past
		eventually(t, "everything is live", func() bool { return strings.Count(c.heard(), `"t":"live"`) == len(everything("", "")) })
	}
	for v := range int64(rounds) {
		for i := range tenants {
			sing(s.model, name(i), v+2)
		}
		position := s.model.Position(name(int(v)))
		for i, c := range taps { // as if the position of another tenant were one's own
			c.say(t, m{"t": "sub", "sid": 15, "topic": "shipments", "filter": m{"f": "parcels", "op": "range", "v": m{"gte": -v}},
				"since": m{"epoch": position.Epoch, "seq": position.Seq, "shape": fmt.Sprintf("%016x", i)}})
		}
	}
	for i, c := range taps {
		last := fmt.Sprint(`"id":"e-`, rounds+1, `"`)
		eventually(t, "the last facts have come", func() bool { return strings.Count(c.heard(), last) >= 4 })
		for j := range tenants {
			if got := strings.Count(c.heard(), canary(name(j))); (got > 0) != (i == j) {
				t.Errorf("%s got %d canaries of %s", name(i), got, name(j))
			}
		}
	}
}
