package query_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/auth"
	"github.com/waybill-io/waybill/internal/query"
	"github.com/waybill-io/waybill/internal/tracking"
)

var at = time.Date(2026, 3, 1, 10, 0, 0, 0, time.FixedZone("", 3600))

// day0 is when all that memory holds has happened.
var day0 = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

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

// then is what the model was at every moment of the past: everything at once on
// the first of March, by when it was known a day later.
func (m *memory) then(ctx context.Context, what string, at tracking.AsOf) error {
	if err := m.called(ctx, fmt.Sprint(what, " as of ", at.At.Format(time.RFC3339Nano), " ", at.Basis)); err != nil {
		return err
	}
	began := day0
	if at.Basis == tracking.ByKnowledge {
		began = began.AddDate(0, 0, 1)
	}
	if at.At.Before(began) {
		return query.ErrNotFound
	}
	return nil
}

func (m *memory) OrderAsOf(ctx context.Context, tenant events.TenantID, id events.OrderID, at tracking.AsOf) (query.Order, error) {
	if err := m.then(ctx, "order", at); err != nil {
		return query.Order{}, err
	}
	return m.Order(ctx, tenant, id)
}

func (m *memory) ShipmentAsOf(ctx context.Context, tenant events.TenantID, id events.ShipmentID, at tracking.AsOf) (query.Shipment, error) {
	if err := m.then(ctx, "shipment", at); err != nil {
		return query.Shipment{}, err
	}
	return m.Shipment(ctx, tenant, id)
}

func (m *memory) TimelineAsOf(ctx context.Context, tenant events.TenantID, of events.Stream, after string, limit int, at tracking.AsOf) (query.Page, error) {
	if err := m.then(ctx, "timeline", at); err != nil {
		return query.Page{}, err
	}
	return m.Timeline(ctx, tenant, of, after, limit)
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
			"acme|o-1":     {ID: "o-1", Revision: 3, Status: "shipped", Number: "1001", PlacedAt: at.UTC(), Holds: []string{"fraud"}, ReturnsOpen: []string{"r-1"}, Ordered: 3, Shipped: 3},
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
	if cfg.PerSecond == 0 {
		cfg.PerSecond = 1e6
	}
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
