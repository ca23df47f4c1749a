package readmodel

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Table is what the database counts of a table.
type Table struct {
	Name       string
	Rows, Dead int64 // estimates
	Updates    int64 // since the counters were reset
	HotUpdates int64 // of these, those that no index heard of
}

// Tables reads the counters of the live version's tables, and of those beside it
// that every batch writes. It reads no row of them.
func (s *Store) Tables(ctx context.Context) ([]Table, error) {
	const query = `-- name: tables
		SELECT relname, n_live_tup, n_dead_tup, n_tup_upd, n_tup_hot_upd
		  FROM pg_stat_user_tables
		 WHERE schemaname = $1 OR schemaname = 'waybill' AND relname IN ('events', 'projection_offsets', 'tenant_stream', 'changes', 'dead_letters')
		 ORDER BY relname`
	rows, err := s.pool.Query(ctx, query, s.projection())
	if err != nil {
		return nil, classify(fmt.Errorf("read the counters of tables: %w", err))
	}
	tables, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Table])
	if err != nil {
		return nil, classify(fmt.Errorf("read the counters of tables: %w", err))
	}
	return tables, nil
}

// Unhandled counts the dead letters that nobody has replayed or discarded yet, by
// class.
func (s *Store) Unhandled(ctx context.Context) (map[string]int64, error) {
	const query = `-- name: unhandled_dead_letters
		SELECT class, count(*) FROM dead_letters WHERE projection = $1 AND status = 'new' GROUP BY class`
	rows, err := s.pool.Query(ctx, query, s.projection())
	if err != nil {
		return nil, classify(fmt.Errorf("count unhandled dead letters: %w", err))
	}
	counts := map[string]int64{}
	var class string
	var n int64
	_, err = pgx.ForEachRow(rows, []any{&class, &n}, func() error { counts[class] = n; return nil })
	if err != nil {
		return nil, classify(fmt.Errorf("count unhandled dead letters: %w", err))
	}
	return counts, nil
}
