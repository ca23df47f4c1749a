package query_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/waybill-io/waybill/internal/query"
)

func TestPagesOfListedOriginsMayRead(t *testing.T) {
	c := open(t, sample(), query.Config{Origins: []string{"https://app.example.com"}})
	listed := "https://app.example.com"
	ask := func(origin, method, token string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Set("Origin", origin)
			if method != "" {
				r.Header.Set("Access-Control-Request-Method", method)
				r.Header.Set("Access-Control-Request-Headers", "authorization")
			}
			if token != "" {
				r.Header.Set("Authorization", "Bearer "+token)
			}
		}
	}
	tests := []struct {
		name, method string
		change       func(*http.Request)
		status       int
		allow        string
	}{
		{"a listed page", "GET", ask(listed, "", "ann"), 200, listed},
		{"the same by another spelling", "GET", ask("https://APP.example.com:443", "", "ann"), 200, "https://APP.example.com:443"},
		{"a listed page without a token", "GET", ask(listed, "", ""), 401, listed},
		{"a listed page asks", "OPTIONS", ask(listed, "GET", ""), 204, listed},
		{"a listed page with a method that there is not", "POST", ask(listed, "", "ann"), 405, listed},
		{"a listed page with OPTIONS of its own", "OPTIONS", ask(listed, "", "ann"), 405, listed},
		{"a foreign page", "GET", ask("https://evil.example", "", "ann"), 200, ""},
		{"a foreign page asks", "OPTIONS", ask("https://app.example.com.evil", "GET", ""), 405, ""},
		{"another scheme", "GET", ask("http://app.example.com", "", "ann"), 200, ""},
		{"null", "GET", ask("null", "", "ann"), 200, ""},
		{"no page", "GET", func(r *http.Request) { r.Header.Set("Authorization", "Bearer ann") }, 200, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := c.do(tt.method, "/v1/shipments/s-1", tt.change)
			h := w.Header()
			if w.Code != tt.status || h.Get("Access-Control-Allow-Origin") != tt.allow {
				t.Errorf("status %d, allowed %q; want %d, %q", w.Code, h.Get("Access-Control-Allow-Origin"), tt.status, tt.allow)
			}
			if got := h.Get("Cross-Origin-Resource-Policy"); (got == "") != (tt.allow != "") {
				t.Errorf("Cross-Origin-Resource-Policy: %q", got)
			}
			if got := strings.Join(h.Values("Vary"), ","); got != "Origin" {
				t.Errorf("Vary: %q", got)
			}
			if h.Get("Access-Control-Allow-Credentials") != "" {
				t.Error("credentials are allowed")
			}
			methods, headers := h.Get("Access-Control-Allow-Methods"), strings.ToLower(h.Get("Access-Control-Allow-Headers"))
			if asked := tt.status == 204; asked != strings.Contains(methods, "GET") || asked != strings.Contains(headers, "authorization") {
				t.Errorf("Access-Control-Allow-Methods %q, -Headers %q", methods, headers)
			}
		})
	}
}
