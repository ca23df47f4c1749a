package tracking_test

import (
	"cmp"
	"slices"
	"time"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/tracking"
)

type orderRow struct {
	Status   tracking.OrderStatus
	Revision int64
	Known    bool
	Lines    []lineRow
	Holds    []string
	Returns  []returnRow
	Payment  string
	Flags    []tracking.Flag

	Original, Latest, Requested *events.Window
}

type lineRow struct {
	ID events.LineID

	Ordered, Cancelled, Allocated, Backordered, Shipped, Delivered, Returned, Lost int64
}

// returnRow is a return: open when somebody asked for it and nobody got any of it.
type returnRow struct {
	ID                  events.ReturnID
	Open                bool
	Requested, Received map[events.LineID]int64
}

// asking is a cancel with what it found.
type asking struct {
	at    time.Time
	all   bool
	lines map[events.LineID]asked
}

type asked struct{ ordered, asked int64 }

// plan is what an order's own events say.
type plan struct {
	ordered, asked map[events.LineID]int64
	allocated      map[events.LineID]map[string]int64
	backordered    map[events.LineID]map[string]int64
	cancels        []asking
	confirmed      bool
	closed         bool
	all            bool
}

func (o *oracle) foldOrders(stored, counts map[events.Stream][]known) {
	for stream, evs := range stored {
		if stream.Kind == events.OrderStream {
			id := events.OrderID(stream.ID)
			o.orders[id] = o.order(len(evs), counts[stream], o.carried[id])
		}
	}
	for id, carried := range o.carried {
		if _, ok := o.orders[id]; !ok {
			o.orders[id] = o.order(0, nil, carried)
		}
	}
}

// order folds one order: steps 6, 7 and 8.
func (o *oracle) order(revision int, own []known, carried []carriedRow) orderRow {
	row := orderRow{Revision: int64(revision)}
	p := plan{
		ordered: map[events.LineID]int64{}, asked: map[events.LineID]int64{},
		allocated: map[events.LineID]map[string]int64{}, backordered: map[events.LineID]map[string]int64{},
	}
	for _, e := range own { // sorted; placed is the base whatever its time
		d, ok := e.Data.(*events.OrderPlaced)
		if !ok {
			continue
		}
		if row.Known {
			o.note(e, tracking.SecondCreate)
			continue
		}
		row.Known = true
		row.Original, row.Latest, row.Requested = d.PromisedWindow, d.PromisedWindow, d.RequestedWindow
		for _, l := range d.Lines {
			p.ordered[l.LineID] = l.Qty
		}
	}
	for _, e := range own {
		p.take(e, &row)
	}
	slices.Sort(row.Holds)
	row.Returns = returns(own)
	o.buckets(&row, &p, carried)
	return row
}

func (p *plan) take(e known, row *orderRow) {
	switch d := e.Data.(type) {
	case *events.OrderConfirmed:
		p.confirmed = true
	case *events.OrderOnHold:
		if !slices.Contains(row.Holds, d.ReasonCode) {
			row.Holds = append(row.Holds, d.ReasonCode)
		}
	case *events.OrderReleased:
		row.Holds = slices.DeleteFunc(row.Holds, func(h string) bool { return d.ReasonCode == "" || d.ReasonCode == h })
	case *events.OrderPaid:
		row.Payment = "paid"
	case *events.OrderPaymentFailed:
		row.Payment = "payment_failed"
	case *events.OrderRefunded:
		row.Payment = "refunded"
	case *events.OrderAmended:
		for _, l := range d.Lines {
			p.ordered[l.LineID] = l.Qty
		}
	case *events.OrderPromiseChanged:
		row.Latest = d.Window
	case *events.OrderAllocated:
		total(p.allocated, d.Allocation)
	case *events.OrderBackordered:
		total(p.backordered, d.Allocation)
	case *events.OrderCancelled:
		p.cancel(e, d)
	case *events.OrderClosed:
		p.closed = true
	}
}

// returns: requested and not yet received, each by its id; one that is received
// without a request counts as received.
func returns(own []known) []returnRow {
	rows := map[events.ReturnID]*returnRow{}
	of := func(id events.ReturnID) *returnRow {
		if rows[id] == nil {
			rows[id] = &returnRow{ID: id, Requested: map[events.LineID]int64{}, Received: map[events.LineID]int64{}}
		}
		return rows[id]
	}
	for _, e := range own {
		if d, ok := e.Data.(*events.OrderReturnRequested); ok {
			of(d.ReturnID).Open = true
			for _, l := range d.Lines {
				of(d.ReturnID).Requested[l.LineID] += l.Qty
			}
		}
	}
	for _, e := range own {
		if d, ok := e.Data.(*events.OrderReturnReceived); ok {
			of(d.ReturnID).Open = false
			for _, l := range d.Lines {
				of(d.ReturnID).Received[l.LineID] += l.Qty
			}
		}
	}
	var all []returnRow
	for _, r := range rows {
		all = append(all, *r)
	}
	slices.SortFunc(all, func(a, b returnRow) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

func total(of map[events.LineID]map[string]int64, a events.Allocation) {
	for _, l := range a.Lines {
		if of[l.LineID] == nil {
			of[l.LineID] = map[string]int64{}
		}
		of[l.LineID][a.Node] = l.Qty
	}
}

func (p *plan) cancel(e known, d *events.OrderCancelled) {
	c := asking{at: when(e), all: d.Scope == events.CancelAll, lines: map[events.LineID]asked{}}
	if c.all {
		p.all = true
		for id, n := range p.ordered {
			p.asked[id] = max(p.asked[id], n)
		}
	}
	for _, l := range d.Lines {
		p.asked[l.LineID] += l.Qty
		c.lines[l.LineID] = asked{p.ordered[l.LineID], p.asked[l.LineID]}
	}
	p.cancels = append(p.cancels, c)
}

// buckets sums up per line, and says where that leaves the order.
func (o *oracle) buckets(row *orderRow, p *plan, carried []carriedRow) {
	lines := map[events.LineID]*lineRow{}
	line := func(id events.LineID) *lineRow {
		if lines[id] == nil {
			lines[id] = &lineRow{ID: id}
		}
		return lines[id]
	}
	for id, n := range p.ordered {
		line(id).Ordered = n
	}
	for id := range p.asked {
		line(id)
	}
	for id, nodes := range p.allocated {
		for _, n := range nodes {
			line(id).Allocated += n
		}
	}
	for id, nodes := range p.backordered {
		for _, n := range nodes {
			line(id).Backordered += n
		}
	}
	outbound := map[events.LineID]int64{} // returned by outbound parcels
	exists := false
	for _, c := range carried {
		l := line(c.Line)
		switch c.direction {
		case events.Outbound:
			exists = true
			l.Shipped += c.Shipped
			l.Delivered += c.Delivered
			l.Lost += c.Lost
			l.Returned += c.Returned
			outbound[c.Line] += c.Returned
		case events.Inbound:
			l.Returned += c.Delivered
		case events.Transfer:
		}
	}
	var sum lineRow
	var need, gotten, out int64
	over, back := false, false
	for id, l := range lines {
		net := l.Shipped - l.Lost - outbound[id]
		l.Cancelled = min(p.asked[id], max(0, l.Ordered-net))
		n := max(0, l.Ordered-l.Cancelled)
		need += n
		gotten += min(l.Delivered, n)
		out += min(l.Shipped, n)
		sum.Ordered += l.Ordered
		sum.Shipped += l.Shipped
		sum.Delivered += l.Delivered
		sum.Allocated += l.Allocated
		sum.Backordered += l.Backordered
		over = over || net > l.Ordered
		back = back || l.Returned > l.Shipped
		row.Lines = append(row.Lines, *l)
	}
	slices.SortFunc(row.Lines, func(a, b lineRow) int { return cmp.Compare(a.ID, b.ID) })
	if p.afterShip(carried) {
		row.Flags = append(row.Flags, tracking.CancelAfterShip)
	}
	if back {
		row.Flags = append(row.Flags, tracking.OverReturned)
	}
	if over {
		row.Flags = append(row.Flags, tracking.OverShipped)
	}
	switch {
	case !row.Known:
		row.Status = tracking.OrderUnknown
	case (sum.Ordered > 0 || p.all) && need == 0 && sum.Shipped == 0:
		row.Status = tracking.OrderCancelled
	case p.closed:
		row.Status = tracking.OrderClosed
	case need == 0 && sum.Shipped > 0 && sum.Delivered > 0:
		row.Status = tracking.OrderDelivered
	case need == 0 && sum.Shipped > 0:
		row.Status = tracking.OrderShipped
	case need > 0 && gotten == need:
		row.Status = tracking.OrderDelivered
	case sum.Delivered > 0:
		row.Status = tracking.OrderPartiallyDelivered
	case need > 0 && out == need:
		row.Status = tracking.OrderShipped
	case sum.Shipped > 0:
		row.Status = tracking.OrderPartiallyShipped
	case exists || len(p.allocated) > 0 || len(p.backordered) > 0:
		row.Status = tracking.OrderProcessing
	case p.confirmed:
		row.Status = tracking.OrderConfirmed
	default:
		row.Status = tracking.OrderPlaced
	}
}

// afterShip: at the cancel's time handed-over units leave fewer than asked.
func (p *plan) afterShip(carried []carriedRow) bool {
	for _, c := range p.cancels {
		out := map[events.LineID]int64{}
		for _, it := range carried {
			if it.direction == events.Outbound && it.Shipped > 0 && !it.HandedOverAt.After(c.at) {
				out[it.Line] += it.Shipped
				if c.all {
					return true
				}
			}
		}
		for id, a := range c.lines {
			if out[id] > 0 && a.ordered-out[id] < a.asked {
				return true
			}
		}
	}
	return false
}
