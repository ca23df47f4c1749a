package gateway_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/waybill-io/waybill/internal/auth"
	"github.com/waybill-io/waybill/internal/gateway"
)

func TestADevelopmentTokenIsAlsoForListedPagesOfThisMachine(t *testing.T) {
	signer, err := auth.NewSigner(authConfig())
	if err != nil {
		t.Fatal(err)
	}
	h := gateway.DevToken(signer, auth.Principal{Subject: "dev", Tenant: "acme", Scope: []string{"read"}},
		[]string{"http://localhost:3000", "https://app.example.com"})
	const listed = "http://localhost:3000"
	tests := []struct {
		name, method, remote, origin, site string
		status                             int
		allow, says                        string
	}{
		{"a listed page", "POST", "127.0.0.1:5000", listed, "cross-site", 200, listed, "token"},
		{"a listed page asks", "OPTIONS", "127.0.0.1:5000", listed, "", 204, listed, ""},
		{"a listed page from the network", "POST", "192.0.2.7:5000", listed, "", 403, listed, "this machine only"},
		{"a listed page with GET", "GET", "127.0.0.1:5000", listed, "", 405, listed, "POST"},
		{"our own page", "POST", "127.0.0.1:5000", "http://localhost:8080", "same-origin", 200, "", "token"},
		{"a page of another port", "POST", "127.0.0.1:5000", "http://localhost:3001", "same-site", 403, "", "--origins"},
		{"a page of another port asks", "OPTIONS", "127.0.0.1:5000", "http://localhost:3001", "", 405, "", "POST"},
		{"a listed page of another machine", "POST", "127.0.0.1:5000", "https://app.example.com", "cross-site", 403, "", "--origins"},
		{"a page that hides", "POST", "127.0.0.1:5000", "", "cross-site", 403, "", "--origins"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), tt.method, "/dev/token", nil)
			r.RemoteAddr, r.Host = tt.remote, "localhost:8080"
			if tt.origin != "" {
				r.Header.Set("Origin", tt.origin)
			}
			if tt.site != "" {
				r.Header.Set("Sec-Fetch-Site", tt.site)
			}
			if tt.method == "OPTIONS" {
				r.Header.Set("Access-Control-Request-Method", "POST")
			}
			w := serve(h, r)
			if got := w.Header().Get("Access-Control-Allow-Origin"); w.Code != tt.status || got != tt.allow {
				t.Errorf("status %d, allowed %q; want %d, %q", w.Code, got, tt.status, tt.allow)
			}
			body := w.Body.String()
			if !strings.Contains(body, tt.says) || strings.Contains(body, "this machine only") != (tt.remote[0:3] == "192") {
				t.Errorf("it says %s, want %q", body, tt.says)
			}
			if w.Header().Get("Vary") != "Origin" || w.Header().Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("headers %v", w.Header())
			}
		})
	}
}
