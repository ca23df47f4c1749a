package fanout_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/fanout"
)

const acme = events.TenantID("acme")

func encode(t *testing.T, r fanout.Row) []byte {
	t.Helper()
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatalf("encode row: %v", err)
	}
	return b
}

func shipment(id string, v int64, status string) *fanout.ShipmentRow {
	return &fanout.ShipmentRow{ID: events.ShipmentID(id), Revision: v, Status: status, Carrier: "UPS"}
}

func everyRow(fanout.Row) bool { return true }

func inTransit(r fanout.Row) bool { return r.StatusName() == "in_transit" }

var onlyInTransit = []byte(`{"f":"status","op":"in","v":["in_transit"]}`)

func TestASubscriberGetsASnapshotThenLiveThenDeltas(t *testing.T) {
	inBubble(t, fanout.Config{PageRows: 2}, func(b *bench) {
		for i := range 5 {
			b.model.Put(acme, shipment(fmt.Sprint("S-", i), 1, "in_transit"))
		}
		p := newPipe()
		c := b.connect(acme, p)
		defer b.leave(c)
		b.subscribe(c, p, fanout.Request{SID: 3, Topic: fanout.Shipments, Filter: onlyInTransit})
		b.settle(time.Second)
		if got := kinds(p); fmt.Sprint(got) != "[welcome snap snap snap live]" {
			t.Errorf("frames %v, want welcome, three pages, live", got)
		}

		b.model.Put(acme, shipment("S-1", 2, "delivered"), shipment("S-9", 1, "in_transit"), shipment("S-7", 1, "created"))
		b.settle(time.Second)
		d := p.book.Frames("d")
		if len(d) != 1 {
			t.Fatalf("%d deltas, want 1", len(d))
		}
		if got := fmt.Sprintf("%d %s %d %v %d", d[0].P, d[0].Q, len(d[0].U), d[0].R, d[0].N); got != "5 8 1 [S-1] 2" {
			t.Errorf("p, q, rows, removals, n = %s, want 5 8 1 [S-1] 2", got)
		}
		b.same(p.book.View(3), acme, fanout.Shipments, inTransit)
		b.honest(p)
	})
}

func kinds(p *pipe) []string {
	var out []string
	for _, f := range p.book.Frames("") {
		out = append(out, f.T)
	}
	return out
}
