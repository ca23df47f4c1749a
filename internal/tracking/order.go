package tracking

import (
	"cmp"
	"slices"
	"time"

	"github.com/waybill-io/waybill/events"
)

// OrderBase is what an order's own facts say. Together with what became of its
// lines in shipments it gives the [Order]. It is kept beside the order, so that
// a moving parcel does not need the order's history. Times are UTC and zero
// where nothing is known.
type OrderBase struct {
	Known       bool       `json:"known,omitzero"` // its placed event is there
	Revision    int64      `json:"revision"`
	Number      string     `json:"number,omitzero"`
	Channel     string     `json:"channel,omitzero"`
	Currency    string     `json:"currency,omitzero"`
	CustomerRef string     `json:"customer_ref,omitzero"`
	ShipToRef   string     `json:"ship_to_ref,omitzero"`
	Lines       []BaseLine `json:"lines,omitempty"` // by id
	Cancels     []Cancel   `json:"cancels,omitempty"`
	Holds       []string   `json:"holds,omitempty"`
	Returns     []Return   `json:"returns,omitempty"` // by id
	Payment     string     `json:"payment,omitzero"`  // paid, payment_failed or refunded

	Original  *events.Window `json:"original,omitzero"`
	Latest    *events.Window `json:"latest,omitzero"`
	Requested *events.Window `json:"requested,omitzero"`

	PlacedAt    time.Time `json:"placed_at,omitzero"`
	ConfirmedAt time.Time `json:"confirmed_at,omitzero"`
	ClosedAt    time.Time `json:"closed_at,omitzero"`

	Newest  Key    `json:"newest,omitzero"`   // of its own facts that stand
	Pending []Twin `json:"pending,omitempty"` // retracted before they came
}

// BaseLine is what the order's own facts say of a line.
type BaseLine struct {
	ID          events.LineID    `json:"id"`
	SKU         string           `json:"sku,omitzero"`
	UnitPrice   events.Decimal   `json:"price,omitzero"`
	Ordered     int64            `json:"ordered"` // cancelled units included
	Asked       int64            `json:"asked,omitzero"`
	Allocated   map[string]int64 `json:"allocated,omitempty"` // by node
	Backordered map[string]int64 `json:"backordered,omitempty"`
}

// Cancel is a request to cancel, with what it found of the order.
type Cancel struct {
	At    time.Time    `json:"at"`
	All   bool         `json:"all,omitzero"`
	Lines []CancelLine `json:"lines,omitempty"`
}

// CancelLine is a line that a cancel asked for.
type CancelLine struct {
	ID      events.LineID `json:"id"`
	Ordered int64         `json:"ordered"` // at that place in the order
	Asked   int64         `json:"asked"`   // by this and all earlier cancels
}

// Return is what an order's own facts say of one return. What came back counts
// where a return shipment delivers it.
type Return struct {
	ID        events.ReturnID         `json:"id"`
	Requested map[events.LineID]int64 `json:"requested,omitempty"` // units, in all requests
	Received  map[events.LineID]int64 `json:"received,omitempty"`  // units, in all receipts
}

// Open reports whether the return was requested and nothing of it received,
// whichever of the two came first by their times.
func (r *Return) Open() bool { return len(r.Requested) > 0 && len(r.Received) == 0 }

// ReturnsOpen lists the returns that are open, sorted by id.
func (b *OrderBase) ReturnsOpen() []string {
	var ids []string
	for i := range b.Returns {
		if r := &b.Returns[i]; r.Open() {
			ids = append(ids, string(r.ID))
		}
	}
	return ids
}

// FoldOrder folds all facts of an order's own stream.
func FoldOrder(own []*Fact) (OrderBase, Marks) {
	l := count(own)
	b := OrderBase{Revision: int64(l.stored), Newest: l.newest, Pending: l.pending(own)}
	facts := b.place(l)
	for _, f := range facts {
		b.step(f)
	}
	slices.Sort(b.Holds)
	return b, l.marks
}

// place takes the placed event with the smallest key as the base of the order,
// whatever its time, and returns the other facts.
func (b *OrderBase) place(l *ledger) []*Fact {
	return slices.DeleteFunc(slices.Clone(l.facts), func(f *Fact) bool {
		d, ok := f.Data.(*events.OrderPlaced)
		if !ok {
			return false
		}
		if b.Known {
			l.marks.note(f, SecondCreate)
			return true
		}
		b.Known, b.PlacedAt = true, f.When()
		b.Number, b.Channel, b.Currency = d.Number, d.Channel, d.Currency
		b.CustomerRef, b.ShipToRef = d.CustomerRef, d.ShipToRef
		b.Original, b.Latest, b.Requested = d.PromisedWindow, d.PromisedWindow, d.RequestedWindow
		for _, line := range d.Lines {
			it := b.line(line.LineID)
			it.SKU, it.UnitPrice, it.Ordered = line.SKU, line.UnitPrice, line.Qty
		}
		return true
	})
}

// line finds a line by id, or adds it.
func (b *OrderBase) line(id events.LineID) *BaseLine {
	i, found := slices.BinarySearchFunc(b.Lines, id, func(l BaseLine, id events.LineID) int { return cmp.Compare(l.ID, id) })
	if !found {
		b.Lines = slices.Insert(b.Lines, i, BaseLine{ID: id})
	}
	return &b.Lines[i]
}

func (b *OrderBase) step(f *Fact) {
	switch d := f.Data.(type) {
	case *events.OrderConfirmed:
		b.ConfirmedAt = earliest(b.ConfirmedAt, f.When())
	case *events.OrderOnHold:
		if !slices.Contains(b.Holds, d.ReasonCode) {
			b.Holds = append(b.Holds, d.ReasonCode)
		}
	case *events.OrderReleased:
		b.Holds = slices.DeleteFunc(b.Holds, func(h string) bool { return d.ReasonCode == "" || h == d.ReasonCode })
	case *events.OrderPaid:
		b.Payment = "paid"
	case *events.OrderPaymentFailed:
		b.Payment = "payment_failed"
	case *events.OrderRefunded:
		b.Payment = "refunded"
	case *events.OrderAmended:
		b.amend(d)
	case *events.OrderPromiseChanged:
		b.Latest = d.Window
	case *events.OrderAllocated:
		b.stock(d.Lines, d.Node, func(l *BaseLine) *map[string]int64 { return &l.Allocated })
	case *events.OrderBackordered:
		b.stock(d.Lines, d.Node, func(l *BaseLine) *map[string]int64 { return &l.Backordered })
	case *events.OrderCancelled:
		b.cancel(f, d)
	case *events.OrderReturnRequested:
		addUnits(&b.returned(d.ReturnID).Requested, d.Lines)
	case *events.OrderReturnReceived:
		addUnits(&b.returned(d.ReturnID).Received, d.Lines)
	case *events.OrderClosed:
		b.ClosedAt = earliest(b.ClosedAt, f.When())
	}
}

func (b *OrderBase) amend(d *events.OrderAmended) {
	for _, line := range d.Lines {
		it := b.line(line.LineID)
		it.Ordered = line.Qty
		it.SKU, it.UnitPrice = cmp.Or(line.SKU, it.SKU), cmp.Or(line.UnitPrice, it.UnitPrice)
	}
}

// stock sets a node's total of each line.
func (b *OrderBase) stock(lines []events.LineQty, node string, of func(*BaseLine) *map[string]int64) {
	for _, line := range lines {
		nodes := of(b.line(line.LineID))
		if *nodes == nil {
			*nodes = map[string]int64{}
		}
		(*nodes)[node] = line.Qty
	}
}

// cancel adds what is asked for. Scope all takes what is there at its place in
// the order.
func (b *OrderBase) cancel(f *Fact, d *events.OrderCancelled) {
	c := Cancel{At: f.When(), All: d.Scope == events.CancelAll}
	if c.All {
		for i := range b.Lines {
			l := &b.Lines[i]
			l.Asked = max(l.Asked, l.Ordered)
			c.Lines = append(c.Lines, CancelLine{l.ID, l.Ordered, l.Asked})
		}
	}
	for _, line := range d.Lines {
		l := b.line(line.LineID)
		l.Asked += line.Qty
		c.Lines = append(c.Lines, CancelLine{l.ID, l.Ordered, l.Asked})
	}
	b.Cancels = append(b.Cancels, c)
}

// returned finds a return by id, or adds it.
func (b *OrderBase) returned(id events.ReturnID) *Return {
	i, found := slices.BinarySearchFunc(b.Returns, id, func(r Return, id events.ReturnID) int { return cmp.Compare(r.ID, id) })
	if !found {
		b.Returns = slices.Insert(b.Returns, i, Return{ID: id})
	}
	return &b.Returns[i]
}

func addUnits(units *map[events.LineID]int64, lines []events.LineQty) {
	if *units == nil {
		*units = map[events.LineID]int64{}
	}
	for _, l := range lines {
		(*units)[l.LineID] += l.Qty
	}
}

func earliest(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}
