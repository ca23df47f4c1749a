package fanout

import "fmt"

// CloseCode is why a connection is ended. Its range tells the client whether to
// come back: below 4500 it reconnects, from 4500 on it does not.
type CloseCode int

// The codes of the protocol, and those of RFC 6455 that we send ourselves.
const (
	CloseNormal      CloseCode = 1000
	CloseProtocol    CloseCode = 1002
	CloseUnsupported CloseCode = 1003
	CloseInvalid     CloseCode = 1007
	CloseTooBig      CloseCode = 1009

	CloseDrain        CloseCode = 4001
	CloseNoPong       CloseCode = 4002
	CloseSlow         CloseCode = 4003
	CloseInternal     CloseCode = 4004
	CloseTokenExpired CloseCode = 4005
	CloseOverloaded   CloseCode = 4006
	ClosePermissions  CloseCode = 4007

	CloseBadProtocol     CloseCode = 4500
	CloseUnauthenticated CloseCode = 4501
	CloseForbidden       CloseCode = 4502
	CloseTooMany         CloseCode = 4503
	CloseHelloTimeout    CloseCode = 4504
	CloseRevoked         CloseCode = 4505
	CloseVersion         CloseCode = 4506
)

// CloseLost says that the connection is gone already: no code can be sent. It is
// what the standard reserves for that.
const CloseLost CloseCode = 1006

// Closing is one row of the table of close codes.
type Closing struct {
	Code      CloseCode
	Meaning   string // the reason in the close frame
	Reconnect bool
}

// Closings is the table of all codes that we send, by code.
func Closings() []Closing {
	return []Closing{
		{CloseNormal, "done", false},
		{CloseProtocol, "websocket protocol error", false},
		{CloseUnsupported, "only text messages are understood", false},
		{CloseInvalid, "message is not UTF-8", false},
		{CloseTooBig, "message is too big", false},

		{CloseDrain, "server is draining", true},
		{CloseNoPong, "no answer to a heartbeat", true},
		{CloseSlow, "client is too slow", true},
		{CloseInternal, "internal error", true},
		{CloseTokenExpired, "token expired", true},
		{CloseOverloaded, "too many messages, or server is overloaded", true},
		{ClosePermissions, "permissions changed", true},

		{CloseBadProtocol, "bad protocol", false},
		{CloseUnauthenticated, "token not accepted", false},
		{CloseForbidden, "token does not allow this", false},
		{CloseTooMany, "too many connections", false},
		{CloseHelloTimeout, "no hello in time", false},
		{CloseRevoked, "token was revoked", false},
		{CloseVersion, "protocol version not supported", false},
	}
}

// String is the meaning of the code.
func (c CloseCode) String() string {
	if c == CloseLost {
		return "connection lost"
	}
	for _, row := range Closings() {
		if row.Code == c {
			return row.Meaning
		}
	}
	return fmt.Sprintf("close code %d", int(c))
}

// Reconnect reports whether a client that is closed with this code should come
// back: a code of the protocol says so by its range.
func (c CloseCode) Reconnect() bool { return c >= 4000 && c < 4500 }
