package e2e_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/waybill-io/waybill/internal/ops"
)

const (
	state       = `document.querySelector("main[data-state]")?.dataset.state`
	navigations = `performance.getEntriesByType("navigation").length + ":" + (window.sameDocument === true)`
)

// statusOf is the status that the page shows of a shipment.
func statusOf(id string) string {
	return fmt.Sprintf(`document.querySelector("[data-row-id='%s']")?.dataset.status`, id)
}

func TestThePageChangesARowWithoutAReload(t *testing.T) {
	t.Parallel()
	path := chromium(t)
	p := newPlatform(t)
	p.project()
	s := &story{tenant: tenant, name: "1"}
	id := string(s.shipment())
	p.publish(s.placed(), s.created())
	gateway := p.serve()
	b := openBrowser(t, path)
	b.open("http://" + gateway.addr + "/")
	b.shows(state, "live")
	b.shows(statusOf(id), "created")
	b.eval(`window.sameDocument = true`)

	p.publish(s.pickedUp())
	b.shows(statusOf(id), "picked_up")
	p.publish(s.departed())
	b.shows(statusOf(id), "in_transit")
	if faults := b.complaints(); len(faults) > 0 {
		t.Errorf("the page complained of %q", faults)
	}

	if gateway.snapshots(t) == 0 {
		t.Error("the page was shown rows without a snapshot")
	}
	gateway.stop()
	b.shows(state, "reconnecting")
	b.shows(statusOf(id), "in_transit") // as of the last word
	p.publish(s.delivering())
	p.drained()
	next := p.serveAt(gateway.addr)
	b.shows(statusOf(id), "out_for_delivery")
	b.shows(state, "live")
	if n := next.snapshots(t); n != 0 {
		t.Errorf("the gateway that followed took %d snapshots for a page that resumes", n)
	}
	if got, want := b.eval(navigations), "1:true"; got != want {
		t.Errorf("navigations and mark = %v, want %v: the page was loaded again", got, want)
	}
	for _, fault := range b.complaints() {
		if !strings.HasPrefix(fault, "network: ") { // it was told that nobody answers
			t.Errorf("the page complained of %s", fault)
		}
	}
}

// noSockets stands for a network that lets no WebSocket through.
const noSockets = `window.WebSocket = class {
	constructor() { setTimeout(() => this.onclose?.({ code: 1006, reason: "" }), 10); }
	send() {}
	close() {}
}`

func TestThePageReadsAStreamWhereNoSocketGetsThrough(t *testing.T) {
	t.Parallel()
	path := chromium(t)
	p := newPlatform(t)
	p.project()
	s := &story{tenant: tenant, name: "1"}
	id := string(s.shipment())
	p.publish(s.placed(), s.created())
	gateway := p.serve()
	b := openBrowser(t, path)
	b.do("Page.addScriptToEvaluateOnNewDocument", m{"source": noSockets}, nil)
	b.open("http://" + gateway.addr + "/")
	b.shows(statusOf(id), "created")
	p.publish(s.pickedUp())
	b.shows(statusOf(id), "picked_up")
	b.shows(state, "live")

	gateway.stop()
	b.shows(state, "reconnecting")
	p.publish(s.departed())
	p.drained()
	next := p.serveAt(gateway.addr)
	b.shows(statusOf(id), "in_transit")
	b.shows(state, "live")
	if n := next.snapshots(t); n != 0 {
		t.Errorf("the gateway that followed took %d snapshots for a page that resumes", n)
	}
}

var snapshots = regexp.MustCompile(`(?m)^waybill_ws_snapshots_total(?:\{.*\})? (\d+)$`)

// snapshots is how many a gateway has read.
func (s *site) snapshots(t *testing.T) int {
	t.Helper()
	text, err := ops.Get(t.Context(), s.ops, "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	sum := 0
	for _, found := range snapshots.FindAllStringSubmatch(text, -1) {
		n, err := strconv.Atoi(found[1])
		if err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	return sum
}

// tries is a page that tries to follow shipments at a gateway: over a socket,
// over a stream with a good token, and over one without, which browsers ask for
// without asking first whether they may. What came of it is in window.tried.
const tries = `(() => {
	window.tried = {};
	const say = (way) => (what) => { window.tried[way] = what; };
	const socket = new WebSocket("ws://%[1]s/v1/live", "track.v1.json");
	socket.onopen = () => say("socket")("open");
	socket.onclose = (e) => say("socket")(window.tried.socket ?? "closed " + e.code);
	const stream = "http://%[1]s/v1/stream/sse?sub=" + encodeURIComponent('{"sid":1,"topic":"shipments"}');
	const read = (way, init) => fetch(stream, init).then((r) => say(way)("status " + r.status), () => say(way)("failed"));
	read("stream", { headers: { Authorization: "Bearer %[2]s" } });
	read("simple", {});
})()`

const tried = `["socket", "stream", "simple"].map((way) => way + ": " + window.tried[way]).join(", ")`

func TestAPageOfAForeignOriginCannotConnect(t *testing.T) {
	t.Parallel()
	path := chromium(t)
	p := newPlatform(t)
	gateway := p.serve()
	foreign := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<!doctype html><title>Foreign</title>")) // the browser has gone if this fails
	}))
	t.Cleanup(foreign.Close)
	_, port, _ := strings.Cut(strings.TrimPrefix(foreign.URL, "http://"), ":")
	b := openBrowser(t, path)
	for _, page := range []struct{ name, url, want string }{
		{"of its own", "http://" + gateway.addr + "/favicon.svg", "socket: open, stream: status 200, simple: status 401"},
		{"of another port", "http://127.0.0.1:" + port + "/", "socket: closed 1006, stream: failed, simple: failed"},
		{"of another host", "http://localhost:" + port + "/", "socket: closed 1006, stream: failed, simple: failed"},
	} {
		b.open(page.url)
		b.eval(fmt.Sprintf(tries, gateway.addr, token(t, tenant)))
		b.shows(tried, page.want)
	}
}
