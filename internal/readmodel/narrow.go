package readmodel

import (
	"fmt"
	"slices"

	"github.com/waybill-io/waybill/events"
)

// narrowing is what a snapshot asks for beside the tenant, $1. Each combination
// of conditions is a statement of its own: one that asked for "all or these" would
// be planned once for all, and read a whole tenant for the sake of one row.
type narrowing struct {
	conditions string
	args       []any
}

// only lets rows pass that have one of some texts, nil for any. The condition has
// a verb for the parameter.
func (n *narrowing) only(condition string, texts []string) {
	if texts == nil {
		return
	}
	n.args = append(n.args, texts)
	n.conditions += " AND " + fmt.Sprintf(condition, fmt.Sprintf("$%d", 1+len(n.args)))
}

// with is all parameters.
func (n *narrowing) with(tenant events.TenantID) []any {
	return append([]any{string(tenant)}, n.args...)
}

// shipmentsOfOrders and shipmentsOfNumbers find shipments s by what their columns
// order_ids and numbers are made of, which has indexes.
const (
	shipmentsOfOrders = `s.shipment_id IN (
		SELECT c.shipment_id FROM shipment_contents c WHERE c.tenant_id = $1 AND c.order_id = ANY (%s))`

	// A number is looked up with each carrier, of whom there are few.
	shipmentsOfNumbers = `s.shipment_id IN (
		WITH RECURSIVE carriers(carrier) AS (
			SELECT min(t.carrier) FROM tracking_numbers t WHERE t.tenant_id = $1
			 UNION ALL
			SELECT (SELECT min(t.carrier) FROM tracking_numbers t WHERE t.tenant_id = $1 AND t.carrier > c.carrier)
			  FROM carriers c WHERE c.carrier IS NOT NULL)
		SELECT t.shipment_id
		  FROM carriers c
		  JOIN tracking_numbers t ON t.tenant_id = $1 AND t.carrier = c.carrier AND t.tracking_number = ANY (%s))`
)

// openOnly lets the index of what is open serve a query that asks for nothing
// else. The closed statuses are those of the column.
func openOnly[S ~string](table string, statuses []string, closed ...S) string {
	if len(statuses) == 0 || slices.ContainsFunc(closed, func(s S) bool { return slices.Contains(statuses, string(s)) }) {
		return ""
	}
	return " AND " + table + ".open"
}
