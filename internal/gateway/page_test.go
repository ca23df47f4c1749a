package gateway_test

import (
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/waybill-io/waybill/internal/auth"
	"github.com/waybill-io/waybill/internal/gateway"
)

func page(t *testing.T) http.Handler {
	t.Helper()
	h, err := gateway.Page(fstest.MapFS{
		"index.html":               {Data: []byte("<!doctype html><title>Waybill</title>")},
		"icon.svg":                 {Data: []byte("<svg/>")},
		"assets/index-B3x_9kQz.js": {Data: []byte("export {}")},
		"assets/plain.css":         {Data: []byte("body{}")},
	})
	if err != nil {
		t.Fatalf("Page: %v", err)
	}
	return h
}

func serve(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestThePageIsServedUnderAStrictPolicy(t *testing.T) {
	h := page(t)
	tests := []struct{ path, kind, cache string }{
		{"/", "text/html; charset=utf-8", "no-cache"},
		{"/index.html", "text/html; charset=utf-8", "no-cache"},
		{"/icon.svg", "image/svg+xml", "no-cache"},
		{"/assets/index-B3x_9kQz.js", "text/javascript; charset=utf-8", "public, max-age=31536000, immutable"},
		{"/assets/plain.css", "text/css; charset=utf-8", "no-cache"},
	}
	for _, tt := range tests {
		w := serve(h, httptest.NewRequest("GET", tt.path, nil))
		got := w.Header()
		if w.Code != 200 || got.Get("Content-Type") != tt.kind || got.Get("Cache-Control") != tt.cache {
			t.Errorf("%s: status %d, %s, %s; want 200, %s, %s", tt.path, w.Code, got.Get("Content-Type"), got.Get("Cache-Control"), tt.kind, tt.cache)
		}
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin",
			"Cross-Origin-Resource-Policy": "same-origin", "X-Frame-Options": "DENY",
		} {
			if got.Get(name) != want {
				t.Errorf("%s: %s is %q, want %q", tt.path, name, got.Get(name), want)
			}
		}
		csp := got.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "require-trusted-types-for 'script'"} {
			if !strings.Contains(csp, want) {
				t.Errorf("%s: policy %q is without %q", tt.path, csp, want)
			}
		}
		if strings.Contains(csp, "unsafe") || strings.Contains(csp, "*") {
			t.Errorf("%s: policy %q is not strict", tt.path, csp)
		}

		again := httptest.NewRequest("GET", tt.path, nil)
		again.Header.Set("If-None-Match", got.Get("ETag"))
		if w := serve(h, again); w.Code != 304 {
			t.Errorf("%s: asked again with its ETag: status %d, want 304", tt.path, w.Code)
		}
	}
}

func TestThePageHasNothingElse(t *testing.T) {
	h := page(t)
	for path, want := range map[string]int{"/nothing": 404, "/assets/": 404, "/assets": 404, "/..%2fgo.mod": 404, "/index.html/": 404} {
		if w := serve(h, httptest.NewRequest("GET", path, nil)); w.Code != want || w.Header().Get("Content-Security-Policy") == "" {
			t.Errorf("%s: status %d, want %d under a policy", path, w.Code, want)
		}
	}
	if w := serve(h, httptest.NewRequest("POST", "/", nil)); w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: status %d, Allow %q", w.Code, w.Header().Get("Allow"))
	}
	if _, err := gateway.Page(fstest.MapFS{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a page without index.html: error %v, want %v", err, fs.ErrNotExist)
	}
}

func TestADevelopmentTokenIsForThisMachineOnly(t *testing.T) {
	signer, err := auth.NewSigner(authConfig())
	if err != nil {
		t.Fatal(err)
	}
	h := gateway.DevToken(signer, auth.Principal{Subject: "dev", Tenant: "acme", Scope: []string{"read"}}, nil)
	tests := []struct {
		name   string
		method string
		remote string
		host   string
		header [2]string
		want   int
	}{
		{"a page of ours", "POST", "127.0.0.1:5000", "localhost:8080", [2]string{"Origin", "http://localhost:8080"}, 200},
		{"over IPv6", "POST", "[::1]:5000", "[::1]:8080", [2]string{"Origin", "http://[::1]:8080"}, 200},
		{"no page", "POST", "127.0.0.1:5000", "127.0.0.1:8080", [2]string{}, 200},
		{"GET", "GET", "127.0.0.1:5000", "localhost:8080", [2]string{}, 405},
		{"from the network", "POST", "192.0.2.7:5000", "localhost:8080", [2]string{}, 403},
		{"a name that points here", "POST", "127.0.0.1:5000", "rebind.example:8080", [2]string{"Origin", "http://rebind.example:8080"}, 403},
		{"a name that begins like ours", "POST", "127.0.0.1:5000", "localhost.evil.example", [2]string{}, 403},
		{"a foreign page", "POST", "127.0.0.1:5000", "localhost:8080", [2]string{"Origin", "https://evil.example"}, 403},
		{"a page at another port", "POST", "127.0.0.1:5000", "localhost:8080", [2]string{"Origin", "http://localhost:3000"}, 403},
		{"a page without origin", "POST", "127.0.0.1:5000", "localhost:8080", [2]string{"Origin", "null"}, 403},
		{"a foreign page that hides", "POST", "127.0.0.1:5000", "localhost:8080", [2]string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"through a proxy", "POST", "127.0.0.1:5000", "localhost:8080", [2]string{"X-Forwarded-For", "192.0.2.7"}, 403},
		{"from nowhere", "POST", "", "localhost:8080", [2]string{}, 403},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(tt.method, "/dev/token", nil)
			r.RemoteAddr, r.Host = tt.remote, tt.host
			if tt.header[0] != "" {
				r.Header.Set(tt.header[0], tt.header[1])
			}
			w := serve(h, r)
			if w.Code != tt.want {
				t.Fatalf("status %d, want %d", w.Code, tt.want)
			}
			if tt.want != 200 {
				return
			}
			var body struct {
				Token, Tenant string
				Expires       time.Time `json:"expires_at"`
			}
			if err := json.Unmarshal(w.Body.Bytes(), &body, json.MatchCaseInsensitiveNames(true)); err != nil {
				t.Fatalf("body %s: %v", w.Body, err)
			}
			v, err := auth.NewVerifier(authConfig())
			if err != nil {
				t.Fatal(err)
			}
			p, err := v.Verify(body.Token)
			if err != nil || p.Tenant != "acme" || body.Tenant != "acme" || !p.Expires.Equal(body.Expires) {
				t.Errorf("token of %+v (%v), said to be of %s until %v", p, err, body.Tenant, body.Expires)
			}
			if got := w.Header().Get("Cache-Control"); got != "no-store" {
				t.Errorf("Cache-Control %q, want no-store", got)
			}
		})
	}
}
