package scenario

import (
	"slices"
	"strconv"
	"time"

	"github.com/waybill-io/waybill/events"
)

// Sources of what is no carrier's.
const (
	shop      events.Source = "urn:waybill:shop"
	warehouse events.Source = "urn:waybill:wms"
	relay     events.Source = "urn:waybill:relay" // passes carriers' scans on, some a second time
)

// tale is the history of one order, or of two that share parcels or were one.
// Its events stand in the order in which they were told; news says when each
// one arrives.
type tale struct {
	g      *Generator
	d      *dice
	number int // of its first order
	count  int // orders in it
	told   []events.Event
	of     []int8 // which shipment each told event is of, from 1; 0 for none
	news   []news
	parcel int           // parcels so far, over all shipments
	ships  int           // shipments so far, told one after the other
	shift  time.Duration // how much later everything happens; see Live
}

// news is one arrival.
type news struct {
	at     int64 // nanoseconds since 1970
	event  int32 // index into told
	again  bool  // the same event arrived before
	copied bool  // an event with the same data, in one piece of memory, arrived before
}

// fact begins an order's data.
func (t *tale) fact(o *order, at time.Time) events.OrderFact {
	return events.OrderFact{Fact: events.Fact{OccurredAt: at.In(o.from.zone)}, OrderID: o.id}
}

// order tells an event of an order. The shop knows at once.
func (t *tale) order(o *order, at time.Time, d events.Data) {
	t.tell(shop, string(o.id), at, d)
}

// tell adds an event that its source knew at some time, and returns its id, or ""
// where the vocabulary has no such event.
func (t *tale) tell(source events.Source, subject string, known time.Time, d events.Data) events.EventID {
	if t.g.core && !inCore(d.Type()) {
		return ""
	}
	id := t.eventID(len(t.told))
	e := events.New(t.g.cfg.Tenant, source, id, subject, d)
	e.RecordedAt = known
	t.arrive(e, known.Add(t.d.latency(50*time.Millisecond, 3*time.Second)))
	return id
}

func (t *tale) arrive(e events.Event, at time.Time) {
	at = at.UTC()
	e.IngestedAt = at
	t.news = append(t.news, news{at: at.UnixNano(), event: int32(len(t.told))})
	t.told = append(t.told, e)
	if e.Source == shop {
		t.of = append(t.of, 0)
	} else {
		t.of = append(t.of, int8(t.ships))
	}
}

func (t *tale) eventID(n int) events.EventID {
	b := make([]byte, 0, 32)
	b = t.g.appendNumber(b, t.number)
	b = append(b, '-')
	return events.EventID(strconv.AppendInt(b, int64(n), 10))
}

// sorted puts the news into the order in which they arrive.
func (t *tale) sorted() *tale {
	slices.SortStableFunc(t.news, func(a, b news) int {
		switch {
		case a.at < b.at:
			return -1
		case a.at > b.at:
			return 1
		default:
			return 0
		}
	})
	return t
}

// inCore reports whether the core vocabulary has the type.
func inCore(t events.Type) bool {
	switch t {
	case events.TypeOrderPlaced, events.TypeOrderConfirmed, events.TypeOrderCancelled,
		events.TypeShipmentCreated, events.TypeTrackingAssigned, events.TypePickedUp,
		events.TypeDeparted, events.TypeArrived, events.TypeOutForDelivery,
		events.TypeDeliveryAttempted, events.TypeDelivered,
		events.TypeExceptionOpened, events.TypeExceptionResolved, events.TypeETAChanged:
		return true
	default:
		return false
	}
}
