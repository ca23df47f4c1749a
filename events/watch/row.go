package watch

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/waybill-io/waybill/events"
)

// Row is a row as it stands on the wire: a JSON object. It must not be changed.
type Row []byte

// Decode reads a row as one of [Shipment], [Order], [KPI] and [Entry], or as any
// type of your own. What it does not know is left out.
func Decode[T any](r Row) (T, error) {
	var v T
	if err := json.Unmarshal(r, &v); err != nil {
		return v, fmt.Errorf("decode a row: %w", err)
	}
	return v, nil
}

// MarshalJSON returns the row.
func (r Row) MarshalJSON() ([]byte, error) { return r, nil }

// Shipment is a row of [Shipments]. What is not known is zero.
type Shipment struct {
	ID             events.ShipmentID       `json:"id"`
	Revision       int64                   `json:"v"`
	Status         string                  `json:"status"`
	StatusSince    time.Time               `json:"status_since,omitzero"`
	Direction      events.Direction        `json:"direction,omitzero"`
	Carrier        events.SCAC             `json:"carrier,omitzero"`
	Service        string                  `json:"service,omitzero"`
	Parcels        int                     `json:"parcels"`
	Numbers        []events.TrackingNumber `json:"numbers,omitempty"`
	Orders         []events.OrderID        `json:"orders,omitempty"`
	LastScanAt     time.Time               `json:"last_scan_at,omitzero"`
	LastScanType   events.Type             `json:"last_scan_type,omitzero"`
	LastLocation   string                  `json:"last_location,omitzero"`
	Pos            []float64               `json:"pos,omitempty"` // longitude, latitude
	ETA            time.Time               `json:"eta,omitzero"`
	PromiseEnd     time.Time               `json:"promise_end,omitzero"`
	Late           bool                    `json:"late,omitzero"`
	OpenExceptions int                     `json:"open_exceptions"`
	Disputed       bool                    `json:"disputed"`
	Gap            bool                    `json:"gap"`
}

// Order is a row of [Orders]. Quantities are sums over its lines.
type Order struct {
	ID          events.OrderID `json:"id"`
	Revision    int64          `json:"v"`
	Status      string         `json:"status"`
	Number      string         `json:"number,omitzero"`
	Channel     string         `json:"channel,omitzero"`
	PlacedAt    time.Time      `json:"placed_at,omitzero"`
	PromiseEnd  time.Time      `json:"promise_end,omitzero"`
	Holds       []string       `json:"holds,omitempty"`
	ReturnsOpen []string       `json:"returns_open,omitempty"`
	Flags       []string       `json:"flags,omitempty"`
	Ordered     int64          `json:"ordered"`
	Cancelled   int64          `json:"cancelled"`
	Shipped     int64          `json:"shipped"`
	Delivered   int64          `json:"delivered"`
	Returned    int64          `json:"returned"`
	Lost        int64          `json:"lost"`
}

// KPI is a row of [KPIs]: how many rows of a topic its filter wants.
type KPI struct {
	ID     string `json:"id"` // such as shipments.in_transit
	N      int64  `json:"n"`
	Topic  Topic  `json:"topic"`
	Filter Filter `json:"filter"`
}

// Entry is a row of [Timeline] or [Alerts]: one fact, with what the fold has to
// say of it.
type Entry struct {
	Stream      events.StreamKind `json:"stream"`
	StreamID    string            `json:"stream_id"`
	Source      events.Source     `json:"source"`
	ID          events.EventID    `json:"id"`
	Type        events.Type       `json:"type"`
	Class       events.Class      `json:"class"`
	OccurredAt  time.Time         `json:"occurred_at"`
	TZSource    events.TZSource   `json:"tz_source"`
	Precision   events.Precision  `json:"time_precision"`
	RecordedAt  time.Time         `json:"recorded_at"`
	IngestedAt  time.Time         `json:"ingested_at"`
	ArrivedLate bool              `json:"arrived_late"`
	ParcelID    events.ParcelID   `json:"parcel_id,omitzero"`
	Shipment    events.ShipmentID `json:"shipment,omitzero"` // of Alerts, where known
	Order       events.OrderID    `json:"order,omitzero"`    // of Alerts, where known
	Data        json.RawMessage   `json:"data"`
	Marks       Marks             `json:"marks"`
}

// Marks say how an entry counts.
type Marks struct {
	DuplicateOf *Twin    `json:"duplicate_of,omitzero"` // the entry that says the same and counts in its place
	RetractedBy *Twin    `json:"retracted_by,omitzero"` // the entry that takes it back
	Anomalies   []string `json:"anomalies,omitempty"`
	Unmatched   bool     `json:"unmatched"` // no shipment had the carrier's number then
}

// Twin names another entry of the same stream.
type Twin struct {
	Source events.Source  `json:"source"`
	ID     events.EventID `json:"id"`
}

// entryID joins what identifies an entry. None of its parts has a space.
func entryID(stream, streamID, source, id string) string {
	return strings.Join([]string{stream, streamID, source, id}, " ")
}
