package query_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"github.com/waybill-io/waybill/internal/query"
)

// rows are the four things to ask for.
var rows = []string{"/v1/orders/o-1", "/v1/orders/o-1/timeline", "/v1/shipments/s-1", "/v1/shipments/s-1/timeline"}

func TestAViewOfThePastSaysWhatItIs(t *testing.T) {
	for _, tt := range []struct{ query, stored, says string }{
		{"as_of=2026-03-02T00:00:00Z", "2026-03-02T00:00:00Z occurred", `"as_of":"2026-03-02T00:00:00Z","basis":"occurred"`},
		{"as_of=2026-03-02T00:00:00Z&basis=occurred", "2026-03-02T00:00:00Z occurred", `"as_of":"2026-03-02T00:00:00Z","basis":"occurred"`},
		{"basis=known&as_of=2026-03-02T01:30:00%2B01:00", "2026-03-02T00:30:00Z known", `"as_of":"2026-03-02T00:30:00Z","basis":"known"`},
		{"as_of=2026-03-02T00:00:00.0000019Z", "2026-03-02T00:00:00.000001Z occurred", `"as_of":"2026-03-02T00:00:00.000001Z","basis":"occurred"`},
	} {
		for _, path := range rows {
			store := sample()
			c := open(t, store, query.Config{})
			now := c.get("ann", path).Body.String()
			store.calls = nil
			w := c.get("ann", path+"?"+tt.query)
			row, body := now, w.Body.String()
			for _, field := range []string{`{"order":`, `{"shipment":`} { // a timeline has the row first
				row, body = strings.TrimPrefix(row, field), strings.TrimPrefix(body, field)
			}
			row, rest, _ := strings.Cut(row, "}")
			if want := row + "," + tt.says + "}" + rest; w.Code != http.StatusOK || body != want {
				t.Errorf("%s?%s = %d\n%s\nwant the row of now with %s", path, tt.query, w.Code, w.Body, tt.says)
			}
			if diff := cmp.Diff(asked(path, tt.stored), asOf(store.calls)); diff != "" {
				t.Errorf("%s?%s asked (-want +got):\n%s", path, tt.query, diff)
			}
		}
	}
}

// asked is what a path asks a store for.
func asked(path, view string) []string {
	kind := strings.TrimSuffix(strings.Split(path, "/")[2], "s")
	if strings.HasSuffix(path, "/timeline") {
		return []string{kind + " as of " + view, "timeline as of " + view}
	}
	return []string{kind + " as of " + view}
}

// asOf are the calls that ask for the past.
func asOf(calls []string) []string {
	return slices.DeleteFunc(slices.Clone(calls), func(call string) bool { return !strings.Contains(call, " as of ") })
}

func TestWhatWasNotThereThenIsNotFound(t *testing.T) {
	c := open(t, sample(), query.Config{})
	for _, path := range rows {
		for q, want := range map[string]int{
			"as_of=2026-02-28T23:59:59Z":             http.StatusNotFound,
			"as_of=2026-03-01T12:00:00Z":             http.StatusOK,
			"as_of=2026-03-01T12:00:00Z&basis=known": http.StatusNotFound,
			"as_of=2026-03-02T12:00:00Z&basis=known": http.StatusOK,
		} {
			if got := c.get("ann", path+"?"+q).Code; got != want {
				t.Errorf("%s?%s = %d, want %d", path, q, got, want)
			}
		}
	}
}

func TestABadViewOfThePastIsRefusedByName(t *testing.T) {
	store := sample()
	c := open(t, store, query.Config{})
	const good = "as_of=2026-03-02T00:00:00Z"
	for _, tt := range []struct{ query, parameter string }{
		{"as_of=", "as_of"}, {"as_of=yesterday", "as_of"}, {"as_of=2026-03-02", "as_of"}, {"as_of=2026-03-02T00:00:00", "as_of"},
		{"as_of=2026-03-02T00:00:00+01:00", "as_of"}, {"as_of=2026-02-30T00:00:00Z", "as_of"}, {"as_of=1772409600", "as_of"},
		{"as_of=2026-03-02T00:00:00Z%00", "as_of"}, {"as_of=+12026-03-02T00:00:00Z", "as_of"}, {good + "&" + good, "as_of"},
		{good + "&basis=", "basis"}, {good + "&basis=Known", "basis"}, {good + "&basis=recorded", "basis"}, {good + "&basis=known&basis=known", "basis"},
		{"basis=known", "basis"}, {"basis=occurred", "basis"},
	} {
		for _, path := range rows {
			store.calls = nil
			w := c.get("ann", path+"?"+tt.query)
			var p query.Problem
			if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
				t.Fatalf("%s?%s = %s: %v", path, tt.query, w.Body, err)
			}
			if got, want := fmt.Sprint(p.Status, p.Code, p.Parameter), fmt.Sprint(400, query.CodeBadParameter, tt.parameter); got != want {
				t.Errorf("%s?%s = %s, want %s", path, tt.query, got, want)
			}
			if len(store.calls) > 0 {
				t.Errorf("%s?%s reached the store", path, tt.query)
			}
		}
	}
}

func TestAHistoryThatIsTooLongIsAProblem(t *testing.T) {
	store := sample()
	store.fail = fmt.Errorf("read order o-1: %w", query.ErrTooLong)
	c := open(t, store, query.Config{})
	for _, path := range rows {
		if got, want := c.code(c.get("ann", path+"?as_of=2026-03-02T00:00:00Z")), "422 history_too_long"; got != want {
			t.Errorf("%s = %s, want %s", path, got, want)
		}
	}
	if c.log.Len() > 0 {
		t.Errorf("it is logged as our fault: %s", c.log)
	}
}

// A cursor goes on in the view that it came from, whatever way that was written.
func TestACursorIsGoodForItsViewOnly(t *testing.T) {
	c := open(t, sample(), query.Config{})
	const path = "/v1/shipments/s-1/timeline"
	next := func(q string) string {
		t.Helper()
		var page query.ShipmentTimeline
		w := c.get("ann", path+"?limit=1&"+q)
		if err := json.Unmarshal(w.Body.Bytes(), &page, json.WithUnmarshalers(anyData())); err != nil || page.Next == "" {
			t.Fatalf("the first page is %s (%v)", w.Body, err)
		}
		return page.Next
	}
	const then = "as_of=2026-03-03T00:00:00Z"
	views := []string{"", then, then + "&basis=known", "as_of=2026-03-03T00:00:01Z"}
	for i, from := range views {
		cursor := url.QueryEscape(next(from))
		for j, to := range views {
			w := c.get("ann", path+"?cursor="+cursor+"&"+to)
			if i == j && w.Code != http.StatusOK || i != j && c.code(w) != "400 bad_cursor" {
				t.Errorf("a cursor of %q used with %q = %d", from, to, w.Code)
			}
		}
	}
	if w := c.get("ann", path+"?cursor="+next(then)+"&basis=occurred&as_of=2026-03-03T01:00:00%2B01:00"); w.Code != http.StatusOK {
		t.Errorf("the same view in other words = %d %s", w.Code, w.Body)
	}
}

func TestAViewOfThePastOfAnotherTenantDoesNotExist(t *testing.T) {
	c := open(t, sample(), query.Config{})
	const q = "?as_of=2026-03-03T00:00:00Z&basis=known"
	theirs, absent := c.get("ann", "/v1/shipments/s-9"+q), c.get("ann", "/v1/shipments/s-0"+q)
	if theirs.Code != http.StatusNotFound {
		t.Errorf("theirs = %d", theirs.Code)
	}
	if diff := cmp.Diff(absent.Body.String(), theirs.Body.String()); diff != "" {
		t.Errorf("theirs is answered otherwise than what is absent:\n%s", diff)
	}
}

// Who writes a parameter wrongly reads what it should have been.
func TestARefusalSaysWhatTheParameterWants(t *testing.T) {
	c := open(t, sample(), query.Config{})
	const moment = "The parameter wants a moment in RFC 3339, such as 2026-03-01T09:00:00Z or 2026-03-01T10:00:00%2B01:00."
	for q, want := range map[string]query.Problem{
		"as_of=yesterday":                        {Parameter: "as_of", Detail: moment},
		"as_of=2026-03-01":                       {Parameter: "as_of", Detail: moment},
		"as_of=2026-03-01T10:00:00+01:00":        {Parameter: "as_of", Detail: moment}, // a + that is not escaped is a space
		"as_of=":                                 {Parameter: "as_of", Detail: moment},
		"as_of=2026-03-01T09:00:00Z&basis=later": {Parameter: "basis", Detail: "The parameter wants occurred or known."},
		"basis=known":                            {Parameter: "basis", Detail: "The parameter goes with as_of only."},
		"limit=many":                             {Parameter: "limit", Detail: "The parameter wants a whole number from 1 to 500."},
		"limit=501":                              {Parameter: "limit", Detail: "The parameter wants a whole number from 1 to 500."},
	} {
		w := c.get("ann", "/v1/orders/o-1/timeline?"+q)
		if got := c.code(w); got != "400 bad_parameter" {
			t.Errorf("?%s = %s", q, got)
		}
		var got query.Problem
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if got.Parameter != want.Parameter || got.Detail != want.Detail {
			t.Errorf("?%s: %s: %q, want %s: %q", q, got.Parameter, got.Detail, want.Parameter, want.Detail)
		}
	}
}
