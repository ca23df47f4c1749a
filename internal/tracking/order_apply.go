package tracking

import (
	"slices"

	"github.com/waybill-io/waybill/events"
)

// Apply takes one more fact of the order's own stream into account, which must
// not be stored yet. It returns false, and changes nothing, where only a fold of
// all facts can tell what the fact means: one that does not sort after all
// others, that may be a copy, that places the order, that takes something back
// or is taken back, or that is an estimate. A fact that it takes gets no mark.
func (b *OrderBase) Apply(f *Fact) bool {
	if f.Class() != events.Actual || f.skewed() || !f.after(b.Newest) {
		return false
	}
	switch f.Type() {
	case events.TypeOrderPlaced, events.TypeRetracted:
		return false
	}
	if slices.Contains(b.Pending, twin(f)) {
		return false
	}
	b.Revision++
	b.Newest = f.Key
	b.step(f)
	slices.Sort(b.Holds)
	return true
}
