package query_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/auth"
	"github.com/waybill-io/waybill/internal/fanout"
	"github.com/waybill-io/waybill/internal/query"
	"github.com/waybill-io/waybill/internal/tracking"
)

var at = time.Date(2026, 3, 1, 10, 0, 0, 0, time.FixedZone("", 3600))

// memory is a read model in memory.
type memory struct {
	orders    map[string]query.Order
	shipments map[string]query.Shipment
	timelines map[string][]query.Entry
	fail      error // what every call returns
	block     bool  // wait for the end of the context
	calls     []string
}

func key(tenant events.TenantID, id string) string { return string(tenant) + "|" + id }

func (m *memory) called(ctx context.Context, what string) error {
	m.calls = append(m.calls, what)
	if m.block {
		<-ctx.Done()
		return ctx.Err()
	}
	return m.fail
}

func (m *memory) Order(ctx context.Context, tenant events.TenantID, id events.OrderID) (query.Order, error) {
	if err := m.called(ctx, "order"); err != nil {
		return query.Order{}, err
	}
	row, ok := m.orders[key(tenant, string(id))]
	if !ok {
		return query.Order{}, fmt.Errorf("order of %s: %w", tenant, query.ErrNotFound)
	}
	return row, nil
}

func (m *memory) Shipment(ctx context.Context, tenant events.TenantID, id events.ShipmentID) (query.Shipment, error) {
	if err := m.called(ctx, "shipment"); err != nil {
		return query.Shipment{}, err
	}
	row, ok := m.shipments[key(tenant, string(id))]
	if !ok {
		return query.Shipment{}, fmt.Errorf("shipment of %s: %w", tenant, query.ErrNotFound)
	}
	return row, nil
}

func (m *memory) Timeline(ctx context.Context, tenant events.TenantID, of events.Stream, after string, limit int) (query.Page, error) {
	if err := m.called(ctx, fmt.Sprint("timeline ", limit)); err != nil {
		return query.Page{}, err
	}
	all := m.timelines[key(tenant, string(of.Kind)+"|"+of.ID)]
	from := 0
	if after != "" {
		n, err := strconv.Atoi(strings.TrimPrefix(after, "@"))
		if err != nil {
			return query.Page{}, fmt.Errorf("a place that the store never named: %w", err)
		}
		from = n
	}
	to := min(from+limit, len(all))
	page := query.Page{Entries: all[from:to]}
	if to < len(all) {
		page.Next = "@" + strconv.Itoa(to) // a length that leaves bits of base64 unused
	}
	return page, nil
}

func entry(stream events.StreamKind, streamID, id string) query.Entry {
	return query.Entry{
		Stream: stream, StreamID: streamID, Source: "urn:acme:wms-1", ID: events.EventID(id),
		Type: events.TypeDeparted, Class: events.Actual, OccurredAt: at, TZSource: events.TZOffset,
		Precision: events.ToMinute, RecordedAt: at.UTC(), IngestedAt: at.UTC(),
		Data: query.Data(`{"facility":"<YYC>","qty":9007199254740993}`),
	}
}

func sample() *memory {
	marked := entry(events.TrackingStream, "trk:CPCC:7035", "e-2")
	marked.ParcelID, marked.ArrivedLate = "p-1", true
	marked.Marks = query.Marks{
		DuplicateOf: &query.Twin{Source: "urn:acme:wms-1", ID: "e-1"}, RetractedBy: &query.Twin{Source: "urn:acme:wms-1", ID: "e-9"},
		Anomalies: []tracking.Anomaly{tracking.Regression}, Unmatched: true,
	}
	long := make([]query.Entry, 1001)
	for i := range long {
		long[i] = entry(events.ShipmentStream, "s-long", fmt.Sprint("e-", i))
	}
	return &memory{
		orders: map[string]query.Order{
			"acme|o-1":     {ID: "o-1", Revision: 3, Status: "shipped", Number: "1001", PlacedAt: at.UTC(), Holds: []string{"fraud"}, Ordered: 3, Shipped: 3},
			"umbrella|o-9": {ID: "o-9", Status: "placed"},
		},
		shipments: map[string]query.Shipment{
			"acme|s-1":     {ID: "s-1", Revision: 2, Status: "in_transit", StatusSince: at.UTC(), Carrier: "CPCC", Parcels: 1, Numbers: []events.TrackingNumber{"7035"}, Orders: []events.OrderID{"o-1"}},
			"acme|s-long":  {ID: "s-long", Status: "in_transit"},
			"umbrella|s-9": {ID: "s-9", Status: "created"},
		},
		timelines: map[string][]query.Entry{
			"acme|order|o-1":       {entry(events.OrderStream, "o-1", "e-0"), entry(events.ShipmentStream, "s-1", "e-1"), marked},
			"acme|shipment|s-1":    {entry(events.ShipmentStream, "s-1", "e-1"), marked},
			"acme|shipment|s-long": long,
			"umbrella|shipment|s-9": {
				entry(events.ShipmentStream, "s-9", "e-1"), entry(events.ShipmentStream, "s-9", "e-2"), entry(events.ShipmentStream, "s-9", "e-3"),
			},
		},
	}
}

// tokens are valid tokens by what they are.
type tokens map[string]auth.Principal

func (t tokens) Verify(token string) (auth.Principal, error) {
	if p, ok := t[token]; ok {
		return p, nil
	}
	return auth.Principal{}, auth.ErrInvalidToken
}

// client asks the API as somebody.
type client struct {
	t   *testing.T
	api http.Handler
	log *bytes.Buffer
}

func open(t *testing.T, store query.Store, cfg query.Config) client {
	t.Helper()
	var log bytes.Buffer
	api, err := query.New(cfg, store, tokens{
		"ann":  {Subject: "ann", Tenant: "acme", Scope: []string{"read"}},
		"bob":  {Subject: "bob", Tenant: "umbrella", Scope: []string{"read", "write"}},
		"shop": {Subject: "shop", Tenant: "acme", Scope: []string{"write"}},
	}, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return client{t, api, &log}
}

func (c client) do(method, path string, change func(*http.Request)) *httptest.ResponseRecorder {
	c.t.Helper()
	r := httptest.NewRequestWithContext(c.t.Context(), method, path, http.NoBody)
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	c.api.ServeHTTP(w, r)
	return w
}

func (c client) get(token, path string) *httptest.ResponseRecorder {
	c.t.Helper()
	return c.do(http.MethodGet, path, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) })
}

// code returns the status and the code of a refusal.
func (c client) code(w *httptest.ResponseRecorder) string {
	c.t.Helper()
	var p query.Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		c.t.Fatalf("read %q: %v", w.Body, err)
	}
	if p.Status != w.Code || p.Detail == "" || w.Header().Get("Content-Type") != "application/problem+json" {
		c.t.Errorf("%d %s is answered by %s", w.Code, w.Header().Get("Content-Type"), w.Body)
	}
	return fmt.Sprint(w.Code, " ", p.Code)
}

func TestTheAPIAnswersRowsAndTimelines(t *testing.T) {
	c := open(t, sample(), query.Config{})
	const shipment = `{"id":"s-1","v":2,"status":"in_transit","status_since":"2026-03-01T09:00:00Z","carrier":"CPCC","parcels":1,"numbers":["7035"],"orders":["o-1"],"open_exceptions":0,"disputed":false,"gap":false}`
	const order = `{"id":"o-1","v":3,"status":"shipped","number":"1001","placed_at":"2026-03-01T09:00:00Z","holds":["fraud"],"ordered":3,"cancelled":0,"shipped":3,"delivered":0,"returned":0,"lost":0}`
	fact := func(stream, streamID, id, late, marks string) string {
		return `{"stream":"` + stream + `","stream_id":"` + streamID + `","source":"urn:acme:wms-1","id":"` + id + `","type":"shipment.departed.v1","class":"ACT",` +
			`"occurred_at":"2026-03-01T10:00:00+01:00","tz_source":"offset","time_precision":"minute","recorded_at":"2026-03-01T09:00:00Z","ingested_at":"2026-03-01T09:00:00Z",` +
			late + `,"data":{"facility":"<YYC>","qty":9007199254740993},"marks":` + marks + `}`
	}
	plain := func(stream, streamID, id string) string {
		return fact(stream, streamID, id, `"arrived_late":false`, `{"unmatched":false}`)
	}
	marked := fact("tracking", "trk:CPCC:7035", "e-2", `"arrived_late":true,"parcel_id":"p-1"`,
		`{"duplicate_of":{"source":"urn:acme:wms-1","id":"e-1"},"retracted_by":{"source":"urn:acme:wms-1","id":"e-9"},"anomalies":["regression"],"unmatched":true}`)
	for path, want := range map[string]string{
		"/v1/shipments/s-1":          shipment,
		"/v1/orders/o-1":             order,
		"/v1/shipments/s-1/timeline": `{"shipment":` + shipment + `,"entries":[` + plain("shipment", "s-1", "e-1") + `,` + marked + `],"next":""}`,
		"/v1/orders/o-1/timeline": `{"order":` + order + `,"entries":[` + plain("order", "o-1", "e-0") + `,` +
			plain("shipment", "s-1", "e-1") + `,` + marked + `],"next":""}`,
	} {
		w := c.get("ann", path)
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("GET %s = %d %s", path, w.Code, w.Header().Get("Content-Type"))
		}
		if diff := cmp.Diff(want+"\n", w.Body.String()); diff != "" {
			t.Errorf("GET %s (-want +got):\n%s", path, diff)
		}
	}
}

func TestPagesTileTheTimeline(t *testing.T) {
	store := sample()
	c := open(t, store, query.Config{})
	for _, limit := range []int{1, 7, 200, 500} {
		seen, pages, next := 0, 0, ""
		for {
			var page query.ShipmentTimeline
			id := "s-long"
			if limit == 1 {
				id = "s-1" // 1,001 requests would show no more
			}
			w := c.get("ann", fmt.Sprintf("/v1/shipments/%s/timeline?limit=%d&cursor=%s", id, limit, next))
			if err := json.Unmarshal(w.Body.Bytes(), &page, json.WithUnmarshalers(anyData())); w.Code != http.StatusOK || err != nil {
				t.Fatalf("limit %d, page %d: %d %s (%v)", limit, pages, w.Code, w.Body, err)
			}
			for _, e := range page.Entries {
				if want := store.timelines["acme|shipment|"+id][seen].ID; e.ID != want {
					t.Fatalf("limit %d: entry %d is %s, want %s", limit, seen, e.ID, want)
				}
				seen++
			}
			pages++
			if next = page.Next; next == "" {
				if want := len(store.timelines["acme|shipment|"+id]); seen != want || pages != (want+limit-1)/limit {
					t.Errorf("limit %d: %d entries on %d pages, want %d", limit, seen, pages, want)
				}
				break
			}
		}
	}
}

// anyData reads the data that the API only writes.
func anyData() *json.Unmarshalers {
	return json.UnmarshalFunc(func(doc []byte, d *query.Data) error {
		*d = bytes.Clone(doc)
		return nil
	})
}

func TestTheLimitDefaultsTo200(t *testing.T) {
	store := sample()
	c := open(t, store, query.Config{})
	c.get("ann", "/v1/shipments/s-1/timeline")
	if diff := cmp.Diff([]string{"shipment", "timeline 200"}, store.calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestBadParametersAreRefused(t *testing.T) {
	store := sample()
	c := open(t, store, query.Config{})
	const path = "/v1/shipments/s-1/timeline"
	for _, q := range []string{
		"limit=0", "limit=-1", "limit=501", "limit=1000000000", "limit=99999999999999999999", "limit=abc", "limit=", "limit=1.5", "limit=1e2", "limit=%31%00",
		"limit=1&limit=2", "limit=1&limit=1", "cursor=&cursor=",
		"sort=;drop", "sort=password", "fields=*", "q=%25%25", "from=2026-01-01", "tz=Mars/Base", "token=ann", "Limit=1", "limit[]=1", "%zz=1", "a;b",
	} {
		store.calls = nil
		if got, want := c.code(c.get("ann", path+"?"+q)), "400 bad_parameter"; got != want {
			t.Errorf("?%s = %s, want %s", q, got, want)
		}
		if len(store.calls) > 0 {
			t.Errorf("?%s reached the store", q)
		}
	}
	if w := c.get("ann", "/v1/shipments/s-1?limit=1"); c.code(w) != "400 bad_parameter" {
		t.Errorf("a row has no pages, and yet limit is answered %d", w.Code)
	}
	if w := c.get("ann", path+"?limit=500"); w.Code != http.StatusOK {
		t.Errorf("limit=500 = %d", w.Code)
	}
}

func TestACursorIsGoodForItsTimelineOnly(t *testing.T) {
	cfg := query.Config{CursorKey: []byte("one key for all replicas")}
	store := sample()
	store.shipments["umbrella|s-1"] = query.Shipment{ID: "s-1", Status: "created"}
	store.orders["acme|s-1"] = query.Order{ID: "s-1", Status: "placed"}
	c := open(t, store, cfg)
	var page query.ShipmentTimeline
	w := c.get("ann", "/v1/shipments/s-1/timeline?limit=1")
	if err := json.Unmarshal(w.Body.Bytes(), &page, json.WithUnmarshalers(anyData())); err != nil || page.Next == "" {
		t.Fatalf("the first page is %s (%v)", w.Body, err)
	}
	good := page.Next
	ask := func(c client, token, path, cursor string) string {
		w := c.get(token, path+"?cursor="+cursor)
		if w.Code == http.StatusOK {
			return "200"
		}
		return c.code(w)
	}
	if got := ask(open(t, store, cfg), "ann", "/v1/shipments/s-1/timeline", good); got != "200" {
		t.Errorf("another replica with the same key says %s", got)
	}
	const refused = "400 bad_cursor"
	for name, got := range map[string]string{
		"another shipment":     ask(c, "ann", "/v1/shipments/s-long/timeline", good),
		"an order of the name": ask(c, "ann", "/v1/orders/s-1/timeline", good),
		"another tenant":       ask(c, "bob", "/v1/shipments/s-1/timeline", good),
		"another key":          ask(open(t, store, query.Config{}), "ann", "/v1/shipments/s-1/timeline", good),
		"cut off":              ask(c, "ann", "/v1/shipments/s-1/timeline", good[:len(good)-2]),
		"longer":               ask(c, "ann", "/v1/shipments/s-1/timeline", good+"AA"),
		"a bare place":         ask(c, "ann", "/v1/shipments/s-1/timeline", "1"),
		"garbage":              ask(c, "ann", "/v1/shipments/s-1/timeline", "%00%ff"),
		"10 KiB":               ask(c, "ann", "/v1/shipments/s-1/timeline", strings.Repeat("A", 10<<10)),
	} {
		if got != refused {
			t.Errorf("%s: %s, want %s", name, got, refused)
		}
	}
	for i := range 2 * len(good) {
		flipped := []byte(good)
		flipped[i/2] ^= byte(1 + i%2)
		if got := ask(c, "ann", "/v1/shipments/s-1/timeline", string(flipped)); got != refused {
			t.Errorf("cursor with character %d changed: %s, want %s", i/2, got, refused)
		}
	}
}

func FuzzCursor(f *testing.F) {
	store := sample()
	for _, seed := range []string{"", "1", "AAAA", strings.Repeat("A", 64), "%", "=", "\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, cursor string) {
		c := open(t, store, query.Config{})
		w := c.do(http.MethodGet, "/v1/shipments/s-1/timeline", func(r *http.Request) {
			r.Header.Set("Authorization", "Bearer ann")
			q := r.URL.Query()
			q.Set("cursor", cursor)
			r.URL.RawQuery = q.Encode()
		})
		if cursor == "" && w.Code != http.StatusOK {
			t.Errorf("no cursor = %d", w.Code)
		}
		if cursor != "" && c.code(w) != "400 bad_cursor" {
			t.Errorf("cursor %q that nobody signed = %d %s", cursor, w.Code, w.Body)
		}
	})
}

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
	shipment := fanout.ShipmentRow{ID: "s-1", Revision: 2, Status: "in_transit", StatusSince: at, Parcels: 1, Gap: true}
	order := fanout.OrderRow{ID: "o-1", Revision: 2, Status: "placed", PlacedAt: at, Holds: []string{"fraud"}, Lost: 1}
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
