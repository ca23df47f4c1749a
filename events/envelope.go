package events

import (
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// envelope is an event in CloudEvents structured mode.
type envelope struct {
	SpecVersion     string         `json:"specversion"`
	ID              EventID        `json:"id"`
	Source          Source         `json:"source"`
	Type            Type           `json:"type"`
	Subject         string         `json:"subject"`
	TenantID        TenantID       `json:"tenantid"`
	Time            time.Time      `json:"time,omitzero"`
	RecordedTime    time.Time      `json:"recordedtime,omitzero"`
	IngestedTime    time.Time      `json:"ingestedtime,omitzero"`
	CorrelationID   string         `json:"correlationid,omitzero"`
	CausationID     string         `json:"causationid,omitzero"`
	TraceParent     string         `json:"traceparent,omitzero"`
	DataSchema      string         `json:"dataschema,omitzero"`
	DataContentType string         `json:"datacontenttype,omitzero"`
	Data            jsontext.Value `json:"data,omitzero"`
}

// Parse reads one event in CloudEvents structured mode (a JSON object). An
// event without ingestedtime gets the time ingested, or, when that is zero, its
// recordedtime.
func Parse(doc []byte, ingested time.Time) (Event, error) {
	var env envelope
	if err := decodeJSON(doc, "", &env); err != nil {
		return Event{}, err
	}
	if env.SpecVersion != specVersion {
		return Event{}, refuse(CodeSchema, "specversion", "want %q", specVersion)
	}
	if env.DataContentType != "" && env.DataContentType != jsonType {
		return Event{}, refuse(CodeSchema, "datacontenttype", "want %q", jsonType)
	}
	if len(env.Data) == 0 {
		return Event{}, refuse(CodeSchema, "/data", "is required")
	}
	data, err := decodeData(env.Type, env.Data)
	if err != nil {
		return Event{}, err
	}
	return complete(Event{
		Tenant: env.TenantID, Source: env.Source, ID: env.ID, Subject: env.Subject,
		Time: env.Time, RecordedAt: env.RecordedTime, IngestedAt: env.IngestedTime,
		CorrelationID: env.CorrelationID, CausationID: env.CausationID,
		TraceParent: env.TraceParent, DataSchema: env.DataSchema,
		Data: data, Body: env.Data,
	}, ingested)
}

// MarshalJSON writes the event in CloudEvents structured mode.
func (e Event) MarshalJSON() ([]byte, error) {
	body, err := e.text()
	if err != nil {
		return nil, err
	}
	return json.Marshal(envelope{
		SpecVersion: specVersion, ID: e.ID, Source: e.Source, Type: e.Type(), Subject: e.Subject,
		TenantID: e.Tenant, Time: e.Time.UTC(), RecordedTime: e.RecordedAt.UTC(), IngestedTime: utc(e.IngestedAt),
		CorrelationID: e.CorrelationID, CausationID: e.CausationID, TraceParent: e.TraceParent,
		DataSchema: e.DataSchema, DataContentType: jsonType, Data: body,
	})
}

func utc(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.UTC()
}
