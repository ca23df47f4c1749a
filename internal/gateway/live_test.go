package gateway_test

import (
	"testing"

	"github.com/waybill-io/waybill/internal/auth"
)

func TestAClientSeesASnapshotAndThenEveryChange(t *testing.T) {
	s := start(t, hubConfig(), gatewayConfig())
	s.model.Put(acme, shipment("S-1", 1, "in_transit"), shipment("S-2", 1, "delivered"))
	c := s.dial()
	c.book.Ask(1, nil)
	c.hello(s.token(auth.Principal{}), m{"sid": 1, "topic": "shipments",
		"filter": m{"f": "status", "op": "in", "v": []string{"in_transit"}}})
	c.frame("live", 1)
	if v := c.book.View(1); len(v.Rows) != 1 || v.Rows["S-1"] == nil {
		t.Errorf("rows after the snapshot: %v, want S-1 alone", v.Rows)
	}
	s.model.Put(acme, shipment("S-1", 2, "delivered"), shipment("S-3", 1, "in_transit"))
	c.frame("d", 1)
	if v := c.book.View(1); len(v.Rows) != 1 || v.Rows["S-3"] == nil {
		t.Errorf("rows after the change: %v, want S-3 alone", v.Rows)
	}
	for _, v := range c.book.Violations() {
		t.Error(v)
	}
}
