package events

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Event is one fact in its envelope. An event that came through the codec is
// valid; one made in Go is checked by [Encode] and [Event.Validate].
type Event struct {
	Tenant     TenantID
	Source     Source
	ID         EventID
	Subject    string    // an order id, a shipment id, or trk:CARRIER:NUMBER
	Time       time.Time // when it happened, the envelope's time
	RecordedAt time.Time // when the source knew; defaults to Time
	IngestedAt time.Time // when it came through our door

	CorrelationID string
	CausationID   string
	TraceParent   string
	DataSchema    string

	Data Data           // what it says; its Type is the event's
	Body jsontext.Value // Data as the producer wrote it
}

// New returns an event that says d, with the fields that every event needs.
// The time it happened is d's occurred_at.
func New(tenant TenantID, source Source, id EventID, subject string, d Data) Event {
	e := Event{Tenant: tenant, Source: source, ID: id, Subject: subject, Data: d}
	e.Time = d.fact().OccurredAt
	e.RecordedAt = e.Time
	return e
}

// Type names the event's type.
func (e *Event) Type() Type { return e.Data.Type() }

// Stream is the thing whose fact this is.
func (e *Event) Stream() Stream { return streamOf(e.Data, e.Subject) }

// Key is the Kafka key: tenant|subject.
func (e *Event) Key() string { return string(e.Tenant) + "|" + e.Subject }

// hasKey reports whether key is the event's.
func (e *Event) hasKey(key []byte) bool {
	tenant, subject, ok := bytes.Cut(key, []byte("|"))
	return ok && string(tenant) == string(e.Tenant) && string(subject) == e.Subject
}

// Class says whether the fact happened.
func (e *Event) Class() Class {
	if c := e.Data.fact().Class; c != "" {
		return c
	}
	if e.Type() == TypeETAChanged {
		return Estimated
	}
	return Actual
}

// OccurredAt is when the fact happened, with the offset of where it happened.
func (e *Event) OccurredAt() time.Time {
	if t := e.Data.fact().OccurredAt; !t.IsZero() {
		return t
	}
	return e.Time
}

// TZSource says where the offset of OccurredAt comes from.
func (e *Event) TZSource() TZSource {
	if s := e.Data.fact().TZSource; s != "" {
		return s
	}
	return TZOffset
}

// Precision says how exactly OccurredAt is known.
func (e *Event) Precision() Precision {
	if p := e.Data.fact().Precision; p != "" {
		return p
	}
	return ToSecond
}

// ContentHash is the SHA-256 of the canonical JSON (RFC 8785) of the type, the
// time in UTC and the data. Two events with the same hash say the same.
func (e *Event) ContentHash() ([sha256.Size]byte, error) {
	body, err := e.body()
	if err != nil {
		return [sha256.Size]byte{}, err
	}
	if hash, ok := e.plainHash(body); ok {
		return hash, nil
	}
	doc := e.appendHead(make(jsontext.Value, 0, len(body)+96))
	doc = append(append(doc, body...), ']')
	if err := (*jsontext.Value)(&doc).Canonicalize(); err != nil {
		return [sha256.Size]byte{}, err
	}
	return sha256.Sum256(doc), nil
}

// plainHash is the content hash of a body that is plain JSON.
func (e *Event) plainHash(body []byte) (hash [sha256.Size]byte, ok bool) {
	const usual = 2 << 10
	var room [usual]byte
	doc := e.appendHead(room[:0])
	need := len(doc) + 2*len(body) + 1
	if need > usual {
		doc = slices.Grow(doc, need-len(doc))
	}
	n, ok := canonicalize(doc[len(doc):need], body)
	if !ok {
		return hash, false
	}
	return sha256.Sum256(append(doc[:len(doc)+n], ']')), true
}

// appendHead begins the document that is hashed, in canonical form.
func (e *Event) appendHead(doc []byte) []byte {
	doc = append(doc, `["`...)
	doc = append(doc, e.Type()...)
	doc = append(doc, `","`...)
	doc = e.OccurredAt().UTC().AppendFormat(doc, time.RFC3339Nano)
	return append(doc, `",`...)
}

// body returns the data as JSON: as the producer wrote it, else encoded anew.
func (e *Event) body() (jsontext.Value, error) {
	if e.Body != nil {
		return e.Body, nil
	}
	body, err := json.Marshal(e.Data)
	if err != nil {
		return nil, jsonError(body, "/data", err)
	}
	return body, nil
}

// text returns the body of an event that is to be written.
func (e *Event) text() (jsontext.Value, error) {
	if err := e.Validate(); err != nil {
		return nil, err
	}
	body, err := e.body()
	if err != nil {
		return nil, err
	}
	if err := checkText(body); err != nil {
		return nil, err
	}
	return body, nil
}

// Validate refuses an event that breaks the vocabulary with an [Error]. It does
// not look at Body.
func (e *Event) Validate() error {
	if e.Data == nil {
		return refuse(CodeSchema, "data", "is required")
	}
	if err := e.checkEnvelope(); err != nil {
		return err
	}
	c := &checker{}
	e.Data.check(c)
	if c.err != nil {
		return c.err
	}
	return e.checkSubject()
}

func (e *Event) checkEnvelope() error {
	switch {
	case !validID(string(e.Tenant)):
		return refuse(CodeInvalidID, "tenantid", "want 1 to 64 characters of A-Z a-z 0-9 . _ : -")
	case !validID(string(e.ID)):
		return refuse(CodeInvalidID, "id", "want 1 to 64 characters of A-Z a-z 0-9 . _ : -")
	case !validSource(string(e.Source)):
		return refuse(CodeInvalidID, "source", "want 1 to %d visible ASCII characters", maxSource)
	case e.Time.IsZero():
		return refuse(CodeSchema, "time", "is required")
	case impossible(e.Time) != "":
		return refuse(CodeSchema, "time", "%s", impossible(e.Time))
	case impossible(e.RecordedAt) != "":
		return refuse(CodeSchema, "recordedtime", "%s", impossible(e.RecordedAt))
	case !e.IngestedAt.IsZero() && impossible(e.IngestedAt) != "":
		return refuse(CodeSchema, "ingestedtime", "%s", impossible(e.IngestedAt))
	case !e.OccurredAt().Equal(e.Time):
		return refuse(CodeSchema, "/data/occurred_at", "is another instant than the envelope's time")
	}
	return e.checkAttributes()
}

// checkAttributes looks at the attributes that are free text.
func (e *Event) checkAttributes() error {
	for _, attr := range [...]struct{ name, value string }{
		{"correlationid", e.CorrelationID}, {"causationid", e.CausationID},
		{"traceparent", e.TraceParent}, {"dataschema", e.DataSchema},
	} {
		switch {
		case longer(attr.value, maxText):
			return refuse(CodeSchema, attr.name, "is longer than %d characters", maxText)
		case strings.IndexByte(attr.value, 0) >= 0:
			return refuse(CodeControlChar, attr.name, "holds the character U+0000")
		case !utf8.ValidString(attr.value):
			return refuse(CodeInvalidUTF8, attr.name, "is not Unicode text")
		}
	}
	return nil
}

// checkSubject holds the subject against what the data says of itself.
func (e *Event) checkSubject() error {
	stream := e.Stream()
	if err := stream.check(); err != nil {
		return err
	}
	if says := e.Data.subject(); says != "" && stream.Kind != TrackingStream && says != e.Subject {
		field := "/data/" + strings.ReplaceAll(string(stream.Kind), "tracking", "shipment") + "_id"
		return refuse(CodeSchema, field, "is not the event's subject")
	}
	return nil
}
