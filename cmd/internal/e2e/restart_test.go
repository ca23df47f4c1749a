package e2e_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// closeDrain is the close code of a gateway that ends: come back.
const closeDrain = 4001

// What is committed while a gateway is away reaches its clients from the next
// one: as the changes since what they have, or as a snapshot that is announced.
func TestTheNextGatewayBringsClientsUpToDate(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.project()
	first := p.serve()
	topics := []string{"shipments", "orders"}
	c := first.dial(t, tenant, m{"t": "sub", "topic": topics[0]}, m{"t": "sub", "topic": topics[1]})
	all := histories(t, 7, tenant, 80)
	p.publish(all[:len(all)/2]...)
	c.live(1)
	c.live(2)
	must(t, "rows have come", func() bool { return len(c.rows(1)) > 0 && len(c.rows(2)) > 0 })

	first.stop()
	if code := c.closed(); code != closeDrain {
		t.Errorf("the gateway closed with %d (%v), want %d", code, c.end, closeDrain)
	}
	if n := len(c.book.Frames("goaway")); n != 1 {
		t.Errorf("%d goaway frames, want 1", n)
	}
	p.publish(all[len(all)/2:]...)
	p.drained()

	again := p.serveAt(first.addr).dial(t, tenant,
		m{"t": "sub", "topic": topics[0], "since": c.book.View(1)}, m{"t": "sub", "topic": topics[1], "since": c.book.View(2)})
	for i, key := range []string{"shipment_id", "order_id"} {
		sid := int64(i + 1)
		again.live(sid)
		again.reaches(p, sid, tenant)
		v := again.book.View(sid)
		announced := len(v.Resets) == 1 && v.Resets[0] == "history"
		if v.Resumes+v.Loads != 1 || v.Loads == 1 && !announced {
			t.Errorf("%s: %d resumes, %d snapshots, resets %v; want to go on, or one announced snapshot", topics[i], v.Resumes, v.Loads, v.Resets)
		}
		if diff := cmp.Diff(p.table(topics[i], key, tenant, nil), again.rows(sid)); diff != "" {
			t.Errorf("%s (-read model +client):\n%.3000s", topics[i], diff)
		}
	}
}

// A consumer and a gateway that are asked to stop under load lose nothing and
// keep nobody waiting.
func TestEverythingStopsUnderLoad(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	consumer, gateway := p.project(), p.serve()
	c := gateway.dial(t, tenant, m{"t": "sub", "topic": "shipments"})
	c.live(1)
	all := histories(t, 8, tenant, 120)
	third := len(all) / 3
	p.publish(all[:third]...)
	must(t, "deltas have come", func() bool { return c.book.View(1).Deltas > 0 })

	published := make(chan error, 1)
	pub := p.publisher()
	go func() { published <- pub.Publish(t.Context(), all[third:]) }()
	consumer.stop()
	gateway.stop()
	if err := <-published; err != nil {
		t.Fatal(err)
	}
	p.project()
	p.likeNew()
}
