package readmodel

import (
	"fmt"
	"slices"
	"strings"

	"github.com/waybill-io/waybill/internal/fanout"
	"github.com/waybill-io/waybill/internal/tracking"
)

// lookup finds rows by the texts in a field.
type lookup struct {
	field     string
	condition string   // has a verb for the parameter
	closed    []string // of a status: those of rows that are not open
}

func shipmentLookups() []lookup {
	closed := []string{string(tracking.Delivered), string(tracking.Returned), string(tracking.Lost), string(tracking.Destroyed), string(tracking.Cancelled)}
	return []lookup{
		{field: "id", condition: `s.shipment_id = ANY (%s)`},
		{field: "orders", condition: shipmentsOfOrders},
		{field: "numbers", condition: shipmentsOfNumbers},
		{field: "status", condition: `s.status = ANY (%s)`, closed: closed},
		{field: "carrier", condition: `s.carrier = ANY (%s)`},
		{field: "service", condition: `s.service = ANY (%s)`},
		{field: "direction", condition: `s.direction = ANY (%s)`},
		{field: "last_scan_type", condition: `s.last_scan_type = ANY (%s)`},
		{field: "last_location", condition: `s.last_location = ANY (%s)`},
	}
}

func orderLookups() []lookup {
	closed := []string{string(tracking.OrderDelivered), string(tracking.OrderClosed), string(tracking.OrderCancelled)}
	return []lookup{
		{field: "id", condition: `o.order_id = ANY (%s)`},
		{field: "status", condition: `o.status = ANY (%s)`, closed: closed},
		{field: "number", condition: `o.number = ANY (%s)`},
		{field: "channel", condition: `o.channel = ANY (%s)`},
		{field: "holds", condition: `o.holds && %s`},
		{field: "returns_open", condition: `o.returns_open && %s`},
		{field: "flags", condition: `o.flags && %s`},
	}
}

// Shipments are found by what their columns order_ids and numbers are made of,
// which has indexes. A number is looked up with each carrier, of whom there are
// few.
const (
	shipmentsOfOrders = `s.shipment_id IN (
		SELECT c.shipment_id FROM shipment_contents c WHERE c.tenant_id = $1 AND c.order_id = ANY (%s))`

	shipmentsOfNumbers = `s.shipment_id IN (
		WITH RECURSIVE carriers(carrier) AS (
			SELECT min(t.carrier) FROM tracking_numbers t WHERE t.tenant_id = $1
			 UNION ALL
			SELECT (SELECT min(t.carrier) FROM tracking_numbers t WHERE t.tenant_id = $1 AND t.carrier > c.carrier)
			  FROM carriers c WHERE c.carrier IS NOT NULL)
		SELECT n.shipment_id
		  FROM carriers c
		 CROSS JOIN LATERAL (
			SELECT t.shipment_id FROM tracking_numbers t
			 WHERE t.tenant_id = $1 AND t.carrier = c.carrier AND t.tracking_number = ANY (%s) OFFSET 0) n)`
)

// narrowing is what a snapshot asks for beside the tenant, $1. Each combination
// of conditions is a statement of its own: one that asked for "all or these" would
// be planned once for all, and read a whole tenant for the sake of one row.
type narrowing struct {
	conditions string
	args       []any
}

// narrow asks for what q is among, where a lookup knows the field.
func narrow(q fanout.Query, lookups []lookup) narrowing {
	n := narrowing{args: []any{string(q.Tenant)}}
	var text strings.Builder
	for _, l := range lookups {
		texts, ok := q.Among[l.field]
		if !ok {
			continue
		}
		n.args = append(n.args, texts)
		text.WriteString("\n\t\t   AND ")
		fmt.Fprintf(&text, l.condition, fmt.Sprintf("$%d", len(n.args)))
		if l.openOnly(texts) {
			text.WriteString(" AND open") // of what is open there is an index
		}
	}
	n.conditions = text.String()
	return n
}

// openOnly reports whether all rows with these texts are open.
func (l lookup) openOnly(texts []string) bool {
	return l.closed != nil && !slices.ContainsFunc(texts, func(s string) bool { return slices.Contains(l.closed, s) })
}
