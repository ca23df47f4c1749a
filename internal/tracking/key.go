package tracking

import (
	"cmp"
	"time"

	"github.com/waybill-io/waybill/events"
)

// Key places a fact among the facts of its order or shipment. It comes from the
// fact alone, so that everybody sorts alike.
type Key struct {
	When     int64             `json:"w"` // microseconds since 1970; for estimates when it was known
	Rank     int               `json:"r,omitempty"`
	Recorded int64             `json:"k"` // microseconds; for estimates when it is expected
	Source   events.Source     `json:"s"`
	ID       events.EventID    `json:"i"`
	Kind     events.StreamKind `json:"t"`
	Stream   string            `json:"n,omitempty"` // of a tracking stream; the own stream needs no name
}

// Compare is negative when k sorts before o, and 0 only for the same fact.
func (k Key) Compare(o Key) int {
	if c := cmp.Or(cmp.Compare(k.When, o.When), cmp.Compare(k.Rank, o.Rank), cmp.Compare(k.Recorded, o.Recorded)); c != 0 {
		return c // most of the time: the texts need not be looked at
	}
	return cmp.Or(
		cmp.Compare(k.Source, o.Source), cmp.Compare(k.ID, o.ID),
		cmp.Compare(k.Kind, o.Kind), cmp.Compare(k.Stream, o.Stream),
	)
}

// IsZero reports that there is no fact.
func (k Key) IsZero() bool { return k == Key{} }

func keyOf(e *events.Event) Key {
	stream := e.Stream()
	k := Key{Source: e.Source, ID: e.ID, Kind: stream.Kind}
	if stream.Kind == events.TrackingStream {
		k.Stream = stream.ID
	}
	if e.Class() != events.Actual {
		k.When, k.Recorded = e.RecordedAt.UnixMicro(), e.OccurredAt().UnixMicro()
		return k
	}
	k.Rank = rankOf(e.Type())
	k.When, k.Recorded = when(e, k.Rank).UnixMicro(), e.RecordedAt.UnixMicro()
	return k
}

// when is the moment at which a fact takes effect: known to the day, the start
// of its local day, and for what ends a journey the end of it.
func when(e *events.Event, rank int) time.Time {
	t := e.OccurredAt()
	if e.Precision() != events.ToDay {
		return t.Truncate(time.Microsecond)
	}
	if shipmentEnd := Returning.rank(); rank >= shipmentEnd && isShipment(e) {
		return dayEnd(t)
	}
	return dayStart(t)
}

// dayStart is the first moment of t's local day, in the offset that t was written
// with: this machine's zone may have another one at midnight.
func dayStart(t time.Time) time.Time {
	y, m, d := t.Date()
	_, offset := t.Zone()
	return time.Date(y, m, d, 0, 0, 0, 0, time.FixedZone("", offset))
}

// dayEnd is the last microsecond of t's local day.
func dayEnd(t time.Time) time.Time {
	return dayStart(t).AddDate(0, 0, 1).Add(-time.Microsecond)
}

func isShipment(e *events.Event) bool { return e.Stream().Kind != events.OrderStream }

// rankOf orders facts of the same instant: shipment facts by the status they
// lead to, order facts as the vocabulary lists them.
func rankOf(t events.Type) int {
	switch t {
	case events.TypeExceptionResolved, events.TypeCustomsReleased:
		return 1
	case events.TypeOrderPlaced:
		return 1
	case events.TypeOrderConfirmed:
		return 2
	case events.TypeOrderOnHold:
		return 3
	case events.TypeOrderReleased:
		return 4
	case events.TypeOrderPaid:
		return 5
	case events.TypeOrderPaymentFailed:
		return 6
	case events.TypeOrderRefunded:
		return 7
	case events.TypeOrderAmended:
		return 8
	case events.TypeOrderPromiseChanged:
		return 9
	case events.TypeOrderAllocated:
		return 10
	case events.TypeOrderBackordered:
		return 11
	case events.TypeOrderCancelled:
		return 12
	case events.TypeOrderMerged:
		return 13
	case events.TypeOrderSplit:
		return 14
	case events.TypeOrderReturnRequested:
		return 15
	case events.TypeOrderReturnReceived:
		return 16
	case events.TypeOrderReshipped:
		return 17
	case events.TypeOrderClosed:
		return 18
	}
	return destination(t).rank()
}
