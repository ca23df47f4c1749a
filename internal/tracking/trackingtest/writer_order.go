package trackingtest

import (
	"slices"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/tracking"
)

// keptOrder is what a [Writer] keeps of an order.
type keptOrder struct {
	base  tracking.OrderBase
	marks tracking.Marks
}

// order brings an order up to date with new facts of its own.
func (w *Writer) order(id events.OrderID, own []*tracking.Fact) {
	if kept := w.orders[id]; kept != nil && applyAll(&kept.base, own) {
		w.AppliedToOrders += len(own)
		if w.OnApplyOrder != nil {
			w.OnApplyOrder(id)
		}
		return
	}
	base, marks := w.RefoldOrder(id)
	w.orders[id] = &keptOrder{base, marks}
}

// applyAll applies facts in their order, or reports that one was refused.
func applyAll(b *tracking.OrderBase, own []*tracking.Fact) bool {
	slices.SortFunc(own, func(a, b *tracking.Fact) int { return a.Key.Compare(b.Key) })
	for _, f := range own {
		if !b.Apply(f) {
			return false
		}
	}
	return true
}

// RefoldOrder folds an order's own facts so far.
func (w *Writer) RefoldOrder(id events.OrderID) (tracking.OrderBase, tracking.Marks) {
	return tracking.FoldOrder(w.facts[events.Stream{Kind: events.OrderStream, ID: string(id)}])
}

// Order is what the writer keeps of an order's own facts.
func (w *Writer) Order(id events.OrderID) (tracking.OrderBase, tracking.Marks) {
	return w.orders[id].base, w.orders[id].marks
}
