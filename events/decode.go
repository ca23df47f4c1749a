package events

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// decodeJSON reads one strict JSON object into v. Errors name fields below at.
func decodeJSON(doc []byte, at string, v any) error {
	if err := checkText(doc); err != nil {
		return err
	}
	if k := jsontext.Value(doc).Kind(); k != '{' && k != 0 {
		return refuse(CodeSchema, at, "want a JSON object")
	}
	err := json.Unmarshal(doc, v, json.RejectUnknownMembers(true))
	if err == nil {
		return nil
	}
	return jsonError(doc, at, err)
}

// jsonError turns what the JSON library reports into an [Error].
func jsonError(doc []byte, at string, err error) *Error {
	if semantic, ok := errors.AsType[*json.SemanticError](err); ok {
		field := at + string(semantic.JSONPointer)
		if errors.Is(semantic.Err, json.ErrUnknownName) {
			return refuse(CodeUnknownField, printable(field), "is not a field of this type")
		}
		return refuse(CodeSchema, printable(field), "is no value of this field")
	}
	syntax, ok := errors.AsType[*jsontext.SyntacticError](err)
	if !ok {
		return refuse(CodeMalformed, at, "is not JSON")
	}
	field := printable(at + string(syntax.JSONPointer))
	switch {
	case errors.Is(syntax.Err, jsontext.ErrDuplicateName):
		return refuse(CodeDuplicateKey, field, "stands twice")
	case strings.Contains(syntax.Err.Error(), "UTF-8") || strings.Contains(syntax.Err.Error(), "surrogate"):
		return refuse(CodeInvalidUTF8, field, "is not Unicode text")
	case trailing(doc):
		return refuse(CodeTrailing, at, "something follows the JSON object")
	default:
		return refuse(CodeMalformed, field, "is not JSON, near byte %d", syntax.ByteOffset)
	}
}

// trailing reports whether doc begins with a whole value and goes on.
func trailing(doc []byte) bool {
	dec := jsontext.NewDecoder(bytes.NewReader(doc))
	if _, err := dec.ReadValue(); err != nil {
		return false
	}
	_, err := dec.ReadToken()
	return !errors.Is(err, io.EOF)
}

// printable cuts a foreign field name to something a terminal can show.
func printable(field string) string {
	const most = 120
	clean := strings.Map(func(r rune) rune {
		if r < ' ' || r == utf8.RuneError || r == 0x7f {
			return '?'
		}
		return r
	}, field)
	if len(clean) > most {
		clean = strings.ToValidUTF8(clean[:most], "") + "…"
	}
	return clean
}

// decodeData reads an event's data and keeps the text beside it.
func decodeData(t Type, body []byte) (Data, error) {
	data, err := NewData(t)
	if err != nil {
		return nil, err
	}
	if err := decodeJSON(body, "/data", data); err != nil {
		return nil, err
	}
	if z, ok := data.(zeroable); ok {
		if field := z.missing(body); field != "" {
			return nil, refuse(CodeSchema, "/data"+field, "is required")
		}
	}
	return data, nil
}

// complete fills in what an envelope may leave out, and validates. An ingested
// time that nothing can have, such as Kafka's "no timestamp", says nothing: then
// the event came in when its source knew of it, at the earliest.
func complete(e Event, ingested time.Time) (Event, error) {
	if e.Time.IsZero() {
		e.Time = e.Data.fact().OccurredAt
	}
	if e.RecordedAt.IsZero() {
		e.RecordedAt = e.Time
	}
	if e.IngestedAt.IsZero() {
		e.IngestedAt = ingested
		if impossible(ingested) != "" {
			e.IngestedAt = e.RecordedAt
		}
	}
	if err := e.Validate(); err != nil {
		return Event{}, err
	}
	return e, nil
}
