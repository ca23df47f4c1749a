package query

import (
	"context"
	"time"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/tracking"
)

// PastInput are the parameters that ask for a view of the past.
type PastInput struct {
	AsOf  string         `query:"as_of" format:"date-time" doc:"Answer as it was at this moment (RFC 3339; write the + of an offset as %2B); left out: as it is now."`
	Basis tracking.Basis `query:"basis" enum:"occurred,known" doc:"Of a view of the past: what had occurred by then as far as is known today, the default, or what had been recorded by then. Goes with as_of only."`
}

// View is the view that an answer is of; empty for now.
type View struct {
	AsOf  time.Time      `json:"as_of,omitzero" doc:"The moment that it is as of (UTC); left out: now."`
	Basis tracking.Basis `json:"basis,omitzero" enum:"occurred,known" doc:"By which time of the events; stands beside as_of."`
}

// OrderView is an order, and as of when.
type OrderView struct {
	Order
	View
}

// ShipmentView is a shipment, and as of when.
type ShipmentView struct {
	Shipment
	View
}

// view reads the parameters. The moment is cut to the microsecond, as all times
// of the read model are.
func (in PastInput) view() (View, *Problem) {
	if in.AsOf == "" {
		if in.Basis != "" {
			return View{}, badParameter("basis", "The parameter goes with as_of only.")
		}
		return View{}, nil
	}
	at, err := time.Parse(time.RFC3339, in.AsOf)
	if err != nil {
		return View{}, badParameter("as_of", wantsMoment)
	}
	v := View{AsOf: at.UTC().Truncate(time.Microsecond), Basis: in.Basis}
	if v.Basis == "" {
		v.Basis = tracking.ByOccurrence
	}
	return v, nil
}

// past reports whether the view is not of now.
func (v View) past() bool { return v.Basis != "" }

func (v View) at() tracking.AsOf { return tracking.AsOf{At: v.AsOf, Basis: v.Basis} }

// name tells views apart, for cursors.
func (v View) name() string {
	if !v.past() {
		return ""
	}
	return v.AsOf.Format(time.RFC3339Nano) + " " + string(v.Basis)
}

// readOrder asks the store for an order, of now or then.
func (a *api) readOrder(ctx context.Context, id events.OrderID, v View) (Order, error) {
	if v.past() {
		return a.store.OrderAsOf(ctx, tenantOf(ctx), id, v.at())
	}
	return a.store.Order(ctx, tenantOf(ctx), id)
}

// readShipment asks the store for a shipment, of now or then.
func (a *api) readShipment(ctx context.Context, id events.ShipmentID, v View) (Shipment, error) {
	if v.past() {
		return a.store.ShipmentAsOf(ctx, tenantOf(ctx), id, v.at())
	}
	return a.store.Shipment(ctx, tenantOf(ctx), id)
}

// readTimeline asks the store for a part of a timeline, of now or then.
func (a *api) readTimeline(ctx context.Context, of events.Stream, after string, limit int, v View) (Page, error) {
	if v.past() {
		return a.store.TimelineAsOf(ctx, tenantOf(ctx), of, after, limit, v.at())
	}
	return a.store.Timeline(ctx, tenantOf(ctx), of, after, limit)
}
