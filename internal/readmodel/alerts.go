package readmodel

import (
	"context"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/jackc/pgx/v5"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/fanout"
	"github.com/waybill-io/waybill/internal/query"
	"github.com/waybill-io/waybill/internal/tracking"
)

// Alerts implements [fanout.AlertLog].
func (r *Reader) Alerts(ctx context.Context, tenant events.TenantID, after fanout.Position) (fanout.Log, error) {
	var log fanout.Log
	tenants := []events.TenantID{tenant}
	err := r.read(ctx, tenants, func(tx pgx.Tx) error {
		stands, err := readStands(ctx, tx, tenants)
		if err != nil {
			return fmt.Errorf("read the position: %w", err)
		}
		st := stands[tenant]
		log = fanout.Log{To: st.at, Low: st.low}
		switch {
		case after.Epoch != st.at.Epoch || after.Seq < st.low || after.Seq >= st.at.Seq:
			return nil
		case st.at.Seq-after.Seq > tickRange:
			log.Low = st.at.Seq
			return nil
		}
		log.Entries, err = readAlerts(ctx, tx, tenant, after.Seq, st.at.Seq)
		return err
	})
	if err != nil {
		return fanout.Log{}, fmt.Errorf("read the alerts: %w", err)
	}
	return log, nil
}

// readAlerts reads the entries that changes in (from, to] tell of and whose
// types call for somebody.
func readAlerts(ctx context.Context, tx pgx.Tx, tenant events.TenantID, from, to int64) ([]fanout.LogEntry, error) {
	// OFFSET 0 keeps each lookup one by primary key: how long the lists are is
	// nothing that the planner could know.
	const query = `-- name: read_alerts
		SELECT a.*, c.seq, c.kind, c.entity_id
		  FROM changes c CROSS JOIN json_array_elements(c.entries) r
		 CROSS JOIN LATERAL (
			SELECT ` + entryFields + ` FROM ` + entryTables + `
			 WHERE e.tenant_id = c.tenant_id AND e.stream = r ->> 0 AND e.stream_id = r ->> 1 AND e.source = r ->> 2
			   AND e.event_id = r ->> 3 AND e.type = ANY ($4) OFFSET 0) a
		 WHERE c.tenant_id = $1 AND c.seq > $2 AND c.seq <= $3
		 ORDER BY c.seq, a.occurred_at, a.stream, a.stream_id, a.source, a.event_id`
	types := column(tracking.AlertTypes(), func(t events.Type) string { return string(t) })
	rows, err := tx.Query(ctx, query, string(tenant), from, to, types)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (fanout.LogEntry, error) { return scanAlert(row, tenant) })
}

// alert is an entry with the entity in whose timeline it stands.
type alert struct {
	query.Entry
	Shipment events.ShipmentID `json:"shipment,omitzero"`
	Order    events.OrderID    `json:"order,omitzero"`
}

func scanAlert(row pgx.CollectableRow, tenant events.TenantID) (fanout.LogEntry, error) {
	var seq int64
	var kind, id string
	e, fact, err := readEntry(row, tenant, &seq, &kind, &id)
	if err != nil {
		return fanout.LogEntry{}, err
	}
	a := alert{Entry: e}
	if d, ok := fact.Data.(interface{ Parcel() events.ParcelID }); ok {
		a.ParcelID = d.Parcel()
	}
	if kind == "order" {
		a.Order = events.OrderID(id)
	} else {
		a.Shipment = events.ShipmentID(id)
	}
	shown, err := entryRow(fanout.Alerts, e)
	if err != nil {
		return fanout.LogEntry{}, err
	}
	if shown.JSON, err = json.Marshal(a); err != nil {
		return fanout.LogEntry{}, fmt.Errorf("encode alert %s of %s: %w", e.ID, e.StreamID, err)
	}
	shown.Shipment, shown.Order = a.Shipment, a.Order
	return fanout.LogEntry{Seq: seq, Row: shown}, nil
}
