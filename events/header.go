package events

import (
	"bytes"
	"strings"
	"unicode/utf8"
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

// headers are the values of a record's attributes, as they lie in the record.
type headers [attributes][]byte

// The attributes. From attrID on they are texts that an event keeps.
const (
	attrNone = iota - 1
	attrContentType
	attrVersion
	attrType
	attrTime
	attrRecorded
	attrIngested
	attrID
	attrSource
	attrSubject
	attrTenant
	attrCorrelation
	attrCausation
	attrTrace
	attrSchema
	attributes
)

func attribute(key string) int {
	switch key {
	case "content-type", "Content-Type":
		return attrContentType
	case "ce_specversion":
		return attrVersion
	case "ce_id":
		return attrID
	case "ce_source":
		return attrSource
	case "ce_type":
		return attrType
	case "ce_subject":
		return attrSubject
	case "ce_tenantid":
		return attrTenant
	case "ce_time":
		return attrTime
	case "ce_recordedtime":
		return attrRecorded
	case "ce_ingestedtime":
		return attrIngested
	case "ce_correlationid":
		return attrCorrelation
	case "ce_causationid":
		return attrCausation
	case "ce_traceparent":
		return attrTrace
	case "ce_dataschema":
		return attrSchema
	default:
		return attrNone
	}
}

// bare reports that no attribute came with the record: its value must hold them.
func (h *headers) bare() bool {
	return len(h[attrVersion]) == 0 && len(h[attrID]) == 0 && len(h[attrType]) == 0
}

func (h *headers) read(list []Header) error {
	if len(list) > MaxHeaders {
		return refuse(CodeBadHeaders, "", "%d headers, at most %d are allowed", len(list), MaxHeaders)
	}
	size, seen := 0, [attributes]bool{}
	for _, it := range list {
		if size += len(it.Key) + len(it.Value); size > MaxHeaderBytes {
			return refuse(CodeBadHeaders, "", "more than %d bytes of headers", MaxHeaderBytes)
		}
		to := attribute(it.Key)
		if to == attrNone {
			continue
		}
		if seen[to] {
			return refuse(CodeBadHeaders, printable(it.Key), "stands twice")
		}
		if !utf8.Valid(it.Value) || bytes.IndexByte(it.Value, 0) >= 0 {
			return refuse(CodeBadHeaders, printable(it.Key), "is not text")
		}
		h[to], seen[to] = it.Value, true
	}
	return nil
}

// name sets the event's texts, which are one piece of memory: the record's is
// not kept for them.
func (h *headers) name(e *Event) {
	texts := h[attrID:]
	size := 0
	for _, t := range texts {
		size += len(t)
	}
	var all strings.Builder
	all.Grow(size)
	for _, t := range texts {
		all.Write(t)
	}
	rest := all.String()
	next := func(attr int) (text string) {
		text, rest = rest[:len(h[attr])], rest[len(h[attr]):]
		return text
	}
	e.ID, e.Source, e.Subject, e.Tenant = EventID(next(attrID)), Source(next(attrSource)), next(attrSubject), TenantID(next(attrTenant))
	e.CorrelationID, e.CausationID, e.TraceParent, e.DataSchema = next(attrCorrelation), next(attrCausation), next(attrTrace), next(attrSchema)
}
