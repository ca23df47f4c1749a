package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/scenario"
	"github.com/waybill-io/waybill/internal/topic"
)

// checkReady holds the ready file to what scripts rely on.
func (p *place) checkReady(got ready) {
	p.t.Helper()
	if got.Token == "" || !strings.HasPrefix(got.Postgres, "postgres://analyst:") || got.Owner == "" || strings.Contains(got.Owner, "analyst") {
		p.t.Errorf("token = %q, postgres = %q, owner = %q, want all", got.Token, got.Postgres, got.Owner)
	}
	want := ready{
		Page: fmt.Sprintf("http://127.0.0.1:%d/", p.base), API: fmt.Sprintf("http://127.0.0.1:%d", p.base),
		WS: fmt.Sprintf("ws://127.0.0.1:%d/v1/live", p.base), Ops: fmt.Sprintf("http://127.0.0.1:%d", p.base+1),
		Brokers: fmt.Sprintf("127.0.0.1:%d", p.base+3), Postgres: got.Postgres, Owner: got.Owner, Tenant: "demo", Token: got.Token,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		p.t.Errorf("ready file (-want +got):\n%s", diff)
	}
	if !strings.Contains(got.Postgres, fmt.Sprintf("127.0.0.1:%d/", p.base+2)) {
		p.t.Errorf("postgres = %s, want port %d", got.Postgres, p.base+2)
	}
	info, err := os.Stat(p.readyFile())
	if err != nil {
		p.t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o600 {
		p.t.Errorf("the ready file, which holds a token and a password, has mode %v, want 0600", mode)
	}
}

// publish writes histories of a tenant, and returns how many events they are.
func publish(t *testing.T, r ready, tenant events.TenantID, seed uint64, orders int) int {
	t.Helper()
	g, err := scenario.New(scenario.Config{Seed: seed, Orders: orders, Tenant: tenant, Rates: scenario.DefaultRates()})
	if err != nil {
		t.Fatal(err)
	}
	pub, err := topic.NewPublisher(topic.PublisherConfig{Brokers: []string{r.Brokers}})
	if err != nil {
		t.Fatal(err)
	}
	list := slices.Collect(g.Events())
	if err := errors.Join(pub.Publish(t.Context(), list), pub.Close()); err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// checkPage reads the page as a browser does.
func checkPage(t *testing.T, r ready, order string) {
	t.Helper()
	page := fetch(t, r.Page, nil, http.StatusOK)
	if csp := page.header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "script-src 'self'") {
		t.Errorf("Content-Security-Policy = %q, want a strict one", csp)
	}
	if !strings.Contains(page.body, "<script") {
		t.Errorf("the page has no script:\n%s", page.body)
	}
	bearer := http.Header{"Authorization": {"Bearer " + r.Token}}
	if answer := fetch(t, r.API+"/v1/orders/"+order+"/timeline", bearer, http.StatusOK); !strings.Contains(answer.body, `"entries":[{`) {
		t.Errorf("the timeline of %s has no entries: %s", order, answer.body)
	}
}

// checkAnalyst reads with the postgres URL, as psql does.
func checkAnalyst(t *testing.T, r ready) {
	t.Helper()
	for _, table := range []string{"orders", "shipments", "parcels", "events"} {
		if n := value[int](t, r, `SELECT count(*) FROM `+table); n == 0 {
			t.Errorf("%s is empty", table)
		}
		if n := value[int](t, r, `SELECT count(*) FROM `+table+` WHERE tenant_id <> 'demo'`); n != 0 {
			t.Errorf("%s shows %d rows of another tenant", table, n)
		}
	}
	for _, statement := range []string{"DELETE FROM orders", "UPDATE shipments SET status = ''", "SET ROLE waybill_projector"} {
		err := connected(t, r, func(ctx context.Context, c *pgx.Conn) error {
			_, err := c.Exec(ctx, statement)
			return err
		})
		if refused, ok := errors.AsType[*pgconn.PgError](err); !ok || refused.Code != "42501" {
			t.Errorf("%s: error = %v, want that it is not permitted", statement, err)
		}
	}
}

// counts are the rows of the tables.
func counts(t *testing.T, r ready) map[string]int {
	t.Helper()
	all := map[string]int{}
	for _, table := range []string{"events", "orders", "order_lines", "shipments", "parcels", "shipment_contents", "tracking_numbers", "exceptions"} {
		all[table] = value[int](t, r, `SELECT count(*) FROM `+table)
	}
	return all
}

// value reads what a query yields in its only row.
func value[T any](t *testing.T, r ready, query string) T {
	t.Helper()
	var v T
	err := connected(t, r, func(ctx context.Context, c *pgx.Conn) error { return c.QueryRow(ctx, query).Scan(&v) })
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v
}

func connected(t *testing.T, r ready, do func(context.Context, *pgx.Conn) error) error {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), r.Postgres)
	if err != nil {
		return err
	}
	defer conn.Close(t.Context()) //nolint:errcheck // what was read is all that counts
	return do(t.Context(), conn)
}

// checkLive waits for a row that changes on the socket.
func checkLive(t *testing.T, r ready) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	ws, _, err := websocket.Dial(ctx, r.WS, &websocket.DialOptions{Subprotocols: []string{"track.v1.json"}, HTTPClient: &http.Client{Transport: transport}})
	if err != nil {
		t.Fatal(err)
	}
	defer ws.CloseNow() //nolint:errcheck // it has served
	ws.SetReadLimit(16 << 20)
	hello := `{"t":"hello","v":1,"token":"` + r.Token + `","client":"test/1","subs":[{"t":"sub","sid":1,"topic":"shipments"}]}`
	if err := ws.Write(ctx, websocket.MessageText, []byte(hello)); err != nil {
		t.Fatal(err)
	}
	for {
		_, text, err := ws.Read(ctx)
		if err != nil {
			t.Fatalf("no row has changed: %v", err)
		}
		for frame := range bytes.SplitSeq(text, []byte("\n")) {
			var d struct {
				T string `json:"t"`
				U []struct {
					ID string `json:"id"`
				} `json:"u"`
			}
			if err := json.Unmarshal(frame, &d); err != nil {
				t.Fatalf("frame %s: %v", frame, err)
			}
			if d.T == "d" && len(d.U) > 0 {
				return
			}
		}
	}
}

// answer is what a server says.
type answer struct {
	header http.Header
	body   string
}

func fetch(t *testing.T, url string, header http.Header, status int) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if header != nil {
		req.Header = header
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // what was read is all that counts
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != status {
		t.Fatalf("GET %s: %s: %s, want %d", url, resp.Status, body, status)
	}
	return answer{resp.Header, string(body)}
}
