package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/waybill-io/waybill/cmd/internal/clitest"
	"github.com/waybill-io/waybill/internal/devstack/stacktest"
	"github.com/waybill-io/waybill/internal/readmodel"
)

func TestMain(m *testing.M) { clitest.Main(m, "tracker-ws", run) }

func TestServe_aDatabaseThatIsAwayIsShownAndDoesNotKeepItFromStopping(t *testing.T) {
	t.Parallel()
	opsAddr := clitest.Free(t)
	p := clitest.Start(t, []string{
		"serve", "--listen=127.0.0.1:0", "--ops-addr=" + opsAddr, "--jwt-secret-file=" + secretFile(t, longText),
		"--database-url=postgres://u:" + secret + "@" + clitest.Nowhere + "/w",
	}, nil)
	if status := clitest.NotReady(t, opsAddr, "reader"); !strings.Contains(status.Detail, "connect") || strings.Contains(status.Detail, secret) {
		t.Errorf("detail = %q, want that the database cannot be connected to, and no password", status.Detail)
	}
	p.Signal(syscall.SIGTERM)
	if code := p.Wait(); code != 0 {
		t.Errorf("exit code = %d, want 0", code)
	}
	for _, hidden := range []string{secret, longText} {
		if strings.Contains(p.Said(), hidden) {
			t.Errorf("%q was printed:\n%s", hidden, p.Said())
		}
	}
}

func TestServe_aTokenOfItsOwnCommandOpensTheAPIAndTheSocket(t *testing.T) {
	t.Parallel()
	db := stacktest.Postgres(t)
	if _, _, err := readmodel.Migrate(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	listen, opsAddr, file := clitest.Free(t), clitest.Free(t), secretFile(t, longText+"\n")
	p := clitest.Start(t, []string{"serve", "--listen=" + listen, "--ops-addr=" + opsAddr, "--drain-window=100ms"},
		map[string]string{"WAYBILL_JWT_SECRET_FILE": file, "WAYBILL_DATABASE_URL": db})
	clitest.Ready(t, opsAddr)
	o := clitest.Call(t, run, []string{"token", "--tenant=demo", "--jwt-secret-file=" + file}, nil)
	if o.Err != nil {
		t.Fatal(o.Err)
	}
	token := strings.TrimSpace(o.Stdout)
	if status := get(t, listen, "/v1/orders/none", token); status != http.StatusNotFound {
		t.Errorf("an order that is not there, with the token: %d, want 404", status)
	}
	if status := get(t, listen, "/v1/orders/none", ""); status != http.StatusUnauthorized {
		t.Errorf("an order without a token: %d, want 401", status)
	}
	if status := get(t, listen, "/dev/token", ""); status != http.StatusNotFound {
		t.Errorf("/dev/token: %d, want 404: nobody is handed tokens but by cmd/dev", status)
	}

	ws, events := greet(t, listen, token), stream(t, listen, token)
	p.Signal(syscall.SIGTERM)
	for {
		if _, _, err := ws.Read(t.Context()); err != nil {
			if got, want := websocket.CloseStatus(err), websocket.StatusCode(4001); got != want {
				t.Errorf("the socket was closed with %d (%v), want %d", got, err, want)
			}
			break
		}
	}
	if rest, err := io.ReadAll(events); err != nil || !strings.Contains(string(rest), "event: close\ndata: {\"code\":4001,") {
		t.Errorf("the stream ended with %q, %v, want its close event with 4001", rest, err)
	}
	if code := p.Wait(); code != 0 {
		t.Errorf("exit code = %d, want 0", code)
	}
}

// get is the status of a page or of an answer of the API.
func get(t *testing.T, addr, path, token string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // only the status counts
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode
}

// greet opens a socket and is welcomed.
func greet(t *testing.T, addr, token string) *websocket.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	ws, _, err := websocket.Dial(ctx, "ws://"+addr+"/v1/live", &websocket.DialOptions{
		Subprotocols: []string{"track.v1.json"}, HTTPClient: &http.Client{Transport: transport},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ws.CloseNow() })
	if err := ws.Write(ctx, websocket.MessageText, []byte(`{"t":"hello","v":1,"token":"`+token+`","client":"test/1","subs":[]}`)); err != nil {
		t.Fatal(err)
	}
	if _, text, err := ws.Read(ctx); err != nil || !strings.Contains(string(text), `"welcome"`) {
		t.Fatalf("the first frame is %q, %v, want welcome", text, err)
	}
	return ws
}

// stream opens an event stream and returns it behind the welcome.
func stream(t *testing.T, addr, token string) io.Reader {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
		"http://"+addr+"/v1/stream/sse?sub="+url.QueryEscape(`{"sid":1,"topic":"orders"}`), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	events := bufio.NewReader(resp.Body)
	for range 2 {
		if line, err := events.ReadString('\n'); err != nil || !strings.HasPrefix(line, "id: ") && !strings.Contains(line, `"welcome"`) {
			t.Fatalf("status %d and the line %q, %v, want the id and the welcome", resp.StatusCode, line, err)
		}
	}
	return events
}

func TestServe_aDatabaseWithoutTheSchemaIsAnErrorThatSaysWhatToDo(t *testing.T) {
	t.Parallel()
	o := clitest.Call(t, run, []string{
		"serve", "--listen=127.0.0.1:0", "--ops-addr=127.0.0.1:0", "--jwt-secret-file=" + secretFile(t, longText), "--database-url=" + stacktest.Postgres(t),
	}, nil)
	if !errors.Is(o.Err, readmodel.ErrSchema) || !strings.Contains(o.Err.Error(), "run consumer migrate") {
		t.Errorf("error = %v, want %v and what to do", o.Err, readmodel.ErrSchema)
	}
}

func TestServe_aTakenPortIsNamed(t *testing.T) {
	t.Parallel()
	taken := clitest.Taken(t)
	for name, addrs := range map[string][]string{
		"page": {"--listen=" + taken, "--ops-addr=127.0.0.1:0"},
		"ops":  {"--listen=127.0.0.1:0", "--ops-addr=" + taken},
	} {
		t.Run(name, func(t *testing.T) {
			o := clitest.Call(t, run, append([]string{"serve"}, append(addrs, "--jwt-secret-file="+secretFile(t, longText), "--database-url=postgres://u:p@127.0.0.1:1/w")...), nil)
			if o.Err == nil || !strings.Contains(o.Err.Error(), taken) {
				t.Errorf("error = %v, want one that names %s", o.Err, taken)
			}
		})
	}
}
