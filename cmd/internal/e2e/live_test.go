package e2e_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/scenario"
)

// day is when the stories of the tests happen.
var day = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

// story makes events of one order in one shipment, an hour after the other.
type story struct {
	tenant events.TenantID
	name   string
	told   int
}

func (s *story) order() events.OrderID { return events.OrderID("o-" + s.name) }

func (s *story) shipment() events.ShipmentID { return events.ShipmentID("s-" + s.name) }

func (s *story) next() events.Fact {
	s.told++
	return events.Fact{OccurredAt: day.Add(time.Duration(s.told) * time.Hour)}
}

func (s *story) event(subject string, d events.Data) events.Event {
	return events.New(s.tenant, "urn:e2e", events.EventID(fmt.Sprintf("%s-%d", s.name, s.told)), subject, d)
}

func (s *story) placed() events.Event {
	return s.event(string(s.order()), &events.OrderPlaced{
		OrderFact: events.OrderFact{Fact: s.next(), OrderID: s.order()}, Number: s.name, Channel: "web", Currency: "EUR",
		Lines: []events.OrderLine{{LineID: "1", Qty: 2}},
	})
}

func (s *story) fact() events.ShipmentFact {
	return events.ShipmentFact{Fact: s.next(), ShipmentID: s.shipment(), ParcelID: "1"}
}

func (s *story) at(facility string) events.ShipmentFact {
	fact := s.fact()
	fact.Facility = facility
	return fact
}

func (s *story) created() events.Event {
	fact := s.fact()
	fact.ParcelID = ""
	return s.event(string(s.shipment()), &events.ShipmentCreated{
		ShipmentFact: fact, Direction: events.Outbound, Parcels: []events.ParcelRef{{ParcelID: "1"}},
		Contents: []events.Content{{OrderID: s.order(), LineID: "1", Qty: 2, ParcelID: "1"}},
	})
}

func (s *story) pickedUp() events.Event {
	return s.event(string(s.shipment()), &events.PickedUp{ShipmentFact: s.fact()})
}

func (s *story) departed() events.Event {
	return s.event(string(s.shipment()), &events.Departed{Movement: events.Movement{ShipmentFact: s.at("Hub 7")}})
}

func (s *story) delivering() events.Event {
	return s.event(string(s.shipment()), &events.OutForDelivery{ShipmentFact: s.fact()})
}

func (s *story) delivered() events.Event {
	return s.event(string(s.shipment()), &events.Delivered{ShipmentFact: s.fact()})
}

func TestAClientSeesEveryEventAsARowAtItsRevision(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.project()
	c := p.serve().dial(t, tenant, m{"t": "sub", "topic": "shipments"}, m{"t": "sub", "topic": "orders"})
	c.live(1)
	c.live(2)

	s := &story{tenant: tenant, name: "1"}
	order, shipment := string(s.order()), string(s.shipment())
	p.publish(s.placed())
	c.sees(2, row{order, 1, "placed"})
	p.publish(s.created())
	c.sees(1, row{shipment, 1, "created"})
	p.publish(s.pickedUp())
	c.sees(1, row{shipment, 2, "picked_up"})
	p.publish(s.departed())
	c.sees(1, row{shipment, 3, "in_transit"})
	p.publish(s.delivered())
	c.sees(1, row{shipment, 4, "delivered"})
	c.sees(2, row{order, value[int64](p, `SELECT revision FROM waybill.orders WHERE order_id = $1`, order), "delivered"})

	for sid, least := range map[int64]int{1: 4, 2: 2} {
		if v := c.book.View(sid); v.Loads != 1 || len(v.Resets) != 0 || v.Deltas < least {
			t.Errorf("subscription %d: %d snapshots, resets %v, %d deltas; want 1 snapshot, then %d deltas or more", sid, v.Loads, v.Resets, v.Deltas, least)
		}
	}
}

func TestTheTimelineTellsWhatWasPublished(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.project()
	site := p.serve()
	s := &story{tenant: tenant, name: "1"}
	p.publish(s.placed(), s.created(), s.pickedUp(), s.delivered())
	p.drained()

	var got struct {
		Shipment row `json:"shipment"`
		Entries  []struct {
			Type events.Type `json:"type"`
		} `json:"entries"`
	}
	site.get(t, "/v1/shipments/"+string(s.shipment())+"/timeline", tenant, http.StatusOK, &got)
	if want := (row{string(s.shipment()), 3, "delivered"}); got.Shipment != want {
		t.Errorf("shipment = %+v, want %+v", got.Shipment, want)
	}
	var types []events.Type
	for _, e := range got.Entries {
		types = append(types, e.Type)
	}
	want := []events.Type{events.TypeShipmentCreated, events.TypePickedUp, events.TypeDelivered}
	if diff := cmp.Diff(want, types); diff != "" {
		t.Errorf("timeline (-want +got):\n%s", diff)
	}
	site.get(t, "/v1/shipments/"+string(s.shipment())+"/timeline", "globex", http.StatusNotFound, nil)
}

// get reads JSON from the API.
func (s *site) get(t testing.TB, path, of string, status int, into any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.addr+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token(t, of))
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // what was read is all that counts
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != status {
		t.Fatalf("GET %s: %s: %s, want %d", path, resp.Status, body, status)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal(body, into); err != nil {
		t.Fatalf("GET %s: %v in %s", path, err, body)
	}
}

// Two tenants' histories, late, twice and out of order, come in while clients
// come and go. In the end each has exactly what SQL says.
func TestClientsEndWithTheRowsOfTheReadModel(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.project()
	site := p.serve()
	open := []string{"created", "info_received", "picked_up", "in_transit", "out_for_delivery", "delivery_attempted"}
	filtered := func() m {
		return m{"t": "sub", "topic": "shipments", "filter": m{"f": "status", "op": "in", "v": open}}
	}
	all := func(topic string) m { return m{"t": "sub", "topic": topic} }
	early := site.dial(t, tenant, all("shipments"), filtered(), all("orders"))
	early.live(3)
	other := site.dial(t, "globex", all("shipments"))
	other.live(1)

	mine, theirs := histories(t, 1, tenant, 150), histories(t, 2, "globex", 20)
	mine = mine[:len(mine)*2/3] // so that some are still under way
	p.publish(mine[:len(mine)/2]...)
	p.publish(theirs...)
	late := site.dial(t, tenant, filtered(), all("shipments"))
	p.publish(mine[len(mine)/2:]...)
	p.drained()

	shipments := p.table("shipments", "shipment_id", tenant, nil)
	moving := p.table("shipments", "shipment_id", tenant, open)
	for _, check := range []struct {
		who  string
		c    *client
		sid  int64
		of   string
		want map[string]row
	}{
		{"all shipments", early, 1, tenant, shipments},
		{"open shipments", early, 2, tenant, moving},
		{"orders", early, 3, tenant, p.table("orders", "order_id", tenant, nil)},
		{"open shipments, late", late, 1, tenant, moving},
		{"all shipments, late", late, 2, tenant, shipments},
		{"the other tenant's shipments", other, 1, "globex", p.table("shipments", "shipment_id", "globex", nil)},
	} {
		check.c.live(check.sid)
		check.c.reaches(p, check.sid, check.of)
		if len(check.want) == 0 {
			t.Errorf("%s: the read model has none, so that nothing is shown", check.who)
		}
		if diff := cmp.Diff(check.want, check.c.rows(check.sid)); diff != "" {
			t.Errorf("%s (-read model +client):\n%.3000s", check.who, diff)
		}
	}
}

// histories are orders with everything that may happen to them.
func histories(t testing.TB, seed uint64, of events.TenantID, orders int) []events.Event {
	t.Helper()
	g, err := scenario.New(scenario.Config{Seed: seed, Orders: orders, Tenant: of, Rates: scenario.DefaultRates()})
	if err != nil {
		t.Fatal(err)
	}
	return slices.Collect(g.Events())
}

// table reads the rows of a tenant, those with one of the statuses if any.
func (p *platform) table(name, key, of string, statuses []string) map[string]row {
	p.t.Helper()
	query := fmt.Sprintf(`SELECT %s, revision, status FROM waybill.%s WHERE tenant_id = $1 AND ($2::text[] IS NULL OR status = ANY ($2))`, key, name)
	rows, err := p.pool.Query(context.WithoutCancel(p.t.Context()), query, of, statuses)
	if err != nil {
		p.t.Fatal(err)
	}
	defer rows.Close()
	all := map[string]row{}
	for rows.Next() {
		var r row
		if err := rows.Scan(&r.ID, &r.Revision, &r.Status); err != nil {
			p.t.Fatal(err)
		}
		all[r.ID] = r
	}
	if err := rows.Err(); err != nil {
		p.t.Fatal(err)
	}
	return maps.Clone(all)
}
