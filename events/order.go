package events

import "strconv"

// OrderFact begins the data of every order event.
type OrderFact struct {
	Fact
	OrderID OrderID `json:"order_id"`
}

func (f *OrderFact) check(c *checker) {
	f.Fact.check(c)
	c.oneOf("/class", string(f.Class), "", string(Actual))
	c.id("/order_id", string(f.OrderID))
}

func (f *OrderFact) subject() string { return string(f.OrderID) }

// OrderPlaced is the base of an order, whatever its time. What it promises is
// frozen as the order's original promise.
type OrderPlaced struct {
	OrderFact
	Number          string      `json:"number"` // what the customer sees
	Channel         string      `json:"channel"`
	Currency        string      `json:"currency"` // ISO 4217
	Lines           []OrderLine `json:"lines"`
	CustomerRef     string      `json:"customer_ref,omitzero"` // a reference, never a name
	ShipToRef       string      `json:"ship_to_ref,omitzero"`  // a reference, never an address
	RequestedWindow *Window     `json:"requested_window,omitzero"`
	PromisedWindow  *Window     `json:"promised_window,omitzero"`
}

// OrderLine is a line of an order.
type OrderLine struct {
	LineID    LineID  `json:"line_id"`
	SKU       string  `json:"sku,omitzero"`
	Qty       int64   `json:"qty"`
	UnitPrice Decimal `json:"unit_price,omitzero"` // in the order's currency
}

func (d *OrderPlaced) check(c *checker) {
	d.OrderFact.check(c)
	c.text("/number", d.Number)
	c.text("/channel", d.Channel)
	c.currency("/currency", d.Currency)
	if len(d.Lines) == 0 {
		c.fail("/lines", "is required")
	}
	checkOrderLines(c, d.Lines)
	c.optionalText("/customer_ref", d.CustomerRef)
	c.optionalText("/ship_to_ref", d.ShipToRef)
	d.RequestedWindow.check(c, "/requested_window")
	d.PromisedWindow.check(c, "/promised_window")
}

func checkOrderLines(c *checker, lines []OrderLine) {
	qtys := make([]LineQty, len(lines))
	for i, l := range lines {
		qtys[i] = LineQty{l.LineID, l.Qty}
		c.optionalText("/lines/"+strconv.Itoa(i)+"/sku", l.SKU)
		if l.UnitPrice != "" {
			l.UnitPrice.check(c, "/lines/"+strconv.Itoa(i)+"/unit_price")
		}
	}
	checkLines(c, "/lines", qtys)
}

// OrderConfirmed says that the order was accepted.
type OrderConfirmed struct {
	OrderFact
}

// OrderOnHold begins a hold, an overlay keyed by its reason.
type OrderOnHold struct {
	OrderFact
	ReasonCode string `json:"reason_code"`
}

func (d *OrderOnHold) check(c *checker) {
	d.OrderFact.check(c)
	c.text("/reason_code", d.ReasonCode)
}

// OrderReleased ends the hold with its reason, or all holds without one.
type OrderReleased struct {
	OrderFact
	ReasonCode string `json:"reason_code,omitzero"`
}

func (d *OrderReleased) check(c *checker) {
	d.OrderFact.check(c)
	c.optionalText("/reason_code", d.ReasonCode)
}

// Payment is what the three payment events say.
type Payment struct {
	OrderFact
	Amount   Decimal   `json:"amount"`
	Currency string    `json:"currency"` // ISO 4217
	Lines    []LineQty `json:"lines,omitempty"`
}

func (d *Payment) check(c *checker) {
	d.OrderFact.check(c)
	d.Amount.check(c, "/amount")
	c.currency("/currency", d.Currency)
	checkLines(c, "/lines", d.Lines)
}

// Payments are an axis apart from fulfilment.
type (
	// OrderPaid says that a payment succeeded.
	OrderPaid struct{ Payment }
	// OrderPaymentFailed says that a payment failed.
	OrderPaymentFailed struct{ Payment }
	// OrderRefunded says that money went back.
	OrderRefunded struct{ Payment }
)

// OrderAmended sets new totals of lines, cancelled units included, and adds
// lines that are new.
type OrderAmended struct {
	OrderFact
	Lines []AmendedLine `json:"lines"`
}

// AmendedLine is a line's new total. Zero takes the line away.
type AmendedLine struct {
	LineID    LineID  `json:"line_id"`
	SKU       string  `json:"sku,omitzero"`
	Qty       int64   `json:"qty"` // units, 0 to 1,000,000,000
	UnitPrice Decimal `json:"unit_price,omitzero"`
}

func (d *OrderAmended) check(c *checker) {
	d.OrderFact.check(c)
	if len(d.Lines) == 0 {
		c.fail("/lines", "is required")
	}
	c.count("/lines", len(d.Lines))
	seen := make(map[LineID]bool, len(d.Lines))
	for i, l := range d.Lines {
		at := "/lines/" + strconv.Itoa(i)
		c.id(at+"/line_id", string(l.LineID))
		c.optionalText(at+"/sku", l.SKU)
		if l.Qty != 0 {
			c.qty(at+"/qty", l.Qty)
		}
		if l.UnitPrice != "" {
			l.UnitPrice.check(c, at+"/unit_price")
		}
		if seen[l.LineID] {
			c.fail(at+"/line_id", "names line %s twice", l.LineID)
		}
		seen[l.LineID] = true
	}
}

// OrderPromiseChanged replaces the latest promise, never the original one.
type OrderPromiseChanged struct {
	OrderFact
	Window     *Window `json:"window"`
	ReasonCode string  `json:"reason_code"`
	By         string  `json:"by"` // who changed it: merchant, carrier, customer, ...
}

func (d *OrderPromiseChanged) check(c *checker) {
	d.OrderFact.check(c)
	d.Window.required(c, "/window")
	c.text("/reason_code", d.ReasonCode)
	c.text("/by", d.By)
}

// Allocation is the total of lines at a node.
type Allocation struct {
	OrderFact
	Lines []LineQty `json:"lines"`
	Node  string    `json:"node"` // warehouse or store
}

func (d *Allocation) check(c *checker) {
	d.OrderFact.check(c)
	requireLines(c, "/lines", d.Lines)
	c.id("/node", d.Node)
}

type (
	// OrderAllocated says what a node holds.
	OrderAllocated struct{ Allocation }
	// OrderBackordered says what a node lacks.
	OrderBackordered struct{ Allocation }
)

// CancelScope says how much of an order is cancelled.
type CancelScope string

// The scopes.
const (
	CancelAll   CancelScope = "all"
	CancelLines CancelScope = "lines"
)

// OrderCancelled asks to cancel what is there at its place in the order, or
// quantities of lines.
type OrderCancelled struct {
	OrderFact
	Scope      CancelScope `json:"scope,omitzero"` // defaults to lines
	Lines      []LineQty   `json:"lines,omitempty"`
	ReasonCode string      `json:"reason_code"`
	By         string      `json:"by"`
}

func (d *OrderCancelled) check(c *checker) {
	d.OrderFact.check(c)
	c.oneOf("/scope", string(d.Scope), "", string(CancelAll), string(CancelLines))
	if d.Scope == CancelAll && len(d.Lines) > 0 {
		c.fail("/lines", "stands beside scope all")
	}
	if d.Scope != CancelAll {
		requireLines(c, "/lines", d.Lines)
	}
	c.text("/reason_code", d.ReasonCode)
	c.text("/by", d.By)
}

// LineMove says where a line went in a merge or a split.
type LineMove struct {
	FromOrder OrderID `json:"from_order"`
	FromLine  LineID  `json:"from_line"`
	ToOrder   OrderID `json:"to_order"`
	ToLine    LineID  `json:"to_line"`
	Qty       int64   `json:"qty,omitzero"` // defaults to the whole line
}

// Relink links orders. It moves no quantity: the upstream amends the lines.
type Relink struct {
	OrderFact
	From  []OrderID  `json:"from"`
	Into  []OrderID  `json:"into"`
	Lines []LineMove `json:"lines,omitempty"`
}

func (d *Relink) check(c *checker) {
	d.OrderFact.check(c)
	checkOrders(c, "/from", d.From)
	checkOrders(c, "/into", d.Into)
	c.count("/lines", len(d.Lines))
	for i, l := range d.Lines {
		at := "/lines/" + strconv.Itoa(i)
		c.id(at+"/from_order", string(l.FromOrder))
		c.id(at+"/from_line", string(l.FromLine))
		c.id(at+"/to_order", string(l.ToOrder))
		c.id(at+"/to_line", string(l.ToLine))
		if l.Qty != 0 {
			c.qty(at+"/qty", l.Qty)
		}
	}
}

func checkOrders(c *checker, at string, ids []OrderID) {
	if len(ids) == 0 {
		c.fail(at, "is required")
	}
	c.count(at, len(ids))
	for i, id := range ids {
		c.id(at+"/"+strconv.Itoa(i), string(id))
	}
}

// Links are published into each order concerned.
type (
	// OrderMerged says that orders became one.
	OrderMerged struct{ Relink }
	// OrderSplit says that an order became several.
	OrderSplit struct{ Relink }
)

// Return is what the two return events say.
type Return struct {
	OrderFact
	ReturnID   ReturnID  `json:"return_id"`
	Lines      []LineQty `json:"lines"`
	ReasonCode string    `json:"reason_code"`
}

func (d *Return) check(c *checker) {
	d.OrderFact.check(c)
	c.id("/return_id", string(d.ReturnID))
	requireLines(c, "/lines", d.Lines)
	c.text("/reason_code", d.ReasonCode)
}

// Returns add up per line.
type (
	// OrderReturnRequested says that the customer wants to send units back.
	OrderReturnRequested struct{ Return }
	// OrderReturnReceived says that units came back.
	OrderReturnReceived struct{ Return }
)

// OrderReshipped says that a new shipment replaces one that was lost or damaged.
type OrderReshipped struct {
	OrderFact
	OriginalShipmentID ShipmentID `json:"original_shipment_id"`
	NewShipmentID      ShipmentID `json:"new_shipment_id"`
	ReasonCode         string     `json:"reason_code"`
}

func (d *OrderReshipped) check(c *checker) {
	d.OrderFact.check(c)
	c.id("/original_shipment_id", string(d.OriginalShipmentID))
	c.id("/new_shipment_id", string(d.NewShipmentID))
	c.text("/reason_code", d.ReasonCode)
}

// OrderClosed ends an order; later facts move its quantities, not its status.
type OrderClosed struct {
	OrderFact
	Reason string `json:"reason"`
}

func (d *OrderClosed) check(c *checker) {
	d.OrderFact.check(c)
	c.text("/reason", d.Reason)
}
