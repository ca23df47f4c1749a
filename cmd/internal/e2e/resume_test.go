package e2e_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A client goes on where it was at a server that has never heard of its tenant:
// what it missed is in the change feed, and it takes no snapshot.
func TestAClientGoesOnAtAServerThatHasJustStarted(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.project()
	topics := []string{"shipments", "orders"}
	before := p.serve().dial(t, tenant, m{"t": "sub", "topic": topics[0]}, m{"t": "sub", "topic": topics[1]})
	before.live(1)
	before.live(2)
	all := histories(t, 3, tenant, 60)
	p.publish(all[:len(all)/2]...)
	p.drained()
	before.reaches(p, 1, tenant)
	before.reaches(p, 2, tenant)
	p.publish(all[len(all)/2:]...)
	p.drained()

	after := p.serve().dial(t, tenant, m{"t": "sub", "topic": topics[0], "since": before.book.View(1)},
		m{"t": "sub", "topic": topics[1], "since": before.book.View(2)})
	for i, table := range []struct{ name, key string }{{"shipments", "shipment_id"}, {"orders", "order_id"}} {
		sid := int64(i + 1)
		after.live(sid)
		after.reaches(p, sid, tenant)
		if diff := cmp.Diff(p.table(table.name, table.key, tenant, nil), after.rows(sid)); diff != "" {
			t.Errorf("%s (-read model +client):\n%.3000s", table.name, diff)
		}
		if v := after.book.View(sid); len(v.Resets) != 0 {
			t.Errorf("%s: resets %v", table.name, v.Resets)
		}
	}
	if pages := len(after.book.Frames("snap")); pages > 0 {
		t.Errorf("%d pages of a snapshot were sent to clients that resume", pages)
	}
}
