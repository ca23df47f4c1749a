package gateway_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/waybill-io/waybill/internal/auth"
	"github.com/waybill-io/waybill/internal/gateway"
)

// shake is a handshake as a list of header lines; the first is the request line.
// Lines of more replace those of the same name; a line without value removes it.
func (s *stack) shake(path string, more ...string) []string {
	lines := []string{
		"GET " + path + " HTTP/1.1", "Host: " + s.host(), "Connection: Upgrade", "Upgrade: websocket",
		"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol: " + gateway.Subprotocol,
	}
	for _, line := range more {
		name, value, _ := strings.Cut(line, ":")
		kept := lines[:0:0]
		for _, l := range lines {
			if n, _, _ := strings.Cut(l, ":"); n != name {
				kept = append(kept, l)
			}
		}
		if lines = kept; strings.TrimSpace(value) != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

func (s *stack) host() string { return strings.TrimPrefix(s.server.URL, "http://") }

// knock sends a handshake and returns the answer with its connection.
func (s *stack) knock(lines []string) (*http.Response, net.Conn, *bufio.Reader) {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.host())
	if err != nil {
		s.t.Fatalf("Dial: %v", err)
	}
	s.t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		s.t.Fatal(err)
	}
	if _, err := fmt.Fprint(conn, strings.Join(lines, "\r\n")+"\r\n\r\n"); err != nil {
		s.t.Fatalf("send handshake: %v", err)
	}
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		s.t.Fatalf("read answer: %v", err)
	}
	return resp, conn, r
}

// Rows 90 to 93 of the bad inputs; the numbers of all that there are stand in the
// names of the tests of this package.
func TestAHandshakeIsAcceptedOrRefused(t *testing.T) {
	s := start(t, hubConfig(), gateway.Config{Origins: []string{"https://app.example.com"}})
	own := "http://" + s.host()
	tests := []struct {
		name  string
		lines []string
		want  int
	}{
		{"91 no Origin", s.shake("/v1/live"), 101},
		{"90 our own Origin", s.shake("/v1/live", "Origin: "+own), 101},
		{"90 our own Origin in upper case", s.shake("/v1/live", "Origin: "+strings.ToUpper(own)), 101},
		{"90 an Origin of the list", s.shake("/v1/live", "Origin: https://app.example.com"), 101},
		{"90 the same with its port", s.shake("/v1/live", "Origin: https://app.example.com:443"), 101},
		{"92 more subprotocols", s.shake("/v1/live", "Sec-WebSocket-Protocol: other, "+gateway.Subprotocol), 101},
		{"90 a foreign Origin", s.shake("/v1/live", "Origin: https://evil.example"), 403},
		{"90 Origin null", s.shake("/v1/live", "Origin: null"), 403},
		{"90 an Origin that begins like one of the list", s.shake("/v1/live", "Origin: https://app.example.com.evil"), 403},
		{"90 another scheme of the list", s.shake("/v1/live", "Origin: http://app.example.com"), 403},
		{"90 our host by another scheme", s.shake("/v1/live", "Origin: https://"+s.host()), 403},
		{"90 our host at another port", s.shake("/v1/live", "Origin: http://127.0.0.1:1"), 403},
		{"90 an Origin with a path", s.shake("/v1/live", "Origin: "+own+"/x"), 403},
		{"90 an Origin with a user", s.shake("/v1/live", "Origin: http://a@"+s.host()), 403},
		{"90 two Origins", append(s.shake("/v1/live", "Origin: "+own), "Origin: https://evil.example"), 403},
		{"91 a foreign Origin with a cookie", s.shake("/v1/live", "Origin: https://evil.example", "Cookie: session=1"), 403},
		{"91 no Origin with a cookie", s.shake("/v1/live", "Cookie: session=1"), 101}, // and then a token is asked for
		{"93 a token in the query", s.shake("/v1/live?token=eyJ"), 400},
		{"93 a ticket in the query", s.shake("/v1/live?ticket=eyJ"), 400},
		{"93 an access_token in the query", s.shake("/v1/live?x=1&Access_Token=eyJ"), 400},
		{"92 no subprotocol", s.shake("/v1/live", "Sec-WebSocket-Protocol:"), 400},
		{"92 another subprotocol", s.shake("/v1/live", "Sec-WebSocket-Protocol: track.v2.json"), 400},
		{"92 plain HTTP", s.shake("/v1/live", "Connection:", "Upgrade:"), 426},
		{"92 version 8", s.shake("/v1/live", "Sec-WebSocket-Version: 8"), 400},
		{"92 no key", s.shake("/v1/live", "Sec-WebSocket-Key:"), 400},
		{"92 a short key", s.shake("/v1/live", "Sec-WebSocket-Key: YWJj"), 400},
		{"92 a key that is no base64", s.shake("/v1/live", "Sec-WebSocket-Key: !!!!!!!!!!!!!!!!!!!!!!=="), 400},
		{"92 a key that is too long", s.shake("/v1/live", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZS4u"), 400},
		{"92 two keys", append(s.shake("/v1/live"), "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="), 400},
		{"92 POST", append([]string{"POST /v1/live HTTP/1.1"}, s.shake("/v1/live")[1:]...), 405},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			resp, conn, _ := s.knock(tt.lines)
			if resp.StatusCode != tt.want {
				body, _ := io.ReadAll(io.LimitReader(resp.Body, 500))
				t.Errorf("status %d, want %d (%s)", resp.StatusCode, tt.want, body)
			}
			if tt.want == 101 && resp.Header.Get("Sec-WebSocket-Protocol") != gateway.Subprotocol {
				t.Errorf("subprotocol %q", resp.Header.Get("Sec-WebSocket-Protocol"))
			}
			if tt.want == 405 && resp.Header.Get("Allow") != "GET" {
				t.Errorf("Allow: %q", resp.Header.Get("Allow"))
			}
			conn.Close()
		})
	}
	if got := s.metric("waybill_ws_origin_refused_total"); got != 10 {
		t.Errorf("%v origins refused, want 10", got)
	}
}

func TestAConnectionAboveTheLimitIsToldToComeBack(t *testing.T) {
	s := start(t, hubConfig(), gateway.Config{Connections: 2})
	s.connect(auth.Principal{}).frame("welcome", 1)
	second := s.connect(auth.Principal{})
	second.frame("welcome", 1)
	resp, _, _ := s.knock(s.shake("/v1/live"))
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("the third: status %d, Retry-After %q; want 503 and some", resp.StatusCode, resp.Header.Get("Retry-After"))
	}
	second.leave()
	eventually(t, "a place for another", func() bool {
		resp, _, _ := s.knock(s.shake("/v1/live"))
		return resp.StatusCode == 101
	})
}

// Row 93: whoever says nothing good in time.
func TestTheHelloDecides(t *testing.T) {
	s := start(t, hubConfig(), gateway.Config{HelloTimeout: 300 * time.Millisecond})
	good := s.token(auth.Principal{})
	tests := []struct {
		name, text string
		want       int
	}{
		{"93 silence", "", 4504},
		{"93 no JSON", "hello", 4500},
		{"93 another frame", `{"t":"sub","sid":1,"topic":"orders"}`, 4500},
		{"93 an unknown field", `{"t":"hello","v":1,"token":"` + good + `","admin":true}`, 4500},
		{"93 a field twice", `{"t":"hello","v":1,"token":"x","token":"` + good + `"}`, 4500},
		{"93 version 2", `{"t":"hello","v":2,"token":"` + good + `"}`, 4506},
		{"93 no version", `{"t":"hello","token":"` + good + `"}`, 4506},
		{"93 no token", `{"t":"hello","v":1}`, 4501},
		{"93 a token that is none", `{"t":"hello","v":1,"token":"eyJ"}`, 4501},
		{"93 a token with a bit flipped", `{"t":"hello","v":1,"token":"` + good[:len(good)-2] + `A"}`, 4501},
		{"93 a scope that does not read", `{"t":"hello","v":1,"token":"` + s.token(auth.Principal{Scope: []string{"write"}}) + `"}`, 4502},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := s.dial()
			if tt.text != "" {
				c.sendText(tt.text)
			}
			if got := int(c.closed()); got != tt.want {
				t.Errorf("closed with %d (%v), want %d", got, c.err, tt.want)
			}
			if got := c.book.Frames(""); len(got) != 0 {
				t.Errorf("frames %+v before the hello was accepted", got)
			}
		})
	}
	if got := s.metric("waybill_ws_auth_failures_total", "signature"); got != 1 {
		t.Errorf("%v tokens refused for their signature, want 1", got)
	}
	c := s.connect(auth.Principal{})
	w := c.frame("welcome", 1)
	if w.Heartbeat != 20_000 || w.Expires < 3_500_000 || w.Expires > 3_600_000 || w.Conn == "" {
		t.Errorf("welcome %+v, want a heartbeat of 20 s and a token for an hour", w)
	}
}

func TestASubjectAboveItsConnectionsIsClosed(t *testing.T) {
	cfg := hubConfig()
	cfg.UserConnections = 1
	s := start(t, cfg, gatewayConfig())
	s.connect(auth.Principal{}).frame("welcome", 1)
	if got := s.connect(auth.Principal{}).closed(); got != 4503 {
		t.Errorf("closed with %d, want 4503", got)
	}
}

func TestAnOriginThatCouldNeverBeOneIsNamed(t *testing.T) {
	good := gateway.Config{Origins: []string{"https://app.example.com", "http://localhost:3000", "https://[::1]:8443"}}
	if err := good.Validate(); err != nil {
		t.Errorf("Validate: %v", err)
	}
	for _, origin := range []string{"*", "https://*.example.com", "app.example.com", "https://app.example.com/", "null", "", "ftp://a"} {
		bad := gateway.Config{Origins: append([]string{origin}, good.Origins...)}
		if err := bad.Validate(); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", origin)) {
			t.Errorf("Validate with %q: %v, want an error that names it", origin, err)
		}
	}
}
