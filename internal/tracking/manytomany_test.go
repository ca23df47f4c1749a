package tracking_test

import (
	"strings"
	"testing"
)

// carries lists what lies in parcels: "o1/l1/p1" is line l1 of order o1 in parcel
// p1, "o1/l1" is spread over all parcels.
func carries(pairs ...any) doc {
	var docs []doc
	for i := 0; i < len(pairs); i += 2 {
		part := strings.Split(pairs[i].(string), "/")
		d := doc{"order_id": part[0], "line_id": part[1], "qty": pairs[i+1]}
		if len(part) > 2 {
			d["parcel_id"] = part[2]
		}
		docs = append(docs, d)
	}
	return doc{"contents": docs}
}

// bothOrders says where two orders stand.
func bothOrders(w world) string { return "o1 " + w.order("o1") + " | o2 " + w.order("o2") }

// Order o1 wants two of l1 and one of l2, order o2 two of l1.
func twoOrders(more ...any) []told {
	return all(append([]any{o("placed", 0, doc{"lines": lines("l1", 2, "l2", 1)}), o("placed", 0).of("o2")}, more...)...)
}

// One parcel p1 holds lines of both orders, in quantities as they were ordered
// but for l2.
var shared = carries("o1/l1/p1", 2, "o2/l1/p1", 2)

// Parcels p1 and p2 of one shipment: p1 holds l1 of both orders, p2 l2 of o1.
func twoParcels(more ...any) []told {
	create := s("created", 1, parcels("p1", "p2"), carries("o1/l1/p1", 2, "o2/l1/p1", 2, "o1/l2/p2", 1))
	return twoOrders(append([]any{create}, more...)...)
}

// One parcel with lines of several orders, one order in several parcels and
// shipments.
func TestOrdersInOneParcel(t *testing.T) {
	run(t, []story{
		{"an outbound shipment of both", twoOrders(s("created", 1, shared)),
			"o1 processing l1 ordered=2 l2 ordered=1 | o2 processing l1 ordered=2", ""},
		{"one hand-over is of both", twoOrders(s("created", 1, shared), s("picked_up", 2)),
			"o1 partially_shipped l1 ordered=2 shipped=2 l2 ordered=1 | o2 shipped l1 ordered=2 shipped=2", ""},
		{"one delivery is of both", twoOrders(s("created", 1, shared), s("picked_up", 2), s("departed", 3), s("delivered", 4)),
			"o1 partially_delivered l1 ordered=2 shipped=2 delivered=2 l2 ordered=1 | o2 delivered l1 ordered=2 shipped=2 delivered=2", ""},
		{"by its number", twoOrders(s("created", 1, shared), s("tracking_assigned", 1), n("picked_up", 2), n("departed", 3), n("delivered", 4)),
			"o1 partially_delivered l1 ordered=2 shipped=2 delivered=2 l2 ordered=1 | o2 delivered l1 ordered=2 shipped=2 delivered=2", ""},
		{"lost is lost to both", twoOrders(s("created", 1, shared), s("picked_up", 2), s("lost", 3)),
			"o1 partially_shipped l1 ordered=2 shipped=2 lost=2 l2 ordered=1 | o2 shipped l1 ordered=2 shipped=2 lost=2", ""},
		{"sent anew for one of them", twoOrders(s("created", 1, shared), s("picked_up", 2), s("lost", 3), carry("s2", 4, carries("o2/l1", 2), "picked_up", "departed", "delivered")),
			"o1 partially_shipped l1 ordered=2 shipped=2 lost=2 l2 ordered=1 | o2 delivered l1 ordered=2 shipped=4 delivered=2 lost=2", ""},
		{"back to the sender is back for both", twoOrders(s("created", 1, shared), s("picked_up", 2), s("departed", 3), s("return_initiated", 4), s("returned", 5)),
			"o1 partially_shipped l1 ordered=2 shipped=2 returned=2 l2 ordered=1 | o2 shipped l1 ordered=2 shipped=2 returned=2", ""},
		{"a cancel of one after the hand-over", twoOrders(s("created", 1, shared), s("picked_up", 2), o("cancelled", 3, doc{"scope": "all"}).of("o2")),
			"o1 partially_shipped l1 ordered=2 shipped=2 l2 ordered=1 | o2 shipped l1 ordered=2 shipped=2 !cancel_after_ship", ""},
		{"a cancelled shipment has shipped nothing", twoOrders(s("created", 1, shared), s("cancelled", 2)),
			"o1 processing l1 ordered=2 l2 ordered=1 | o2 processing l1 ordered=2", ""},
		{"cancelled and moved nevertheless", twoOrders(s("created", 1, shared), s("cancelled", 2), s("departed", 3)),
			"o1 partially_shipped l1 ordered=2 shipped=2 l2 ordered=1 | o2 shipped l1 ordered=2 shipped=2", "e5:moved_after_cancel"},
		{"an order that nobody placed has a placeholder", all(o("placed", 0).of("o2"), s("created", 1, shared), s("picked_up", 2)),
			"o1 unknown l1 shipped=2 !over_shipped | o2 shipped l1 ordered=2 shipped=2", ""},
		{"a create taken back leaves both", twoOrders(s("created", 1, shared), s("picked_up", 2), s("", 0).retract("e3", 3)),
			"o1 placed l1 ordered=2 l2 ordered=1 | o2 placed l1 ordered=2", "e3:retracted_by:e5"},
	}, bothOrders)
}

func TestOrderInSeveralParcels(t *testing.T) {
	spread := s("created", 1, parcels("p1", "p2"), carries("o1/l1", 2, "o2/l1/p2", 2))
	run(t, []story{
		{"the parcel that left is one order's whole and the other's part", twoParcels(s("picked_up", 2, p("p1"))),
			"o1 partially_shipped l1 ordered=2 shipped=2 l2 ordered=1 | o2 shipped l1 ordered=2 shipped=2", ""},
		{"the other parcel is none of the second order", twoParcels(s("picked_up", 2, p("p2"))),
			"o1 partially_shipped l1 ordered=2 l2 ordered=1 shipped=1 | o2 processing l1 ordered=2", ""},
		{"both left, one came", twoParcels(s("picked_up", 2), s("departed", 3), s("delivered", 4, p("p2"))),
			"o1 partially_delivered l1 ordered=2 shipped=2 l2 ordered=1 shipped=1 delivered=1 | o2 shipped l1 ordered=2 shipped=2", ""},
		{"both came", twoParcels(s("picked_up", 2), s("departed", 3), s("delivered", 4, p("p2")), s("delivered", 5, p("p1"))),
			"o1 delivered l1 ordered=2 shipped=2 delivered=2 l2 ordered=1 shipped=1 delivered=1 | o2 delivered l1 ordered=2 shipped=2 delivered=2", ""},
		{"a cancelled parcel's line stays behind", twoParcels(s("cancelled", 2, p("p2")), s("picked_up", 3, p("p1")), s("departed", 4, p("p1")), s("delivered", 5, p("p1"))),
			"o1 partially_delivered l1 ordered=2 shipped=2 delivered=2 l2 ordered=1 | o2 delivered l1 ordered=2 shipped=2 delivered=2", ""},
		{"and with its line cancelled the order is delivered",
			twoParcels(s("cancelled", 2, p("p2")), s("picked_up", 3, p("p1")), s("departed", 4, p("p1")), s("delivered", 5, p("p1")), o("cancelled", 2).cancels("l2", 1)),
			"o1 delivered l1 ordered=2 shipped=2 delivered=2 l2 ordered=1 cancelled=1 | o2 delivered l1 ordered=2 shipped=2 delivered=2", ""},
		{"what is spread waits for the last parcel", twoOrders(spread, s("picked_up", 2, p("p2"))),
			"o1 processing l1 ordered=2 l2 ordered=1 | o2 shipped l1 ordered=2 shipped=2", ""},
		{"and has left with it", twoOrders(spread, s("picked_up", 2, p("p2")), s("picked_up", 3, p("p1"))),
			"o1 partially_shipped l1 ordered=2 shipped=2 l2 ordered=1 | o2 shipped l1 ordered=2 shipped=2", ""},
		{"but not for a cancelled one", twoOrders(spread, s("cancelled", 2, p("p1")), s("picked_up", 3, p("p2")), s("departed", 4, p("p2")), s("delivered", 5, p("p2"))),
			"o1 partially_delivered l1 ordered=2 shipped=2 delivered=2 l2 ordered=1 | o2 delivered l1 ordered=2 shipped=2 delivered=2", ""},
		{"one of two parcels lost loses nothing that is spread", twoOrders(spread, s("picked_up", 2), s("lost", 3, p("p1"))),
			"o1 partially_shipped l1 ordered=2 shipped=2 l2 ordered=1 | o2 shipped l1 ordered=2 shipped=2", ""},
		{"both lost do", twoOrders(spread, s("picked_up", 2), s("lost", 3, p("p1")), s("destroyed", 4, p("p2"))),
			"o1 partially_shipped l1 ordered=2 shipped=2 lost=2 l2 ordered=1 | o2 shipped l1 ordered=2 shipped=2 lost=2", ""},
	}, bothOrders)
}

func TestOrderInSeveralShipments(t *testing.T) {
	first := carry("s1", 1, carries("o1/l1/p1", 1, "o2/l1/p1", 2), "picked_up", "departed", "delivered")
	second := func(way ...string) []told { return carry("s2", 5, carries("o1/l1/p1", 1, "o1/l2/p1", 1), way...) }
	came := twoOrders(carry("s1", 1, shared, "picked_up", "departed", "delivered"))
	back := func(direction string, what doc, way ...string) []told {
		return all(s("created", 10, what, doc{"direction": direction, "original_shipment_id": "s1"}).of("s3"), carry("s3", 10, what, way...)[1:])
	}
	run(t, []story{
		{"one came, the other is not on its way", twoOrders(first, second()),
			"o1 partially_delivered l1 ordered=2 shipped=1 delivered=1 l2 ordered=1 | o2 delivered l1 ordered=2 shipped=2 delivered=2", ""},
		{"one came, the other is", twoOrders(first, second("picked_up")),
			"o1 partially_delivered l1 ordered=2 shipped=2 delivered=1 l2 ordered=1 shipped=1 | o2 delivered l1 ordered=2 shipped=2 delivered=2", ""},
		{"both came", twoOrders(first, second("picked_up", "departed", "delivered")),
			"o1 delivered l1 ordered=2 shipped=2 delivered=2 l2 ordered=1 shipped=1 delivered=1 | o2 delivered l1 ordered=2 shipped=2 delivered=2", ""},
		{"both left, none came", twoOrders(first[:2], second("picked_up")),
			"o1 shipped l1 ordered=2 shipped=2 l2 ordered=1 shipped=1 | o2 shipped l1 ordered=2 shipped=2", ""},
		{"two claim the same units", twoOrders(carry("s1", 1, shared, "picked_up"), carry("s2", 5, carries("o2/l1", 2), "picked_up")),
			"o1 partially_shipped l1 ordered=2 shipped=2 l2 ordered=1 | o2 shipped l1 ordered=2 shipped=4 !over_shipped", ""},
		{"and both bring them", twoOrders(carry("s1", 1, carries("o2/l1", 2), "picked_up", "departed", "delivered"), carry("s2", 5, carries("o2/l1", 2), "picked_up", "departed", "delivered")),
			"o1 placed l1 ordered=2 l2 ordered=1 | o2 delivered l1 ordered=2 shipped=4 delivered=4 !over_shipped", ""},
		{"more of one line does not make up for another", twoOrders(carry("s1", 1, carries("o1/l1", 3), "picked_up", "departed", "delivered")),
			"o1 partially_delivered l1 ordered=2 shipped=3 delivered=3 l2 ordered=1 !over_shipped | o2 placed l1 ordered=2", ""},
		{"a return of lines of both", all(came, back("return", carries("o1/l1", 1, "o2/l1", 2), "picked_up", "departed", "delivered")),
			"o1 partially_delivered l1 ordered=2 shipped=2 delivered=2 returned=1 l2 ordered=1 | o2 delivered l1 ordered=2 shipped=2 delivered=2 returned=2", ""},
		{"that is still on its way", all(came, back("return", carries("o1/l1", 1, "o2/l1", 2), "picked_up", "departed")),
			"o1 partially_delivered l1 ordered=2 shipped=2 delivered=2 l2 ordered=1 | o2 delivered l1 ordered=2 shipped=2 delivered=2", ""},
		{"of more than was shipped to one of them", all(came, back("return", carries("o1/l1", 1, "o2/l1", 3), "picked_up", "departed", "delivered")),
			"o1 partially_delivered l1 ordered=2 shipped=2 delivered=2 returned=1 l2 ordered=1 | o2 delivered l1 ordered=2 shipped=2 delivered=2 returned=3 !over_returned", ""},
		{"a transfer of lines of both counts nowhere", all(twoOrders(), back("transfer", shared, "picked_up", "departed", "delivered")),
			"o1 placed l1 ordered=2 l2 ordered=1 | o2 placed l1 ordered=2", ""},
	}, bothOrders)
}

func TestQuantitiesOfSeveralOrdersAreHandedOver(t *testing.T) {
	give := func(h float64, pairs ...any) told { return s("delivered", h, carries(pairs...)) }
	out := func(more ...any) []told {
		return twoParcels(append([]any{s("picked_up", 2), s("departed", 3)}, more...)...)
	}
	look := func(w world) string { return w.ship("s1") + " | " + bothOrders(w) }
	run(t, []story{
		{"of one order only", out(give(4, "o2/l1", 2)),
			"in_transit p1=in_transit p2=in_transit | o1 shipped l1 ordered=2 shipped=2 l2 ordered=1 shipped=1 | o2 delivered l1 ordered=2 shipped=2 delivered=2", ""},
		{"a part of each", out(give(4, "o1/l1", 1, "o2/l1", 1)),
			"in_transit p1=in_transit p2=in_transit | o1 partially_delivered l1 ordered=2 shipped=2 delivered=1 l2 ordered=1 shipped=1 | o2 partially_delivered l1 ordered=2 shipped=2 delivered=1", ""},
		{"the rest of all of them delivers the parcels", out(give(4, "o1/l1", 1, "o2/l1", 1), give(5, "o1/l1", 1, "o2/l1", 1, "o1/l2", 1)),
			"delivered p1=delivered p2=delivered | o1 delivered l1 ordered=2 shipped=2 delivered=2 l2 ordered=1 shipped=1 delivered=1 | o2 delivered l1 ordered=2 shipped=2 delivered=2", ""},
		{"and does so with what came by parcel", out(s("delivered", 4, p("p2")), give(5, "o1/l1", 2, "o2/l1", 2)),
			"delivered p1=delivered p2=delivered | o1 delivered l1 ordered=2 shipped=2 delivered=2 l2 ordered=1 shipped=1 delivered=1 | o2 delivered l1 ordered=2 shipped=2 delivered=2", ""},
		{"the wrong order's line is nobody's", out(give(4, "o9/l1", 2)),
			"in_transit p1=in_transit p2=in_transit | o1 shipped l1 ordered=2 shipped=2 l2 ordered=1 shipped=1 | o2 shipped l1 ordered=2 shipped=2", ""},
		{"of a row in a parcel", out(give(4, "o2/l1/p1", 1)),
			"in_transit p1=in_transit p2=in_transit | o1 shipped l1 ordered=2 shipped=2 l2 ordered=1 shipped=1 | o2 partially_delivered l1 ordered=2 shipped=2 delivered=1", ""},
		{"taken back", out(give(4, "o2/l1", 2), s("", 0).retract("e6", 5)),
			"in_transit p1=in_transit p2=in_transit | o1 shipped l1 ordered=2 shipped=2 l2 ordered=1 shipped=1 | o2 shipped l1 ordered=2 shipped=2", "e6:retracted_by:e7"},
	}, look)
}
