package query

import (
	"maps"
	"net/http"

	"github.com/go-json-experiment/json"
)

// Code is the stable name of a refusal.
type Code string

// The refusals.
const (
	CodeBadParameter Code = "bad_parameter"      // unknown, given twice, or with an impossible value
	CodeBadCursor    Code = "bad_cursor"         // of another timeline or tenant, or tampered with
	CodeInvalidToken Code = "invalid_token"      // no token, or one that is not valid
	CodeForbidden    Code = "forbidden"          // the token does not let its bearer read
	CodeNotFound     Code = "not_found"          // no such thing in the tenant, or no such path
	CodeMethod       Code = "method_not_allowed" // the path exists for other methods
	CodeTooLong      Code = "history_too_long"   // a view of the past would take too many events
	CodeRateLimited  Code = "rate_limited"       // the user asks too often
	CodeUnavailable  Code = "unavailable"        // the read model cannot answer now
	CodeInternal     Code = "internal"           // our fault
)

// Problem is a refusal on the wire (RFC 9457).
type Problem struct {
	Title     string `json:"title" doc:"The status in words."`
	Status    int    `json:"status" doc:"The HTTP status."`
	Code      Code   `json:"code" enum:"bad_parameter,bad_cursor,invalid_token,forbidden,not_found,method_not_allowed,history_too_long,rate_limited,unavailable,internal" doc:"The stable name of the refusal."`
	Detail    string `json:"detail" doc:"One sentence for people."`
	Parameter string `json:"parameter,omitzero" doc:"The query parameter that is wrong."`
}

const problemType = "application/problem+json"

func refuse(status int, code Code, detail string) *Problem {
	return &Problem{Title: http.StatusText(status), Status: status, Code: code, Detail: detail}
}

func badParameter(name, detail string) *Problem {
	p := refuse(http.StatusBadRequest, CodeBadParameter, detail)
	p.Parameter = name
	return p
}

func notFound() *Problem {
	return refuse(http.StatusNotFound, CodeNotFound, "There is no such thing.")
}

// Error reads "code: detail".
func (p *Problem) Error() string { return string(p.Code) + ": " + p.Detail }

// GetStatus is the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders are the headers that belong to the refusal.
func (p *Problem) GetHeaders() http.Header {
	h := http.Header{}
	switch p.Code {
	case CodeInvalidToken:
		h.Set("WWW-Authenticate", `Bearer error="invalid_token"`)
	case CodeRateLimited, CodeUnavailable:
		h.Set("Retry-After", "1")
	default:
	}
	return h
}

// ContentType is that of problems, whatever was asked for.
func (p *Problem) ContentType(string) string { return problemType }

// write answers with the problem.
func (p *Problem) write(w http.ResponseWriter) {
	maps.Copy(w.Header(), p.GetHeaders())
	w.Header().Set("Content-Type", problemType)
	w.WriteHeader(p.Status)
	_ = marshal(w, p) // a client that hung up needs no answer
}

// marshal writes v and a newline. It reports what cannot be written as JSON,
// not that nobody reads it.
func marshal(w interface{ Write([]byte) (int, error) }, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, _ = w.Write(append(body, '\n')) // a client that hung up needs no answer
	return nil
}
