package readmodel

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/tracking"
)

// Who had a number then, or carried a line, is in today's rows unless the fact
// that says so has been taken back since, or another create has come that counts
// in its place. That matters to what was known only: what is taken back today
// never occurred, and a create that counts occurred first.
//
// The statements below find such facts by their own indexes, and put together
// the key of the fact before they look for it: row level security lets no
// expression be an index condition that could tell of rows unseen. LIMIT 1 is
// there for the planner, which would read all events of the tenant to join them.

// rivals finds the shipments that may have had some of the numbers.
func (p *past) rivals(ctx context.Context, numbers []number) ([]string, error) {
	const now = `-- name: past_rivals
		SELECT DISTINCT t.shipment_id
		  FROM unnest($2::text[], $3::text[]) x(carrier, tracking_number)
		  JOIN tracking_numbers t ON t.tenant_id = $1 AND t.carrier = x.carrier AND t.tracking_number = x.tracking_number`
	const since = `-- name: past_rivals_retracted
		WITH retracted AS MATERIALIZED (
			SELECT r.stream_id, r.data->>'retracted_source' AS source, r.data->>'retracted_id' AS event_id
			  FROM events r
			 WHERE r.tenant_id = $1 AND r.stream = 'shipment' AND r.type = 'event.retracted.v1' AND r.recorded_at > $2
		)
		SELECT DISTINCT k.stream_id
		  FROM retracted k
		 CROSS JOIN LATERAL (
			SELECT e.data->'carrier'->>'scac' AS carrier, e.data->>'tracking_number' AS tracking_number
			  FROM events e
			 WHERE e.tenant_id = $1 AND e.stream = 'shipment' AND e.stream_id = k.stream_id AND e.source = k.source
			   AND e.event_id = k.event_id AND e.type = 'shipment.tracking_assigned.v1'
			 LIMIT 1) a
		  JOIN unnest($3::text[], $4::text[]) x(carrier, tracking_number) USING (carrier, tracking_number)`
	carrier := column(numbers, func(n number) string { return string(n.carrier) })
	num := column(numbers, func(n number) string { return string(n.number) })
	found, err := p.ids(ctx, now, string(p.tenant), carrier, num)
	if err != nil || p.at.Basis != tracking.ByKnowledge {
		return found, err
	}
	more, err := p.ids(ctx, since, string(p.tenant), p.at.At, carrier, num)
	return merge(found, more), err
}

// carriers finds the shipments that may have carried lines of an order.
func (p *past) carriers(ctx context.Context, order events.OrderID) ([]string, error) {
	const since = `-- name: past_carriers_undone
		WITH undone AS MATERIALIZED (
			SELECT r.stream_id, r.data->>'retracted_source' AS source, r.data->>'retracted_id' AS event_id
			  FROM events r
			 WHERE r.tenant_id = $1 AND r.stream = 'shipment' AND r.type = 'event.retracted.v1' AND r.recorded_at > $2
			 UNION ALL
			SELECT m.stream_id, m.source, m.event_id
			  FROM event_marks m
			 WHERE m.tenant_id = $1 AND m.stream = 'shipment' AND 'second_create' = ANY (m.anomalies)
		)
		SELECT DISTINCT k.stream_id
		  FROM undone k
		 CROSS JOIN LATERAL (
			SELECT e.data->'contents' AS contents
			  FROM events e
			 WHERE e.tenant_id = $1 AND e.stream = 'shipment' AND e.stream_id = k.stream_id AND e.source = k.source
			   AND e.event_id = k.event_id AND e.type = 'shipment.created.v1'
			 LIMIT 1) c
		 CROSS JOIN json_array_elements(CASE json_typeof(c.contents) WHEN 'array' THEN c.contents END) line
		 WHERE line->>'order_id' = $3`
	found, err := shipmentsOf(ctx, p.tx, p.tenant, string(order))
	if err != nil || p.at.Basis != tracking.ByKnowledge {
		return found, err
	}
	more, err := p.ids(ctx, since, string(p.tenant), p.at.At, string(order))
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
