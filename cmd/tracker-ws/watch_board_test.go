package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"

	"github.com/waybill-io/waybill/events/watch"
)

var noon = time.Date(2026, 3, 2, 12, 4, 31, 0, time.UTC)

// views are what a client says to frames, each with the rows as they were then.
func views(t *testing.T, topic watch.Topic, frames []string, look func(int, watch.View)) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"track.v1.json"}})
		if err != nil {
			return
		}
		defer ws.CloseNow() //nolint:errcheck // closed is closed
		if _, _, err := ws.Read(r.Context()); err != nil {
			return
		}
		hello := `{"t":"welcome","conn":"c","hb_ms":20000,"exp_ms":1,"reconnect":{"base_ms":1,"max_ms":1},"limits":{"subs":1,"rows":100},"now":1}`
		_ = ws.Write(r.Context(), websocket.MessageText, []byte(hello+"\n"+strings.Join(frames, "\n")))
		_, _, _ = ws.Read(r.Context())
	}))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	n := 0
	c, err := watch.New(watch.Config{
		URL: server.URL, Token: func(context.Context) (string, error) { return "x", nil },
		Subscriptions: []watch.Subscription{{Topic: topic, Handle: func(v watch.View) {
			look(n, v)
			if n++; n == len(frames)-1 { // snap and live are one view
				cancel()
			}
		}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Run(ctx); err != nil || n < len(frames)-1 {
		t.Fatalf("Run = %v after %d views, want %d", err, n, len(frames)-1)
	}
	server.Close()
	http.DefaultClient.CloseIdleConnections()
}

// page is a screen without its escape sequences.
func page(text string) string {
	for _, code := range []string{home, restOfLine, restOfPage, plainText, bold, dim, green, yellow, red} {
		text = strings.ReplaceAll(text, code, "")
	}
	return strings.ReplaceAll(text, "\r\n", "\n")
}

func TestATableShowsTheNewestChangeFirstAndMarksIt(t *testing.T) {
	row := func(id, status, eta string) string {
		return fmt.Sprintf(`{"id":%q,"v":1,"status":%q,"eta":%q,"orders":["a","b"]}`, id, status, eta)
	}
	frames := []string{
		`{"t":"snap","sid":1,"epoch":"e","page":1,"more":false,"rows":[` + row("S-2", "created", "") + "," + row("S-1", "包裹 \\u001b[2J", "2026-03-02T13:00:00+01:00") + `]}`,
		`{"t":"live","sid":1,"epoch":"e","shape":"x","q":1,"resumed":false,"rows":2}`,
		`{"t":"d","sid":1,"p":1,"q":2,"n":1,"r":[],"u":[` + row("S-3", "in_transit", "2026-03-05T13:00:00Z") + `]}`,
		`{"t":"d","sid":1,"p":2,"q":3,"n":2,"r":["S-1"],"u":[` + row("S-2", "lost", "") + `]}`,
	}
	frames[0] = strings.ReplaceAll(frames[0], `\\u`, `\u`)
	want := []string{
		"shipments: live, 2 rows, checked 0.3 s ago\n" +
			"  ID   STATUS     ETA       ORDERS\n" +
			"  S-1  包裹 \ufffd[2J  12:00:00  a,b\n" +
			"  S-2  created              a,b",
		"shipments: live, 3 rows, checked 0.3 s ago\n" +
			"  ID   STATUS      ETA               ORDERS\n" +
			"* S-3  in_transit  2026-03-05 13:00  a,b\n" +
			"  S-1  包裹 \ufffd[2J   12:00:00          a,b",
		"shipments: live, 2 rows, checked 0.3 s ago\n" +
			"  ID   STATUS      ETA               ORDERS\n" +
			"* S-2  lost                          a,b\n" +
			"  S-3  in_transit  2026-03-05 13:00  a,b",
	}
	b := newBoard(watch.Shipments, []string{"id", "status", "eta", "orders"}, time.UTC)
	now := noon
	views(t, watch.Shipments, frames, func(n int, v watch.View) {
		now = now.Add(glow)
		v.Checked = now.Add(-300 * time.Millisecond)
		b.take(v, now)
		if diff := cmp.Diff(want[n], page(render(b, now, 60, 4, true))); diff != "" {
			t.Errorf("screen %d (-want +got):\n%s", n, diff)
		}
	})
	if got := page(render(b, now.Add(glow), 30, 3, false)); strings.Contains(got, "*") || strings.Count(got, "\n") != 2 || strings.Contains(got, "\x1b") {
		t.Errorf("later, on a smaller screen without colors:\n%q", got)
	}
	for line := range strings.Lines(page(render(b, now, 30, 3, false))) {
		if cellsWide(strings.TrimRight(line, "\n")) > 30 {
			t.Errorf("line %q does not fit into 30 cells", line)
		}
	}
}

// A snapshot after a loss marks what is other than before, and only that.
func TestANewSnapshotMarksWhatHasChanged(t *testing.T) {
	snap := func(v int) string {
		return fmt.Sprintf(`{"t":"snap","sid":1,"epoch":"e","page":1,"more":false,"rows":[{"id":"S-1","v":1},{"id":"S-2","v":%d}]}`, v)
	}
	frames := []string{
		snap(1), `{"t":"live","sid":1,"epoch":"e","shape":"x","q":1,"resumed":false}`,
		`{"t":"reset","sid":1,"code":"slow","retry_ms":0}`,
		snap(2) + "\n" + `{"t":"live","sid":1,"epoch":"e","shape":"x","q":5,"resumed":false}`,
	}
	b := newBoard(watch.Shipments, []string{"id", "v"}, time.UTC)
	views(t, watch.Shipments, frames, func(n int, v watch.View) {
		b.take(v, noon)
		marks := strings.Count(page(render(b, noon, 60, 9, true)), "* ")
		if want := map[int]int{0: 0, 1: 0, 2: 1}[n]; marks != want {
			t.Errorf("after view %d %d rows are marked, want %d", n, marks, want)
		}
		if n == 1 && !strings.Contains(b.status(v.Since.Add(2*time.Second)), "stale for 2.0 s, 2 rows as of ") {
			t.Errorf("status while stale: %q", b.status(v.Since.Add(2*time.Second)))
		}
	})
}

func TestCountsStayWhereTheyAreAndTheNewestEntryIsFirst(t *testing.T) {
	entry := func(id string) string {
		return fmt.Sprintf(`{"stream":"shipment","stream_id":"S","source":"x","id":%q,"type":"t"}`, id)
	}
	for topic, c := range map[watch.Topic]struct{ snap, delta, want string }{
		watch.KPIs:     {`{"id":"b","n":1},{"id":"a","n":1}`, `"t":"d","u":[{"id":"b","n":2}]`, "a b"},
		watch.Timeline: {entry("a") + "," + entry("b"), `"t":"ev","e":[` + entry("c") + `]`, "c b a"},
	} {
		b := newBoard(topic, []string{"id"}, time.UTC)
		frames := []string{
			`{"t":"snap","sid":1,"epoch":"e","page":1,"more":false,"rows":[` + c.snap + `]}`,
			`{"t":"live","sid":1,"epoch":"e","shape":"x","q":1,"resumed":false}`,
			`{` + c.delta + `,"sid":1,"p":1,"q":2,"r":[],"n":1}`,
		}
		views(t, topic, frames, func(_ int, v watch.View) { b.take(v, noon) })
		var got []string
		for _, r := range b.top(10) {
			got = append(got, r.cells[0])
		}
		if text := strings.Join(got, " "); text != c.want {
			t.Errorf("%s: order %s, want %s", topic, text, c.want)
		}
	}
}

func TestTheStatusSaysHowFarRowsMayBeTrusted(t *testing.T) {
	at := func(f watch.Freshness, err error) watch.View {
		return watch.View{Freshness: f, Since: noon.Add(-4 * time.Second), Checked: noon.Add(-300 * time.Millisecond), Lag: 200 * time.Second, Err: err}
	}
	next := func(v watch.View, in time.Duration) watch.View {
		v.Retry = noon.Add(in)
		return v
	}
	for want, v := range map[string]watch.View{
		"live, 1 row, checked 0.3 s ago":                                        at(watch.Live, nil),
		"lagging 3 min behind, 1 row, checked 0.3 s ago":                        at(watch.Lagging, nil),
		"connecting for 4.0 s, refused":                                         at(watch.Connecting, errors.New("refused")),
		"reconnecting for 4.0 s, 1 row as of 12:04:30, \ufffdrefused":           at(watch.Reconnecting, errors.New("\x1brefused")),
		"refused, 1 row as of 12:04:30, not yours":                              at(watch.Refused, errors.New("not yours")),
		"ended, 1 row as of 12:04:30, closed with 4505":                         at(watch.Ended, &watch.CloseError{Code: 4505}),
		"ended, closed with 4501":                                               {Freshness: watch.Ended, Err: &watch.CloseError{Code: 4501}},
		"reconnecting for 4.0 s, 1 row as of 12:04:30, next try in 7.0 s, gone": next(at(watch.Reconnecting, errors.New("gone")), 7*time.Second),
		"connecting for 4.0 s, next try in 12 s, gone":                          next(at(watch.Connecting, errors.New("gone")), 12*time.Second),
		"connecting for 4.0 s, trying now, gone":                                next(at(watch.Connecting, errors.New("gone")), -time.Second),
	} {
		b := newBoard(watch.Orders, []string{"id"}, time.UTC)
		b.put("O-1", watch.Row(`{"id":"O-1"}`), noon)
		b.view = v
		if got := b.status(noon); got != want {
			t.Errorf("status %q, want %q", got, want)
		}
	}
}

func TestColumnsByDefaultExist(t *testing.T) {
	for _, topic := range []watch.Topic{watch.Orders, watch.Shipments, watch.KPIs, watch.Timeline, watch.Alerts} {
		c := watchConfig{Topic: topic, Columns: columnsOf(topic)}
		if err := c.checkColumns(); err != nil {
			t.Error(err)
		}
	}
}

func TestCellsAreText(t *testing.T) {
	got, err := cellsOf(watch.Row(`{"a":"x","b":["y","z"],"c":7,"d":true,"e":{"f":1}}`), []string{"a", "b", "c", "d", "e", "g"})
	if diff := cmp.Diff([]string{"x", "y,z", "7", "true", `{"f":1}`, ""}, got); diff != "" || err != nil {
		t.Errorf("cells (-want +got):\n%s %v", diff, err)
	}
	var none json.RawMessage
	if cell(none) != "" {
		t.Error("what is not there is not empty")
	}
}
