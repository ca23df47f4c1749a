package gateway_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/waybill-io/waybill/internal/auth"
	"github.com/waybill-io/waybill/internal/fanout"
	"github.com/waybill-io/waybill/internal/gateway"
)

// smallBuffers is a connection that swallows little.
func smallBuffers(t *testing.T, s *stack) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", s.host())
	if err != nil {
		t.Fatalf("Dial: %v", err)
	}
	t.Cleanup(func() { conn.Close() })
	if tcp, ok := conn.(*net.TCPConn); !ok || tcp.SetReadBuffer(16<<10) != nil {
		t.Fatal("the client's buffer cannot be made small")
	}
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// refusal reads a problem document.
func refusal(t *testing.T, resp *http.Response) (code string) {
	t.Helper()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Errorf("read the answer: %v", err)
	}
	var doc struct {
		Status int    `json:"status"`
		Code   string `json:"code"`
		Detail string `json:"detail"`
	}
	if err := json.Unmarshal(body, &doc); err != nil || doc.Status != resp.StatusCode || doc.Detail == "" {
		t.Errorf("status %d with %s: %v", resp.StatusCode, body, err)
	}
	if got := resp.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type %q", got)
	}
	return doc.Code
}

func TestARequestForAStreamIsRefusedWithAProblem(t *testing.T) {
	s := start(t, hubConfig(), gateway.Config{Origins: []string{"https://app.example.com"}})
	good := s.token(auth.Principal{})
	orders := []m{{"sid": 1, "topic": "orders"}}
	raw := func(query string) []string {
		return []string{"GET /v1/stream/sse?" + query + " HTTP/1.1", "Host: " + s.host(), "Authorization: Bearer " + good}
	}
	many := make([]m, 17)
	for i := range many {
		many[i] = m{"sid": i, "topic": "orders"}
	}
	kind := "Content-Type: application/json"
	tests := []struct {
		name   string
		lines  []string
		status int
		code   string
	}{
		{"no token", s.request("", orders), 401, "invalid_token"},
		{"a token that is none", s.request("eyJ", orders), 401, "invalid_token"},
		{"a token with a bit flipped", s.request(good[:len(good)-2]+"A", orders), 401, "invalid_token"},
		{"two tokens", s.request(good, orders, "Authorization: Bearer "+good), 401, "invalid_token"},
		{"another scheme", s.request("", orders, "Authorization: Basic "+good), 401, "invalid_token"},
		{"a token that does not read", s.request(s.token(auth.Principal{Scope: []string{"write"}}), orders), 403, "forbidden"},
		{"a topic that the token does not read", s.request(s.token(auth.Principal{Scope: []string{"read:shipments"}}), orders), 403, "forbidden"},
		{"a token in the query", raw("token=" + good + "&sub=%7B%22sid%22:1,%22topic%22:%22orders%22%7D"), 400, "token_in_url"},
		{"a foreign Origin", s.request(good, orders, "Origin: https://evil.example"), 403, "origin"},
		{"Origin null", s.request(good, orders, "Origin: null"), 403, "origin"},
		{"two Origins", s.request(good, orders, "Origin: https://app.example.com", "Origin: https://evil.example"), 403, "origin"},
		{"no subscription", raw(""), 400, "bad_request"},
		{"a query that is none", raw("sub=%zz"), 400, "bad_request"},
		{"a subscription that is no JSON", raw("sub=orders"), 400, "bad_request"},
		{"null", raw("sub=null"), 400, "bad_request"},
		{"an unknown field", s.request(good, []m{{"sid": 1, "topic": "orders", "tenant": "zeta"}}), 400, "bad_request"},
		{"a field twice", raw(`sub={"sid":1,"sid":2,"topic":"orders"}`), 400, "bad_request"},
		{"no sid", s.request(good, []m{{"topic": "orders"}}), 400, "bad_request"},
		{"a sid below 0", s.request(good, []m{{"sid": -1, "topic": "orders"}}), 400, "bad_request"},
		{"a sid twice", s.request(good, append(orders, orders...)), 400, "bad_request"},
		{"another frame", s.request(good, []m{{"t": "unsub", "sid": 1, "topic": "orders"}}), 400, "bad_request"},
		{"17 subscriptions", s.request(good, many), 400, "limit"},
		{"an unknown topic", s.request(good, []m{{"sid": 1, "topic": "orders/*"}}), 400, "unknown_topic"},
		{"a bad filter", s.request(good, []m{{"sid": 1, "topic": "orders", "filter": []int{}}}), 400, "bad_filter"},
		{"a bad filter after a good one", s.request(good, append(orders, m{"sid": 2, "topic": "orders", "filter": m{"f": "x", "op": "eq", "v": 1}})), 400, "bad_filter"},
		{"PUT", append([]string{"PUT /v1/stream/sse HTTP/1.1"}, s.request(good, orders)[1:]...), 405, "method_not_allowed"},
		{"a body of text", s.post(`{"subs":[]}`, "Content-Type: text/plain"), 415, "unsupported_media_type"},
		{"a body of no subscription", s.post(`{"subs":[]}`, kind), 400, "bad_request"},
		{"a body that is no JSON", s.post(`{"subs":[`, kind), 400, "bad_request"},
		{"a body with more behind it", s.post(`{"subs":[{"sid":1,"topic":"orders"}]}{}`, kind), 400, "bad_request"},
		{"a body that is not UTF-8", s.post("{\"subs\":[{\"sid\":1,\"topic\":\"\xff\"}]}", kind), 400, "bad_request"},
		{"a body of 16 KiB and one byte", s.post(strings.Repeat(" ", 16<<10+1), kind), 413, "too_large"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			resp, conn, _ := s.knock(tt.lines)
			defer conn.Close()
			if resp.StatusCode != tt.status {
				t.Fatalf("status %d, want %d", resp.StatusCode, tt.status)
			}
			if got := refusal(t, resp); got != tt.code {
				t.Errorf("code %q, want %q", got, tt.code)
			}
			if got := resp.Header.Get("WWW-Authenticate"); (got != "") != (tt.status == 401) {
				t.Errorf("WWW-Authenticate: %q", got)
			}
			if got := resp.Header.Get("Allow"); (got != "") != (tt.status == 405) {
				t.Errorf("Allow: %q", got)
			}
		})
	}
	eventually(t, "the end of all that was refused", func() bool {
		stats := s.hub.Stats()
		return stats.Connections == 0 && stats.Subscriptions[fanout.Orders] == 0 && s.metric("waybill_ws_streams") == 0
	})
	if got := s.metric("waybill_ws_closes_total", "1006"); got != 0 {
		t.Errorf("%v connections that never were are counted as lost", got)
	}
}

func TestABodyIsNotWaitedForForever(t *testing.T) {
	s := start(t, hubConfig(), gateway.Config{MessageTimeout: 200 * time.Millisecond})
	lines := s.post(`{"subs":[{"sid":1,"topic":"orders"}]}`, "Content-Type: application/json")
	lines[len(lines)-1] = `{"subs":`
	began := time.Now()
	resp, _, _ := s.knock(lines)
	if took := time.Since(began); resp.StatusCode != 400 || took < 150*time.Millisecond || took > 5*time.Second {
		t.Errorf("status %d after %v, want 400 after 200 ms", resp.StatusCode, took)
	}
}

func TestStreamsCountInTheLimits(t *testing.T) {
	s := start(t, fanout.Config{UserConnections: 2}, gateway.Config{Connections: 3})
	orders := []m{{"sid": 1, "topic": "orders"}}
	s.connect(auth.Principal{}).frame("welcome", 1)
	second := s.hear(orders[0])
	second.frame("welcome", 1)
	resp, conn, _ := s.knock(s.request(s.token(auth.Principal{}), orders))
	if resp.StatusCode != 429 || resp.Header.Get("Retry-After") == "" || refusal(t, resp) != "limit" {
		t.Errorf("the third of a user: status %d, Retry-After %q; want 429 and some", resp.StatusCode, resp.Header.Get("Retry-After"))
	}
	conn.Close()
	if got := s.connect(auth.Principal{}).closed(); got != 4503 {
		t.Errorf("the same on a socket: closed with %d, want 4503", got)
	}
	s.connect(auth.Principal{Subject: "bob"}).frame("welcome", 1)
	resp, conn, _ = s.knock(s.request(s.token(auth.Principal{Subject: "eve"}), orders))
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" || refusal(t, resp) != "overloaded" {
		t.Errorf("the fourth of all: status %d, Retry-After %q; want 503 and some", resp.StatusCode, resp.Header.Get("Retry-After"))
	}
	conn.Close()
	second.leave()
	eventually(t, "a place for another", func() bool {
		resp, conn, _ := s.knock(s.request(s.token(auth.Principal{Subject: "eve"}), orders))
		defer conn.Close()
		return resp.StatusCode == 200
	})
}

func TestOnlyPagesOfListedOriginsMayReadAStream(t *testing.T) {
	s := start(t, hubConfig(), gateway.Config{Origins: []string{"https://app.example.com"}})
	good, orders := s.token(auth.Principal{}), []m{{"sid": 1, "topic": "orders"}}
	asked := func(origin, method string) []string {
		return []string{"OPTIONS /v1/stream/sse HTTP/1.1", "Host: " + s.host(), "Origin: " + origin,
			"Access-Control-Request-Method: " + method, "Access-Control-Request-Headers: authorization,last-event-id"}
	}
	listed, own := "https://app.example.com", "http://"+s.host()
	tests := []struct {
		name   string
		lines  []string
		status int
		allow  string
	}{
		{"a listed page", s.request(good, orders, "Origin: "+listed), 200, listed},
		{"a listed page without a token", s.request("", orders, "Origin: "+listed), 401, listed},
		{"our own page", s.request(good, orders, "Origin: "+own), 200, ""},
		{"a foreign page", s.request(good, orders, "Origin: https://evil.example"), 403, ""},
		{"a listed page asks", asked(listed, "GET"), 204, listed},
		{"a listed page asks for POST", asked(listed, "POST"), 204, listed},
		{"a listed page asks for DELETE", asked(listed, "DELETE"), 405, listed},
		{"a foreign page asks", asked("https://app.example.com.evil", "GET"), 403, ""},
		{"our own page asks", asked(own, "GET"), 403, ""},
		{"null asks", asked("null", "GET"), 403, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			resp, conn, _ := s.knock(tt.lines)
			defer conn.Close()
			if resp.StatusCode != tt.status || resp.Header.Get("Access-Control-Allow-Origin") != tt.allow {
				t.Errorf("status %d, allowed %q; want %d, %q", resp.StatusCode, resp.Header.Get("Access-Control-Allow-Origin"), tt.status, tt.allow)
			}
			if got := fmt.Sprint(resp.Header.Values("Vary")); got != "[Origin]" {
				t.Errorf("Vary: %s", got)
			}
			if resp.Header.Get("Access-Control-Allow-Credentials") != "" {
				t.Error("credentials are allowed")
			}
			headers := strings.ToLower(resp.Header.Get("Access-Control-Allow-Headers"))
			if tt.status == 204 && (!strings.Contains(headers, "authorization") || !strings.Contains(headers, "last-event-id")) {
				t.Errorf("Access-Control-Allow-Headers: %q", headers)
			}
		})
	}
}
