package events

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	specVersion    = "1.0"
	jsonType       = "application/json"
	structuredType = "application/cloudevents+json"
)

// Limits of a record's headers.
const (
	MaxHeaders     = 64
	MaxHeaderBytes = 16 << 10
)

// Header is a Kafka record header.
type Header struct {
	Key   string
	Value []byte
}

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
	h, err := readHeaders(m.Headers)
	if err != nil {
		return Event{}, err
	}
	e, err := decodeMode(m, h)
	if err != nil {
		return Event{}, err
	}
	if string(m.Key) != e.Key() {
		return Event{}, refuse(CodeKeyMismatch, "", "the record's key is not tenant|subject")
	}
	return e, nil
}

func decodeMode(m Message, h *headers) (Event, error) {
	if contentType, _, _ := strings.Cut(h.contentType, ";"); strings.TrimSpace(contentType) == structuredType || h.bare() {
		e, err := Parse(m.Value, m.Time)
		if err == nil && h.tenant != "" && h.tenant != string(e.Tenant) {
			return Event{}, refuse(CodeTenant, "tenantid", "headers and payload name different tenants")
		}
		return e, err
	}
	return decodeBinary(m, h)
}

func decodeBinary(m Message, h *headers) (Event, error) {
	if h.specVersion != specVersion {
		return Event{}, refuse(CodeBadHeaders, "ce_specversion", "want %q", specVersion)
	}
	times := [3]time.Time{}
	for i, attr := range []struct{ name, value string }{
		{"ce_time", h.time}, {"ce_recordedtime", h.recorded}, {"ce_ingestedtime", h.ingested},
	} {
		if attr.value == "" {
			continue
		}
		t, ok := parseTime(attr.value)
		if !ok {
			return Event{}, refuse(CodeBadHeaders, attr.name, "is no RFC 3339 time")
		}
		times[i] = t
	}
	data, err := decodeData(Type(h.typ), m.Value)
	if err != nil {
		return Event{}, err
	}
	return complete(Event{
		Tenant: TenantID(h.tenant), Source: Source(h.source), ID: EventID(h.id), Subject: h.subject,
		Time: times[0], RecordedAt: times[1], IngestedAt: times[2],
		CorrelationID: h.correlation, CausationID: h.causation, TraceParent: h.trace, DataSchema: h.schema,
		Data: data, Body: m.Value,
	}, m.Time)
}

// headers are a record's attributes by name.
type headers struct {
	contentType, specVersion, id, source, typ, subject, tenant string
	time, recorded, ingested                                   string
	correlation, causation, trace, schema                      string
}

// bare reports that no attribute came with the record: its value must hold them.
func (h *headers) bare() bool { return h.specVersion == "" && h.id == "" && h.typ == "" }

func readHeaders(list []Header) (*headers, error) {
	if len(list) > MaxHeaders {
		return nil, refuse(CodeBadHeaders, "", "%d headers, at most %d are allowed", len(list), MaxHeaders)
	}
	h := &headers{}
	size, seen := 0, make([]*string, 0, 16)
	for _, it := range list {
		if size += len(it.Key) + len(it.Value); size > MaxHeaderBytes {
			return nil, refuse(CodeBadHeaders, "", "more than %d bytes of headers", MaxHeaderBytes)
		}
		to := h.field(it.Key)
		if to == nil {
			continue
		}
		if slices.Contains(seen, to) {
			return nil, refuse(CodeBadHeaders, printable(it.Key), "stands twice")
		}
		if !utf8.Valid(it.Value) || strings.ContainsRune(string(it.Value), 0) {
			return nil, refuse(CodeBadHeaders, printable(it.Key), "is not text")
		}
		*to, seen = string(it.Value), append(seen, to)
	}
	return h, nil
}

func (h *headers) field(key string) *string {
	switch key {
	case "content-type", "Content-Type":
		return &h.contentType
	case "ce_specversion":
		return &h.specVersion
	case "ce_id":
		return &h.id
	case "ce_source":
		return &h.source
	case "ce_type":
		return &h.typ
	case "ce_subject":
		return &h.subject
	case "ce_tenantid":
		return &h.tenant
	case "ce_time":
		return &h.time
	case "ce_recordedtime":
		return &h.recorded
	case "ce_ingestedtime":
		return &h.ingested
	case "ce_correlationid":
		return &h.correlation
	case "ce_causationid":
		return &h.causation
	case "ce_traceparent":
		return &h.trace
	case "ce_dataschema":
		return &h.schema
	default:
		return nil
	}
}
