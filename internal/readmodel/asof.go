package readmodel

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/query"
	"github.com/waybill-io/waybill/internal/tracking"
)

// ShipmentAsOf folds a shipment from the stored events that the view sees.
func (r *Reader) ShipmentAsOf(ctx context.Context, tenant events.TenantID, id events.ShipmentID, at tracking.AsOf) (query.Shipment, error) {
	var row query.Shipment
	err := r.look(ctx, tenant, at, func(p *past) error {
		if err := p.readShipments(ctx, []string{string(id)}); err != nil {
			return err
		}
		own := p.own[string(id)]
		if !at.Began(own) {
			return query.ErrNotFound
		}
		state, _ := p.foldShipment(string(id))
		row = shipmentThen(&state)
		return nil
	})
	if err != nil {
		return query.Shipment{}, fmt.Errorf("read shipment %s as of %s: %w", id, at.At, err)
	}
	return row, nil
}

// OrderAsOf folds an order, and the shipments that carried its lines, from the
// stored events that the view sees.
func (r *Reader) OrderAsOf(ctx context.Context, tenant events.TenantID, id events.OrderID, at tracking.AsOf) (query.Order, error) {
	var row query.Order
	err := r.look(ctx, tenant, at, func(p *past) error {
		own, err := p.readOrder(ctx, string(id))
		if err != nil {
			return err
		}
		carried, _, _ := p.carriedOf(id)
		if !at.Began(own) && len(carried) == 0 {
			return query.ErrNotFound
		}
		base, _ := tracking.FoldOrder(own)
		now := base.With(id, carried)
		row = orderThen(&now)
		return nil
	})
	if err != nil {
		return query.Order{}, fmt.Errorf("read order %s as of %s: %w", id, at.At, err)
	}
	return row, nil
}

// look runs do on a tenant's past, all of it in one snapshot.
func (r *Reader) look(ctx context.Context, tenant events.TenantID, at tracking.AsOf, do func(*past) error) error {
	return r.read(ctx, []events.TenantID{tenant}, func(tx pgx.Tx) error { return do(newPast(tx, tenant, at)) })
}

// readOrder reads an order's own facts, and the shipments that may have carried
// its lines with all that these are folded from.
func (p *past) readOrder(ctx context.Context, id string) ([]*tracking.Fact, error) {
	streams, err := p.facts(ctx, events.OrderStream, []string{id}, nil)
	if err != nil {
		return nil, err
	}
	shipments, err := p.carriers(ctx, events.OrderID(id))
	if err != nil {
		return nil, fmt.Errorf("find its shipments: %w", err)
	}
	return streams[id], p.readShipments(ctx, shipments)
}

// carriedOf is what the shipments that were read say of an order's lines, which
// of them that are, and their marks.
func (p *past) carriedOf(id events.OrderID) (carried []tracking.Carried, shipments []string, all tracking.Marks) {
	all = tracking.Marks{}
	for _, shipment := range p.shipments {
		s, marks := p.foldShipment(shipment)
		if !slices.Contains(s.Orders(), id) {
			continue
		}
		shipments = append(shipments, shipment)
		addMarks(all, marks)
		for _, c := range s.Contents {
			if c.OrderID == id {
				carried = append(carried, tracking.Carried{Content: c, ShipmentID: s.ID, Direction: s.Direction})
			}
		}
	}
	return carried, shipments, all
}
