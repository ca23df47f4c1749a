package main

import (
	"strconv"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/fanout"
)

const (
	subprotocol = "track.v1.json"
	tenant      = events.TenantID("bench")

	// rows is how many shipments take turns in being changed.
	rows = 50
	// frameBytes is how large a delta of one row is, about.
	frameBytes = 400
)

// rowAt is the shipment that change n changes, with the moment of the change in
// its last location, to the nanosecond, where a client finds it.
func rowAt(n int64, now time.Time) *fanout.ShipmentRow {
	return &fanout.ShipmentRow{
		ID: rowID(n), Revision: n/rows + 1, Status: "in_transit", StatusSince: now.Truncate(time.Second).UTC(),
		Direction: "outbound", Carrier: "UPSN", Parcels: 1,
		Numbers:      []events.TrackingNumber{"1Z99"},
		LastScanAt:   now.Truncate(time.Second).UTC(),
		LastScanType: "shipment.departed", LastLocation: strconv.FormatInt(now.UnixNano(), 10),
	}
}

func rowID(n int64) events.ShipmentID {
	return events.ShipmentID("S-" + strconv.FormatInt(1_000_000+n%rows, 10))
}

// hubFrame is the frame of change n as the gateway would send it.
func hubFrame(n int64) []byte {
	now := time.Now()
	row, err := json.Marshal(rowAt(n, now))
	if err != nil {
		panic(err) // its type rules that out
	}
	b := strconv.AppendInt([]byte(`{"t":"d","sid":1,"p":`), n-1, 10)
	b = strconv.AppendInt(append(b, `,"q":`...), n, 10)
	b = strconv.AppendInt(append(b, `,"ts":`...), now.UnixMilli(), 10)
	b = append(append(b, `,"u":[`...), row...)
	return append(b, `],"r":[],"n":1}`...)
}
