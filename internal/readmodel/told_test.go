package readmodel_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/waybill-io/waybill/events"
)

var day0 = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

func hour(h float64) time.Time { return day0.Add(time.Duration(h * float64(time.Hour))) }

// teller makes events with ids that go up.
type teller struct {
	tenant events.TenantID
	told   int
}

func (l *teller) tell(subject string, d events.Data) events.Event {
	l.told++
	e := events.New(l.tenant, "urn:a", events.EventID(fmt.Sprintf("e%d", l.told)), subject, d)
	e.IngestedAt = e.Time
	return e
}

func at(h float64) events.Fact { return events.Fact{OccurredAt: hour(h)} }

func (l *teller) placed(order events.OrderID, h float64) events.Event {
	return l.tell(string(order), &events.OrderPlaced{OrderFact: events.OrderFact{Fact: at(h), OrderID: order}, Number: "1", Channel: "web", Currency: "EUR",
		Lines: []events.OrderLine{{LineID: "l1", Qty: 2}}})
}

func (l *teller) created(shipment events.ShipmentID, order events.OrderID, h float64) events.Event {
	return l.tell(string(shipment), &events.ShipmentCreated{ShipmentFact: events.ShipmentFact{Fact: at(h), ShipmentID: shipment}, Direction: events.Outbound,
		Parcels: []events.ParcelRef{{ParcelID: "p1"}}, Contents: []events.Content{{OrderID: order, LineID: "l1", Qty: 2}}})
}

func (l *teller) assigned(shipment events.ShipmentID, number events.TrackingNumber, h float64, from *time.Time) events.Event {
	return l.tell(string(shipment), &events.TrackingAssigned{TrackingNumber: number, ValidFrom: from,
		ShipmentFact: events.ShipmentFact{Fact: at(h), ShipmentID: shipment, ParcelID: "p1", Carrier: &events.Carrier{SCAC: "CPCC"}}})
}

func (l *teller) departed(shipment events.ShipmentID, h float64) events.Event {
	return l.tell(string(shipment), &events.Departed{Movement: events.Movement{ShipmentFact: events.ShipmentFact{Fact: at(h), ShipmentID: shipment, Facility: "hub"}}})
}

func (l *teller) delivered(shipment events.ShipmentID, h float64) events.Event {
	return l.tell(string(shipment), &events.Delivered{ShipmentFact: events.ShipmentFact{Fact: at(h), ShipmentID: shipment}})
}

// scanned is a departure in a number's stream.
func (l *teller) scanned(number events.TrackingNumber, h float64) events.Event {
	return l.tell(events.TrackingStreamOf("CPCC", number).ID, &events.Departed{Movement: events.Movement{ShipmentFact: events.ShipmentFact{Fact: at(h), Facility: "hub"}}})
}

// one reads a single value.
func one[T any](t testing.TB, r *rig, query string, args ...any) (v T) {
	t.Helper()
	if err := r.conn.QueryRow(t.Context(), query, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v
}
