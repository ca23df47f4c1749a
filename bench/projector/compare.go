package main

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"
)

// dump is a read model without what depends on arrival: per table how often a
// row with that fingerprint is there.
type dump map[string]map[int64]int

// equalTables are those that are equal after any two runs over the same events.
var equalTables = []string{
	"events", "event_marks", "orders", "order_lines", "shipments", "parcels", "shipment_contents", "tracking_numbers",
	"eta_history", "exceptions", "unmatched_scans",
}

// arrival are the columns that say when and how a row came about.
const arrival = `'ingested_at', 'updated_at', 'topic', 'partition', 'offset', 'arrived_late', 'applied_at'`

// deadLetters are counted, not compared: the oracle has none.
const deadLetters = "dead_letters"

func dumpOf(ctx context.Context, url string) (dump, error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx)
	d := dump{}
	for _, table := range append([]string{deadLetters}, equalTables...) {
		if d[table], err = fingerprints(ctx, conn, table); err != nil {
			return nil, fmt.Errorf("dump %s: %w", table, err)
		}
	}
	return d, nil
}

// statusesOf says no more than which order and which shipment has which status;
// of the rows that are known, where that is asked for.
func statusesOf(ctx context.Context, url string, known bool) (dump, error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx)
	d := dump{}
	for table, id := range map[string]string{"orders": "order_id", "shipments": "shipment_id"} {
		rows, err := conn.Query(ctx, `SELECT hashtextextended(ROW(tenant_id, `+id+`, status)::text, 0) FROM waybill.`+table+` WHERE known OR NOT $1`, known)
		if err != nil {
			return nil, fmt.Errorf("dump the statuses of %s: %w", table, err)
		}
		if d[table], err = counted(rows); err != nil {
			return nil, fmt.Errorf("dump the statuses of %s: %w", table, err)
		}
	}
	return d, nil
}

func fingerprints(ctx context.Context, conn *pgx.Conn, table string) (map[int64]int, error) {
	const columns = `SELECT string_agg(quote_ident(column_name), ', ' ORDER BY ordinal_position) FROM information_schema.columns
		WHERE table_schema = 'waybill' AND table_name = $1 AND column_name NOT IN (` + arrival + `)`
	var list string
	if err := conn.QueryRow(ctx, columns, table).Scan(&list); err != nil {
		return nil, err
	}
	rows, err := conn.Query(ctx, `SELECT hashtextextended(ROW(`+list+`)::text, 0) FROM waybill.`+table)
	if err != nil {
		return nil, err
	}
	return counted(rows)
}

func counted(rows pgx.Rows) (map[int64]int, error) {
	prints := map[int64]int{}
	var p int64
	_, err := pgx.ForEachRow(rows, []any{&p}, func() error { prints[p]++; return nil })
	return prints, err
}

// wrong counts the rows that are missing, that are too many, or that differ,
// and tells in which tables.
func (d dump) wrong(want dump) (total int, detail string) {
	for _, table := range slices.Sorted(maps.Keys(want)) {
		if table == deadLetters {
			continue
		}
		n := max(lacking(want[table], d[table]), lacking(d[table], want[table]))
		if total += n; n > 0 {
			detail += fmt.Sprintf(" %s=%d", table, n)
		}
	}
	return total, detail
}

// unmet counts the rows of want that are missing or differ, and does not mind
// rows that are too many.
func (d dump) unmet(want dump) (total int, detail string) {
	for _, table := range slices.Sorted(maps.Keys(want)) {
		n := lacking(want[table], d[table])
		total += n
		detail += fmt.Sprintf(" %s=%d of %d", table, n, want.rows(table))
	}
	return total, detail
}

// all counts the rows that are compared.
func (d dump) all() (n int) {
	for table := range d {
		if table != deadLetters {
			n += d.rows(table)
		}
	}
	return n
}

// lacking counts the rows of a that b does not have.
func lacking(a, b map[int64]int) (n int) {
	for p, times := range a {
		n += max(0, times-b[p])
	}
	return n
}

func (d dump) rows(table string) (n int) {
	for _, times := range d[table] {
		n += times
	}
	return n
}
