package share_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/share"
	"github.com/waybill-io/waybill/internal/tracking"
)

// shelf has one shipment behind one secret, and can be away.
type shelf struct {
	secret   share.Secret
	shipment share.Shipment
	err      error
	asked    int
}

func (s *shelf) Shared(_ context.Context, secret share.Secret) (share.Shipment, error) {
	s.asked++
	switch {
	case s.err != nil:
		return share.Shipment{}, s.err
	case secret != s.secret:
		return share.Shipment{}, share.ErrNotFound
	}
	return s.shipment, nil
}

var (
	cet  = time.FixedZone("", 3600)
	noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
)

func onItsWay() share.Shipment {
	return share.Shipment{
		Status: tracking.InTransit, StatusSince: noon, Carrier: "UPSN", Parcels: 2,
		ETA:     share.Span{From: noon.Add(45 * time.Hour), To: noon.Add(48 * time.Hour)},
		Promise: share.Span{To: noon.Add(36 * time.Hour)}, PromiseDay: time.Date(2026, 3, 3, 0, 0, 0, 0, time.UTC),
		LastScan: noon,
		Events: []share.Event{
			{Type: events.TypePickedUp, At: noon.Add(-24 * time.Hour), Precision: events.ToDay, City: "Hamburg", Country: "DE"},
			{Type: events.TypeTrackingAssigned, At: noon.Add(-23 * time.Hour), City: "Hidden"},
			{Type: events.TypeArrived, At: noon.In(cet), Precision: events.ToSecond, City: "Köln <script>", Country: "DE"},
		},
	}
}

type site struct {
	t       *testing.T
	page    *share.Page
	shelf   *shelf
	metrics *prometheus.Registry
}

func open(t *testing.T, cfg share.Config) *site {
	t.Helper()
	s := &site{t: t, shelf: &shelf{secret: share.NewSecret(), shipment: onItsWay()}, metrics: prometheus.NewRegistry()}
	cfg.Metrics = s.metrics
	page, err := share.NewPage(s.shelf, cfg)
	if err != nil {
		t.Fatalf("NewPage: %v", err)
	}
	s.page = page
	return s
}

// get asks for a path; more are headers, and From is the client's address.
func (s *site) get(path string, more ...string) *httptest.ResponseRecorder {
	return s.do(http.MethodGet, path, more...)
}

func (s *site) do(method, path string, more ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(s.t.Context(), method, path, http.NoBody)
	r.RemoteAddr = "127.0.0.1:1"
	for i := 0; i < len(more); i += 2 {
		if more[i] == "From" {
			r.RemoteAddr = more[i+1]
			continue
		}
		r.Header.Set(more[i], more[i+1])
	}
	w := httptest.NewRecorder()
	s.page.ServeHTTP(w, r)
	return w
}

func (s *site) link() string { return share.Path + string(s.shelf.secret) }

func TestASecretIs128BitsAndKeptAsItsHash(t *testing.T) {
	seen := map[share.Secret]bool{}
	for range 1000 {
		secret := share.NewSecret()
		random, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(string(secret), "wbl_"))
		if err != nil || len(random) != 16 || !share.IsSecret(string(secret)) || seen[secret] {
			t.Fatalf("secret %q: %d bytes, %v", secret, len(random), err)
		}
		seen[secret] = true
	}
	digest := share.Secret("wbl_AAAAAAAAAAAAAAAAAAAAAA").Digest()
	if got := digest.String(); len(got) != 64 {
		t.Errorf("digest %s", got)
	}
	if got := digest.ID(); got != "lnk_"+digest.String()[:16] {
		t.Errorf("id %s of digest %s", got, digest)
	}
	if share.IsSecret("eyJhbGciOiJIUzI1NiJ9.e30.x") {
		t.Error("a token is taken for a secret")
	}
}

func TestALinkAnswersWithJSON(t *testing.T) {
	s := open(t, share.Config{})
	before := time.Now().Truncate(time.Second)
	w := s.get(s.link(), "Accept", "application/json")
	body := w.Body.String()
	i := strings.Index(body, `"checked_at":"`) + len(`"checked_at":"`)
	checked, err := time.Parse(time.RFC3339, body[i:i+20])
	if err != nil || checked.Before(before) || checked.After(time.Now()) {
		t.Errorf("checked at %v, %v; want now", checked, err)
	}
	want := `{"status":"in_transit","status_text":"On its way","status_since":"2026-03-02T13:00:00+01:00","carrier":"UPS","parcels":2,` +
		`"eta":{"from":"2026-03-04T09:00:00Z","to":"2026-03-04T12:00:00Z"},"promised":{"to":"2026-03-04T00:00:00Z","day":"2026-03-03"},` +
		`"last_scan":{"at":"2026-03-02T13:00:00+01:00","place":"Köln <script>, DE"},"timeline":[` +
		`{"type":"arrived","text":"Arrived at a place on the way","at":"2026-03-02T13:00:00+01:00","place":"Köln <script>, DE"},` +
		`{"type":"picked_up","text":"The carrier took it over","at":"2026-03-01T12:00:00Z","precision":"day","place":"Hamburg, DE"}],` +
		`"checked_at":"` + body[i:i+20] + "\"}\n"
	if diff := cmp.Diff(want, body); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("%d %s", w.Code, w.Header().Get("Content-Type"))
	}
}

func TestALinkIsAWholePageWithoutScript(t *testing.T) {
	s := open(t, share.Config{})
	w := s.get(s.link(), "Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	body := w.Body.String()
	for _, want := range []string{
		`<html lang="en">`, "<title>On its way · Track a shipment</title>", "<h1>On its way</h1>", `<link rel="stylesheet" href="/t/track.css">`,
		"4 March 2026, 09:00 to 12:00 (UTC)", "later than promised", "<dd>3 March 2026</dd>", "<dd>UPS</dd>", "<dd>2</dd>",
		"Köln &lt;script&gt;, DE", `<time datetime="2026-03-02T13:00:00&#43;01:00">2 March 2026, 13:00 (UTC&#43;01:00)</time>`,
		`<time datetime="2026-03-01T12:00:00Z">1 March 2026</time>`, "Checked <time",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page does not have %s", want)
		}
	}
	for _, hidden := range []string{"<script", "style=", "Hidden", "<img", "http:", "https:", string(s.shelf.secret)} {
		if strings.Contains(body, hidden) {
			t.Errorf("the page has %s", hidden)
		}
	}
	if t.Failed() {
		t.Log(body)
	}
	if arrived, picked := strings.Index(body, "Arrived"), strings.Index(body, "took it over"); arrived > picked {
		t.Error("the newest is not at the top")
	}
}

// A shipment of which nothing is known yet, or that is over, has a page too.
func TestAPageSaysWhatIsKnown(t *testing.T) {
	s := open(t, share.Config{PerLink: 100})
	for _, status := range tracking.Statuses() {
		s.shelf.shipment = share.Shipment{Status: status}
		body := s.get(s.link()).Body.String()
		if !strings.Contains(body, "<h1>") || !strings.Contains(body, "Nothing yet.") || strings.Contains(body, "0001") {
			t.Errorf("%s:\n%s", status, body)
		}
	}
	s.shelf.shipment = onItsWay()
	s.shelf.shipment.Status = tracking.Delivered
	if body := s.get(s.link()).Body.String(); strings.Contains(body, "Expected") || strings.Contains(body, "later than") {
		t.Errorf("a delivered shipment is expected:\n%s", body)
	}
}

func TestEveryAnswerIsQuietAndConfined(t *testing.T) {
	s := open(t, share.Config{PerLink: 100})
	for _, tt := range []struct {
		name string
		w    *httptest.ResponseRecorder
		want int
	}{
		{"a link", s.get(s.link()), 200},
		{"as JSON", s.get(s.link(), "Accept", "application/json"), 200},
		{"HEAD", s.do(http.MethodHead, s.link()), 200},
		{"no link", s.get("/t/wbl_AAAAAAAAAAAAAAAAAAAAAA"), 404},
		{"nothing at all", s.get("/t/"), 404},
		{"below a link", s.get(s.link() + "/x"), 404},
		{"POST", s.do(http.MethodPost, s.link()), 405},
	} {
		if tt.w.Code != tt.want {
			t.Errorf("%s: status %d, want %d", tt.name, tt.w.Code, tt.want)
		}
		for header, want := range map[string]string{
			"Cache-Control": "private, no-store", "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex, nofollow, noarchive",
			"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Vary": "Accept",
			"Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
				"require-trusted-types-for 'script'; trusted-types 'none'",
		} {
			if got := tt.w.Header().Get(header); got != want {
				t.Errorf("%s: %s is %q, want %q", tt.name, header, got, want)
			}
		}
		if strings.Contains(tt.w.Body.String(), string(s.shelf.secret)) {
			t.Errorf("%s repeats the secret", tt.name)
		}
	}
	if body := s.do(http.MethodHead, s.link()).Body.Len(); body != 0 {
		t.Errorf("HEAD is answered with %d bytes", body)
	}
	if got := s.get("/t/wbl_x", "Accept", "application/json"); got.Header().Get("Content-Type") != "application/problem+json" ||
		!strings.Contains(got.Body.String(), `"status":404`) {
		t.Errorf("no link as JSON: %s %s", got.Header().Get("Content-Type"), got.Body)
	}
}

func TestTheStyleIsAFileOfItsOwn(t *testing.T) {
	s := open(t, share.Config{})
	w := s.get("/t/track.css")
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "text/css; charset=utf-8" || !strings.Contains(w.Body.String(), "@media print") {
		t.Errorf("%d %s", w.Code, w.Header().Get("Content-Type"))
	}
	if again := s.get("/t/track.css", "If-None-Match", w.Header().Get("ETag")); again.Code != http.StatusNotModified {
		t.Errorf("with its ETag: %d, want 304", again.Code)
	}
	if s.shelf.asked != 0 {
		t.Error("the database is asked for it")
	}
}

func TestWhatCannotBeReadNowIsToBeAskedForAgain(t *testing.T) {
	s := open(t, share.Config{})
	s.shelf.err = errors.New("the database is away")
	w := s.get(s.link())
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || strings.Contains(w.Body.String(), "database") {
		t.Errorf("%d, Retry-After %q:\n%s", w.Code, w.Header().Get("Retry-After"), w.Body)
	}
}

// The limits hold for secrets that open something and for those that do not.
func TestALinkAndAnAddressMayAskSoOften(t *testing.T) {
	passed := func(s *site, path func(int) string, from func(int) string) (passed int) {
		for i := range 200 {
			w := s.get(path(i), "From", from(i))
			if w.Code != http.StatusTooManyRequests {
				passed++
				continue
			}
			if after, err := strconv.Atoi(w.Header().Get("Retry-After")); err != nil || after < 1 {
				t.Fatalf("Retry-After %q", w.Header().Get("Retry-After"))
			}
		}
		return passed
	}
	anywhere := func(i int) string { return fmt.Sprintf("198.51.100.%d:1", i) }
	one := func(int) string { return "203.0.113.9:1" }
	s := open(t, share.Config{PerLink: 0.1, PerAddress: 0.5})
	if got := passed(s, func(int) string { return s.link() }, anywhere); got != 1 {
		t.Errorf("a link was opened %d of 200 times at once, want 1", got)
	}
	if got := passed(s, func(int) string { return "/t/wbl_unknown" }, anywhere); got != 1 {
		t.Errorf("an unknown secret was tried %d of 200 times at once, want 1", got)
	}
	if got := passed(s, func(i int) string { return fmt.Sprint("/t/wbl_", i) }, one); got != 5 {
		t.Errorf("an address tried %d of 200 secrets at once, want 5", got)
	}
	if s.shelf.asked != 7 {
		t.Errorf("the database was asked %d times, want only for what passed", s.shelf.asked)
	}
}

func TestAWindowReadsAsItIsKnown(t *testing.T) {
	day := time.Date(2026, 3, 5, 0, 0, 0, 0, time.UTC)
	at := func(h int) time.Time { return day.Add(time.Duration(h) * time.Hour) }
	for want, s := range map[string]share.Shipment{
		"5 March 2026, 09:00 to 12:00 (UTC)":                 {ETA: share.Span{From: at(9), To: at(12)}},
		"by 5 March 2026, 12:00 (UTC)":                       {ETA: share.Span{To: at(12)}},
		"<dd>5 March 2026, 12:00 (UTC)</dd>":                 {ETA: share.Span{From: at(12), To: at(12)}},
		"5 March 2026, 20:00 to 6 March 2026, 08:00 (UTC)":   {ETA: share.Span{From: at(20), To: at(32)}},
		"<dt>Promised</dt><dd>4 March 2026</dd>":             {Promise: share.Span{To: at(0)}, PromiseDay: at(-24)},
		"<dt>Promised</dt><dd>by 5 March 2026, 00:00 (UTC)<": {Promise: share.Span{To: at(0)}},
	} {
		s.Status = tracking.InTransit
		site := open(t, share.Config{})
		site.shelf.shipment = s
		if body := site.get(site.link()).Body.String(); !strings.Contains(body, want) {
			t.Errorf("%+v %+v does not read %s:\n%s", s.ETA, s.Promise, want, body)
		}
	}
}
