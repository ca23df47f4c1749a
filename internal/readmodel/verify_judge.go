package readmodel

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/jackc/pgx/v5"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/tracking"
)

// scope is a part of a table's rows: those whose columns have one of some
// values.
type scope struct {
	columns []string
	values  map[string][]string // by the values joined
}

func newScope(columns ...string) scope { return scope{columns, map[string][]string{}} }

func (s scope) add(values ...string) { s.values[strings.Join(values, "\x00")] = values }

// keep leaves the rows of a table that lie in the scope.
func (s scope) keep(t table, rows [][]any) [][]any {
	at := column(s.columns, func(c string) int { return slices.Index(t.columns, c) })
	return slices.DeleteFunc(slices.Clone(rows), func(row []any) bool {
		key := column(at, func(i int) string { return row[i].(string) })
		_, here := s.values[strings.Join(key, "\x00")]
		return !here
	})
}

// judge folds streams and holds the rows that these decide against the stored
// ones.
func (v *verifier) judge(ctx context.Context, tx pgx.Tx, of streams) error {
	c, err := foldConcerned(ctx, tx, of)
	if err != nil {
		return err
	}
	if err := c.orderRows(ctx, tx, of); err != nil {
		return err
	}
	for _, n := range c.numbers {
		for _, h := range tracking.Resolve(c.assigned[n]) {
			c.rows.addHolding(n.tenant, h)
		}
	}
	scopes := c.scopes(of)
	for _, t := range comparedTables() {
		in := scopes[t.name]
		if len(in.values) == 0 {
			continue
		}
		rows := in.keep(t, c.rows[t.name])
		v.out.Rows[t.name] += int64(len(rows))
		if err := v.compareStored(ctx, tx, t, in, rows); err != nil {
			return fmt.Errorf("compare %s: %w", t.name, err)
		}
	}
	return nil
}

// orderRows folds the orders named, with what the shipments that were folded
// carry of them.
func (c *concerned) orderRows(ctx context.Context, tx pgx.Tx, of streams) error {
	keys := sortedEntities(of.orders)
	if len(keys) == 0 {
		return nil
	}
	own, err := factsOf(ctx, tx, events.OrderStream, keys)
	if err != nil {
		return err
	}
	stored, err := carriedOf(ctx, tx, keys)
	if err != nil {
		return fmt.Errorf("read contents: %w", err)
	}
	carried := c.carriedBy(stored)
	for _, key := range keys {
		if err := c.order(key, own[key], carried[key]); err != nil {
			return err
		}
	}
	return nil
}

// scopes are the rows that the folding has decided, by table.
func (c *concerned) scopes(of streams) map[string]scope {
	shipments, orders := newScope("tenant_id", "shipment_id"), newScope("tenant_id", "order_id")
	marks, numbers := newScope("tenant_id", "stream", "stream_id"), newScope("tenant_id", "stream_id")
	for key := range of.shipments {
		shipments.add(string(key.tenant), key.id)
		marks.add(string(key.tenant), string(events.ShipmentStream), key.id)
	}
	for key := range of.orders {
		orders.add(string(key.tenant), key.id)
		marks.add(string(key.tenant), string(events.OrderStream), key.id)
	}
	for _, n := range c.numbers {
		numbers.add(string(n.tenant), n.stream().id)
		marks.add(string(n.tenant), string(events.TrackingStream), n.stream().id)
	}
	return map[string]scope{
		shipmentsTable: shipments, parcelsTable: shipments, contentsTable: shipments, exceptionsTable: shipments,
		estimatesTable: shipments, numbersTable: shipments, ordersTable: orders, linesTable: orders,
		unmatchedTable: numbers, marksTable: marks,
	}
}

// compareStored finds the columns in which folded and stored rows of a scope
// differ.
func (v *verifier) compareStored(ctx context.Context, tx pgx.Tx, t table, in scope, rows [][]any) error {
	doc, err := rowsJSON(t, rows)
	if err != nil {
		return err
	}
	args := []any{doc}
	params := make([]string, len(in.columns))
	values := slices.Collect(maps.Values(in.values))
	for i := range in.columns {
		params[i] = fmt.Sprintf("$%d::text[]", i+2)
		args = append(args, column(values, func(v []string) string { return v[i] }))
	}
	columns := strings.Join(t.columns, ", ")
	query := fmt.Sprintf(`-- name: verify_%[1]s
		SELECT to_jsonb(a), to_jsonb(b)
		  FROM (SELECT %[2]s FROM %[1]s WHERE (%[3]s) IN (SELECT * FROM unnest(%[4]s))) a
		  FULL JOIN (SELECT %[2]s FROM jsonb_populate_recordset(NULL::%[1]s, $1::jsonb)) b USING (%[5]s)
		 WHERE %[6]s ORDER BY %[5]s`,
		t.name, columns, strings.Join(in.columns, ", "), strings.Join(params, ", "), strings.Join(t.key(), ", "), differ(t))
	found, err := tx.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	defer found.Close()
	for found.Next() {
		var stored, folded []byte
		if err := found.Scan(&stored, &folded); err != nil {
			return err
		}
		if err := v.note(t, stored, folded); err != nil {
			return err
		}
	}
	return found.Err()
}

// note tells a row that differs, column by column.
func (v *verifier) note(t table, stored, folded []byte) error {
	was, is, err := readRows(stored, folded)
	if err != nil {
		return err
	}
	v.out.Wrong++
	m := Mismatch{Table: t.name, Key: map[string]string{}}
	for _, c := range t.key() {
		either := is
		if is == nil {
			either = was
		}
		m.Key[c] = strings.Trim(string(either[c]), `"`)
	}
	if was == nil || is == nil {
		m.Stored, m.Folded = anyRow(stored), anyRow(folded)
		v.tell(m)
		return nil
	}
	for _, c := range t.columns[t.keys:] {
		if a, b := was[c], is[c]; string(a) != string(b) {
			m.Column, m.Stored, m.Folded = c, a, b
			v.tell(m)
		}
	}
	return nil
}

func (v *verifier) tell(m Mismatch) {
	if len(v.out.Mismatches) < mostMismatches {
		v.out.Mismatches = append(v.out.Mismatches, m)
	}
}

func readRows(stored, folded []byte) (was, is map[string]jsontext.Value, err error) {
	if stored != nil {
		if err := json.Unmarshal(stored, &was); err != nil {
			return nil, nil, fmt.Errorf("read the stored row: %w", err)
		}
	}
	if folded != nil {
		if err := json.Unmarshal(folded, &is); err != nil {
			return nil, nil, fmt.Errorf("read the folded row: %w", err)
		}
	}
	return was, is, nil
}

// anyRow is a row for who reads JSON, nil when there is none.
func anyRow(doc []byte) any {
	if doc == nil {
		return nil
	}
	return jsontext.Value(doc)
}
