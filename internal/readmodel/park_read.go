package readmodel

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/waybill-io/waybill/internal/projector"
)

// Waiting lists the first records that wait for a dead letter, in their order.
// Their code is empty unless they could not be applied either when they came.
func (s *Store) Waiting(ctx context.Context, place Place, limit int) ([]projector.Poison, error) {
	const anyBytes = 1 << 40
	list, err := parkedRecords(ctx, s.pool, s.projection(), place, limit, anyBytes)
	if err != nil {
		return nil, classify(fmt.Errorf("read what waits for %s: %w", place, err))
	}
	return list, nil
}

// parkedRecords reads the first records that wait for a dead letter: so many, or
// about so many bytes.
func parkedRecords(ctx context.Context, db interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}, projection string, place Place, limit, bytes int,
) ([]projector.Poison, error) {
	const query = `-- name: parked_records
		SELECT y.key, y."offset", y.value, y.headers, y.record_ms, y.class, y.message
		  FROM (SELECT r.*, row_number() OVER w AS n, sum(coalesce(octet_length(r.value), 0) + octet_length(r.headers::text)) OVER w AS bytes
		          FROM (SELECT r.* FROM parked_keys k JOIN parked_records r USING (projection, topic, partition, key)
		                 WHERE k.projection = $1 AND k.topic = $2 AND k.partition = $3 AND k.head = $4
		                 ORDER BY r."offset" LIMIT $5) r
		        WINDOW w AS (ORDER BY r."offset")) y
		 WHERE y.n = 1 OR y.bytes <= $6
		 ORDER BY y."offset"`
	rows, err := db.Query(ctx, query, projection, place.Topic, place.ID, place.Offset, limit, bytes)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (projector.Poison, error) {
		p := projector.Poison{Record: projector.Record{Partition: place.Partition}}
		var headers []byte
		var ms *int64
		if err := row.Scan(&p.Key, &p.Offset, &p.Value, &headers, &ms, &p.Code, &p.Message); err != nil {
			return p, err
		}
		if ms != nil {
			p.Time = time.UnixMilli(*ms).UTC()
		}
		p.Headers, err = headersFrom(headers)
		return p, err
	})
}
