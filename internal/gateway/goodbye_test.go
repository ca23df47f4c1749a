package gateway_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/waybill-io/waybill/internal/auth"
	"github.com/waybill-io/waybill/internal/gateway"
)

const closes = "waybill_ws_closes_total"

// What a client says goodbye with is what its connection counts as; 1006 is for
// those that say nothing.
func TestAConnectionCountsByTheCodeThatEndedIt(t *testing.T) {
	s := start(t, hubConfig(), gatewayConfig())
	bye := func(code websocket.StatusCode) func(*client) {
		return func(c *client) { _ = c.ws.Close(code, "bye") }
	}
	tests := []struct {
		name, label string
		leave       func(*client)
	}{
		{"a client that is done", "1000", bye(1000)},
		{"a tab that is closed", "1001", bye(1001)},
		{"a client with an error", "1011", bye(1011)},
		{"a client that names no code", "1005", bye(websocket.StatusNoStatusRcvd)},
		{"a code of its own", "3000-4999", bye(3001)},
		{"a code that means something else where we say it", "3000-4999", bye(4003)},
		{"a line that breaks", "1006", func(c *client) { _ = c.ws.CloseNow() }},
	}
	for _, tt := range tests {
		for when, greet := range map[string]bool{" before the hello": false, " after it": true} {
			t.Run(tt.name+when, func(t *testing.T) {
				before, lost, slow := s.metric(closes, tt.label), s.metric(closes, "1006"), s.metric(closes, "4003")
				c := s.dial()
				if greet {
					c.hello(s.token(auth.Principal{}), m{"sid": 1, "topic": "shipments"})
					c.frame("live", 1)
				}
				tt.leave(c)
				eventually(t, "the count as "+tt.label, func() bool { return s.metric(closes, tt.label) == before+1 })
				if got := s.metric(closes, "1006"); tt.label != "1006" && got != lost {
					t.Errorf("counted as lost as well: %v, want %v", got, lost)
				}
				if got := s.metric(closes, "4003"); got != slow {
					t.Errorf("counted as too slow: %v, want %v", got, slow)
				}
			})
		}
	}
}

func TestTheCloseReasonSaysWhatIsWrongWithAHello(t *testing.T) {
	s := start(t, hubConfig(), gatewayConfig())
	long := strings.Repeat("ä", 300)
	tests := []struct{ name, text, want string }{
		{"no JSON", "hello", "bad protocol: the frame is not JSON"},
		{"half a frame", `{"t":"hello"`, "bad protocol: the frame is not JSON"},
		{"no object", `["hello"]`, "bad protocol: the frame is not a JSON object"},
		{"another frame", `{"t":"sub","sid":1,"topic":"orders"}`, `bad protocol: the first frame is hello, not "sub"`},
		{"no t", `{"v":1,"token":"x"}`, "bad protocol: the first frame is hello, and this one has no t"},
		{"a misspelt field", `{"t":"hello","v":1,"tokne":"x"}`, `bad protocol: there is no field "tokne"`},
		{"a misspelt field of a subscription", `{"t":"hello","v":1,"token":"x","subs":[{"sid":1,"topc":"orders"}]}`, `bad protocol: there is no field "subs/0/topc"`},
		{"a field twice", `{"t":"hello","v":1,"token":"x","token":"y"}`, `bad protocol: the field "token" stands twice`},
		{"a text for a number", `{"t":"hello","v":"1","token":"x"}`, `bad protocol: the field "v" has the wrong type`},
		{"a long name", `{"t":"hello","` + long + `":1}`, `bad protocol: there is no field "` + long[:48] + `…"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := s.dial()
			c.sendText(tt.text)
			if got := c.reason(4500); got != tt.want {
				t.Errorf("reason %q, want %q", got, tt.want)
			}
		})
	}
}

// Whatever a client sends, its name for a field does not make the close frame too
// long to be sent.
func TestTheCloseReasonFitsIntoItsFrame(t *testing.T) {
	s := start(t, hubConfig(), gatewayConfig())
	c := s.dial()
	c.sendText(`{"t":"hello","` + strings.Repeat("\u2028", 300) + `":1}`)
	if got := c.reason(4500); len(got) > 123 || !strings.HasPrefix(got, "bad protocol: there is no field ") {
		t.Errorf("reason %q of %d bytes, want 123 at most", got, len(got))
	}
}

func TestTheCloseReasonOfTooManyErrorsNamesTheLast(t *testing.T) {
	s := start(t, hubConfig(), gateway.Config{Errors: 2})
	c := s.connect(auth.Principal{})
	c.sendText(`{"t":"dance"}`)
	c.sendText(`{"t":"sub","sid":1,"topic":"orders","filtre":{}}`)
	if got, want := c.reason(4500), `bad protocol: too many errors, the last: there is no field "filtre"`; got != want {
		t.Errorf("reason %q, want %q", got, want)
	}
	if got := c.frame("err", 2).Msg; got != `there is no field "filtre"` {
		t.Errorf("the error says %q", got)
	}
}

// reason waits for the end, which has to be with a code, and returns its reason.
func (c *client) reason(want websocket.StatusCode) string {
	c.t.Helper()
	if got := c.closed(); got != want {
		c.t.Fatalf("closed with %d (%v), want %d", got, c.err, want)
	}
	e, _ := errors.AsType[websocket.CloseError](c.err)
	return e.Reason
}
