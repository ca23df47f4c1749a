package readmodel

import (
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgtype"
)

// tuple is where a stored row lies. It holds from the statement that reads the
// row to the one that writes it, within a transaction that has locked what the
// row belongs to.
type tuple = pgtype.TID

// tableWrite holds the statements that write rows of a table, given as one array
// per column, in the order of the table's. Which rows are there is known from
// reading them under their lock, so that no statement looks for conflicts. A row
// whose place is known is found there, which costs half of looking its key up
// again.
type tableWrite struct {
	table   string
	insert  string
	update  string // by key
	replace string // by place: the first array
}

// The tables that a batch writes both new rows and other ones of.
var (
	shipmentWrites = writesOf(foldTable(shipmentsTable), "shipments")
	movedWrites    = writesOf(table{name: shipmentsTable, keys: 2, columns: appliedColumns}, "moved_shipments")
	expectedWrites = writesOf(table{name: shipmentsTable, keys: 2, columns: slices.Concat(appliedColumns, words("eta_start eta_end eta_provider"))},
		"expected_shipments")
	parcelWrites  = writesOf(foldTable(parcelsTable), "parcels")
	contentWrites = writesOf(foldTable(contentsTable), "contents")
	orderWrites   = writesOf(foldTable(ordersTable), "orders")
	totalWrites   = writesOf(table{name: ordersTable, keys: 2, columns: words(`tenant_id order_id status shipped_at delivered_at flags
		ordered cancelled allocated shipped delivered returned lost`)}, "order_totals")  // what shipments may change
	lineWrites = writesOf(foldTable(linesTable), "order_lines")
)

// appliedColumns are those that Apply changes with what happened. An estimate of the
// delivery changes those of the ETA too.
var appliedColumns = words(`tenant_id shipment_id status status_since revision carrier lat lon position_at first_scan_at last_scan_at
	last_scan_type last_location open_exceptions exception_count disputed gap damaged customs_held state`)

// writesOf makes the statements for a table.
func writesOf(t table, name string) tableWrite {
	names := strings.Join(t.columns, ", ")
	values := strings.Join(column(t.columns, valueOf), ", ")
	found := strings.Join(column(t.key(), func(c string) string { return "t." + c + " = x." + c }), " AND ")
	set := "\nUPDATE " + t.name + " t\n   SET " + strings.Join(column(t.columns[t.keys:], func(c string) string { return c + " = " + valueOf(c) }), ", ")
	if t.name == ordersTable || t.name == shipmentsTable {
		set += ", updated_at = now()"
	}
	return tableWrite{
		table: t.name,
		insert: "-- name: insert_" + name + "\nINSERT INTO " + t.name + " (" + names + ")\nSELECT " + values +
			"\n  FROM unnest(" + parameters(t.columns, 1) + ") x(" + names + ")",
		update: "-- name: update_" + name + set +
			"\n  FROM unnest(" + parameters(t.columns, 1) + ") x(" + names + ")\n WHERE " + found,
		replace: "-- name: replace_" + name + set +
			"\n  FROM unnest($1::tid[], " + parameters(t.columns, 2) + ") x(place, " + names + ")" +
			"\n WHERE t.ctid = x.place AND " + found,
	}
}

// valueOf is a column's value in a statement, given the element of its array.
func valueOf(column string) string {
	switch typeOf(column) {
	case asList:
		return "string_to_array(x." + column + `, E'\x1f')`
	case asDecimal:
		return "x." + column + "::numeric"
	default:
		return "x." + column
	}
}

func parameters(columns []string, first int) string {
	list := make([]string, len(columns))
	for i, c := range columns {
		element := typeOf(c)
		if element == asList || element == asDecimal {
			element = "text"
		}
		list[i] = "$" + strconv.Itoa(first+i) + "::" + element + "[]"
	}
	return strings.Join(list, ", ")
}

// add hands new rows over, as columns.
func (w *tableWrite) add(l *lane, rows int, columns []any) {
	if rows > 0 {
		l.laterAll(rows, "add rows of "+w.table, w.insert, columns...)
	}
}

// change hands rows over that are there.
func (w *tableWrite) change(l *lane, rows int, columns []any) {
	if rows > 0 {
		l.laterAll(rows, "change rows of "+w.table, w.update, columns...)
	}
}

// changeAt does so with rows whose places are known.
func (w *tableWrite) changeAt(l *lane, places []tuple, columns []any) {
	if len(places) > 0 {
		l.laterAll(len(places), "change rows of "+w.table, w.replace, append([]any{places}, columns...)...)
	}
}
