package scenario

import (
	"time"

	"github.com/waybill-io/waybill/events"
)

// single tells of one order that has to do with no other.
func (g *Generator) single(number int) *tale {
	t := g.tale(number)
	o := t.newOrder(number, g.start(number).Add(t.d.between(0, g.cfg.Every)))
	t.place(o)
	t.run(o)
	return t.finish()
}

// run tells everything that follows after the order was placed.
func (t *tale) run(o *order) {
	at, lines := t.prepare(o)
	if len(lines) == 0 {
		return
	}
	t.close(o, t.fulfil(o, at, lines))
}

// shared tells of two orders of one customer that are packed together.
func (g *Generator) shared(number int) *tale {
	t := g.tale(number)
	t.count = 2
	a := t.newOrder(number, g.start(number).Add(t.d.between(0, g.cfg.Every)))
	b := t.newOrder(number+1, a.placed.Add(t.d.between(time.Minute, time.Hour)))
	b.from, b.to, b.currency = a.from, a.to, a.currency
	t.place(a)
	t.place(b)
	at, lines := t.prepare(a)
	later, more := t.prepare(b)
	if later.After(at) {
		at = later
	}
	if len(lines)+len(more) == 0 {
		return t.finish()
	}
	s := t.newShipment(a, a.from, a.to)
	t.pack(s, a, lines)
	t.pack(s, b, more)
	end := t.ship(s, at.Add(t.d.between(time.Hour, 20*time.Hour)))
	t.close(a, end)
	t.close(b, end)
	return t.finish()
}

// relinked tells of two orders that become one, or of one that becomes two.
func (g *Generator) relinked(number int) *tale {
	t := g.tale(number)
	t.count = 2
	a := t.newOrder(number, g.start(number).Add(t.d.between(0, g.cfg.Every)))
	b := t.newOrder(number+1, a.placed.Add(t.d.between(time.Minute, time.Hour)))
	b.from, b.to, b.currency = a.from, a.to, a.currency
	t.place(a)
	if t.d.chance(0.5) {
		t.place(b)
		t.run(t.mergeOrders(a, b))
		return t.finish()
	}
	t.splitOrder(a, b)
	t.run(a)
	t.run(b)
	return t.finish()
}

// mergeOrders moves all lines of b into a.
func (t *tale) mergeOrders(a, b *order) *order {
	at := b.placed.Add(t.d.between(10*time.Second, 5*time.Minute))
	link := func(o *order) events.Relink {
		r := events.Relink{OrderFact: t.fact(o, at), From: []events.OrderID{a.id, b.id}, Into: []events.OrderID{a.id}}
		for _, l := range b.lines {
			r.Lines = append(r.Lines, events.LineMove{FromOrder: b.id, FromLine: l.id, ToOrder: a.id, ToLine: "m" + l.id, Qty: l.qty})
		}
		return r
	}
	t.order(a, at, &events.OrderMerged{Relink: link(a)})
	t.order(b, at, &events.OrderMerged{Relink: link(b)})
	both := a.merged(b)
	t.retotal(a, at, both.lines[len(a.lines):], false)
	t.retotal(b, at, b.lines, true)
	both.placed = at
	return both
}

// splitOrder moves the last line of a into b, which begins there.
func (t *tale) splitOrder(a, b *order) {
	if len(a.lines) == 1 {
		a.lines[0].qty += 2
	}
	last := len(a.lines) - 1
	moved := a.lines[last]
	if last == 0 {
		moved.qty = 1
	}
	b.lines = []line{{id: "1", qty: moved.qty, cents: moved.cents}}
	at := b.placed
	link := func(o *order) events.Relink {
		return events.Relink{
			OrderFact: t.fact(o, at), From: []events.OrderID{a.id}, Into: []events.OrderID{a.id, b.id},
			Lines: []events.LineMove{{FromOrder: a.id, FromLine: moved.id, ToOrder: b.id, ToLine: "1", Qty: moved.qty}},
		}
	}
	t.order(a, at, &events.OrderSplit{Relink: link(a)})
	t.place(b)
	t.order(b, at, &events.OrderSplit{Relink: link(b)})
	if last == 0 {
		a.lines[0].qty -= moved.qty
		t.retotal(a, at, a.lines, false)
	} else {
		t.retotal(a, at, a.lines[last:], true)
		a.lines = a.lines[:last]
	}
	a.placed = at
}

// retotal tells the new totals of lines: those given, or nothing.
func (t *tale) retotal(o *order, at time.Time, lines []line, gone bool) {
	amended := make([]events.AmendedLine, len(lines))
	for i, l := range lines {
		amended[i] = events.AmendedLine{LineID: l.id, Qty: l.qty, UnitPrice: decimal(l.cents)}
		if gone {
			amended[i].Qty = 0
		}
	}
	t.order(o, at, &events.OrderAmended{OrderFact: t.fact(o, at), Lines: amended})
}

// fulfil ships lines, all together or in two shipments, and returns when the
// last of them ended.
func (t *tale) fulfil(o *order, at time.Time, lines []line) end {
	short, split := t.d.chance(t.g.cfg.Rates.Backorder), t.d.chance(t.g.cfg.Rates.Split)
	t.allocate(o, at, lines, short && len(lines) > 1)
	t.change(o, at)
	if len(lines) == 1 || !(short || split) {
		return t.send(o, at, lines)
	}
	last := len(lines) - 1
	first := t.send(o, at, lines[:last])
	wait := at.Add(t.d.between(0, 12*time.Hour))
	if short {
		wait = at.Add(t.d.between(24*time.Hour, 72*time.Hour))
		t.allocate(o, wait, lines[last:], false)
	}
	second := t.send(o, wait, lines[last:])
	return first.and(second)
}

// allocate tells which warehouse holds the lines, and lacks the last one.
func (t *tale) allocate(o *order, at time.Time, lines []line, short bool) {
	node := string(o.from.location.UNLOCODE) + "-DC1"
	if short {
		last := len(lines) - 1
		t.order(o, at, &events.OrderBackordered{Allocation: events.Allocation{
			OrderFact: t.fact(o, at), Lines: quantities(lines[last:]), Node: node,
		}})
		lines = lines[:last]
	}
	t.order(o, at, &events.OrderAllocated{Allocation: events.Allocation{
		OrderFact: t.fact(o, at), Lines: quantities(lines), Node: node,
	}})
}

// change tells now and then that the promise cannot be kept.
func (t *tale) change(o *order, at time.Time) {
	if !t.d.chance(t.g.cfg.Rates.PromiseChange) {
		return
	}
	at = at.Add(t.d.between(time.Hour, 30*time.Hour))
	t.order(o, at, &events.OrderPromiseChanged{
		OrderFact: t.fact(o, at), Window: t.promise(o, o.placed, 2),
		ReasonCode: oneOf(t.d, []string{"capacity", "weather", "customer_request"}), By: "shop",
	})
}

// send ships lines in one shipment, and once more what was lost.
func (t *tale) send(o *order, at time.Time, lines []line) end {
	s := t.newShipment(o, o.from, o.to)
	t.pack(s, o, lines)
	s.cancel = t.d.chance(t.g.cfg.Rates.CancelAfter)
	done := t.ship(s, at.Add(t.d.between(time.Hour, 20*time.Hour)))
	if done.lost && t.d.chance(0.8) {
		return t.reship(o, s, done, lines)
	}
	if done.delivered && t.d.chance(t.g.cfg.Rates.Return) {
		return t.sendBack(o, s, done, lines)
	}
	return done
}

// reship tells of a second shipment in the place of one that was lost.
func (t *tale) reship(o *order, old *shipment, done end, lines []line) end {
	at := done.at.Add(t.d.between(time.Hour, 24*time.Hour))
	s := t.newShipment(o, o.from, o.to)
	t.pack(s, o, lines)
	s.careful = true
	t.order(o, at, &events.OrderReshipped{
		OrderFact: t.fact(o, at), OriginalShipmentID: old.id, NewShipmentID: s.id, ReasonCode: "lost",
	})
	return t.ship(s, at.Add(t.d.between(time.Minute, time.Hour)))
}

// sendBack tells of the customer's return of a line.
func (t *tale) sendBack(o *order, old *shipment, done end, lines []line) end {
	back := lines[len(lines)-1:]
	id := events.ReturnID("r-" + string(old.id))
	reason := oneOf(t.d, []string{"does_not_fit", "not_as_described", "changed_mind"})
	at := done.at.Add(t.d.between(20*time.Hour, 14*24*time.Hour))
	t.order(o, at, &events.OrderReturnRequested{Return: events.Return{
		OrderFact: t.fact(o, at), ReturnID: id, Lines: quantities(back), ReasonCode: reason,
	}})
	s := t.newShipment(o, o.to, o.from)
	s.direction, s.original, s.careful = events.Inbound, old.id, true
	t.pack(s, o, back)
	home := t.ship(s, at.Add(t.d.between(time.Hour, 48*time.Hour)))
	at = home.at.Add(t.d.between(time.Hour, 24*time.Hour))
	t.order(o, at, &events.OrderReturnReceived{Return: events.Return{
		OrderFact: t.fact(o, at), ReturnID: id, Lines: quantities(back), ReasonCode: reason,
	}})
	if o.paid {
		at = at.Add(t.d.between(time.Minute, 24*time.Hour))
		t.order(o, at, &events.OrderRefunded{Payment: t.payment(o, at, back)})
	}
	return end{at: at}
}

// close tells now and then that the order is done with.
func (t *tale) close(o *order, e end) {
	if !t.d.chance(t.g.cfg.Rates.Close) {
		return
	}
	at := e.at.Add(t.d.between(time.Hour, 72*time.Hour))
	t.order(o, at, &events.OrderClosed{OrderFact: t.fact(o, at), Reason: "completed"})
}
