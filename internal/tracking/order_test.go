package tracking_test

import (
	"testing"

	"github.com/waybill-io/waybill/internal/tracking"
)

// carry tells a shipment with contents, and its way up to a type.
func carry(shipment string, hour float64, what doc, way ...string) []told {
	story := []told{s("created", hour, what).of(shipment)}
	for i, typ := range way {
		story = append(story, s(typ, hour+float64(i+1)).of(shipment))
	}
	return story
}

func all(parts ...any) []told {
	var story []told
	for _, part := range parts {
		switch part := part.(type) {
		case told:
			story = append(story, part)
		case []told:
			story = append(story, part...)
		}
	}
	return story
}

func (d told) cancels(pairs ...any) told {
	return d.with(doc{"scope": "lines", "lines": lines(pairs...)})
}

func orderOf(w world) string { return w.order("o1") }

func TestOrderStatusIsTheFirstThatHolds(t *testing.T) {
	placed := o("placed", 0)
	cancelAll := o("cancelled", 9, doc{"scope": "all"})
	l1 := contents("l1", 2)
	run(t, []story{
		{"unknown while it was not placed", []told{o("confirmed", 1)}, "unknown", ""},
		{"a placeholder of a shipment", carry("s1", 0, l1, "picked_up"), "unknown l1 shipped=2 !over_shipped", ""},
		{"placed", []told{placed}, "placed l1 ordered=2", ""},
		{"confirmed", []told{placed, o("confirmed", 1)}, "confirmed l1 ordered=2", ""},
		{"confirmed before it was placed", []told{o("placed", 5), o("confirmed", 1)}, "confirmed l1 ordered=2", ""},
		{"processing once allocated", []told{placed, o("allocated", 1)}, "processing l1 ordered=2 allocated=1", ""},
		{"processing once backordered", []told{placed, o("backordered", 1)}, "processing l1 ordered=2 backordered=1", ""},
		{"processing once a shipment exists", all(placed, carry("s1", 1, l1)), "processing l1 ordered=2", ""},
		{"a return shipment is none", all(placed, carry("s1", 1, l1), s("created", 1, l1, doc{"direction": "return"}).of("s2"), s("", 0).retract("e2", 3)),
			"placed l1 ordered=2", "e2:retracted_by:e4"},
		{"partially shipped", all(placed, carry("s1", 1, contents("l1", 1), "picked_up")), "partially_shipped l1 ordered=2 shipped=1", ""},
		{"shipped", all(placed, carry("s1", 1, l1, "picked_up")), "shipped l1 ordered=2 shipped=2", ""},
		{"partially delivered", all(placed, carry("s1", 1, contents("l1", 1), "picked_up", "departed", "delivered"), carry("s2", 1, contents("l1", 1), "picked_up")),
			"partially_delivered l1 ordered=2 shipped=2 delivered=1", ""},
		{"delivered", all(placed, carry("s1", 1, l1, "picked_up", "departed", "delivered")), "delivered l1 ordered=2 shipped=2 delivered=2", ""},
		{"delivered of what was not cancelled", all(placed, carry("s1", 1, contents("l1", 1), "picked_up", "departed", "delivered"), o("cancelled", 0.5).cancels("l1", 1)),
			"delivered l1 ordered=2 cancelled=1 shipped=1 delivered=1", ""},
		{"cancelled", []told{placed, cancelAll}, "cancelled l1 ordered=2 cancelled=2", ""},
		{"cancelled line by line", []told{placed, o("cancelled", 1).cancels("l1", 2)}, "cancelled l1 ordered=2 cancelled=2", ""},
		{"cancelled whole when nothing is ordered any more", []told{placed, o("amended", 1, doc{"lines": lines("l1", 0)}), cancelAll}, "cancelled l1", ""},
		{"cancelled before closed", []told{placed, cancelAll, o("closed", 10)}, "cancelled l1 ordered=2 cancelled=2", ""},
		{"closed", all(placed, o("closed", 1), carry("s1", 2, l1, "picked_up", "departed", "delivered")), "closed l1 ordered=2 shipped=2 delivered=2", ""},
		{"the rest cancelled after a loss: shipped",
			all(placed, carry("s1", 1, l1, "picked_up", "lost"), cancelAll), "shipped l1 ordered=2 cancelled=2 shipped=2 lost=2 !cancel_after_ship", ""},
		{"the rest cancelled after a delivery that came back: delivered",
			all(placed, carry("s1", 1, l1, "picked_up", "departed", "delivered", "return_initiated", "returned"), cancelAll),
			"delivered l1 ordered=2 cancelled=2 shipped=2 delivered=2 returned=2 !cancel_after_ship", ""},
	}, orderOf)
}

func TestHoldsPaymentAndPromiseAreOverlays(t *testing.T) {
	placed := o("placed", 0)
	run(t, []story{
		{"holds by their reason", []told{placed, o("on_hold", 1), o("on_hold", 2, doc{"reason_code": "address"}), o("on_hold", 3)}, "placed l1 ordered=2 hold:address hold:fraud", ""},
		{"a release of one", []told{placed, o("on_hold", 1), o("on_hold", 2, doc{"reason_code": "address"}), o("released", 3, doc{"reason_code": "fraud"})}, "placed l1 ordered=2 hold:address", ""},
		{"a release of all", []told{placed, o("on_hold", 1), o("on_hold", 2, doc{"reason_code": "address"}), o("released", 3)}, "placed l1 ordered=2", ""},
		{"of one instant the release is later", []told{placed, o("released", 1), o("on_hold", 1)}, "placed l1 ordered=2", ""},
		{"a release before the hold releases nothing", []told{placed, o("released", 1), o("on_hold", 2)}, "placed l1 ordered=2 hold:fraud", ""},
		{"a hold stays with a cancelled order", []told{placed, o("on_hold", 1), o("cancelled", 2, doc{"scope": "all"})}, "cancelled l1 ordered=2 cancelled=2 hold:fraud", ""},
		{"the last payment", []told{placed, o("payment_failed", 1), o("paid", 2)}, "placed l1 ordered=2 paid", ""},
		{"the first placed event counts", []told{o("placed", 1, doc{"lines": lines("l1", 7)}), placed}, "placed l1 ordered=2", "e1:second_create"},
		{"links move nothing", []told{placed, o("merged", 1), o("split", 2), o("return_requested", 3), o("return_received", 4), o("reshipped", 5)}, "placed l1 ordered=2", ""},
		{"a retracted hold", []told{placed, o("on_hold", 1), o("", 0).retract("e2", 2)}, "placed l1 ordered=2", "e2:retracted_by:e3"},
		{"a copied cancel cancels once", []told{placed, o("cancelled", 1).cancels("l1", 1), o("cancelled", 1).cancels("l1", 1)}, "placed l1 ordered=2 cancelled=1", "e3:duplicate_of:e2"},
		{"a skewed close", []told{placed, o("closed", 90, doc{"$ingested": 1.0})}, "placed l1 ordered=2", "e2:clock_skew"},
	}, orderOf)
}

func TestOriginalPromiseIsFrozen(t *testing.T) {
	promised := func(h float64) doc { return doc{"promised_window": doc{"end": hour(h)}} }
	changed := func(at, h float64) told { return o("promise_changed", at, doc{"window": doc{"end": hour(h)}}) }
	w := fold(t, o("placed", 1, promised(50)), changed(3, 90), changed(2, 70))
	got := w.Orders["o1"]
	if !got.Original.End.Equal(hour(50)) || !got.Latest.End.Equal(hour(90)) {
		t.Errorf("promise = %v, latest %v; want %v and %v", got.Original.End, got.Latest.End, hour(50), hour(90))
	}
	got = fold(t, o("placed", 1, promised(50)), changed(0, 90)).Orders["o1"] // placed is the base whatever its time
	if !got.Latest.End.Equal(hour(90)) {
		t.Errorf("latest promise = %v, want %v: placed is the base whatever its time", got.Latest.End, hour(90))
	}
	got = fold(t, o("placed", 1), changed(2, 90)).Orders["o1"]
	if got.Original != nil || !got.Latest.End.Equal(hour(90)) {
		t.Errorf("promise = %v, latest %v; want none and %v", got.Original, got.Latest.End, hour(90))
	}
}

func TestCancelsAddUp(t *testing.T) {
	placed := o("placed", 0, doc{"lines": lines("l1", 3, "l2", 2)})
	amended := func(h float64, pairs ...any) told { return o("amended", h, doc{"lines": lines(pairs...)}) }
	cancelAll := func(h float64) told { return o("cancelled", h, doc{"scope": "all"}) }
	run(t, []story{
		{"two of a line", []told{placed, o("cancelled", 1).cancels("l1", 1), o("cancelled", 2).cancels("l1", 1)}, "placed l1 ordered=3 cancelled=2 l2 ordered=2", ""},
		{"never more than ordered", []told{placed, o("cancelled", 1).cancels("l1", 9)}, "placed l1 ordered=3 cancelled=3 l2 ordered=2", ""},
		{"an amendment's total includes the cancelled", []told{placed, o("cancelled", 1).cancels("l1", 1), amended(2, "l1", 5)}, "placed l1 ordered=5 cancelled=1 l2 ordered=2", ""},
		{"all takes what is there at its place", []told{placed, cancelAll(1), amended(2, "l1", 5)}, "placed l1 ordered=5 cancelled=3 l2 ordered=2 cancelled=2", ""},
		{"an amendment before it included", []told{placed, cancelAll(3), amended(2, "l1", 5)}, "cancelled l1 ordered=5 cancelled=5 l2 ordered=2 cancelled=2", ""},
		{"a line added later is not cancelled", []told{placed, cancelAll(1), amended(2, "l3", 1)}, "placed l1 ordered=3 cancelled=3 l2 ordered=2 cancelled=2 l3 ordered=1", ""},
		{"all after some", []told{placed, o("cancelled", 1).cancels("l1", 1), cancelAll(2)}, "cancelled l1 ordered=3 cancelled=3 l2 ordered=2 cancelled=2", ""},
		{"all after some takes no more than is there", []told{placed, o("cancelled", 1).cancels("l1", 1), cancelAll(2), amended(3, "l1", 5)},
			"placed l1 ordered=5 cancelled=3 l2 ordered=2 cancelled=2", ""},
		{"all before it was placed", []told{o("placed", 5), cancelAll(1)}, "cancelled l1 ordered=2 cancelled=2", ""},
		{"what is out cannot be cancelled", all(placed, carry("s1", 1, contents("l1", 2), "picked_up"), cancelAll(9)),
			"shipped l1 ordered=3 cancelled=1 shipped=2 l2 ordered=2 cancelled=2 !cancel_after_ship", ""},
		{"until it is lost", all(placed, carry("s1", 1, contents("l1", 2), "picked_up", "lost"), cancelAll(9)),
			"shipped l1 ordered=3 cancelled=3 shipped=2 lost=2 l2 ordered=2 cancelled=2 !cancel_after_ship", ""},
	}, orderOf)
}

func TestCancelAfterShip(t *testing.T) {
	placed := o("placed", 0, doc{"lines": lines("l1", 3, "l2", 2)})
	out := carry("s1", 1, contents("l1", 2), "picked_up") // handed over at 2
	run(t, []story{
		{"as much is left as was asked for", all(placed, out, o("cancelled", 3).cancels("l1", 1)), "partially_shipped l1 ordered=3 cancelled=1 shipped=2 l2 ordered=2", ""},
		{"less is left", all(placed, out, o("cancelled", 3).cancels("l1", 2)), "partially_shipped l1 ordered=3 cancelled=1 shipped=2 l2 ordered=2 !cancel_after_ship", ""},
		{"together with an earlier cancel", all(placed, out, o("cancelled", 1).cancels("l1", 1), o("cancelled", 3).cancels("l1", 1)),
			"partially_shipped l1 ordered=3 cancelled=1 shipped=2 l2 ordered=2 !cancel_after_ship", ""},
		{"before the hand-over", all(placed, out, o("cancelled", 1.5).cancels("l1", 2)), "partially_shipped l1 ordered=3 cancelled=1 shipped=2 l2 ordered=2", ""},
		{"of another line", all(placed, out, o("cancelled", 3).cancels("l2", 2)), "partially_shipped l1 ordered=3 shipped=2 l2 ordered=2 cancelled=2", ""},
		{"of all, when anything had left", all(placed, out, o("cancelled", 3, doc{"scope": "all"})),
			"shipped l1 ordered=3 cancelled=1 shipped=2 l2 ordered=2 cancelled=2 !cancel_after_ship", ""},
		{"of all, before anything had", all(placed, out, o("cancelled", 1.5, doc{"scope": "all"})),
			"shipped l1 ordered=3 cancelled=1 shipped=2 l2 ordered=2 cancelled=2", ""},
		{"a return that is on its way is no hand-over", all(placed, s("created", 1, contents("l1", 2), doc{"direction": "return"}), s("picked_up", 2), o("cancelled", 3, doc{"scope": "all"})),
			"cancelled l1 ordered=3 cancelled=3 l2 ordered=2 cancelled=2", ""},
	}, orderOf)
}

func TestQuantitiesAreSumsOverShipments(t *testing.T) {
	placed := o("placed", 0, doc{"lines": lines("l1", 4, "l2", 2)})
	two := doc{"parcels": []doc{{"parcel_id": "p1"}, {"parcel_id": "p2"}}}
	both := s("created", 1, two, contents("l1/p1", 1, "l1/p2", 2, "l2", 2))
	run(t, []story{
		{"by parcel", []told{placed, both, s("departed", 2, p("p2"))}, "partially_shipped l1 ordered=4 shipped=2 l2 ordered=2", ""},
		{"spread over all when all have", []told{placed, both, s("departed", 2, p("p2")), s("departed", 3, p("p1"))}, "partially_shipped l1 ordered=4 shipped=3 l2 ordered=2 shipped=2", ""},
		{"without those that were cancelled", []told{placed, both, s("cancelled", 2, p("p1")), s("departed", 3, p("p2"))}, "partially_shipped l1 ordered=4 shipped=2 l2 ordered=2 shipped=2", ""},
		{"two shipments with the same units both count",
			all(placed, carry("s1", 1, contents("l2", 2), "picked_up"), carry("s2", 1, contents("l2", 2), "picked_up")), "partially_shipped l1 ordered=4 l2 ordered=2 shipped=4 !over_shipped", ""},
		{"a shipment that replaces a lost one is not too much",
			all(placed, carry("s1", 1, contents("l2", 2), "picked_up", "lost"), carry("s2", 9, contents("l2", 2), "picked_up")), "partially_shipped l1 ordered=4 l2 ordered=2 shipped=4 lost=2", ""},
		{"found again it is", all(placed, carry("s1", 1, contents("l2", 2), "picked_up", "lost", "delivered"), carry("s2", 9, contents("l2", 2), "picked_up")),
			"partially_delivered l1 ordered=4 l2 ordered=2 shipped=4 delivered=2 !over_shipped", ""},
		{"destroyed is lost", all(placed, carry("s1", 1, contents("l2", 2), "picked_up", "destroyed")), "partially_shipped l1 ordered=4 l2 ordered=2 shipped=2 lost=2", ""},
		{"ever delivered, though it came back", all(placed, carry("s1", 1, contents("l2", 2), "picked_up", "delivered", "return_initiated", "returned")),
			"partially_delivered l1 ordered=4 l2 ordered=2 shipped=2 delivered=2 returned=2", ""},
		{"a return shipment returns what it delivers", all(placed, carry("s1", 1, contents("l2", 2), "picked_up", "delivered"),
			s("created", 9, contents("l2", 1), doc{"direction": "return", "original_shipment_id": "s1"}).of("s2"), s("delivered", 12).of("s2")),
			"partially_delivered l1 ordered=4 l2 ordered=2 shipped=2 delivered=2 returned=1", ""},
		{"more than was shipped is odd", all(placed, s("created", 9, contents("l2", 1), doc{"direction": "return"}).of("s2"), s("delivered", 12).of("s2")),
			"placed l1 ordered=4 l2 ordered=2 returned=1 !over_returned", ""},
		{"transfers count nowhere", all(placed, s("created", 9, contents("l2", 1), doc{"direction": "transfer"}), s("delivered", 12)), "placed l1 ordered=4 l2 ordered=2", ""},
		{"a line that nobody ordered", all(placed, carry("s1", 1, contents("l9", 1), "picked_up")), "partially_shipped l1 ordered=4 l2 ordered=2 l9 shipped=1 !over_shipped", ""},
		{"allocations are totals per node", []told{placed, o("allocated", 1), o("allocated", 2, doc{"lines": lines("l1", 3)}), o("allocated", 3, doc{"node": "n2"})},
			"processing l1 ordered=4 allocated=4 l2 ordered=2", ""},
	}, orderOf)
}

func TestDeliveryOfQuantities(t *testing.T) {
	placed := o("placed", 0, doc{"lines": lines("l1", 4, "l2", 2)})
	created := s("created", 1, parcels("p1", "p2"), contents("l1/p1", 1, "l1/p2", 2, "l2", 2))
	gone := s("picked_up", 2)
	give := func(h float64, pairs ...any) told { return s("delivered", h, contents(pairs...)) }
	look := func(w world) string { return w.ship("s1") + "; " + w.order("o1") }
	run(t, []story{
		{"adds up", []told{placed, created, gone, give(3, "l1", 1), give(4, "l1", 1)},
			"picked_up p1=picked_up p2=picked_up; partially_delivered l1 ordered=4 shipped=3 delivered=2 l2 ordered=2 shipped=2", ""},
		{"a copy does not", []told{placed, created, gone, give(3, "l1", 1), give(3, "l1", 1)},
			"picked_up p1=picked_up p2=picked_up; partially_delivered l1 ordered=4 shipped=3 delivered=1 l2 ordered=2 shipped=2", "e5:duplicate_of:e4"},
		{"the parcels are delivered when all contents are", []told{placed, created, gone, give(3, "l1", 3), give(4, "l2", 2)},
			"delivered gap p1=delivered p2=delivered; partially_delivered l1 ordered=4 shipped=3 delivered=3 l2 ordered=2 shipped=2 delivered=2", ""},
		{"with what came by parcel", []told{placed, created, gone, s("delivered", 3, p("p2")), give(4, "l1", 1, "l2", 2)},
			"delivered gap p1=delivered p2=delivered; partially_delivered l1 ordered=4 shipped=3 delivered=3 l2 ordered=2 shipped=2 delivered=2", ""},
		{"of a parcel's row", []told{placed, created, gone, give(3, "l1/p2", 1)},
			"picked_up p1=picked_up p2=picked_up; partially_delivered l1 ordered=4 shipped=3 delivered=1 l2 ordered=2 shipped=2", ""},
		{"of a parcel that the shipper named none for", []told{placed, created, gone, give(3, "l2/p2", 1)},
			"picked_up p1=picked_up p2=picked_up; partially_delivered l1 ordered=4 shipped=3 l2 ordered=2 shipped=2 delivered=1", ""},
		{"more than the shipment holds is a sum too", []told{placed, created, gone, give(3, "l1", 5)},
			"picked_up p1=picked_up p2=picked_up; partially_delivered l1 ordered=4 shipped=3 delivered=5 l2 ordered=2 shipped=2", ""},
		{"a parcel id makes it a parcel's", []told{placed, created, gone, give(3, "l1", 1).with(p("p1"))},
			"picked_up gap p1=delivered p2=picked_up; partially_delivered l1 ordered=4 shipped=3 delivered=1 l2 ordered=2 shipped=2", ""},
		{"of a shipment that nobody created", []told{placed, give(3, "l1", 1)}, `unknown ""=unknown; placed l1 ordered=4 l2 ordered=2`, ""},
	}, look)
}

// One parcel with lines of two orders, and one order in two shipments.
func TestParcelsAndOrdersAreManyToMany(t *testing.T) {
	shared := doc{"contents": []doc{
		{"order_id": "o1", "line_id": "l1", "qty": 1, "parcel_id": "p1"}, {"order_id": "o2", "line_id": "l1", "qty": 2, "parcel_id": "p1"},
	}}
	w := fold(t, o("placed", 0), o("placed", 0).of("o2"), s("created", 1, shared), s("picked_up", 2), s("departed", 3), s("delivered", 4),
		s("created", 1, contents("l1", 1)).of("s2"), s("picked_up", 9).of("s2"))
	if got, want := w.order("o1"), "partially_delivered l1 ordered=2 shipped=2 delivered=1"; got != want {
		t.Errorf("o1: %s, want %s", got, want)
	}
	if got, want := w.order("o2"), "delivered l1 ordered=2 shipped=2 delivered=2"; got != want {
		t.Errorf("o2: %s, want %s", got, want)
	}
}

func TestOrderTimesAreThoseOfItsMilestones(t *testing.T) {
	w := fold(t, all(o("placed", 0), carry("s1", 1, contents("l1", 1), "picked_up", "delivered"), carry("s2", 5, contents("l1", 1), "picked_up", "delivered"),
		o("confirmed", 2), o("confirmed", 1, doc{"tz_source": "location"}), o("closed", 30))...)
	got := w.Orders["o1"]
	if !got.PlacedAt.Equal(hour(0)) || !got.ConfirmedAt.Equal(hour(1)) || !got.ShippedAt.Equal(hour(2)) || !got.DeliveredAt.Equal(hour(7)) || !got.ClosedAt.Equal(hour(30)) {
		t.Errorf("placed %v, confirmed %v, shipped %v, delivered %v, closed %v; want hours 0, 1, 2, 7 and 30",
			got.PlacedAt, got.ConfirmedAt, got.ShippedAt, got.DeliveredAt, got.ClosedAt)
	}
	if got.Status != tracking.OrderClosed {
		t.Errorf("status = %s, want closed", got.Status)
	}
}
