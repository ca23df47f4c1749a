package query_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"github.com/waybill-io/waybill/internal/query"
)

func TestTheAPIAnswersRowsAndTimelines(t *testing.T) {
	c := open(t, sample(), query.Config{})
	const shipment = `{"id":"s-1","v":2,"status":"in_transit","status_since":"2026-03-01T09:00:00Z","carrier":"CPCC","parcels":1,"numbers":["7035"],"orders":["o-1"],"late":false,"open_exceptions":0,"disputed":false,"gap":false}`
	const order = `{"id":"o-1","v":3,"status":"shipped","number":"1001","placed_at":"2026-03-01T09:00:00Z","holds":["fraud"],"returns_open":["r-1"],"ordered":3,"cancelled":0,"shipped":3,"delivered":0,"returned":0,"lost":0}`
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
