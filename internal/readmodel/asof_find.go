package readmodel

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/tracking"
)

// Who had a number once, or carried a line, is in today's rows unless the fact
// that says so has been taken back since, or another create has come that counts
// in its place. Such facts have a mark. They matter to what was known only: what
// is taken back today never occurred, and a create that counts occurred first.

// rivals finds the shipments that may have had some of the numbers.
func (p *past) rivals(ctx context.Context, numbers []number) ([]string, error) {
	const now = `-- name: past_rivals
		SELECT DISTINCT t.shipment_id
		  FROM unnest($2::text[], $3::text[]) x(carrier, tracking_number)
		  JOIN tracking_numbers t ON t.tenant_id = $1 AND t.carrier = x.carrier AND t.tracking_number = x.tracking_number`
	const since = `-- name: past_rivals_retracted
		SELECT DISTINCT m.stream_id
		  FROM event_marks m
		  JOIN events e USING (tenant_id, stream, stream_id, source, event_id)
		  JOIN unnest($2::text[], $3::text[]) x(carrier, tracking_number)
		    ON x.carrier = e.data->'carrier'->>'scac' AND x.tracking_number = e.data->>'tracking_number'
		 WHERE m.tenant_id = $1 AND m.stream = 'shipment' AND m.retracted_by_id IS NOT NULL AND e.type = $4`
	carrier := column(numbers, func(n number) string { return string(n.carrier) })
	num := column(numbers, func(n number) string { return string(n.number) })
	found, err := p.ids(ctx, now, string(p.tenant), carrier, num)
	if err != nil || p.at.Basis != tracking.ByKnowledge {
		return found, err
	}
	more, err := p.ids(ctx, since, string(p.tenant), carrier, num, string(events.TypeTrackingAssigned))
	return merge(found, more), err
}

// carriers finds the shipments that may have carried lines of an order.
func (p *past) carriers(ctx context.Context, order string) ([]string, error) {
	const since = `-- name: past_carriers_replaced
		SELECT DISTINCT m.stream_id
		  FROM event_marks m
		  JOIN events e USING (tenant_id, stream, stream_id, source, event_id)
		 WHERE m.tenant_id = $1 AND m.stream = 'shipment' AND e.type = $3
		   AND (m.retracted_by_id IS NOT NULL OR 'second_create' = ANY (m.anomalies))
		   AND EXISTS (
		       SELECT FROM json_array_elements(CASE json_typeof(e.data->'contents') WHEN 'array' THEN e.data->'contents' END) c
		        WHERE c->>'order_id' = $2)`
	found, err := shipmentsOf(ctx, p.tx, p.tenant, order)
	if err != nil || p.at.Basis != tracking.ByKnowledge {
		return found, err
	}
	more, err := p.ids(ctx, since, string(p.tenant), order, string(events.TypeShipmentCreated))
	return merge(found, more), err
}

func (p *past) ids(ctx context.Context, statement string, args ...any) ([]string, error) {
	rows, err := p.tx.Query(ctx, statement, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// merge sorts ids of both lists, each once.
func merge(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}
