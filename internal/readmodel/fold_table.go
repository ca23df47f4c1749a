package readmodel

import (
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// table is a table of the read model as a fold of all facts fills it.
type table struct {
	name    string
	keys    int      // so many columns, from the first on, are its key
	columns []string // in the order of the rows' values; all but updated_at
	within  bool     // a helper of the writer: two versions need not agree on it
}

func (t table) key() []string { return t.columns[:t.keys] }

// in is the table's name in a schema.
func (t table) in(schema string) string { return pgx.Identifier{schema, t.name}.Sanitize() }

// The types of columns that no SQL type is passed for: a list comes as one text
// (see [list]), a decimal as text, because arrays of arrays must be rectangular,
// and Go has no decimals.
const (
	asList    = "list"
	asDecimal = "decimal"
)

// typeOf is the type of a column. A name has the same type in every table.
func typeOf(column string) string {
	switch column {
	case "known", "disputed", "gap", "damaged", "customs_held", "action_required", "unmatched", "retractions":
		return "boolean"
	case "revision", "qty", "ordered", "cancelled", "allocated", "backordered", "shipped", "delivered", "returned", "lost":
		return "bigint"
	case "parcel_count", "open_exceptions", "exception_count", "attempts":
		return "int"
	case "lat", "lon", "confidence":
		return "float8"
	case "numbers", "order_ids", "holds", "returns_open", "flags", "anomalies":
		return asList
	case "unit_price":
		return asDecimal
	case "state":
		return "json"
	case "valid_from", "valid_to", "status_since":
		return "timestamptz"
	}
	switch _, suffix, _ := cutLast(column, "_"); suffix {
	case "at", "start", "end":
		return "timestamptz"
	case "on":
		return "date"
	}
	return "text"
}

// cutLast parts a text at the last separator.
func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

func words(s string) []string { return strings.Fields(s) }

// The tables that folds fill.
const (
	marksTable      = "event_marks"
	ordersTable     = "orders"
	linesTable      = "order_lines"
	shipmentsTable  = "shipments"
	parcelsTable    = "parcels"
	contentsTable   = "shipment_contents"
	carrierTable    = "carrier_numbers"
	numbersTable    = "tracking_numbers"
	estimatesTable  = "eta_history"
	unmatchedTable  = "unmatched_scans"
	exceptionsTable = "exceptions"
)

// foldTables describes them, in the order in which rows are written.
func foldTables() []table {
	return []table{
		{name: shipmentsTable, keys: 2, columns: words(`tenant_id shipment_id known status status_since revision direction
			original_shipment_id carrier service origin destination promise_start promise_end promise_precision promise_on
			eta_start eta_end eta_provider lat lon position_at parcel_count numbers order_ids first_scan_at last_scan_at
			last_scan_type last_location open_exceptions exception_count disputed gap damaged customs_held state`)},
		{name: parcelsTable, keys: 3, columns: words(`tenant_id shipment_id parcel_id status status_since first_scan_at
			last_scan_at last_scan_type last_location handed_over_at available_at first_attempt_at attempts delivered_at
			delivered_on disputed gap`)},
		{name: contentsTable, keys: 5, columns: words(`tenant_id shipment_id order_id line_id parcel_id direction qty shipped
			delivered returned lost handed_over_at delivered_at`)},
		{name: exceptionsTable, keys: 3, columns: words(`tenant_id shipment_id exception_id parcel_id status reason_code party
			severity action_required opened_at resolved_at`)},
		{name: estimatesTable, keys: 5, columns: words(`tenant_id stream stream_id source event_id shipment_id type class
			eta_start eta_end provider confidence reason_code known_at`)},
		{name: numbersTable, keys: 7, columns: words(`tenant_id carrier tracking_number valid_from shipment_id source event_id
			valid_to parcel_id occurred_at recorded_at`)},
		{name: carrierTable, keys: 3, within: true, columns: words(`tenant_id carrier tracking_number retractions`)},
		{name: unmatchedTable, keys: 5, columns: words(`tenant_id stream stream_id source event_id carrier tracking_number type
			occurred_at`)},
		{name: ordersTable, keys: 2, columns: words(`tenant_id order_id known status revision number channel currency
			customer_ref ship_to_ref placed_at confirmed_at cancelled_at closed_at shipped_at delivered_at
			promise_original_start promise_original_end promise_original_precision promise_original_on
			promise_latest_start promise_latest_end promise_latest_precision promise_latest_on
			requested_start requested_end requested_precision requested_on
			holds returns_open flags payment ordered cancelled allocated shipped delivered returned lost state`)},
		{name: linesTable, keys: 3, columns: words(`tenant_id order_id line_id sku unit_price ordered cancelled allocated
			backordered shipped delivered returned lost`)},
		{name: marksTable, keys: 5, columns: words(`tenant_id stream stream_id source event_id duplicate_of_source
			duplicate_of_id retracted_by_source retracted_by_id anomalies unmatched`)},
	}
}

// foldTable finds one of them.
func foldTable(name string) table {
	all := foldTables()
	return all[slices.IndexFunc(all, func(t table) bool { return t.name == name })]
}

// comparedTables are those that two versions must agree on.
func comparedTables() []table {
	return slices.DeleteFunc(foldTables(), func(t table) bool { return t.within })
}
