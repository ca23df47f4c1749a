package query_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-io/waybill/internal/fanout"
	"github.com/waybill-io/waybill/internal/query"
)

// What belongs to another tenant is answered like what does not exist, after the
// same work.
func TestAnotherTenantsRowsDoNotExist(t *testing.T) {
	store := sample()
	c := open(t, store, query.Config{})
	for _, path := range []string{"/v1/shipments/%s", "/v1/shipments/%s/timeline", "/v1/orders/%s", "/v1/orders/%s/timeline"} {
		foreign := "s-9"
		if strings.Contains(path, "orders") {
			foreign = "o-9"
		}
		store.calls = nil
		theirs := c.get("ann", fmt.Sprintf(path, foreign))
		work := store.calls
		store.calls = nil
		absent := c.get("ann", fmt.Sprintf(path, "s-0"))
		if c.code(theirs) != "404 not_found" || !bytes.Equal(theirs.Body.Bytes(), absent.Body.Bytes()) {
			t.Errorf(path+" of another tenant = %d %s, absent = %d %s", foreign, theirs.Code, theirs.Body, absent.Code, absent.Body)
		}
		if diff := cmp.Diff(store.calls, work); diff != "" {
			t.Errorf(path+": work for what is absent and theirs differs:\n%s", foreign, diff)
		}
		theirs.Header().Del("X-Request-Id")
		absent.Header().Del("X-Request-Id")
		if diff := cmp.Diff(absent.Header(), theirs.Header()); diff != "" {
			t.Errorf(path+": headers differ:\n%s", foreign, diff)
		}
		if w := c.get("bob", fmt.Sprintf(path, foreign)); w.Code != http.StatusOK {
			t.Errorf(path+" for its own tenant = %d", foreign, w.Code)
		}
	}
}

func TestIdsThatNothingCanHaveNameNothing(t *testing.T) {
	store := sample()
	c := open(t, store, query.Config{})
	for _, id := range []string{"a%2fb", "%2e%2e%2fs-1", "a%20b", "%00", "%27%3bdrop", strings.Repeat("a", 65), "%C3%A4", "s-1%0a"} {
		if got := c.code(c.get("ann", "/v1/shipments/"+id)); got != "404 not_found" {
			t.Errorf("id %s = %s, want 404 not_found", id, got)
		}
	}
	if len(store.calls) > 0 {
		t.Errorf("the store was asked %d times", len(store.calls))
	}
}

func TestTokensAreNeeded(t *testing.T) {
	store := sample()
	c := open(t, store, query.Config{})
	auth := func(values ...string) func(*http.Request) {
		return func(r *http.Request) {
			for _, v := range values {
				r.Header.Add("Authorization", v)
			}
			r.Header.Set("X-Tenant-Id", "acme")
		}
	}
	bodies := map[string]bool{}
	for name, change := range map[string]func(*http.Request){
		"no token": auth(), "unknown token": auth("Bearer eve"), "other scheme": auth("Basic ann"), "no scheme": auth("ann"),
		"two tokens": auth("Bearer ann", "Bearer bob"), "empty": auth("Bearer "), "1 MiB": auth("Bearer " + strings.Repeat("x", 1<<20)),
	} {
		w := c.do(http.MethodGet, "/v1/shipments/s-1", change)
		if got := c.code(w); got != "401 invalid_token" || w.Header().Get("WWW-Authenticate") == "" {
			t.Errorf("%s = %s, %v", name, got, w.Header())
		}
		bodies[w.Body.String()] = true
	}
	if len(bodies) != 1 {
		t.Errorf("%d different answers tell why a token is refused: %v", len(bodies), bodies)
	}
	if strings.Contains(c.log.String(), "xxxx") {
		t.Error("the log holds a token")
	}
	if got := c.code(c.get("shop", "/v1/shipments/s-1")); got != "403 forbidden" {
		t.Errorf("a token that may not read = %s", got)
	}
	if len(store.calls) > 0 {
		t.Errorf("the store was asked %d times", len(store.calls))
	}
	if w := c.do(http.MethodGet, "/v1/shipments/s-1", auth("bearer ann")); w.Code != http.StatusOK {
		t.Errorf("the scheme in lower case = %d", w.Code)
	}
}

type passing struct{}

func (passing) Error() string   { return "pq: password=hunter2 connection refused" }
func (passing) Temporary() bool { return true }

func TestFailuresSayNothingOfTheInside(t *testing.T) {
	for name, tt := range map[string]struct {
		store memory
		want  string
	}{
		"broken":  {memory{fail: errors.New("SELECT secret FROM orders: syntax error")}, "500 internal"},
		"passing": {memory{fail: fmt.Errorf("read: %w", passing{})}, "503 unavailable"},
		"slow":    {memory{block: true}, "503 unavailable"},
	} {
		c := open(t, &tt.store, query.Config{Timeout: 20 * time.Millisecond})
		for _, path := range []string{"/v1/shipments/s-1", "/v1/orders/o-1", "/v1/orders/o-1/timeline", "/v1/shipments/s-1/timeline"} {
			w := c.get("ann", path)
			if got := c.code(w); got != tt.want {
				t.Errorf("%s %s = %s, want %s", name, path, got, tt.want)
			}
			if retry := w.Header().Get("Retry-After"); (retry != "") != (w.Code == http.StatusServiceUnavailable) {
				t.Errorf("%s %s: Retry-After = %q", name, path, retry)
			}
			for _, secret := range []string{"SELECT", "hunter2", "deadline", "acme"} {
				if strings.Contains(w.Body.String(), secret) {
					t.Errorf("%s %s tells %s", name, path, w.Body)
				}
			}
			if id := w.Header().Get("X-Request-Id"); id == "" || !strings.Contains(c.log.String(), id) {
				t.Errorf("%s %s: the log does not have request %q", name, path, id)
			}
		}
	}
}

func TestOtherPathsAndMethodsAreRefused(t *testing.T) {
	c := open(t, sample(), query.Config{})
	for _, tt := range []struct{ method, path, want, allow string }{
		{http.MethodPost, "/v1/shipments/s-1", "405 method_not_allowed", "GET, HEAD"},
		{http.MethodPut, "/v1/orders/o-1/timeline", "405 method_not_allowed", "GET, HEAD"},
		{http.MethodTrace, "/v1/orders/o-1", "405 method_not_allowed", "GET, HEAD"},
		{http.MethodGet, "/v1/shipments", "404 not_found", ""},
		{http.MethodGet, "/v1/shipments/", "404 not_found", ""},
		{http.MethodGet, "/v1/shipments/s-1/", "404 not_found", ""},
		{http.MethodGet, "/v1/shipments/s-1/timeline/x", "404 not_found", ""},
		{http.MethodGet, "/v1/orders/../shipments/s-1", "404 not_found", ""},
		{http.MethodGet, "//v1/shipments/s-1", "404 not_found", ""},
		{http.MethodGet, "/openapi.json", "404 not_found", ""},
		{http.MethodGet, "/docs", "404 not_found", ""},
		{http.MethodGet, "/", "404 not_found", ""},
	} {
		w := c.do(tt.method, tt.path, func(r *http.Request) { r.Header.Set("Authorization", "Bearer ann") })
		if got := c.code(w); got != tt.want || w.Header().Get("Allow") != tt.allow {
			t.Errorf("%s %s = %s, Allow %q, want %s, %q", tt.method, tt.path, got, w.Header().Get("Allow"), tt.want, tt.allow)
		}
	}
}

// Whatever is asked for, the answer is JSON that nobody keeps, frames or sniffs.
func TestEveryAnswerIsGuarded(t *testing.T) {
	c := open(t, sample(), query.Config{})
	for _, path := range []string{"/v1/shipments/s-1", "/v1/shipments/s-0", "/v1/shipments/s-1/timeline?limit=0", "/nowhere"} {
		w := c.do(http.MethodGet, path, func(r *http.Request) {
			r.Header.Set("Authorization", "Bearer ann")
			r.Header.Set("Accept", "text/html")
			r.Header.Set("Range", "bytes=0-9")
		})
		if w.Code == http.StatusPartialContent || !strings.HasSuffix(w.Header().Get("Content-Type"), "json") {
			t.Errorf("%s = %d %s", path, w.Code, w.Header().Get("Content-Type"))
		}
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
			"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'", "Referrer-Policy": "no-referrer",
		} {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s: %s = %q, want %q", path, name, got, want)
			}
		}
	}
}

func TestOneUserCannotCrowdOutTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, sample(), query.Config{PerSecond: 5})
		statuses := map[int]int{}
		for range 30 {
			statuses[c.get("ann", "/v1/shipments/s-1").Code]++
		}
		if diff := cmp.Diff(map[int]int{http.StatusOK: 10, http.StatusTooManyRequests: 20}, statuses); diff != "" {
			t.Errorf("30 requests at once (-want +got):\n%s", diff)
		}
		w := c.get("ann", "/v1/shipments/s-1")
		if c.code(w) != "429 rate_limited" || w.Header().Get("Retry-After") == "" {
			t.Errorf("one too many = %d %v", w.Code, w.Header())
		}
		if w := c.get("bob", "/v1/shipments/s-9"); w.Code != http.StatusOK {
			t.Errorf("another user = %d", w.Code)
		}
		time.Sleep(time.Second)
		for i := range 5 {
			if w := c.get("ann", "/v1/shipments/s-1"); w.Code != http.StatusOK {
				t.Errorf("request %d a second later = %d", i, w.Code)
			}
		}
	})
}

func TestRequestsAreMeasured(t *testing.T) {
	metrics := prometheus.NewRegistry()
	c := open(t, sample(), query.Config{Metrics: metrics})
	c.get("ann", "/v1/shipments/s-1")
	c.get("ann", "/v1/shipments/s-2")
	c.get("eve", "/v1/shipments/s-1")
	families, err := metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := []string{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			got = append(got, fmt.Sprint(f.GetName(), " ", m.GetLabel()[0].GetValue(), " ", m.GetLabel()[1].GetValue(), " ", m.GetHistogram().GetSampleCount()))
		}
	}
	want := []string{
		"waybill_query_seconds GET /v1/shipments/{id} 200 1",
		"waybill_query_seconds GET /v1/shipments/{id} 401 1",
		"waybill_query_seconds GET /v1/shipments/{id} 404 1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
}

// The rows here are the rows on the socket: one converts to the other and both
// are written alike.
func TestRowsAreThoseOfTheSocket(t *testing.T) {
	shipment := fanout.ShipmentRow{ID: "s-1", Revision: 2, Status: "in_transit", StatusSince: at, Parcels: 1, PromiseEnd: at, Late: true, Pos: &[2]float64{4.35, 50.85}, Gap: true}
	order := fanout.OrderRow{ID: "o-1", Revision: 2, Status: "placed", PlacedAt: at, Holds: []string{"fraud"}, ReturnsOpen: []string{"r-1"}, Lost: 1}
	for _, pair := range [][2]any{
		{shipment, query.Shipment(shipment)}, {fanout.ShipmentRow{}, query.Shipment{}},
		{order, query.Order(order)}, {fanout.OrderRow{}, query.Order{}},
	} {
		want, err := json.Marshal(pair[0])
		if err != nil {
			t.Fatal(err)
		}
		got, err := json.Marshal(pair[1])
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("row (-socket +query):\n%s", diff)
		}
	}
}

// A client that hangs up is no failure of ours.
func TestAClientThatHangsUpIsNotLogged(t *testing.T) {
	c := open(t, &memory{block: true}, query.Config{})
	c.do(http.MethodGet, "/v1/shipments/s-1", func(r *http.Request) {
		r.Header.Set("Authorization", "Bearer ann")
		ctx, cancel := context.WithCancel(r.Context())
		cancel()
		*r = *r.WithContext(ctx)
	})
	if log, _ := io.ReadAll(c.log); len(log) > 0 {
		t.Errorf("the log says %s", log)
	}
}
