package events

import (
	"bytes"
	"strings"
	"time"
)

const (
	specVersion    = "1.0"
	jsonType       = "application/json"
	structuredType = "application/cloudevents+json"
)

// Message is a Kafka record without its place in the log.
type Message struct {
	Key     []byte
	Value   []byte
	Headers []Header
	Time    time.Time // the record's timestamp
}

// Encode writes the event in CloudEvents binary mode, keyed tenant|subject.
func Encode(e Event) (Message, error) {
	body, err := e.text()
	if err != nil {
		return Message{}, err
	}
	return Message{Key: []byte(e.Key()), Value: body, Headers: headersOf(&e), Time: e.IngestedAt}, nil
}

func headersOf(e *Event) []Header {
	headers := make([]Header, 0, 14)
	add := func(key, value string) {
		if value != "" {
			headers = append(headers, Header{key, []byte(value)})
		}
	}
	add("content-type", jsonType)
	add("ce_specversion", specVersion)
	add("ce_id", string(e.ID))
	add("ce_source", string(e.Source))
	add("ce_type", string(e.Type()))
	add("ce_time", stamp(e.Time))
	add("ce_subject", e.Subject)
	add("ce_dataschema", e.DataSchema)
	add("ce_tenantid", string(e.Tenant))
	add("ce_recordedtime", stamp(e.RecordedAt))
	add("ce_ingestedtime", stamp(e.IngestedAt))
	add("ce_correlationid", e.CorrelationID)
	add("ce_causationid", e.CausationID)
	add("ce_traceparent", e.TraceParent)
	return headers
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// parseTime reads RFC 3339 as strictly as JSON is read. The time package takes a
// comma, an hour of one digit and an offset of a whole day as well.
func parseTime(s string) (time.Time, bool) {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil || strings.Contains(s, ",") || s[len("2006-01-02T15")] != ':' {
		return time.Time{}, false
	}
	_, offset := t.Zone()
	return t, -24*60*60 < offset && offset < 24*60*60
}

// Decode reads a record in binary or structured mode and holds its key against
// its content. Every refusal is an [Error].
func Decode(m Message) (Event, error) {
	switch {
	case m.Value == nil:
		return Event{}, refuse(CodeNullValue, "", "the record has no value")
	case len(m.Value) == 0:
		return Event{}, refuse(CodeEmpty, "", "the record's value is empty")
	case m.Key == nil:
		return Event{}, refuse(CodeNullKey, "", "the record has no key")
	}
	var h headers
	if err := h.read(m.Headers); err != nil {
		return Event{}, err
	}
	e, err := decodeMode(m, &h)
	if err != nil {
		return Event{}, err
	}
	if !e.hasKey(m.Key) {
		return Event{}, refuse(CodeKeyMismatch, "", "the record's key is not tenant|subject")
	}
	return e, nil
}

func decodeMode(m Message, h *headers) (Event, error) {
	if contentType, _, _ := bytes.Cut(h[attrContentType], []byte(";")); string(bytes.TrimSpace(contentType)) == structuredType || h.bare() {
		e, err := Parse(m.Value, m.Time)
		if err == nil && len(h[attrTenant]) > 0 && string(h[attrTenant]) != string(e.Tenant) {
			return Event{}, refuse(CodeTenant, "tenantid", "headers and payload name different tenants")
		}
		return e, err
	}
	return decodeBinary(m, h)
}

func decodeBinary(m Message, h *headers) (Event, error) {
	if string(h[attrVersion]) != specVersion {
		return Event{}, refuse(CodeBadHeaders, "ce_specversion", "want %q", specVersion)
	}
	times := [3]time.Time{}
	for i, attr := range [...]struct {
		name  string
		value []byte
	}{
		{"ce_time", h[attrTime]}, {"ce_recordedtime", h[attrRecorded]}, {"ce_ingestedtime", h[attrIngested]},
	} {
		if len(attr.value) == 0 {
			continue
		}
		t, ok := parseTime(string(attr.value))
		if !ok {
			return Event{}, refuse(CodeBadHeaders, attr.name, "is no RFC 3339 time")
		}
		times[i] = t
	}
	data, err := decodeData(Type(h[attrType]), m.Value)
	if err != nil {
		return Event{}, err
	}
	e := Event{Time: times[0], RecordedAt: times[1], IngestedAt: times[2], Data: data, Body: m.Value}
	h.name(&e)
	return complete(e, m.Time)
}
