package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/waybill-io/waybill/cmd/internal/clitest"
	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/auth"
	"github.com/waybill-io/waybill/internal/fanout"
	"github.com/waybill-io/waybill/internal/fanout/fanouttest"
	"github.com/waybill-io/waybill/internal/gateway"
)

const acme = events.TenantID("acme")

// livePlace is a gateway on a model.
type livePlace struct {
	model  *fanouttest.Model
	url    string // of the socket
	signer *auth.Signer
}

// startLive runs a gateway until the end of the test. Development tokens are of
// that kind if it is not nil.
func startLive(t *testing.T, dev http.HandlerFunc) *livePlace {
	t.Helper()
	cfg := auth.Config{Keys: []auth.Key{{Secret: []byte(longText)}}, Issuer: "waybill", Audience: "waybill"}
	verifier, err := auth.NewVerifier(cfg)
	if err != nil {
		t.Fatal(err)
	}
	p := &livePlace{model: fanouttest.NewModel()}
	if p.signer, err = auth.NewSigner(cfg); err != nil {
		t.Fatal(err)
	}
	hub := fanout.New(p.model, p.model, fanout.Config{})
	g := gateway.New(hub, verifier, nil, gateway.Config{DrainWindow: 10 * time.Millisecond, CloseWait: 100 * time.Millisecond})
	mux := http.NewServeMux()
	mux.Handle("/v1/live", g)
	mux.HandleFunc("/index.html", func(http.ResponseWriter, *http.Request) {})
	if dev != nil {
		mux.HandleFunc("POST /dev/token", dev)
	}
	server := httptest.NewServer(mux)
	p.url = "ws" + strings.TrimPrefix(server.URL, "http") + "/v1/live"
	ctx, cancel := context.WithCancel(context.Background())
	var parts sync.WaitGroup
	parts.Go(func() { _ = hub.Run(ctx) })
	parts.Go(func() { _ = g.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		parts.Wait()
		server.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return p
}

// token is a good one, of a scope.
func (p *livePlace) token(t *testing.T, scope ...string) string {
	t.Helper()
	token, _, err := p.signer.Mint(auth.Principal{Subject: "ann", Tenant: string(acme), Scope: scope}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func (p *livePlace) put(id string, v int64, status string) {
	p.model.Put(acme, &fanout.ShipmentRow{ID: events.ShipmentID(id), Revision: v, Status: status, Carrier: "UPS", LastLocation: "Köln \x1b[31m"})
}

func TestWatch_printsALinePerChange(t *testing.T) {
	t.Parallel()
	place := startLive(t, nil)
	place.put("S-1", 1, "in_transit")
	p := clitest.Start(t, []string{"watch", "--url=" + place.url, "--columns=id,status,last_location"}, map[string]string{"WAYBILL_TOKEN": place.token(t, "read")})
	p.Says("time\twhat\tid\tstatus\tlast_location\n")
	p.Says("\trow\tS-1\tin_transit\tKöln \ufffd[31m\n")
	p.Says("\t#\tlive\t1 rows\n")
	place.put("S-2", 1, "created")
	p.Says("\tput\tS-2\tcreated\t")
	place.model.Delete(acme, fanout.Shipments, "S-1")
	p.Says("\tgone\tS-1\n")
	p.Signal(syscall.SIGINT)
	if code := p.Wait(); code != 0 {
		t.Errorf("exit code = %d, want 0", code)
	}
	if !strings.HasPrefix(p.Said(), "time\t") || strings.Count(p.Said(), "time\twhat") != 1 {
		t.Errorf("the names of the columns are not the first line, once:\n%s", p.Said())
	}
	if strings.Contains(p.Said(), "\x1b") {
		t.Error("an escape sequence of a row was printed")
	}
}

func TestWatch_printsObjects(t *testing.T) {
	t.Parallel()
	place := startLive(t, nil)
	place.put("S-1", 1, "in_transit")
	p := clitest.Start(t, []string{"watch", "--json", "--url=" + place.url, "--token-file=" + secretFile(t, place.token(t, "read")+"\n")}, nil)
	p.Says(`"event":"freshness"`)
	place.put("S-2", 1, "created")
	p.Says(`"event":"put"`)
	place.model.Delete(acme, fanout.Shipments, "S-1")
	p.Says(`"event":"gone"`)
	place.model.Rebuild(acme, "e2", 7)
	p.Says(`"reset":"epoch"`)
	p.Says(`"epoch":"e2"`)
	p.Signal(syscall.SIGINT)
	if code := p.Wait(); code != 0 {
		t.Errorf("exit code = %d, want 0", code)
	}
	var got []string
	for line := range strings.Lines(p.Said()) {
		var o struct {
			Event     string
			ID        string
			Freshness string
			Row       struct{ Status string }
		}
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		got = append(got, strings.TrimSpace(strings.Join([]string{o.Event, o.ID, o.Freshness, o.Row.Status}, " ")))
	}
	want := "loaded, row S-1  in_transit, freshness  live, put S-2  created, gone S-1, freshness  stale, loaded, row S-2  created, freshness  live"
	if text := strings.Join(got, ", "); text != want {
		t.Errorf("objects:\n%s\nwant:\n%s", text, want)
	}
}

// What waiting does not mend ends the command, with what to do.
func TestWatch_endsWithWhatToDo(t *testing.T) {
	t.Parallel()
	place := startLive(t, nil)
	good := place.token(t, "read")
	tests := []struct {
		name  string
		token string
		args  []string
		want  []string
		never string
	}{
		{"a token that is not accepted", "hunter2", nil, []string{"4501", "--token-file", "tracker-ws token", "\t#\tended\t0 rows\tclosed with 4501"}, "connecting"},
		{"a token that may not read", place.token(t, "write"), nil, []string{"4502", "--token-file"}, "connecting"},
		{"a token that may not read this", place.token(t, "read:orders"), nil, []string{"\t#\trefused\t0 rows\t", "shipments", "--token-file"}, "emptied"},
		{"a filter of a field that does not exist", good, []string{`--filter={"f":"colour","op":"eq","v":"red"}`}, []string{"--filter", "colour"}, "emptied"},
		{"no live socket", good, []string{"--url=" + strings.Replace(place.url, "/v1/live", "/v1/live?token=", 1) + "x"}, []string{"--url"}, "connecting"},
		{"a page", good, []string{"--url=" + strings.Replace(place.url, "/v1/live", "/index.html", 1)}, []string{"ended\t0 rows", "--url: the server answered with status 200", "want …/v1/live"}, "connecting"},
		{"a secret that no link has", "wbl_AAAAAAAAAAAAAAAAAAAAAA", nil, []string{"4501: no such link", "ask for another link"}, "token"},
		{"no development tokens", good, []string{"--dev-token"}, []string{"--dev-token", "--token-file"}, "emptied"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := clitest.Start(t, append([]string{"watch", "--url=" + place.url}, tt.args...), map[string]string{"WAYBILL_TOKEN": tt.token})
			if code := p.Wait(); code == 0 || code == 2 != (tt.name == "no live socket") {
				t.Errorf("exit code = %d", code)
			}
			for _, want := range tt.want {
				if !strings.Contains(p.Said(), want) {
					t.Errorf("it says %q, want %q in it", p.Said(), want)
				}
			}
			if strings.Contains(p.Said(), tt.never) {
				t.Errorf("it says %q, and there is nothing of %q", p.Said(), tt.never)
			}
			if strings.Contains(p.Said(), tt.token) {
				t.Error("the token was printed")
			}
		})
	}
}

func TestWatch_aHostIsEnough(t *testing.T) {
	t.Parallel()
	place := startLive(t, nil)
	place.put("S-1", 1, "in_transit")
	host := "http" + strings.TrimSuffix(strings.TrimPrefix(place.url, "ws"), "v1/live")
	p := clitest.Start(t, []string{"watch", "--url=" + host}, map[string]string{"WAYBILL_TOKEN": place.token(t, "read")})
	p.Says("\trow\tS-1\t")
}

func TestWatch_aServerThatIsAwayIsTriedUntilInterrupted(t *testing.T) {
	t.Parallel()
	p := clitest.Start(t, []string{"watch", "--url=ws://" + clitest.Nowhere + "/v1/live"}, map[string]string{"WAYBILL_TOKEN": "hunter2"})
	p.Says("connecting")
	p.Says("connection refused")
	p.Signal(syscall.SIGINT)
	if code := p.Wait(); code != 0 {
		t.Errorf("exit code = %d, want 0", code)
	}
}

// Each connection asks for a development token of its own.
func TestWatch_asksForADevelopmentToken(t *testing.T) {
	t.Parallel()
	var place *livePlace
	failed := false
	place = startLive(t, func(w http.ResponseWriter, _ *http.Request) {
		if !failed {
			failed = true
			http.Error(w, "not yet", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintf(w, `{"token":%q}`, place.token(t, "read"))
	})
	place.put("S-1", 1, "in_transit")
	p := clitest.Start(t, []string{"watch", "--dev-token", "--url=" + place.url}, nil)
	p.Says("ask for a development token: status 503")
	p.Says("\trow\tS-1\t")
}

// broken is an output that is gone.
type broken struct{}

// Write fails.
func (broken) Write([]byte) (int, error) { return 0, os.ErrClosed }

func TestWatch_anOutputThatIsGoneEndsIt(t *testing.T) {
	place := startLive(t, nil)
	for _, args := range [][]string{{"watch"}, {"watch", "--json"}} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		var stderr bytes.Buffer
		env := map[string]string{"WAYBILL_TOKEN": place.token(t, "read")}
		err := run(ctx, append(args, "--url="+place.url), func(name string) string { return env[name] }, broken{}, &stderr)
		if err == nil || !strings.Contains(err.Error(), "write the output") || ctx.Err() != nil {
			t.Errorf("%v: run = %v, want that the output cannot be written", args, err)
		}
	}
}

func TestWatchRefusesWrongUsage(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none")
	with := func(args ...string) []string { return append([]string{"watch"}, args...) }
	token := map[string]string{"WAYBILL_TOKEN": secret}
	clitest.Refuses(t, run, []clitest.Wrong{
		{Name: "no token", Args: with(), Want: []string{"--token-file", "WAYBILL_TOKEN", "--dev-token"}},
		{Name: "two tokens", Args: with("--dev-token", "--token-file="+secretFile(t, secret)), Want: []string{"--token-file", "--dev-token"}, Secret: secret},
		{Name: "no file of the token", Args: with("--token-file=" + none), Want: []string{"--token-file", none}},
		{Name: "an empty file of the token", Args: with("--token-file=" + secretFile(t, "\n")), Want: []string{"--token-file", "empty"}},
		{Name: "no URL of a socket", Args: with("--url=127.0.0.1:8080"), Env: token, Want: []string{"--url", "ws://"}, Secret: secret},
		{Name: "a URL of another kind", Args: with("--url=ftp://host/v1/live"), Env: token, Want: []string{"--url", "ftp"}},
		{Name: "a token in the URL", Args: with("--url=ws://host/v1/live?token=" + secret), Env: token, Want: []string{"--url"}, Secret: secret},
		{Name: "a password in the URL", Args: with("--url=ws://ann:" + secret + "@host/v1/live"), Env: token, Want: []string{"--url"}, Secret: secret},
		{Name: "an unknown topic", Args: with("--topic=parcels"), Env: token, Want: []string{"--topic", "timeline"}},
		{Name: "a filter that is no JSON", Args: with("--filter=status=lost"), Env: token, Want: []string{"--filter"}},
		{Name: "a filter that is no object", Args: with(`--filter=["status"]`), Env: token, Want: []string{"--filter"}},
		{Name: "a timeline of nothing", Args: with("--topic=timeline"), Env: token, Want: []string{"--filter", "shipment"}},
		{Name: "a column that does not exist", Args: with("--columns=id,stauts"), Env: token, Want: []string{"--columns", "stauts", "status"}},
		{Name: "a column of another topic", Args: with("--topic=orders", "--columns=carrier"), Env: token, Want: []string{"--columns", "orders", "carrier"}},
		{Name: "less than no changes", Args: with("--max-hz=-1"), Env: token, Want: []string{"--max-hz"}},
		{Name: "a number that is none", Args: with("--max-hz=NaN"), Env: token, Want: []string{"--max-hz"}},
	})
}
