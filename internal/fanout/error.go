package fanout

import "fmt"

// Code is the code of an err frame.
type Code string

// The codes of err frames.
const (
	BadRequest      Code = "bad_request"
	Unauthenticated Code = "unauthenticated"
	Forbidden       Code = "forbidden"
	UnknownTopic    Code = "unknown_topic"
	BadFilter       Code = "bad_filter"
	Limit           Code = "limit"
	RateLimited     Code = "rate_limited"
	Overloaded      Code = "overloaded"
	Internal        Code = "internal"
)

// Codes are all of them.
func Codes() []Code {
	return []Code{
		BadRequest, Unauthenticated, Forbidden, UnknownTopic, BadFilter, Limit, RateLimited, Overloaded, Internal,
	}
}

// Retryable reports whether asking again may succeed without asking otherwise.
func (c Code) Retryable() bool {
	return c == RateLimited || c == Overloaded || c == Internal
}

// Error is a request that was refused, in words that may be shown to the client.
type Error struct {
	Code Code
	Msg  string
}

// Error reads "code: message".
func (e *Error) Error() string { return string(e.Code) + ": " + e.Msg }

func refuse(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Msg: fmt.Sprintf(format, args...)}
}
