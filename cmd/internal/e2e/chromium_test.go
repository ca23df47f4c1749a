package e2e_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/coder/websocket"

	"github.com/waybill-io/waybill/cmd/internal/clitest"
)

// browser is a Chromium without a screen, and its only tab, driven over the
// DevTools protocol.
type browser struct {
	t       *testing.T
	ws      *websocket.Conn
	session string

	mu      sync.Mutex
	last    int                // id of the last command
	waiting map[int]chan reply // for answers, by id
	faults  []string           // what the page complained of
	done    chan struct{}      // closed when reading has ended
}

// reply is an answer to a command, or an event.
type reply struct {
	ID     int             `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Message string `json:"message"`
	} `json:"error"`
}

// chromium finds the browser, or ends a test that cannot run here.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	const say = "no Chromium was found on the PATH, so the page was not tried in a browser: install chromium"
	if os.Getenv("CI") == "true" {
		t.Fatal(say)
	}
	t.Skip(say)
	return ""
}

// openBrowser starts a browser with an empty tab; it ends with the test.
func openBrowser(t *testing.T, path string) *browser {
	t.Helper()
	b := &browser{t: t, waiting: map[int]chan reply{}, done: make(chan struct{})}
	ws, _, err := websocket.Dial(t.Context(), launch(t, path), nil)
	if err != nil {
		t.Fatalf("reach the browser: %v", err)
	}
	ws.SetReadLimit(64 << 20)
	b.ws = ws
	go b.read()
	t.Cleanup(func() {
		_ = ws.CloseNow()
		<-b.done
	})
	var target struct {
		ID string `json:"targetId"`
	}
	b.do("Target.createTarget", m{"url": "about:blank"}, &target)
	var attached struct {
		Session string `json:"sessionId"`
	}
	b.do("Target.attachToTarget", m{"targetId": target.ID, "flatten": true}, &attached)
	b.session = attached.Session
	for _, domain := range []string{"Page", "Runtime", "Log"} {
		b.do(domain+".enable", m{}, nil)
	}
	b.do("Page.addScriptToEvaluateOnNewDocument", m{"source": `addEventListener("securitypolicyviolation",
		(e) => console.error("Content Security Policy: " + e.violatedDirective + " " + e.blockedURI))`}, nil)
	return b
}

// launch starts the process and returns the address that it takes commands at.
func launch(t *testing.T, path string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "waybill-chromium-") //nolint:usetesting // it is removed when its last process has gone, which is after the test's
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
		"--user-data-dir="+dir, "--remote-debugging-port=0", "--window-size=1400,900", "about:blank")
	cmd.Env = append(os.Environ(), "HOME="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	said, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		clitest.Eventually(t, func() error { return os.RemoveAll(dir) }) // its processes write until they have gone
	})
	lines := bufio.NewScanner(said)
	var all strings.Builder
	for lines.Scan() {
		if _, at, ok := strings.Cut(lines.Text(), "DevTools listening on "); ok {
			return at
		}
		fmt.Fprintln(&all, lines.Text())
	}
	t.Fatalf("%s did not say where it listens; it said:\n%s", filepath.Base(path), all.String())
	return ""
}

func (b *browser) read() {
	defer close(b.done)
	for {
		_, text, err := b.ws.Read(context.Background())
		if err != nil {
			return
		}
		var r reply
		if err := json.Unmarshal(text, &r); err != nil {
			continue
		}
		b.mu.Lock()
		if answer, ok := b.waiting[r.ID]; ok && r.ID != 0 {
			delete(b.waiting, r.ID)
			answer <- r
		} else if fault := faultOf(r); fault != "" {
			b.faults = append(b.faults, fault)
		}
		b.mu.Unlock()
	}
}

// faultOf is what an event complains of: an exception, a console error, or what
// the browser itself logs as an error.
func faultOf(r reply) string {
	var p struct {
		Type      string            `json:"type"`
		Args      []json.RawMessage `json:"args"`
		Exception json.RawMessage   `json:"exceptionDetails"`
		Entry     struct {
			Level  string `json:"level"`
			Source string `json:"source"`
			Text   string `json:"text"`
			URL    string `json:"url"`
		} `json:"entry"`
	}
	if json.Unmarshal(r.Params, &p) != nil {
		return ""
	}
	switch {
	case r.Method == "Runtime.exceptionThrown":
		return fmt.Sprintf("exception: %s", p.Exception)
	case r.Method == "Runtime.consoleAPICalled" && p.Type == "error":
		return fmt.Sprintf("console: %s", p.Args)
	case r.Method == "Log.entryAdded" && p.Entry.Level == "error":
		return fmt.Sprintf("%s: %s %s", p.Entry.Source, p.Entry.Text, p.Entry.URL)
	}
	return ""
}

// do sends a command and reads its result.
func (b *browser) do(method string, params m, into any) {
	b.t.Helper()
	if err := b.try(method, params, into); err != nil {
		b.t.Fatalf("%s: %v", method, err)
	}
}

func (b *browser) try(method string, params m, into any) error {
	answer := make(chan reply, 1)
	b.mu.Lock()
	b.last++
	id := b.last
	b.waiting[id] = answer
	b.mu.Unlock()
	command := m{"id": id, "method": method, "params": params}
	if b.session != "" {
		command["sessionId"] = b.session
	}
	text, err := json.Marshal(command)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(b.t.Context(), limit)
	defer cancel()
	if err := b.ws.Write(ctx, websocket.MessageText, text); err != nil {
		return err
	}
	select {
	case r := <-answer:
		if r.Error != nil {
			return errors.New(r.Error.Message)
		}
		if into == nil {
			return nil
		}
		return json.Unmarshal(r.Result, into)
	case <-b.done:
		return errors.New("the browser has gone")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// open goes to a page.
func (b *browser) open(url string) {
	b.t.Helper()
	var went struct {
		Error string `json:"errorText"`
	}
	b.do("Page.navigate", m{"url": url}, &went)
	if went.Error != "" {
		b.t.Fatalf("open %s: %s", url, went.Error)
	}
}

// eval is the value of an expression in the page.
func (b *browser) eval(expression string) any {
	b.t.Helper()
	var got struct {
		Result struct {
			Value any `json:"value"`
		} `json:"result"`
		Exception *struct {
			Text string `json:"text"`
		} `json:"exceptionDetails"`
	}
	b.do("Runtime.evaluate", m{"expression": expression, "returnByValue": true}, &got)
	if got.Exception != nil {
		b.t.Fatalf("%s: %s", expression, got.Exception.Text)
	}
	return got.Result.Value
}

// shows waits until an expression in the page has a value.
func (b *browser) shows(expression string, want any) {
	b.t.Helper()
	clitest.Eventually(b.t, func() error {
		if got := b.eval(expression); got != want {
			return fmt.Errorf("%s is %v, want %v; the page complained of: %q", expression, got, want, b.complaints())
		}
		return nil
	})
}

// complaints are the faults so far.
func (b *browser) complaints() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.faults...)
}
