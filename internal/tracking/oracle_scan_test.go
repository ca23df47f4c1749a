package tracking_test

import (
	"slices"
	"time"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/tracking"
)

// estimateRow is an estimate; from is zero for a moment, and where nobody says it.
type estimateRow struct {
	Ref      tracking.Ref
	From, To time.Time
}

// scanRow is the last time that somebody saw a parcel.
type scanRow struct {
	At   time.Time
	Type events.Type
}

// estimated reads an estimate: what is known to the day lasts until the day's last
// microsecond, where it was written.
func estimated(e known) estimateRow {
	row := estimateRow{Ref: refOf(e), To: e.OccurredAt()}
	precision := e.Precision()
	if precision == events.ToDay {
		row.From = row.To
	}
	if d, ok := e.Data.(*events.ETAChanged); ok {
		row.From, row.To, precision = d.Window.Start, d.Window.End, d.Window.Precision
	}
	if precision == events.ToDay {
		row.From, row.To = midnight(row.From), midnight(row.To).Add(24*time.Hour)
		return estimateRow{row.Ref, row.From, row.To.Add(-time.Microsecond)}
	}
	return estimateRow{row.Ref, cut(row.From), cut(row.To)}
}

// cut cuts a time to microseconds; nobody's stays that.
func cut(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return time.UnixMicro(t.UnixMicro()).UTC()
}

// seen are the types that say that somebody saw the parcel: all that lead to a
// status but the shipper's own, and some overlays. A scan that nobody
// understands is none.
var seen = []events.Type{
	events.TypeInfoReceived, events.TypePickedUp, events.TypeDeparted, events.TypeArrived, events.TypeOutForDelivery,
	events.TypeDeliveryAttempted, events.TypeAvailableForPickup, events.TypeReturnInitiated, events.TypeDelivered, events.TypeReturned,
	events.TypeLost, events.TypeDestroyed, events.TypeCustomsHeld, events.TypeCustomsReleased, events.TypeDamaged,
}

func lastScanOf(acts []given, of func(given) bool) (last scanRow) {
	for _, g := range acts { // sorted
		if of(g) && slices.Contains(seen, g.Type()) {
			last = scanRow{when(g.known), g.Type()}
		}
	}
	return last
}

// attempts counts moments: a scan that is told again is no other attempt.
func attempts(acts []given, of func(given) bool) int {
	moments := map[int64]bool{}
	for _, g := range acts {
		if of(g) && g.Type() == events.TypeDeliveryAttempted {
			moments[when(g.known).UnixMicro()] = true
		}
	}
	return len(moments)
}
