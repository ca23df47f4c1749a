package fanout

import (
	"cmp"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybill-io/waybill/internal/tracking"
)

// KPIRow is a count on the wire: of the rows of a topic that a filter wants.
type KPIRow struct {
	ID     string         `json:"id"`
	N      int64          `json:"n"`
	Of     Topic          `json:"topic"`
	Filter jsontext.Value `json:"filter"`
}

// Topic says what it is a row of.
func (r *KPIRow) Topic() Topic { return KPIs }

// Key is the name of the count.
func (r *KPIRow) Key() string { return r.ID }

// The counts that are not of one status.
const (
	KPILate       = "shipments.late"
	KPIExceptions = "shipments.exceptions"
	KPIDisputed   = "shipments.disputed"
	KPIHeld       = "orders.held"
)

// KPIOf is the name of the count of a status.
func KPIOf(t Topic, status string) string { return string(t) + "." + status }

// KPIRows are all counts, sorted by name: those that are given, and zero for the
// others.
func KPIRows(counts map[string]int64) []Row {
	rows := []Row{
		&KPIRow{KPILate, counts[KPILate], Shipments, jsontext.Value(`{"f":"late","op":"eq","v":true}`)},
		&KPIRow{KPIExceptions, counts[KPIExceptions], Shipments, jsontext.Value(`{"f":"open_exceptions","op":"range","v":{"gte":1}}`)},
		&KPIRow{KPIDisputed, counts[KPIDisputed], Shipments, jsontext.Value(`{"f":"disputed","op":"eq","v":true}`)},
		&KPIRow{KPIHeld, counts[KPIHeld], Orders, jsontext.Value(`{"f":"held","op":"eq","v":true}`)},
	}
	for _, s := range tracking.Statuses() {
		rows = append(rows, statusKPI(Shipments, string(s), counts))
	}
	for _, s := range tracking.OrderStatuses() {
		rows = append(rows, statusKPI(Orders, string(s), counts))
	}
	slices.SortFunc(rows, func(a, b Row) int { return cmp.Compare(a.Key(), b.Key()) })
	return rows
}

func statusKPI(t Topic, status string, counts map[string]int64) Row {
	id := KPIOf(t, status)
	return &KPIRow{id, counts[id], t, jsontext.Value(`{"f":"status","op":"eq","v":"` + status + `"}`)}
}

// StatusName is empty: a count has none.
func (r *KPIRow) StatusName() string { return "" }

// Field knows nothing: counts are not filtered.
func (r *KPIRow) Field(string) (Value, bool) { return Value{}, false }
