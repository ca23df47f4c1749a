package query

import (
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/tracking"
)

// Entry is one fact of a timeline, with what the fold has to say of it.
type Entry struct {
	Stream      events.StreamKind `json:"stream" enum:"order,shipment,tracking" doc:"What kind of thing the fact was reported of."`
	StreamID    string            `json:"stream_id" doc:"Which one: an order id, a shipment id, or trk:CARRIER:NUMBER."`
	Source      events.Source     `json:"source" doc:"The system that knew the fact."`
	ID          events.EventID    `json:"id" doc:"The event's id, unique for its source within the stream."`
	Type        events.Type       `json:"type" doc:"What happened, with the version of data."`
	Class       events.Class      `json:"class" enum:"ACT,EST,PLN" doc:"Whether it happened, is estimated, or planned."`
	OccurredAt  time.Time         `json:"occurred_at" doc:"When it happened, with the offset that the source wrote."`
	TZSource    events.TZSource   `json:"tz_source" enum:"offset,zone_code,location,assumed_utc,unknown" doc:"Where that offset comes from."`
	Precision   events.Precision  `json:"time_precision" enum:"day,hour,minute,second,millisecond" doc:"How exactly the time is known."`
	RecordedAt  time.Time         `json:"recorded_at" doc:"When the source knew (UTC)."`
	IngestedAt  time.Time         `json:"ingested_at" doc:"When it came through our door (UTC)."`
	ArrivedLate bool              `json:"arrived_late" doc:"A newer fact of its stream was known before it."`
	ParcelID    events.ParcelID   `json:"parcel_id,omitzero" doc:"The parcel it speaks of; left out: all of the shipment, or none."`
	Data        Data              `json:"data" doc:"What it says, as its source wrote it; described by schemas/events/<type>.json."`
	Marks       Marks             `json:"marks" doc:"What the fold has to say of it."`
}

// Marks say how an entry counts.
type Marks struct {
	DuplicateOf *Twin              `json:"duplicate_of,omitzero" doc:"The entry that says the same and counts in its place."`
	RetractedBy *Twin              `json:"retracted_by,omitzero" doc:"The entry that takes it back."`
	Anomalies   []tracking.Anomaly `json:"anomalies,omitempty" nullable:"false" doc:"What is odd about it, such as regression: it moved nothing."`
	Unmatched   bool               `json:"unmatched" doc:"No shipment had the carrier's number then."`
}

// Twin names another entry of the same stream.
type Twin struct {
	Source events.Source  `json:"source" doc:"The other entry's source."`
	ID     events.EventID `json:"id" doc:"The other entry's id."`
}

// Data is an event's data: a JSON object as text.
type Data jsontext.Value

// MarshalJSON returns the text.
func (d Data) MarshalJSON() ([]byte, error) { return d, nil }

// Schema says that it is an object, whose members depend on the event's type.
func (Data) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}
}
