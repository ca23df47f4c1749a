package readmodel

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/query"
	"github.com/waybill-io/waybill/internal/tracking"
)

// TimelineAsOf returns a part of a timeline up to the view's end, with the marks
// of the fold that the view is of. A retraction that came later has left its
// mark and is no entry.
func (r *Reader) TimelineAsOf(ctx context.Context, tenant events.TenantID, of events.Stream, after string, limit int, at tracking.AsOf) (query.Page, error) {
	var all []placed
	err := r.look(ctx, tenant, at, func(p *past) (err error) {
		all, err = p.timeline(ctx, of)
		return err
	})
	if err != nil {
		return query.Page{}, fmt.Errorf("read the timeline of %s %s as of %s: %w", of.Kind, of.ID, at.At, err)
	}
	return pageOf(all, after, limit)
}

func (p *past) timeline(ctx context.Context, of events.Stream) ([]placed, error) {
	if of.Kind == events.ShipmentStream {
		if err := p.readShipments(ctx, []string{of.ID}); err != nil {
			return nil, err
		}
		_, marks := p.foldShipment(of.ID)
		return p.entries(p.shipments, marks), nil
	}
	own, err := p.readOrder(ctx, of.ID)
	if err != nil {
		return nil, err
	}
	_, shipments, marks := p.carriedOf(events.OrderID(of.ID))
	_, ofOrder := tracking.FoldOrder(own)
	all := p.entries(shipments, marks)
	for _, f := range own {
		all = p.enter(all, f, "", ofOrder)
	}
	return all, nil
}

// entries are those of shipments: of their own streams, and of their numbers
// for as long as they had them.
func (p *past) entries(shipments []string, marks tracking.Marks) (all []placed) {
	for _, id := range shipments {
		for _, f := range p.own[id] {
			parcel, _ := parcelOf(f, nil)
			all = p.enter(all, f, parcel, marks)
		}
	}
	for _, n := range p.numbers {
		addMarks(marks, n.marks)
		for _, f := range n.facts {
			h, held := tracking.Holder(n.holdings, f.When())
			if held && slices.Contains(shipments, string(h.ShipmentID)) {
				all = p.enter(all, f, h.ParcelID, marks)
			}
		}
	}
	return all
}

// enter adds a fact's entry, unless the fact is only there because it takes
// something back.
func (p *past) enter(all []placed, f *tracking.Fact, parcel events.ParcelID, marks tracking.Marks) []placed {
	if !p.at.Reaches(f) {
		return all
	}
	m := marks[f.Ref()]
	return append(all, placed{at: place{f.Key, f.Subject}, Entry: query.Entry{
		Stream: f.Stream().Kind, StreamID: f.Subject, Source: f.Source, ID: f.ID, Type: f.Type(), Class: f.Class(),
		OccurredAt: f.OccurredAt(), TZSource: f.TZSource(), Precision: f.Precision(),
		RecordedAt: f.RecordedAt.UTC(), IngestedAt: f.IngestedAt.UTC(), ArrivedLate: p.late[f.Ref()],
		ParcelID: parcel, Data: query.Data(f.Body),
		Marks: query.Marks{
			DuplicateOf: null(query.Twin(m.DuplicateOf)), RetractedBy: null(query.Twin(m.RetractedBy)),
			Anomalies: m.Anomalies, Unmatched: m.Unmatched,
		},
	}})
}

// addMarks adds the marks of one fold to those of others. A scan may have one of
// the stream that it stands in and one of the shipment that got it.
func addMarks(to, from tracking.Marks) {
	for ref, m := range from {
		for _, a := range m.Anomalies {
			to.Note(ref, a)
		}
		one := to[ref]
		one.DuplicateOf, one.RetractedBy = cmp.Or(one.DuplicateOf, m.DuplicateOf), cmp.Or(one.RetractedBy, m.RetractedBy)
		one.Unmatched = one.Unmatched || m.Unmatched
		to[ref] = one
	}
}
