package events

import (
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Stored is an event as the timeline keeps it.
type Stored struct {
	Tenant     TenantID
	Source     Source
	ID         EventID
	Type       Type
	Subject    string
	OccurredAt time.Time
	RecordedAt time.Time
	IngestedAt time.Time
	Body       jsontext.Value
}

// Restore reads an event back from the timeline. It was valid when it was
// stored, so only its data is read again.
func (s Stored) Restore() (Event, error) {
	data, err := decodeData(s.Type, s.Body)
	if err != nil {
		return Event{}, err
	}
	return Event{
		Tenant: s.Tenant, Source: s.Source, ID: s.ID, Subject: s.Subject,
		Time: s.OccurredAt, RecordedAt: s.RecordedAt, IngestedAt: s.IngestedAt,
		Data: data, Body: s.Body,
	}, nil
}
