package scenario

import (
	"slices"
	"strconv"
	"time"

	"github.com/waybill-io/waybill/events"
)

// order is what its tale knows of an order.
type order struct {
	id       events.OrderID
	number   int
	from, to *place
	currency string
	lines    []line
	placed   time.Time
	paid     bool
}

type line struct {
	id    events.LineID
	qty   int64
	cents int // unit price
}

// newOrder invents an order that is placed at the given time.
func (t *tale) newOrder(number int, placed time.Time) *order {
	home := region(t.d.n(int(regions)))
	away := home
	if t.d.chance(t.g.cfg.Rates.International) {
		away = (home + 1 + region(t.d.n(int(regions)-1))) % regions
	}
	o := &order{
		id: events.OrderID(t.g.id("o-", number)), number: number,
		from: oneOf(t.d, t.g.atlas[home]), to: oneOf(t.d, t.g.atlas[away]),
		currency: [regions]string{"EUR", "USD", "BRL", "SGD"}[home], placed: placed,
	}
	o.lines = make([]line, 1+t.d.n(2)*t.d.n(4))
	for i := range o.lines {
		o.lines[i] = line{
			id:  events.LineID(strconv.Itoa(i + 1)),
			qty: int64(1 + t.d.n(2)*t.d.n(3)), cents: 199 + t.d.n(20_000),
		}
	}
	return o
}

// place tells that the order was placed, and what was promised.
func (t *tale) place(o *order) {
	lines := make([]events.OrderLine, len(o.lines))
	for i, l := range o.lines {
		lines[i] = events.OrderLine{
			LineID: l.id, SKU: "SKU-" + strconv.Itoa(1000+l.cents%900),
			Qty: l.qty, UnitPrice: decimal(l.cents),
		}
	}
	t.order(o, o.placed, &events.OrderPlaced{
		OrderFact: t.fact(o, o.placed), Number: strconv.Itoa(100_000 + o.number),
		Channel: oneOf(t.d, []string{"web", "app", "marketplace"}), Currency: o.currency, Lines: lines,
		CustomerRef:    "cus-" + strconv.Itoa(o.number/2),
		PromisedWindow: t.promise(o, o.placed, 0),
	})
}

// promise is when the order is to be there, some days later than usual.
func (t *tale) promise(o *order, at time.Time, later int) *events.Window {
	days := 3 + int(distance(o.from, o.to)/1200) + t.d.n(3) + later
	if t.g.live {
		end := at.AddDate(0, 0, days).In(o.to.zone)
		return &events.Window{Start: end.Add(-6 * time.Hour), End: end}
	}
	y, m, d := at.In(o.to.zone).Date()
	if t.d.chance(0.6) {
		return &events.Window{End: time.Date(y, m, d+days, 0, 0, 0, 0, o.to.zone), Precision: events.ToDay}
	}
	return &events.Window{
		Start: time.Date(y, m, d+days, 12, 0, 0, 0, o.to.zone),
		End:   time.Date(y, m, d+days, 18, 0, 0, 0, o.to.zone),
	}
}

// prepare tells what the shop does before anything is shipped. It returns when
// that is done, and what is left to ship.
func (t *tale) prepare(o *order) (time.Time, []line) {
	at := t.pay(o)
	at = t.hold(o, at)
	at = at.Add(t.d.between(time.Minute, time.Hour))
	t.order(o, at, &events.OrderConfirmed{OrderFact: t.fact(o, at)})
	t.amend(o, at.Add(t.d.between(time.Minute, 20*time.Minute)))
	at = at.Add(30 * time.Minute)
	if t.d.chance(t.g.cfg.Rates.CancelBefore) {
		return t.cancelBefore(o, at)
	}
	return at, o.lines
}

func (t *tale) pay(o *order) time.Time {
	at := o.placed.Add(t.d.between(time.Second, 90*time.Second))
	pays, fails := t.d.chance(t.g.cfg.Rates.Payment), t.d.chance(0.08)
	if t.g.core || !pays {
		return at
	}
	if fails {
		t.order(o, at, &events.OrderPaymentFailed{Payment: t.payment(o, at, o.lines)})
		at = at.Add(t.d.between(time.Minute, time.Hour))
	}
	t.order(o, at, &events.OrderPaid{Payment: t.payment(o, at, o.lines)})
	o.paid = true
	return at
}

func (t *tale) payment(o *order, at time.Time, lines []line) events.Payment {
	cents := 0
	for _, l := range lines {
		cents += l.cents * int(l.qty)
	}
	return events.Payment{OrderFact: t.fact(o, at), Amount: decimal(cents), Currency: o.currency}
}

func (t *tale) hold(o *order, at time.Time) time.Time {
	if held := t.d.chance(t.g.cfg.Rates.Hold); t.g.core || !held {
		return at
	}
	reason := oneOf(t.d, []string{"fraud_check", "address_check", "credit_check"})
	at = at.Add(t.d.between(time.Second, time.Minute))
	t.order(o, at, &events.OrderOnHold{OrderFact: t.fact(o, at), ReasonCode: reason})
	at = at.Add(t.d.between(10*time.Minute, 8*time.Hour))
	if t.d.chance(0.3) {
		reason = "" // ends all holds
	}
	t.order(o, at, &events.OrderReleased{OrderFact: t.fact(o, at), ReasonCode: reason})
	return at
}

func (t *tale) amend(o *order, at time.Time) {
	if amends := t.d.chance(t.g.cfg.Rates.Amend); t.g.core || !amends {
		return
	}
	l := &o.lines[t.d.n(len(o.lines))]
	l.qty += int64(1 + t.d.n(2))
	t.order(o, at, &events.OrderAmended{
		OrderFact: t.fact(o, at),
		Lines:     []events.AmendedLine{{LineID: l.id, Qty: l.qty, UnitPrice: decimal(l.cents)}},
	})
}

// cancelBefore cancels one line, or all of them, before anything is handed over.
func (t *tale) cancelBefore(o *order, at time.Time) (time.Time, []line) {
	at = at.Add(t.d.between(time.Minute, 6*time.Hour))
	cancel := &events.OrderCancelled{
		OrderFact: t.fact(o, at), Scope: events.CancelAll,
		ReasonCode: oneOf(t.d, []string{"changed_mind", "out_of_stock", "found_cheaper"}),
		By:         oneOf(t.d, []string{"customer", "shop"}),
	}
	cancelled, left := o.lines, o.lines[:0:0]
	if last := len(o.lines) - 1; last > 0 && t.d.chance(0.4) {
		cancelled, left = o.lines[last:], o.lines[:last]
		cancel.Scope, cancel.Lines = events.CancelLines, quantities(cancelled)
	} else if t.d.chance(0.4) {
		t.recall(o, at.Add(-t.d.between(time.Second, 10*time.Minute)))
	}
	t.order(o, at, cancel)
	if o.paid {
		at = at.Add(t.d.between(time.Hour, 30*time.Hour))
		t.order(o, at, &events.OrderRefunded{Payment: t.payment(o, at, cancelled)})
	}
	return at, left
}

// recall makes a label and cancels it.
func (t *tale) recall(o *order, at time.Time) {
	if t.g.core {
		return
	}
	s := t.newShipment(o, o.from, o.to)
	t.pack(s, o, o.lines)
	t.create(s, at)
	at = at.Add(t.d.between(time.Minute, 2*time.Hour))
	t.tell(warehouse, string(s.id), at, &events.ShipmentCancelled{Reasoned: events.Reasoned{
		ShipmentFact: t.wide(s, at, s.from), ReasonCode: "order_cancelled",
	}})
}

func quantities(lines []line) []events.LineQty {
	q := make([]events.LineQty, len(lines))
	for i, l := range lines {
		q[i] = events.LineQty{LineID: l.id, Qty: l.qty}
	}
	return q
}

func decimal(cents int) events.Decimal {
	b := strconv.AppendInt(make([]byte, 0, 12), int64(cents/100), 10)
	b = append(b, '.', byte('0'+cents/10%10), byte('0'+cents%10))
	return events.Decimal(b)
}

// merged returns the order with the lines of another one as its own.
func (o *order) merged(other *order) *order {
	both := *o
	both.lines = slices.Clone(o.lines)
	for _, l := range other.lines {
		l.id = "m" + l.id
		both.lines = append(both.lines, l)
	}
	return &both
}
