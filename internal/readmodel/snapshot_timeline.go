package readmodel

import (
	"context"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/jackc/pgx/v5"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/fanout"
	"github.com/waybill-io/waybill/internal/query"
)

// snapshotTimeline reads the timeline of an order or a shipment, in fold order.
func snapshotTimeline(ctx context.Context, tx pgx.Tx, q fanout.Query, page func([]fanout.Row) error) error {
	all, err := readTimeline(ctx, tx, q.Tenant, q.Of)
	if err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b placed) int { return a.at.compare(b.at) })
	rows := make([]fanout.Row, 0, len(all))
	for _, e := range all {
		row, err := entryRow(fanout.Timeline, e.Entry)
		if err != nil {
			return err
		}
		rows = append(rows, row)
	}
	return page(rows)
}

// entryRow is an entry as clients see it, which is as the read API has it.
func entryRow(t fanout.Topic, e query.Entry) (*fanout.EntryRow, error) {
	doc, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("encode entry %s of %s: %w", e.ID, e.StreamID, err)
	}
	return &fanout.EntryRow{
		Shown: t, Stream: events.Stream{Kind: e.Stream, ID: e.StreamID}, Source: e.Source, ID: e.ID, Type: e.Type, JSON: doc,
	}, nil
}
