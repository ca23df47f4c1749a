package tracking_test

import (
	"cmp"
	"slices"
	"time"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/tracking"
)

type shipmentRow struct {
	Status      tracking.Status
	Since       time.Time
	Revision    int64
	Known       bool
	Direction   events.Direction
	Original    events.ShipmentID
	Promise     *events.Window
	Disputed    bool
	Gap         bool
	Damaged     bool
	CustomsHeld bool
	Parcels     []parcelRow
	Contents    []contentRow
	Exceptions  []exceptionRow
	LastScan    scanRow
	Estimates   []estimateRow // by when they were known
}

type parcelRow struct {
	ID           events.ParcelID
	Status       tracking.Status
	Since        time.Time
	HandedOverAt time.Time
	DeliveredAt  time.Time
	Disputed     bool
	Gap          bool
	LastScan     scanRow
	Attempts     int // different moments of delivery_attempted
}

type contentRow struct {
	Order  events.OrderID
	Line   events.LineID
	Parcel events.ParcelID

	Qty, Shipped, Delivered, Returned, Lost int64
	HandedOverAt                            time.Time
}

type exceptionRow struct {
	ID   events.ExceptionID
	Open bool
}

// carriedRow is a content row as an order sees it.
type carriedRow struct {
	contentRow
	direction events.Direction
}

// allowed is the second table of step 5, but for what it says in words.
var allowed = map[tracking.Status][]tracking.Status{
	tracking.InTransit: {tracking.OutForDelivery, tracking.DeliveryAttempted, tracking.AvailableForPickup, tracking.Delivered,
		tracking.Returning, tracking.Returned, tracking.Lost, tracking.Destroyed},
	tracking.OutForDelivery: {tracking.DeliveryAttempted, tracking.InTransit, tracking.AvailableForPickup, tracking.Delivered,
		tracking.Returning, tracking.Returned, tracking.Lost, tracking.Destroyed},
	tracking.DeliveryAttempted: {tracking.OutForDelivery, tracking.InTransit, tracking.AvailableForPickup, tracking.Delivered,
		tracking.Returning, tracking.Returned, tracking.Lost, tracking.Destroyed},
	tracking.AvailableForPickup: {tracking.Delivered, tracking.InTransit, tracking.Returning, tracking.Returned,
		tracking.Lost, tracking.Destroyed},
	tracking.Returning: {tracking.Returned, tracking.Lost, tracking.Destroyed},
	tracking.Delivered: {tracking.Returning},
	tracking.Returned:  {},
	tracking.Destroyed: {},
	tracking.Lost: {tracking.InTransit, tracking.OutForDelivery, tracking.DeliveryAttempted, tracking.AvailableForPickup,
		tracking.Returning, tracking.Delivered, tracking.Returned},
}

func physical(s tracking.Status) bool { return rankOf(s) >= 30 && s != tracking.Cancelled }

func mayGo(from, to tracking.Status) bool {
	switch from {
	case tracking.Unknown:
		return true
	case tracking.Created, tracking.InfoReceived:
		return rankOf(to) > rankOf(from)
	case tracking.PickedUp:
		return rankOf(to) > rankOf(from) && to != tracking.Cancelled
	case tracking.Cancelled:
		return physical(to)
	default:
		return slices.Contains(allowed[from], to)
	}
}

// walk is a parcel on its way through the sorted facts.
type walk = parcelRow

// meet is step 5 for one fact and one parcel.
func (w *walk) meet(to tracking.Status, at time.Time) (odd tracking.Anomaly) {
	from := w.Status
	switch {
	case to == from:
		return ""
	case from == tracking.Returning && to == tracking.InTransit:
		return ""
	case !mayGo(from, to):
		if from == tracking.Delivered && physical(to) {
			w.Disputed = true
		}
		return tracking.Regression
	}
	if from == tracking.Cancelled {
		odd = tracking.MovedAfterCancel
	}
	if to != tracking.Cancelled && to != tracking.Lost && to != tracking.Destroyed {
		if rankOf(from) < 30 && rankOf(to) > 30 || from == tracking.PickedUp && rankOf(to) > 40 {
			w.Gap = true
		}
	}
	w.Status, w.Since = to, at
	if physical(to) && w.HandedOverAt.IsZero() {
		w.HandedOverAt = at
	}
	if to == tracking.Delivered && w.DeliveredAt.IsZero() {
		w.DeliveredAt = at
	}
	return odd
}

// shipment folds one shipment.
func (o *oracle) shipment(id events.ShipmentID, revision int, own []known) {
	row := shipmentRow{Revision: int64(revision)}
	var acts []given
	var estimates []known
	created := false
	for _, e := range own { // sorted
		switch {
		case e.Type() == events.TypeRetracted:
		case e.Class() != events.Actual:
			estimates = append(estimates, e)
		case e.Type() == events.TypeShipmentCreated && created:
			o.note(e, tracking.SecondCreate)
		default:
			created = created || e.Type() == events.TypeShipmentCreated
			acts = append(acts, given{e, parcelOf(e)})
		}
	}
	for _, g := range o.given[id] {
		if g.Class() != events.Actual {
			estimates = append(estimates, g.known)
		} else {
			acts = append(acts, g)
		}
	}
	slices.SortFunc(acts, func(a, b given) int { return before(a.known, b.known) })
	for _, e := range sorted(estimates) {
		row.Estimates = append(row.Estimates, estimated(e))
	}
	for _, g := range acts {
		if c, ok := g.Data.(*events.ShipmentCreated); ok {
			row.Known, row.Direction, row.Original, row.Promise = true, c.Direction, c.OriginalShipmentID, c.PromisedWindow
			for _, it := range c.Contents {
				row.Contents = append(row.Contents, contentRow{Order: it.OrderID, Line: it.LineID, Parcel: it.ParcelID, Qty: it.Qty})
			}
		}
	}
	slices.SortFunc(row.Contents, func(a, b contentRow) int {
		return cmp.Or(cmp.Compare(a.Order, b.Order), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Parcel, b.Parcel))
	})
	row.overlays(acts)
	row.Status = tracking.Unknown
	o.walkAll(&row, acts)
	row.LastScan = lastScanOf(acts, func(given) bool { return true })
	for i := range row.Parcels {
		p := &row.Parcels[i]
		of := func(g given) bool { return g.parcel == "" || g.parcel == p.ID }
		p.LastScan, p.Attempts = lastScanOf(acts, of), attempts(acts, of)
	}
	for _, c := range row.Contents {
		o.carried[c.Order] = append(o.carried[c.Order], carriedRow{c, row.Direction})
	}
	o.shipments[id] = row
}

// Step 3.

func parcelOf(e known) events.ParcelID {
	if p, ok := e.Data.(interface{ Parcel() events.ParcelID }); ok {
		return p.Parcel()
	}
	return ""
}

func named(acts []given) []events.ParcelID {
	names := map[events.ParcelID]bool{}
	for _, g := range acts {
		names[g.parcel] = true
		if g.Stream().Kind == events.TrackingStream {
			continue // a scan knows of no parcel but its number's
		}
		switch d := g.Data.(type) {
		case *events.ShipmentCreated:
			for _, p := range d.Parcels {
				names[p.ParcelID] = true
			}
			for _, c := range d.Contents {
				names[c.ParcelID] = true
			}
		case *events.Delivered:
			for _, c := range d.Contents {
				names[c.ParcelID] = true
			}
		}
	}
	delete(names, "")
	if len(names) == 0 {
		return []events.ParcelID{""}
	}
	ids := make([]events.ParcelID, 0, len(names))
	for id := range names {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// walkAll walks all parcels through the sorted facts and settles the contents.
func (o *oracle) walkAll(row *shipmentRow, acts []given) {
	var walks []walk
	for _, id := range named(acts) {
		walks = append(walks, walk{ID: id, Status: tracking.Unknown})
	}
	handed := make([]int64, len(row.Contents))
	for _, g := range acts {
		to := leads[g.Type()].to
		if d, ok := g.Data.(*events.Delivered); ok && d.ParcelID == "" && len(d.Contents) > 0 {
			hand(d.Contents, row.Contents, handed)
			if !allDelivered(walks, row.Contents, handed) {
				continue
			}
		}
		if to == "" {
			continue
		}
		for i := range walks {
			if g.parcel == "" || g.parcel == walks[i].ID {
				if odd := walks[i].meet(to, when(g.known)); odd != "" {
					o.note(g.known, odd)
				}
			}
		}
		if now := summary(walks); now != row.Status {
			row.Status, row.Since = now, when(g.known)
		}
	}
	settle(walks, row.Contents, handed)
	row.Parcels = walks
	for _, w := range walks {
		row.Disputed = row.Disputed || w.Disputed
		row.Gap = row.Gap || w.Gap
	}
}

// hand adds the quantities of a delivery to the content rows of the same line:
// to those of the parcel where it names one that is there, one after the other,
// up to what each holds. What is more than all hold goes to the last.
func hand(items []events.Content, contents []contentRow, handed []int64) {
	for _, it := range items {
		var rows []int
		for _, exact := range []bool{true, false} {
			for i, c := range contents {
				if c.Order == it.OrderID && c.Line == it.LineID && (!exact || c.Parcel == it.ParcelID && it.ParcelID != "") {
					rows = append(rows, i)
				}
			}
			if len(rows) > 0 {
				break
			}
		}
		left := it.Qty
		for n, i := range rows {
			take := max(0, min(left, contents[i].Qty-handed[i]))
			if n == len(rows)-1 {
				take = left
			}
			handed[i] += take
			left -= take
		}
	}
}

func allDelivered(walks []walk, contents []contentRow, handed []int64) bool {
	for i, c := range contents {
		if handed[i] < c.Qty && !reached(walks, c, func(w walk) bool { return !w.DeliveredAt.IsZero() }) {
			return false
		}
	}
	return len(contents) > 0
}

// Step 6: what became of a content row.
func reached(walks []walk, c contentRow, milestone func(walk) bool) bool {
	any := false
	for _, w := range walks {
		switch {
		case c.Parcel != "" && w.ID != c.Parcel:
			continue
		case c.Parcel == "" && (w.Status == tracking.Cancelled || w.Status == tracking.Unknown):
			continue
		case !milestone(w):
			return false
		}
		any = true
	}
	return any
}

func settle(walks []walk, contents []contentRow, handed []int64) {
	for i := range contents {
		c := &contents[i]
		if reached(walks, *c, func(w walk) bool { return !w.HandedOverAt.IsZero() }) {
			c.Shipped = c.Qty
			for _, w := range walks {
				if (c.Parcel == "" || c.Parcel == w.ID) && w.Status != tracking.Cancelled && w.HandedOverAt.After(c.HandedOverAt) {
					c.HandedOverAt = w.HandedOverAt
				}
			}
		}
		c.Delivered = handed[i]
		if reached(walks, *c, func(w walk) bool { return !w.DeliveredAt.IsZero() }) {
			c.Delivered = max(handed[i], c.Qty)
		}
		if reached(walks, *c, func(w walk) bool { return w.Status == tracking.Lost || w.Status == tracking.Destroyed }) {
			c.Lost = c.Qty
		}
		if reached(walks, *c, func(w walk) bool { return w.Status == tracking.Returned }) {
			c.Returned = c.Qty
		}
	}
}

// overlays are what moves no status.
func (row *shipmentRow) overlays(acts []given) {
	open := map[events.ExceptionID]bool{}
	for _, g := range acts {
		switch d := g.Data.(type) {
		case *events.Damaged:
			row.Damaged = true
		case *events.CustomsHeld:
			row.CustomsHeld = true
		case *events.CustomsReleased:
			row.CustomsHeld = false
		case *events.ExceptionOpened:
			open[d.ExceptionID] = true
		case *events.ExceptionResolved:
			open[d.ExceptionID] = false
		}
	}
	for id, is := range open {
		row.Exceptions = append(row.Exceptions, exceptionRow{id, is})
	}
	slices.SortFunc(row.Exceptions, func(a, b exceptionRow) int { return cmp.Compare(a.ID, b.ID) })
}

// summary is the status of a shipment.
func summary(parcels []walk) tracking.Status {
	ends := []tracking.Status{tracking.Lost, tracking.Destroyed, tracking.Returned, tracking.Delivered, tracking.Cancelled}
	least := tracking.Unknown
	present := map[tracking.Status]bool{}
	for _, p := range parcels {
		present[p.Status] = true
		if p.Status == tracking.Unknown || slices.Contains(ends, p.Status) {
			continue
		}
		if least == tracking.Unknown || rankOf(p.Status) < rankOf(least) {
			least = p.Status
		}
	}
	if least != tracking.Unknown {
		return least
	}
	for _, end := range ends {
		if present[end] {
			return end
		}
	}
	return tracking.Unknown
}
