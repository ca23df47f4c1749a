package events

import (
	"errors"
	"fmt"
)

// Code is the stable name of a reason why an event is refused. Codes appear in
// dead letters and in answers to producers and never change their meaning.
type Code string

// The reasons for refusing an event.
const (
	CodeMalformed    Code = "malformed_json"   // not JSON, or not a JSON object
	CodeDuplicateKey Code = "duplicate_key"    // an object names a field twice
	CodeTrailing     Code = "trailing_data"    // something follows the JSON document
	CodeInvalidUTF8  Code = "invalid_utf8"     // bytes or escapes that are no Unicode text
	CodeControlChar  Code = "control_char"     // a NUL character in a string
	CodeTooDeep      Code = "too_deep"         // nested deeper than MaxDepth
	CodeTooLarge     Code = "too_large"        // longer than MaxSize
	CodeUnknownField Code = "unknown_field"    // a field that the type does not have
	CodeSchema       Code = "schema_violation" // a field is missing or has an impossible value
	CodeInvalidID    Code = "invalid_id"       // an id with characters or a length that ids cannot have
	CodeUnknownType  Code = "unknown_type"     // a type or version that this code does not know
	CodeNullValue    Code = "null_value"       // a record without a value (a tombstone)
	CodeEmpty        Code = "empty"            // a record with an empty value
	CodeNullKey      Code = "null_key"         // a record without a key
	CodeKeyMismatch  Code = "key_mismatch"     // the record's key is not tenant|subject
	CodeBadHeaders   Code = "bad_headers"      // headers missing, repeated, too many, or not text
	CodeTenant       Code = "tenant_mismatch"  // headers and payload name different tenants
)

// Error says why an event is refused.
type Error struct {
	Code   Code
	Field  string // JSON pointer or attribute name; empty when the whole is meant
	Detail string // one sentence for people, without the payload
}

// Error reads "code: field: detail".
func (e *Error) Error() string {
	if e.Field == "" {
		return fmt.Sprintf("%s: %s", e.Code, e.Detail)
	}
	return fmt.Sprintf("%s: %s: %s", e.Code, e.Field, e.Detail)
}

// CodeOf reports the code of the first [Error] in err's chain, or "" when there
// is none.
func CodeOf(err error) Code {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return ""
}

func refuse(code Code, field, format string, args ...any) *Error {
	return &Error{Code: code, Field: field, Detail: fmt.Sprintf(format, args...)}
}
