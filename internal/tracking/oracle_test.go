package tracking_test

import (
	"cmp"
	"slices"
	"time"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/tracking"
)

// The oracle folds events a second time, from the words of the vocabulary and
// without the package's code: slow, all at once, one plain pass after the
// other. Where the two differ, one of them is wrong.
//
// It says only what the vocabulary says. What rows hold beyond that (the last
// place, the first scan's moment) is left to the tests of those fields.

// known is an event with its content's hash.
type known struct {
	events.Event
	hash [32]byte
}

// oracle is all that a tenant's events mean.
type oracle struct {
	marks     map[tracking.Ref]tracking.Mark
	orders    map[events.OrderID]orderRow
	shipments map[events.ShipmentID]shipmentRow
	holdings  []holdingRow
	carried   map[events.OrderID][]carriedRow
	given     map[events.ShipmentID][]given
}

// consult folds all events, of all streams, in whatever order.
func consult(all []known) *oracle {
	o := &oracle{
		marks: map[tracking.Ref]tracking.Mark{}, orders: map[events.OrderID]orderRow{},
		shipments: map[events.ShipmentID]shipmentRow{}, carried: map[events.OrderID][]carriedRow{},
		given: map[events.ShipmentID][]given{},
	}
	stored := map[events.Stream][]known{}
	seen := map[tracking.Ref]bool{}
	for _, e := range all {
		if ref := refOf(e); !seen[ref] {
			seen[ref] = true
			stored[e.Stream()] = append(stored[e.Stream()], e)
		}
	}
	counts := map[events.Stream][]known{}
	for stream, evs := range stored {
		counts[stream] = o.counting(evs)
	}
	o.assign(counts)
	o.giveScans(counts)
	for stream, evs := range stored {
		if stream.Kind == events.ShipmentStream {
			id := events.ShipmentID(stream.ID)
			o.shipment(id, len(evs), counts[stream])
		}
	}
	o.foldOrders(stored, counts)
	return o
}

func refOf(e known) tracking.Ref { return tracking.Ref{Stream: e.Stream(), Source: e.Source, ID: e.ID} }

func (o *oracle) mark(e known, change func(*tracking.Mark)) {
	m := o.marks[refOf(e)]
	change(&m)
	o.marks[refOf(e)] = m
}

func (o *oracle) note(e known, a tracking.Anomaly) {
	o.mark(e, func(m *tracking.Mark) {
		if !slices.Contains(m.Anomalies, a) {
			m.Anomalies = append(m.Anomalies, a)
			slices.Sort(m.Anomalies)
		}
	})
}

// Step 1: retracted out, skewed out, duplicates by content out.
func (o *oracle) counting(evs []known) []known {
	evs = sorted(evs)
	for _, e := range evs {
		r, ok := e.Data.(*events.Retracted)
		if !ok {
			continue
		}
		for _, target := range evs {
			if target.Source != r.RetractedSource || target.ID != r.RetractedID {
				continue
			}
			if target.Type() == events.TypeRetracted {
				o.note(e, tracking.RetractionStands)
			} else if o.marks[refOf(target)].RetractedBy == (tracking.Twin{}) {
				o.mark(target, func(m *tracking.Mark) { m.RetractedBy = tracking.Twin{Source: e.Source, ID: e.ID} })
			}
		}
	}
	var left []known
	for _, e := range evs {
		switch {
		case o.marks[refOf(e)].RetractedBy != tracking.Twin{}:
		case e.Class() == events.Actual && e.OccurredAt().Sub(e.IngestedAt) > 24*time.Hour:
			o.note(e, tracking.ClockSkew)
		default:
			left = append(left, e)
		}
	}
	var counts []known
	original := map[[32]byte]known{}
	for _, e := range left { // sorted: the first is the original
		first, twice := original[e.hash]
		if !twice {
			original[e.hash] = e
			counts = append(counts, e)
			continue
		}
		o.mark(e, func(m *tracking.Mark) { m.DuplicateOf = tracking.Twin{Source: first.Source, ID: first.ID} })
	}
	return counts
}

// Step 2.

func sorted(evs []known) []known {
	evs = slices.Clone(evs)
	slices.SortFunc(evs, before)
	return evs
}

// before compares what happened with what happened, and what is expected with
// what is expected; the two never meet.
func before(a, b known) int {
	switch actA, actB := a.Class() == events.Actual, b.Class() == events.Actual; {
	case actA && !actB:
		return -1
	case actB && !actA:
		return 1
	case !actA:
		return cmp.Or(
			cmp.Compare(a.RecordedAt.UnixMicro(), b.RecordedAt.UnixMicro()),
			cmp.Compare(a.OccurredAt().UnixMicro(), b.OccurredAt().UnixMicro()),
			cmp.Compare(a.Source, b.Source), cmp.Compare(a.ID, b.ID),
			cmp.Compare(a.Stream().Kind, b.Stream().Kind), cmp.Compare(a.Subject, b.Subject))
	}
	return cmp.Or(
		when(a).Compare(when(b)),
		cmp.Compare(rank(a.Type()), rank(b.Type())),
		cmp.Compare(a.RecordedAt.UnixMicro(), b.RecordedAt.UnixMicro()),
		cmp.Compare(a.Source, b.Source), cmp.Compare(a.ID, b.ID),
		cmp.Compare(a.Stream().Kind, b.Stream().Kind), cmp.Compare(a.Subject, b.Subject))
}

func when(e known) time.Time {
	at := e.OccurredAt()
	if e.Precision() != events.ToDay {
		return time.UnixMicro(at.UnixMicro()).UTC()
	}
	day := midnight(at)
	if e.Stream().Kind != events.OrderStream && rank(e.Type()) >= 70 {
		return day.Add(24*time.Hour - time.Microsecond)
	}
	return day
}

// midnight is the beginning of a day where it was written; nobody's stays that.
func midnight(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	_, seconds := t.Zone()
	offset := time.Duration(seconds) * time.Second
	return t.UTC().Add(offset).Truncate(24 * time.Hour).Add(-offset)
}

// leads is the first table of step 5: where a type leads, and its rank.
var leads = map[events.Type]struct {
	to   tracking.Status
	rank int
}{
	events.TypeShipmentCreated:    {tracking.Created, 10},
	events.TypeInfoReceived:       {tracking.InfoReceived, 20},
	events.TypePickedUp:           {tracking.PickedUp, 30},
	events.TypeDeparted:           {tracking.InTransit, 40},
	events.TypeArrived:            {tracking.InTransit, 40},
	events.TypeOutForDelivery:     {tracking.OutForDelivery, 50},
	events.TypeDeliveryAttempted:  {tracking.DeliveryAttempted, 55},
	events.TypeAvailableForPickup: {tracking.AvailableForPickup, 60},
	events.TypeReturnInitiated:    {tracking.Returning, 70},
	events.TypeDelivered:          {tracking.Delivered, 90},
	events.TypeReturned:           {tracking.Returned, 92},
	events.TypeLost:               {tracking.Lost, 94},
	events.TypeDestroyed:          {tracking.Destroyed, 96},
	events.TypeShipmentCancelled:  {tracking.Cancelled, 98},
}

// orderTable lists the order events as the vocabulary's table does.
var orderTable = []events.Type{
	events.TypeOrderPlaced, events.TypeOrderConfirmed, events.TypeOrderOnHold, events.TypeOrderReleased,
	events.TypeOrderPaid, events.TypeOrderPaymentFailed, events.TypeOrderRefunded, events.TypeOrderAmended,
	events.TypeOrderPromiseChanged, events.TypeOrderAllocated, events.TypeOrderBackordered,
	events.TypeOrderCancelled, events.TypeOrderMerged, events.TypeOrderSplit, events.TypeOrderReturnRequested,
	events.TypeOrderReturnReceived, events.TypeOrderReshipped, events.TypeOrderClosed,
}

func rank(t events.Type) int {
	if i := slices.Index(orderTable, t); i >= 0 {
		return i + 1
	}
	if t == events.TypeExceptionResolved || t == events.TypeCustomsReleased {
		return 1
	}
	return leads[t].rank
}

// rankOf is a status's rank; unknown has none.
func rankOf(s tracking.Status) int {
	for _, l := range leads {
		if l.to == s {
			return l.rank
		}
	}
	return 0
}

// Step 4.

type holdingRow struct {
	Carrier   events.SCAC
	Number    events.TrackingNumber
	Shipment  events.ShipmentID
	Parcel    events.ParcelID
	From, To  time.Time // From zero: from the beginning; To zero: until further notice
	Lost      bool
	Source    events.Source
	ID        events.EventID
	assigning known
}

func (o *oracle) assign(counts map[events.Stream][]known) {
	for stream, evs := range counts {
		for _, e := range evs {
			d, ok := e.Data.(*events.TrackingAssigned)
			if !ok || stream.Kind != events.ShipmentStream || e.Class() != events.Actual {
				continue
			}
			row := holdingRow{
				Carrier: d.Carrier.SCAC, Number: d.TrackingNumber, Shipment: events.ShipmentID(stream.ID), Parcel: d.ParcelID,
				Source: e.Source, ID: e.ID, assigning: e,
			}
			if d.ValidFrom != nil {
				row.From = time.UnixMicro(d.ValidFrom.UnixMicro()).UTC()
			}
			o.holdings = append(o.holdings, row)
		}
	}
	for i := range o.holdings {
		mine := &o.holdings[i]
		for _, other := range o.holdings {
			if other.Carrier != mine.Carrier || other.Number != mine.Number {
				continue
			}
			if other.From.Equal(mine.From) && before(mine.assigning, other.assigning) < 0 {
				mine.Lost = true
			}
			if other.From.After(mine.From) && (mine.To.IsZero() || other.From.Before(mine.To)) {
				mine.To = other.From
			}
		}
	}
	for i := range o.holdings {
		if mine := &o.holdings[i]; mine.Lost {
			mine.To = mine.From
			o.note(mine.assigning, tracking.AssignmentReplaced)
		}
	}
}

// given is an event as a shipment sees it: of its own stream with the parcel
// that it names, or a scan with the parcel that had the number.
type given struct {
	known
	parcel events.ParcelID // "" is all
}

func (o *oracle) giveScans(counts map[events.Stream][]known) {
	for stream, evs := range counts {
		if stream.Kind != events.TrackingStream {
			continue
		}
		for _, e := range evs {
			switch e.Type() {
			case events.TypeRetracted:
			case events.TypeShipmentCreated, events.TypeTrackingAssigned:
				o.note(e, tracking.Misplaced)
			default:
				if h, ok := o.holder(stream, when(e)); ok {
					o.given[h.Shipment] = append(o.given[h.Shipment], given{e, h.Parcel})
				} else {
					o.mark(e, func(m *tracking.Mark) { m.Unmatched = true })
				}
			}
		}
	}
}

func (o *oracle) holder(number events.Stream, at time.Time) (holdingRow, bool) {
	for _, h := range o.holdings {
		if events.TrackingStreamOf(h.Carrier, h.Number) != number || h.Lost || at.Before(h.From) {
			continue
		}
		if h.To.IsZero() || at.Before(h.To) {
			return h, true
		}
	}
	return holdingRow{}, false
}
