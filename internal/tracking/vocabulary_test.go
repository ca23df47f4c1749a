package tracking_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/tracking"
)

// effect is what a type does: what was said before, the event, and what a look
// at the world shows without it and with it.
type effect struct {
	before  []told
	event   told
	look    func(world) string
	was, is string
}

// Every type of the vocabulary moves or annotates something: a status, a
// quantity, an overlay, a number, an estimate, a mark, or, where the vocabulary
// says that it only links, the stream's timeline.
func TestEveryTypeMovesOrAnnotatesSomething(t *testing.T) {
	all := effects()
	for _, typ := range events.Types() {
		e, ok := all[typ]
		if !ok {
			t.Errorf("nobody says what %s does", typ)
			continue
		}
		delete(all, typ)
		t.Run(string(typ), func(t *testing.T) {
			if got := events.Type(e.event.typ + ".v1"); got != typ {
				t.Fatalf("the event is a %s", got)
			}
			if got := e.look(fold(t, e.before...)); got != e.was {
				t.Errorf("before it: %s, want %s", got, e.was)
			}
			if got := e.look(fold(t, append(slices.Clone(e.before), e.event)...)); got != e.is {
				t.Errorf("with it: %s, want %s", got, e.is)
			}
			if e.was == e.is {
				t.Errorf("it leaves %s as it was", e.was)
			}
		})
	}
	for typ := range all {
		t.Errorf("%s is not in the vocabulary", typ)
	}
}

func shipmentOf(w world) string { return w.ship("s1") }

// timeline says how many entries the timelines have.
func timeline(w world) string {
	return fmt.Sprintf("order %d shipment %d", w.Orders["o1"].Revision, w.Shipments["s1"].Revision)
}

func payment(w world) string { return w.Orders["o1"].Payment }

func promise(w world) string {
	o := w.Orders["o1"]
	if o.Latest == nil {
		return "none"
	}
	return fmt.Sprint(o.Latest.End.Sub(day0).Hours())
}

func eta(w world) string {
	s := w.Shipments["s1"]
	if s.ETA() == nil {
		return "none"
	}
	return fmt.Sprint(s.ETA().End.Sub(day0).Hours())
}

func position(w world) string {
	if at := w.Shipments["s1"].Position; at != nil {
		return fmt.Sprintf("%v %v at %v", at.Lat, at.Lon, at.At.Sub(day0).Hours())
	}
	return "nowhere"
}

func lastScan(w world) string {
	s := w.Shipments["s1"]
	return fmt.Sprintf("%s at %v", s.LastScanType, s.LastScanAt.Sub(day0).Hours())
}

func effects() map[events.Type]effect {
	all := orderEffects()
	maps.Copy(all, shipmentEffects())
	return all
}

func orderEffects() map[events.Type]effect {
	placed := []told{o("placed", 0)}
	held := []told{o("placed", 0), o("on_hold", 1)}
	asked := []told{o("placed", 0), o("return_requested", 1)}
	window := doc{"window": doc{"end": hour(90)}}
	return map[events.Type]effect{
		events.TypeOrderPlaced:          {nil, o("placed", 0), orderOf, "none", "placed l1 ordered=2"},
		events.TypeOrderConfirmed:       {placed, o("confirmed", 1), orderOf, "placed l1 ordered=2", "confirmed l1 ordered=2"},
		events.TypeOrderOnHold:          {placed, o("on_hold", 1), orderOf, "placed l1 ordered=2", "placed l1 ordered=2 hold:fraud"},
		events.TypeOrderReleased:        {held, o("released", 2), orderOf, "placed l1 ordered=2 hold:fraud", "placed l1 ordered=2"},
		events.TypeOrderPaid:            {placed, o("paid", 1), payment, "", "paid"},
		events.TypeOrderPaymentFailed:   {placed, o("payment_failed", 1), payment, "", "payment_failed"},
		events.TypeOrderRefunded:        {placed, o("refunded", 1), payment, "", "refunded"},
		events.TypeOrderAmended:         {placed, o("amended", 1, doc{"lines": lines("l1", 5)}), orderOf, "placed l1 ordered=2", "placed l1 ordered=5"},
		events.TypeOrderPromiseChanged:  {placed, o("promise_changed", 1, window), promise, "none", "90"},
		events.TypeOrderAllocated:       {placed, o("allocated", 1), orderOf, "placed l1 ordered=2", "processing l1 ordered=2 allocated=1"},
		events.TypeOrderBackordered:     {placed, o("backordered", 1), orderOf, "placed l1 ordered=2", "processing l1 ordered=2 backordered=1"},
		events.TypeOrderCancelled:       {placed, o("cancelled", 1, doc{"scope": "all"}), orderOf, "placed l1 ordered=2", "cancelled l1 ordered=2 cancelled=2"},
		events.TypeOrderMerged:          {placed, o("merged", 1), timeline, "order 1 shipment 0", "order 2 shipment 0"},
		events.TypeOrderSplit:           {placed, o("split", 1), timeline, "order 1 shipment 0", "order 2 shipment 0"},
		events.TypeOrderReturnRequested: {placed, o("return_requested", 1), orderOf, "placed l1 ordered=2", "placed l1 ordered=2 return:r1"},
		events.TypeOrderReturnReceived:  {asked, o("return_received", 2), orderOf, "placed l1 ordered=2 return:r1", "placed l1 ordered=2"},
		events.TypeOrderReshipped:       {placed, o("reshipped", 1), timeline, "order 1 shipment 0", "order 2 shipment 0"},
		events.TypeOrderClosed:          {placed, o("closed", 1), orderOf, "placed l1 ordered=2", "closed l1 ordered=2"},
		events.TypeRetracted:            {held, o("", 0).retract("e2", 2), world.odd, "", "e2:retracted_by:e3"},
	}
}

func shipmentEffects() map[events.Type]effect {
	created := []told{s("created", 0)}
	walked := []told{s("created", 0), s("picked_up", 1), s("departed", 2)}
	held := append(slices.Clone(created), s("customs_held", 1))
	opened := append(slices.Clone(created), s("exception_opened", 1))
	return map[events.Type]effect{
		events.TypeShipmentCreated:    {nil, s("created", 0), shipmentOf, "none", "created"},
		events.TypeTrackingAssigned:   {created, s("tracking_assigned", 1), world.holders, "", "CPCC/N1 s1/p1 ever"},
		events.TypeInfoReceived:       {created, s("info_received", 1), shipmentOf, "created", "info_received"},
		events.TypePickedUp:           {created, s("picked_up", 1), shipmentOf, "created", "picked_up"},
		events.TypeDeparted:           {walked[:2], s("departed", 2), shipmentOf, "picked_up", "in_transit"},
		events.TypeArrived:            {walked[:2], s("arrived", 2), shipmentOf, "picked_up", "in_transit"},
		events.TypeCustomsHeld:        {created, s("customs_held", 1), shipmentOf, "created", "created customs"},
		events.TypeCustomsReleased:    {held, s("customs_released", 2), shipmentOf, "created customs", "created"},
		events.TypeOutForDelivery:     {walked, s("out_for_delivery", 3), shipmentOf, "in_transit", "out_for_delivery"},
		events.TypeDeliveryAttempted:  {walked, s("delivery_attempted", 3), shipmentOf, "in_transit", "delivery_attempted"},
		events.TypeAvailableForPickup: {walked, s("available_for_pickup", 3), shipmentOf, "in_transit", "available_for_pickup"},
		events.TypeDelivered:          {walked, s("delivered", 3), shipmentOf, "in_transit", "delivered"},
		events.TypeExceptionOpened:    {created, s("exception_opened", 1), shipmentOf, "created", "created open:x1"},
		events.TypeExceptionResolved:  {opened, s("exception_resolved", 2), shipmentOf, "created open:x1", "created resolved:x1"},
		events.TypeETAChanged:         {created, s("eta_changed", 1, doc{"window": doc{"end": hour(50)}}), eta, "none", "50"},
		events.TypeReturnInitiated:    {walked, s("return_initiated", 3), shipmentOf, "in_transit", "returning"},
		events.TypeReturned:           {walked, s("returned", 3), shipmentOf, "in_transit", "returned"},
		events.TypeLost:               {walked, s("lost", 3), shipmentOf, "in_transit", "lost"},
		events.TypeDamaged:            {walked, s("damaged", 3), shipmentOf, "in_transit", "in_transit damaged"},
		events.TypeDestroyed:          {walked, s("destroyed", 3), shipmentOf, "in_transit", "destroyed"},
		events.TypeShipmentCancelled:  {created, s("cancelled", 1), shipmentOf, "created", "cancelled"},
		events.TypePosition:           {walked, s("position", 3), position, "nowhere", "1 2 at 3"},
		events.TypeScanUnmapped:       {walked, s("scan_unmapped", 3), timeline, "order 0 shipment 3", "order 0 shipment 4"},
	}
}

// What moves nothing where it stands is marked there.
func TestEveryTypeInItsNumbersStreamMovesOrAnnotatesSomething(t *testing.T) {
	assigned := []told{s("created", 0), s("tracking_assigned", 0)}
	for typ, e := range shipmentEffects() {
		scan := e.event.of("trk:CPCC:N1")
		before := append(slices.Clone(assigned), walkOf(e.before)...)
		was, is := fold(t, before...), fold(t, append(slices.Clone(before), scan)...)
		switch typ {
		case events.TypeShipmentCreated, events.TypeTrackingAssigned:
			if got, want := is.odd(), fmt.Sprintf("e%d:misplaced", len(before)+1); got != want {
				t.Errorf("%s in a number's stream is marked %q, want %q", typ, got, want)
			}
		default:
			if typ != events.TypeScanUnmapped && e.look(was) == e.look(is) { // that one stands in the timeline and says nothing
				t.Errorf("%s in a number's stream leaves %s as it was", typ, e.look(was))
			}
		}
		lost := fold(t, scan)
		if typ == events.TypeShipmentCreated || typ == events.TypeTrackingAssigned {
			continue
		}
		if got := lost.odd(); got != "e1:unmatched" {
			t.Errorf("%s of a number that nobody has is marked %q", typ, got)
		}
	}
}

// walkOf leaves the create out.
func walkOf(story []told) []told {
	return slices.DeleteFunc(slices.Clone(story), func(d told) bool { return d.typ == "shipment.created" })
}

// Each anomaly is the mark of something.
func TestEveryAnomalyMarksSomething(t *testing.T) {
	for anomaly, story := range map[tracking.Anomaly][]told{
		tracking.ClockSkew:          {s("created", 99, doc{"$ingested": 0.0})},
		tracking.SecondCreate:       {s("created", 2), s("created", 1)},
		tracking.Regression:         {s("delivered", 2), s("departed", 1), s("created", 0), s("out_for_delivery", 3)},
		tracking.MovedAfterCancel:   {s("departed", 2), s("cancelled", 1)},
		tracking.Misplaced:          {n("created", 1)},
		tracking.AssignmentReplaced: {s("tracking_assigned", 0), s("tracking_assigned", 1, p("p2"))},
		tracking.RetractionStands:   {s("", 0).retract("e1", 2)},
	} {
		marked := false
		for _, m := range fold(t, story...).Marks {
			marked = marked || slices.Contains(m.Anomalies, anomaly)
		}
		if !marked {
			t.Errorf("nothing is marked %s", anomaly)
		}
	}
}
