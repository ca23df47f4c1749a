package readmodel

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/tracking"
)

// writeShipments writes what became of the unit's shipments and of their
// numbers. They are locked, so nothing is compared again; only what changed is
// written.
func (u *unit) writeShipments(context.Context) error {
	if err := u.writeMoved(); err != nil {
		return err
	}
	if err := u.writeFolded(); err != nil {
		return err
	}
	u.writeParcels()
	u.contents.write(u.lane)
	u.writeExceptions()
	u.writeEstimates()
	u.writeUnmatched()
	u.writeNumbers()
	return nil
}

// writeMoved writes what Apply may have changed.
func (u *unit) writeMoved() error {
	var moved, expected []*shipmentWork
	for _, w := range u.moved {
		if w.state.ETA() != nil { // of the estimates of this batch
			expected = append(expected, w)
		} else {
			moved = append(moved, w)
		}
	}
	columns, err := movedColumns(moved)
	if err != nil {
		return err
	}
	movedWrites.changeAt(u.lane, placesOf(moved), columns)
	if columns, err = movedColumns(expected); err != nil {
		return err
	}
	expectedWrites.changeAt(u.lane, placesOf(expected), append(columns, etaColumns(expected)...))
	return nil
}

func movedColumns(works []*shipmentWork) ([]any, error) {
	columns := keyColumns(works)
	columns = append(columns, statusColumns(works)...)
	columns = append(columns, column(works, func(w *shipmentWork) optText { return optTextOf(w.state.Carrier) }))
	columns = append(columns, positionColumns(works)...)
	columns = append(columns, scanColumns(works)...)
	states, err := stateColumn(works)
	return append(columns, states), err
}

func etaColumns(works []*shipmentWork) []any {
	eta := column(works, func(w *shipmentWork) tracking.Estimate { return orZero(w.state.ETA()) })
	return []any{
		column(eta, func(e tracking.Estimate) optTime { return optTime(e.Start) }),
		column(eta, func(e tracking.Estimate) optTime { return optTime(e.End) }),
		column(eta, func(e tracking.Estimate) optText { return optTextOf(e.Provider) }),
	}
}

// writeFolded writes all columns, of shipments that have a row and of others.
func (u *unit) writeFolded() error {
	var added, changed []*shipmentWork
	for _, w := range u.folded {
		if w.stored {
			changed = append(changed, w)
		} else {
			added = append(added, w)
		}
	}
	columns, err := foldedColumns(changed)
	if err != nil {
		return err
	}
	shipmentWrites.changeAt(u.lane, placesOf(changed), columns)
	if columns, err = foldedColumns(added); err != nil {
		return err
	}
	shipmentWrites.add(u.lane, len(added), columns)
	return nil
}

func placesOf(works []*shipmentWork) []tuple {
	return column(works, func(w *shipmentWork) tuple { return w.at })
}

func keyColumns(works []*shipmentWork) []any {
	return []any{
		column(works, func(w *shipmentWork) string { return string(w.tenant) }),
		column(works, func(w *shipmentWork) string { return w.id }),
	}
}

func statusColumns(works []*shipmentWork) []any {
	return []any{
		column(works, func(w *shipmentWork) string { return string(w.state.Status) }),
		column(works, func(w *shipmentWork) optTime { return optTime(w.state.StatusSince) }),
		column(works, func(w *shipmentWork) int64 { return w.state.Revision }),
	}
}

func positionColumns(works []*shipmentWork) []any {
	return []any{
		column(works, func(w *shipmentWork) *float64 { return w.position(func(p *tracking.Position) float64 { return p.Lat }) }),
		column(works, func(w *shipmentWork) *float64 { return w.position(func(p *tracking.Position) float64 { return p.Lon }) }),
		column(works, func(w *shipmentWork) optTime { return optTime(orZero(w.state.Position).At) }),
	}
}

func scanColumns(works []*shipmentWork) []any {
	return []any{
		column(works, func(w *shipmentWork) optTime { return optTime(w.state.FirstScanAt) }),
		column(works, func(w *shipmentWork) optTime { return optTime(w.state.LastScanAt) }),
		column(works, func(w *shipmentWork) optText { return optTextOf(w.state.LastScanType) }),
		column(works, func(w *shipmentWork) optText { return optTextOf(w.state.LastLocation) }),
		column(works, func(w *shipmentWork) int { return w.openExceptions() }),
		column(works, func(w *shipmentWork) int { return w.exceptionCount() }),
		column(works, func(w *shipmentWork) bool { return w.state.Disputed() }),
		column(works, func(w *shipmentWork) bool { return w.state.Gap() }),
		column(works, func(w *shipmentWork) bool { return w.state.Damaged }),
		column(works, func(w *shipmentWork) bool { return w.state.CustomsHeld }),
	}
}

func (w *shipmentWork) position(of func(*tracking.Position) float64) *float64 {
	if w.state.Position == nil {
		return nil
	}
	v := of(w.state.Position)
	return &v
}

// openExceptions counts from the exceptions where they are known, else keeps
// what the row says.
func (w *shipmentWork) openExceptions() int {
	if w.folded || w.touchesExceptions() {
		return w.state.OpenExceptions()
	}
	return w.cases.open
}

func (w *shipmentWork) exceptionCount() int {
	if w.folded || w.touchesExceptions() {
		return len(w.state.Exceptions)
	}
	return w.cases.all
}

func stateColumn(works []*shipmentWork) ([]string, error) {
	docs := make([]string, len(works))
	for i, w := range works {
		s := &w.state
		doc, err := json.Marshal(shipmentState{stateFormat, s.Guard, s.Handovers, s.Origin, s.Destination, s.Promise})
		if err != nil {
			return nil, fmt.Errorf("write the state of shipment %s: %w", w.id, err)
		}
		docs[i] = string(doc)
	}
	return docs, nil
}

// foldedColumns are all of the table's, in their order.
func foldedColumns(works []*shipmentWork) ([]any, error) {
	states, err := stateColumn(works)
	if err != nil {
		return nil, err
	}
	columns := keyColumns(works)
	columns = append(columns, column(works, func(w *shipmentWork) bool { return w.state.Known }))
	columns = append(columns, statusColumns(works)...)
	columns = append(columns, toldColumns(works)...)
	columns = append(columns, positionColumns(works)...)
	columns = append(columns,
		column(works, func(w *shipmentWork) int { return len(w.state.Parcels) }),
		column(works, func(w *shipmentWork) string { return list(w.state.Numbers()) }),
		column(works, func(w *shipmentWork) string { return list(w.state.Orders()) }))
	columns = append(columns, scanColumns(works)...)
	return append(columns, states), nil
}

// toldColumns are those that only a fold may change, from the direction to the
// ETA.
func toldColumns(works []*shipmentWork) []any {
	promise := column(works, func(w *shipmentWork) span { return spanOf(w.state.Promise) })
	columns := []any{
		column(works, func(w *shipmentWork) string { return string(w.state.Direction) }),
		column(works, func(w *shipmentWork) optText { return optTextOf(w.state.Original) }),
		column(works, func(w *shipmentWork) optText { return optTextOf(w.state.Carrier) }),
		column(works, func(w *shipmentWork) optText { return optTextOf(w.state.Service) }),
		column(works, func(w *shipmentWork) optText { return optTextOf(placeName(w.state.Origin)) }),
		column(works, func(w *shipmentWork) optText { return optTextOf(placeName(w.state.Destination)) }),
		column(promise, func(p span) optTime { return optTime(p.start) }),
		column(promise, func(p span) optTime { return optTime(p.end) }),
		column(promise, func(p span) optText { return optTextOf(p.precision) }),
		column(promise, func(p span) optTime { return optTime(p.day) }),
	}
	return append(columns, etaColumns(works)...)
}

// span is a window as columns. One for days lasts from the first moment of the
// first to the last microsecond of the last, so that an instant compares with it.
type span struct {
	start, end time.Time
	precision  events.Precision
	day        time.Time // the end's local day, where the window is for a day
}

func spanOf(w *events.Window) span {
	if w == nil {
		return span{}
	}
	s := span{start: w.Start, end: w.End, precision: cmp.Or(w.Precision, events.ToSecond)}
	if s.precision == events.ToDay {
		y, m, d := w.End.Date()
		s.day = time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
		s.end = dayStart(w.End, 1).Add(-time.Microsecond)
		if !w.Start.IsZero() {
			s.start = dayStart(w.Start, 0)
		}
	}
	return s
}

// dayStart is the beginning of t's local day, or of one some days later, in the
// offset that t was written with.
func dayStart(t time.Time, later int) time.Time {
	y, m, d := t.Date()
	_, offset := t.Zone()
	return time.Date(y, m, d+later, 0, 0, 0, 0, time.FixedZone("", offset))
}

// placeName names a place for people.
func placeName(l *events.Location) string {
	if l == nil {
		return ""
	}
	return cmp.Or(l.Name, l.City, l.UNLOCODE, l.Postcode, l.Region, l.Country)
}
