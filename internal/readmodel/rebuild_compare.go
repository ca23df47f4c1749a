package readmodel

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Differences are the rows of one table in which two versions differ.
type Differences struct {
	Table     string   `json:"table"`
	Missing   int64    `json:"missing"`   // in the new version
	Extra     int64    `json:"extra"`     // in the new version
	Different int64    `json:"different"` // in both, with other values
	Examples  []string `json:"examples"`  // keys of some

	keys [][]string
}

// Rows is how many rows differ.
func (d Differences) Rows() int64 { return d.Missing + d.Extra + d.Different }

// mostKeys is how many differing rows of a table are looked at again.
const mostKeys = 10_000

// compare holds the versions against each other in one snapshot, and looks at
// the rows that differ again at the end, when both stand at the same position:
// most differ only because one version was ahead.
func (r *rebuild) compare(ctx context.Context) error {
	r.tell("compare")
	opts := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := pgx.BeginTxFunc(ctx, r.pool, opts, func(tx pgx.Tx) error {
		r.out.Differences, r.out.Compared = nil, 0
		for _, t := range comparedTables() {
			d, rows, err := r.compareTable(ctx, tx, t)
			if err != nil {
				return fmt.Errorf("compare %s: %w", t.name, err)
			}
			r.out.Compared += rows
			if d.Rows() > 0 {
				r.out.Differences = append(r.out.Differences, d)
			}
		}
		return nil
	})
	if err != nil {
		return classify(err)
	}
	return r.follow(ctx)
}

// differ is the condition under which rows a and b are not the same.
func differ(t table) string {
	key := t.columns[0]
	return fmt.Sprintf(`(a.%s IS NULL OR b.%s IS NULL OR ROW(%s) IS DISTINCT FROM ROW(%s))`, key, key, compared("a", t), compared("b", t))
}

// compared lists a table's values as they compare: JSON does not.
func compared(relation string, t table) string {
	return strings.Join(column(t.columns[t.keys:], func(c string) string {
		if typeOf(c) == "json" {
			c += "::jsonb"
		}
		return relation + "." + c
	}), ", ")
}

// keyed lists the key of a or b as texts.
func keyed(t table) string {
	parts := make([]string, t.keys)
	for i, c := range t.key() {
		parts[i] = fmt.Sprintf("coalesce(a.%s, b.%s)::text", c, c)
	}
	return "ARRAY[" + strings.Join(parts, ", ") + "]"
}

func (r *rebuild) compareTable(ctx context.Context, tx pgx.Tx, t table) (Differences, int64, error) {
	old, now := t.in(schemaOf(r.run.live)), t.in(schemaOf(r.run.version))
	query := fmt.Sprintf(`-- name: compare_%s
		SELECT %s, b.%s IS NULL, a.%s IS NULL FROM %s a FULL JOIN %s b USING (%s) WHERE %s`,
		t.name, keyed(t), t.columns[0], t.columns[0], old, now, strings.Join(t.key(), ", "), differ(t))
	d, err := collectDifferences(ctx, tx, t, query)
	if err != nil {
		return d, 0, err
	}
	var rows int64
	err = tx.QueryRow(ctx, fmt.Sprintf(`-- name: count_%s
		SELECT count(*) FROM %s`, t.name, now)).Scan(&rows)
	return d, rows, err
}

func collectDifferences(ctx context.Context, tx pgx.Tx, t table, query string, args ...any) (Differences, error) {
	d := Differences{Table: t.name}
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return d, err
	}
	defer rows.Close()
	for rows.Next() {
		var key []string
		var missing, extra bool
		if err := rows.Scan(&key, &missing, &extra); err != nil {
			return d, err
		}
		d.note(key, missing, extra)
	}
	return d, rows.Err()
}

func (d *Differences) note(key []string, missing, extra bool) {
	switch {
	case missing:
		d.Missing++
	case extra:
		d.Extra++
	default:
		d.Different++
	}
	if len(d.keys) < mostKeys {
		d.keys = append(d.keys, key)
	}
	if len(d.Examples) < 5 {
		d.Examples = append(d.Examples, strings.Join(key, " "))
	}
}

// compareAgain looks at the rows that differed. It must be called while both
// versions stand at the same position.
func (r *rebuild) compareAgain(ctx context.Context, tx pgx.Tx) ([]Differences, error) {
	tables := map[string]table{}
	for _, t := range comparedTables() {
		tables[t.name] = t
	}
	var still []Differences
	for _, d := range r.out.Differences {
		if d.Rows() > int64(len(d.keys)) {
			still = append(still, d) // too many to be a matter of time
			continue
		}
		now, err := r.compareKeys(ctx, tx, tables[d.Table], d.keys)
		if err != nil {
			return nil, fmt.Errorf("compare %d rows of %s again: %w", len(d.keys), d.Table, err)
		}
		if now.Rows() > 0 {
			still = append(still, now)
		}
	}
	return still, nil
}

func (r *rebuild) compareKeys(ctx context.Context, tx pgx.Tx, t table, keys [][]string) (Differences, error) {
	params, names := make([]string, t.keys), make([]string, t.keys)
	onA, onB := make([]string, t.keys), make([]string, t.keys)
	args := make([]any, t.keys)
	for i, c := range t.key() {
		params[i], names[i] = fmt.Sprintf("$%d::text[]", i+1), c
		onA[i] = fmt.Sprintf("a.%s = x.%s::%s", c, c, typeOf(c))
		onB[i] = fmt.Sprintf("b.%s = x.%s::%s", c, c, typeOf(c))
		args[i] = column(keys, func(key []string) string { return key[i] })
	}
	query := fmt.Sprintf(`-- name: compare_again_%s
		SELECT %s, b.%s IS NULL, a.%s IS NULL FROM unnest(%s) x(%s) LEFT JOIN %s a ON %s LEFT JOIN %s b ON %s
		 WHERE NOT (a.%s IS NULL AND b.%s IS NULL) AND %s`,
		t.name, keyed(t), t.columns[0], t.columns[0], strings.Join(params, ", "), strings.Join(names, ", "),
		t.in(schemaOf(r.run.live)), strings.Join(onA, " AND "), t.in(schemaOf(r.run.version)), strings.Join(onB, " AND "),
		t.columns[0], t.columns[0], differ(t))
	return collectDifferences(ctx, tx, t, query, args...)
}
