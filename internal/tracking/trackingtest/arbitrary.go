// Package trackingtest draws events for the tests of whoever folds them.
package trackingtest

import (
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/waybill-io/waybill/events"
)

// Events are valid, but seldom plausible. Everything is drawn from little, so
// that the same times, ids and contents meet again and again.
var (
	someShipments = []events.ShipmentID{"s1", "s2", "s3"}
	someOrders    = []events.OrderID{"o1", "o2"}
	someParcels   = []events.ParcelID{"p1", "p2", "p3"}
	someLines     = []events.LineID{"l1", "l2"}
	someZones     = []*time.Location{time.UTC, time.FixedZone("", 2*3600), time.FixedZone("", -7*3600)}
)

// Day0 is when everything begins; Times are how long after it things happen,
// and Numbers whom they happen to.
var (
	Day0    = time.Date(2026, 3, 28, 0, 0, 0, 0, time.UTC)
	Times   = []time.Duration{0, 0, time.Hour, 6 * time.Hour, 22*time.Hour + 1500*time.Nanosecond, 24 * time.Hour, 31 * time.Hour, 49 * time.Hour}
	Numbers = []events.TrackingNumber{"N1", "N2"}
)

// Carrier is whose numbers they are.
const Carrier = events.SCAC("CPCC")

// Arbitrary draws up to atMost events of a few orders, shipments and numbers, of
// tenant acme, each with an identity of its own.
func Arbitrary(atMost int) *rapid.Generator[[]events.Event] {
	return rapid.Custom(func(t *rapid.T) []events.Event {
		d := drawer{t: t, used: map[string]bool{}}
		for range rapid.IntRange(1, atMost).Draw(t, "n") {
			d.event()
		}
		return d.evs
	})
}

type drawer struct {
	t    *rapid.T
	evs  []events.Event
	used map[string]bool
}

func pick[T any](d *drawer, label string, from []T) T {
	return rapid.SampledFrom(from).Draw(d.t, label)
}

// one says true once in n times.
func (d *drawer) one(n int, label string) bool { return rapid.IntRange(1, n).Draw(d.t, label) == n }

func (d *drawer) qty() int64 { return rapid.Int64Range(1, 3).Draw(d.t, "qty") }

func (d *drawer) moment(label string) time.Time {
	return Day0.Add(pick(d, label, Times)).In(pick(d, "zone", someZones))
}

func (d *drawer) event() {
	if len(d.evs) > 0 && d.one(8, "again") {
		was := pick(d, "copied", d.evs)
		d.add(was.Subject, was.Data)
		return
	}
	switch rapid.IntRange(0, 9).Draw(d.t, "stream") {
	case 0, 1, 2, 3, 4:
		id := pick(d, "shipment", someShipments)
		d.retractOr(events.Stream{Kind: events.ShipmentStream, ID: string(id)}, func(f events.Fact) events.Data { return d.shipmentData(id, f) })
	case 5, 6:
		stream := events.TrackingStreamOf(Carrier, pick(d, "number", Numbers))
		d.retractOr(stream, func(f events.Fact) events.Data { return d.shipmentData("", f) })
	default:
		id := pick(d, "order", someOrders)
		d.retractOr(events.Stream{Kind: events.OrderStream, ID: string(id)}, func(f events.Fact) events.Data { return d.orderData(id, f) })
	}
}

func (d *drawer) retractOr(stream events.Stream, other func(events.Fact) events.Data) {
	f := events.Fact{OccurredAt: d.moment("occurred")}
	if d.one(6, "day") {
		f.Precision = events.ToDay
	}
	if !d.one(9, "retract") {
		d.add(stream.ID, other(f))
		return
	}
	source, id := d.identity()
	for _, e := range d.evs { // mostly something that is there
		if e.Stream() == stream && d.one(2, "there") {
			source, id = e.Source, e.ID
		}
	}
	d.add(stream.ID, &events.Retracted{Fact: f, Stream: stream.Kind, RetractedSource: source, RetractedID: id, Reason: "did_not_occur"})
}

func (d *drawer) identity() (events.Source, events.EventID) {
	return pick(d, "source", []events.Source{"urn:a", "urn:b"}), pick(d, "id", []events.EventID{"e1", "e2", "e3", "e4"})
}

// add puts data into an envelope with an identity that is new in its stream.
func (d *drawer) add(subject string, data events.Data) {
	source, id := d.identity()
	e := events.New("acme", source, id, subject, data)
	for n := 0; d.used[fmt.Sprint(e.Stream(), e.Source, e.ID)]; n++ {
		e.ID = events.EventID(fmt.Sprintf("%s.%d", id, n))
	}
	d.used[fmt.Sprint(e.Stream(), e.Source, e.ID)] = true
	e.RecordedAt = pick(d, "recorded", []time.Time{e.Time, Day0, Day0.Add(50 * time.Hour)})
	e.IngestedAt = e.Time.Add(time.Hour)
	if d.one(15, "skewed") {
		e.IngestedAt = e.Time.Add(-24*time.Hour - time.Nanosecond)
	}
	d.evs = append(d.evs, e)
}

func (d *drawer) shipmentFact(id events.ShipmentID, f events.Fact) events.ShipmentFact {
	s := events.ShipmentFact{Fact: f, ShipmentID: id, Facility: "hub"}
	if d.one(10, "expected") {
		s.Class = pick(d, "class", []events.Class{events.Estimated, events.Planned})
	}
	if d.one(2, "of one parcel") {
		s.ParcelID = pick(d, "parcel", someParcels)
	}
	return s
}

func (d *drawer) shipmentData(id events.ShipmentID, f events.Fact) events.Data {
	s := d.shipmentFact(id, f)
	why := events.Reasoned{ShipmentFact: s, ReasonCode: "why"}
	switch rapid.IntRange(0, 27).Draw(d.t, "type") {
	case 0, 1, 2, 3:
		return d.created(id, f)
	case 4, 5, 6:
		return d.assigned(s)
	case 7:
		return &events.InfoReceived{ShipmentFact: s}
	case 8:
		return &events.PickedUp{ShipmentFact: s}
	case 9:
		return &events.Departed{Movement: events.Movement{ShipmentFact: s}}
	case 10:
		return &events.Arrived{Movement: events.Movement{ShipmentFact: s}}
	case 11:
		return &events.OutForDelivery{ShipmentFact: s}
	case 12:
		return &events.DeliveryAttempted{ShipmentFact: s, ReasonCode: pick(d, "why", []string{"no_access", "nobody_home"})}
	case 13:
		return &events.AvailableForPickup{ShipmentFact: s}
	case 14, 15:
		return &events.Delivered{ShipmentFact: s}
	case 16, 17:
		return &events.Delivered{ShipmentFact: s, Contents: d.contents()}
	case 18:
		return &events.ReturnInitiated{Reasoned: why}
	case 19:
		return &events.Returned{Reasoned: why}
	case 20:
		return &events.Lost{Reasoned: why}
	case 21:
		return &events.Destroyed{Reasoned: why}
	case 22:
		return &events.ShipmentCancelled{Reasoned: why}
	}
	return d.overlay(s, why)
}

func (d *drawer) overlay(s events.ShipmentFact, why events.Reasoned) events.Data {
	id := pick(d, "exception", []events.ExceptionID{"x1", "x2"})
	switch rapid.IntRange(0, 7).Draw(d.t, "overlay") {
	case 0:
		return &events.CustomsHeld{Reasoned: why}
	case 1:
		return &events.CustomsReleased{Reasoned: why}
	case 2:
		return &events.Damaged{Reasoned: why}
	case 3:
		return &events.ExceptionOpened{ShipmentFact: s, ExceptionID: id, ReasonCode: "why", Party: events.PartyCarrier, Severity: "low"}
	case 4:
		return &events.ExceptionResolved{ShipmentFact: s, ExceptionID: id}
	case 5:
		return &events.Position{ShipmentFact: s, Lat: 1, Lon: 2}
	case 6:
		s.Raw = &events.Raw{Status: "ZZ"}
		return &events.ScanUnmapped{ShipmentFact: s}
	}
	s.Class = events.Estimated
	return &events.ETAChanged{ShipmentFact: s, Window: d.window(), Provider: "carrier"}
}

// window draws a window of instants or of days, with a start or without.
func (d *drawer) window() *events.Window {
	w := &events.Window{End: d.moment("eta")}
	if d.one(2, "from") {
		w.Start = w.End.Add(-time.Hour)
	}
	if d.one(2, "days") {
		w.Precision = events.ToDay
	}
	return w
}

func (d *drawer) created(id events.ShipmentID, f events.Fact) events.Data {
	c := &events.ShipmentCreated{ShipmentFact: d.shipmentFact(id, f)}
	c.ParcelID = ""
	if c.ShipmentID == "" {
		c.ShipmentID = pick(d, "misplaced", someShipments)
	}
	c.Direction = pick(d, "direction", []events.Direction{events.Outbound, events.Outbound, events.Outbound, events.Inbound, events.Transfer})
	for i := range rapid.IntRange(1, 2).Draw(d.t, "parcels") {
		c.Parcels = append(c.Parcels, events.ParcelRef{ParcelID: someParcels[i]})
	}
	c.Contents = d.contents()
	if d.one(3, "promised") {
		c.PromisedWindow = &events.Window{End: d.moment("promise")}
	}
	return c
}

func (d *drawer) contents() []events.Content {
	var contents []events.Content
	for range rapid.IntRange(0, 3).Draw(d.t, "contents") {
		c := events.Content{OrderID: pick(d, "order", someOrders), LineID: pick(d, "line", someLines), Qty: d.qty()}
		if d.one(2, "in a parcel") {
			c.ParcelID = pick(d, "parcel", someParcels)
		}
		if !slices.ContainsFunc(contents, func(o events.Content) bool {
			o.Qty = c.Qty
			return o == c
		}) {
			contents = append(contents, c)
		}
	}
	return contents
}

func (d *drawer) assigned(s events.ShipmentFact) events.Data {
	s.Carrier = &events.Carrier{SCAC: Carrier}
	s.ParcelID = pick(d, "parcel", someParcels)
	a := &events.TrackingAssigned{ShipmentFact: s, TrackingNumber: pick(d, "number", Numbers)}
	if d.one(2, "valid") {
		from := d.moment("valid from")
		a.ValidFrom = &from
	}
	return a
}

func (d *drawer) quantities() []events.LineQty {
	var lines []events.LineQty
	for _, id := range someLines {
		if len(lines) == 0 || d.one(2, "more") {
			lines = append(lines, events.LineQty{LineID: id, Qty: d.qty()})
		}
	}
	return lines
}

func (d *drawer) orderData(id events.OrderID, f events.Fact) events.Data {
	o := events.OrderFact{Fact: f, OrderID: id}
	reason := pick(d, "reason", []string{"fraud", "address"})
	switch rapid.IntRange(0, 19).Draw(d.t, "type") {
	case 0, 1, 2, 3:
		return d.placed(o)
	case 4:
		return &events.OrderConfirmed{OrderFact: o}
	case 5:
		return &events.OrderOnHold{OrderFact: o, ReasonCode: reason}
	case 6:
		if d.one(2, "all holds") {
			reason = ""
		}
		return &events.OrderReleased{OrderFact: o, ReasonCode: reason}
	case 7, 8:
		amended := &events.OrderAmended{OrderFact: o}
		for _, l := range d.quantities() {
			amended.Lines = append(amended.Lines, events.AmendedLine{LineID: l.LineID, Qty: l.Qty - 1})
		}
		return amended
	case 9:
		return &events.OrderPromiseChanged{OrderFact: o, Window: &events.Window{End: d.moment("promise")}, ReasonCode: reason, By: "merchant"}
	case 10:
		return &events.OrderAllocated{Allocation: d.allocation(o)}
	case 11:
		return &events.OrderBackordered{Allocation: d.allocation(o)}
	case 12, 13:
		return &events.OrderCancelled{OrderFact: o, Scope: events.CancelLines, Lines: d.quantities(), ReasonCode: reason, By: "customer"}
	case 14:
		return &events.OrderCancelled{OrderFact: o, Scope: events.CancelAll, ReasonCode: reason, By: "customer"}
	case 15:
		return &events.OrderClosed{OrderFact: o, Reason: reason}
	}
	return d.otherOrderData(o)
}

func (d *drawer) placed(o events.OrderFact) events.Data {
	p := &events.OrderPlaced{OrderFact: o, Number: "1", Channel: "web", Currency: "EUR"}
	for _, l := range d.quantities() {
		p.Lines = append(p.Lines, events.OrderLine{LineID: l.LineID, Qty: l.Qty})
	}
	if d.one(2, "promised") {
		p.PromisedWindow = &events.Window{End: d.moment("promise")}
	}
	return p
}

func (d *drawer) allocation(o events.OrderFact) events.Allocation {
	return events.Allocation{OrderFact: o, Lines: d.quantities(), Node: pick(d, "node", []string{"n1", "n2"})}
}

// otherOrderData are payments, links and returns, which move no quantity.
func (d *drawer) otherOrderData(o events.OrderFact) events.Data {
	pay := events.Payment{OrderFact: o, Amount: "1.00", Currency: "EUR"}
	back := events.Return{OrderFact: o, ReturnID: pick(d, "return", []events.ReturnID{"r1", "r2"}), Lines: d.quantities(), ReasonCode: "why"}
	link := events.Relink{OrderFact: o, From: someOrders[:1], Into: someOrders[1:]}
	return pick(d, "other", []events.Data{
		&events.OrderPaid{Payment: pay}, &events.OrderPaymentFailed{Payment: pay}, &events.OrderRefunded{Payment: pay},
		&events.OrderReturnRequested{Return: back}, &events.OrderReturnReceived{Return: back},
		&events.OrderMerged{Relink: link}, &events.OrderSplit{Relink: link},
		&events.OrderReshipped{OrderFact: o, OriginalShipmentID: "s1", NewShipmentID: "s2", ReasonCode: "why"},
	})
}
