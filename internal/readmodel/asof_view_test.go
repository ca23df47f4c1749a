package readmodel_test

import (
	c "cmp"
	"errors"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/query"
	"github.com/waybill-io/waybill/internal/readmodel"
	"github.com/waybill-io/waybill/internal/tracking"
	"github.com/waybill-io/waybill/internal/tracking/trackingtest"
)

// view is a view of the past, and all facts there are.
type view struct {
	reader *readmodel.Reader
	tenant events.TenantID
	at     tracking.AsOf
	facts  map[events.Stream][]*tracking.Fact
}

// then folds in memory what the view shows, and lists the streams that had begun.
func (v view) then() (trackingtest.World, map[events.Stream]bool) {
	left, began := map[events.Stream][]*tracking.Fact{}, map[events.Stream]bool{}
	for stream, own := range v.facts {
		if own = v.at.Facts(own); len(own) > 0 {
			left[stream] = own
		}
		began[stream] = v.at.Began(own)
	}
	return trackingtest.Fold(left), began
}

// agree compares every order and shipment that anything ever spoke of.
func (v view) agree(t *rapid.T) {
	world, began := v.then()
	for id := range everyShipment(v.facts) {
		want, there := world.Shipments[id]
		there = there && began[events.Stream{Kind: events.ShipmentStream, ID: string(id)}]
		got, err := v.reader.ShipmentAsOf(t.Context(), v.tenant, id, v.at)
		v.same(t, "shipment "+string(id), there, shipmentOf(&want), got, err)
		v.sameTimeline(t, world, events.Stream{Kind: events.ShipmentStream, ID: string(id)}, []events.ShipmentID{id})
	}
	for id := range everyOrder(v.facts) {
		want, there := world.Orders[id]
		there = there && (began[events.Stream{Kind: events.OrderStream, ID: string(id)}] || len(carrying(world, id)) > 0)
		got, err := v.reader.OrderAsOf(t.Context(), v.tenant, id, v.at)
		v.same(t, "order "+string(id), there, orderOf(&want), got, err)
		v.sameTimeline(t, world, events.Stream{Kind: events.OrderStream, ID: string(id)}, carrying(world, id))
	}
}

// carrying are the shipments that carry lines of an order.
func carrying(w trackingtest.World, id events.OrderID) (shipments []events.ShipmentID) {
	for _, s := range w.Shipments {
		if slices.Contains(s.Orders(), id) {
			shipments = append(shipments, s.ID)
		}
	}
	return shipments
}

func (v view) same(t *rapid.T, what string, there bool, want, got any, err error) {
	t.Helper()
	if !there {
		if !errors.Is(err, query.ErrNotFound) {
			t.Fatalf("%s as of %s, %s, was not there yet: %v, %v", what, v.at.At, v.at.Basis, got, err)
		}
		return
	}
	if err != nil {
		t.Fatalf("%s as of %s, %s: %v", what, v.at.At, v.at.Basis, err)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("%s as of %s, %s (-folded +read):\n%s", what, v.at.At, v.at.Basis, diff)
	}
}

// line is what tests look at of an entry.
type line struct {
	Ref    tracking.Ref
	Parcel events.ParcelID
	Mark   tracking.Mark
}

// sameTimeline compares the timeline of a stream and of shipments, in order and
// with its marks.
func (v view) sameTimeline(t *rapid.T, world trackingtest.World, of events.Stream, shipments []events.ShipmentID) {
	page, err := v.reader.TimelineAsOf(t.Context(), v.tenant, of, "", 1000, v.at)
	if err != nil {
		t.Fatalf("TimelineAsOf: %v", err)
	}
	var got []line
	for _, e := range page.Entries {
		m := tracking.Mark{Anomalies: e.Marks.Anomalies, Unmatched: e.Marks.Unmatched}
		if d := e.Marks.DuplicateOf; d != nil {
			m.DuplicateOf = tracking.Twin(*d)
		}
		if r := e.Marks.RetractedBy; r != nil {
			m.RetractedBy = tracking.Twin(*r)
		}
		got = append(got, line{tracking.Ref{Stream: events.Stream{Kind: e.Stream, ID: e.StreamID}, Source: e.Source, ID: e.ID}, e.ParcelID, m})
	}
	if diff := cmp.Diff(v.lines(world, of, shipments), got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("timeline of %s as of %s, %s (-folded +read):\n%s", of.ID, v.at.At, v.at.Basis, diff)
	}
}

// lines are what the timeline must have: facts of the view, each once, by key.
func (v view) lines(world trackingtest.World, of events.Stream, shipments []events.ShipmentID) (lines []line) {
	var seen []*tracking.Fact
	parcels := map[tracking.Ref]events.ParcelID{}
	for stream, own := range v.facts {
		for _, f := range own {
			parcel, here := v.parcelOf(world, f, shipments)
			_, again := parcels[f.Ref()]
			if (here || stream == of) && !again && v.at.Reaches(f) {
				parcels[f.Ref()] = parcel
				seen = append(seen, f)
			}
		}
	}
	slices.SortFunc(seen, func(a, b *tracking.Fact) int { return c.Or(a.Key.Compare(b.Key), c.Compare(a.Subject, b.Subject)) })
	for _, f := range seen {
		lines = append(lines, line{f.Ref(), parcels[f.Ref()], world.Marks[f.Ref()]})
	}
	return lines
}

// parcelOf is the parcel that a fact speaks of, and whether it is of one of the
// shipments.
func (v view) parcelOf(world trackingtest.World, f *tracking.Fact, shipments []events.ShipmentID) (parcel events.ParcelID, here bool) {
	if d, ok := f.Data.(interface{ Parcel() events.ParcelID }); ok && f.Stream().Kind != events.TrackingStream {
		parcel = d.Parcel()
	}
	if f.Stream().Kind == events.ShipmentStream {
		return parcel, slices.Contains(shipments, events.ShipmentID(f.Subject))
	}
	for _, h := range world.Holdings {
		began, over := !h.ValidFrom.After(f.When()), !h.ValidTo.IsZero() && !f.When().Before(h.ValidTo)
		if events.TrackingStreamOf(h.Carrier, h.Number) == f.Stream() && !h.Lost && began && !over {
			return h.ParcelID, slices.Contains(shipments, h.ShipmentID)
		}
	}
	return parcel, false
}

// meet counts what a case has of that which today's rows no longer say.
func (v view) meet(met map[string]int) {
	then, began := v.then()
	now := trackingtest.Fold(v.facts)
	for ref, m := range now.Marks {
		own := v.facts[ref.Stream]
		i := slices.IndexFunc(own, func(f *tracking.Fact) bool { return f.Ref() == ref })
		if i < 0 || ref.Stream.Kind != events.ShipmentStream || !v.at.Sees(own[i]) || then.Marks[ref].RetractedBy != (tracking.Twin{}) {
			continue
		}
		retracted := m.RetractedBy != tracking.Twin{}
		switch d := own[i].Data.(type) {
		case *events.TrackingAssigned:
			if retracted {
				met["an assignment retracted since"]++
			}
		case *events.ShipmentCreated:
			if retracted && len(d.Contents) > 0 {
				met["a create retracted since"]++
			}
			if slices.Contains(m.Anomalies, tracking.SecondCreate) && !slices.Contains(then.Marks[ref].Anomalies, tracking.SecondCreate) {
				met["a create replaced since"]++
			}
		}
	}
	for stream := range v.facts {
		if !began[stream] {
			met["nothing of it then"]++
		}
	}
	for _, o := range then.Orders {
		if o.Revision == 0 {
			met["an order without events"]++
		}
	}
}

func everyShipment(facts map[events.Stream][]*tracking.Fact) map[events.ShipmentID]bool {
	all := map[events.ShipmentID]bool{"never": true}
	for stream := range facts {
		if stream.Kind == events.ShipmentStream {
			all[events.ShipmentID(stream.ID)] = true
		}
	}
	return all
}

func everyOrder(facts map[events.Stream][]*tracking.Fact) map[events.OrderID]bool {
	all := map[events.OrderID]bool{"never": true}
	for stream, own := range facts {
		if stream.Kind == events.OrderStream {
			all[events.OrderID(stream.ID)] = true
		}
		for _, f := range own {
			if d, ok := f.Data.(*events.ShipmentCreated); ok {
				for _, c := range d.Contents {
					all[c.OrderID] = true
				}
			}
		}
	}
	return all
}

// shipmentOf and orderOf say the rows in the test's own words.
func shipmentOf(s *tracking.Shipment) query.Shipment {
	row := query.Shipment{
		ID: s.ID, Revision: s.Revision, Status: string(s.Status), StatusSince: s.StatusSince, Direction: s.Direction,
		Carrier: s.Carrier, Service: s.Service, Parcels: len(s.Parcels), Numbers: s.Numbers(), Orders: s.Orders(),
		LastScanAt: s.LastScanAt, LastScanType: s.LastScanType, LastLocation: s.LastLocation,
		OpenExceptions: s.OpenExceptions(), Disputed: s.Disputed(), Gap: s.Gap(),
	}
	if eta := s.ETA(); eta != nil {
		row.ETA = eta.End
	}
	if s.Promise != nil {
		row.PromiseEnd = endOf(s.Promise)
		row.Late = s.Late(row.PromiseEnd)
	}
	if p := s.Position; p != nil {
		row.Pos = &[2]float64{p.Lon, p.Lat}
	}
	return row
}

func orderOf(o *tracking.Order) query.Order {
	row := query.Order{
		ID: o.ID, Revision: o.Revision, Status: string(o.Status), Number: o.Number, Channel: o.Channel, PlacedAt: o.PlacedAt,
		Holds: o.Holds, ReturnsOpen: o.ReturnsOpen(), Ordered: o.Total.Ordered, Cancelled: o.Total.Cancelled, Shipped: o.Total.Shipped,
		Delivered: o.Total.Delivered, Returned: o.Total.Returned, Lost: o.Total.Lost,
	}
	for _, f := range o.Flags {
		row.Flags = append(row.Flags, string(f))
	}
	if o.Original != nil {
		row.PromiseEnd = endOf(o.Original)
	}
	return row
}

// endOf is the last moment of a window.
func endOf(w *events.Window) time.Time {
	if w.Precision != events.ToDay {
		return w.End.UTC().Truncate(time.Microsecond)
	}
	y, m, d := w.End.Date()
	return time.Date(y, m, d, 23, 59, 59, 999_999_000, w.End.Location()).UTC()
}
