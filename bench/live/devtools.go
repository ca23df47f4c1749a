package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/coder/websocket"
)

// chromium is a headless browser with one page, driven over the DevTools
// protocol.
type chromium struct {
	cmd     *exec.Cmd
	conn    *websocket.Conn
	session string
	next    int
}

// errNoChromium says that there is none on this machine.
var errNoChromium = errors.New("no Chromium is installed (Debian: apt-get install chromium), so only a WebSocket client is measured")

func findChromium(named string) (string, error) {
	for _, name := range []string{named, "chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); name != "" && err == nil {
			return path, nil
		}
	}
	return "", errNoChromium
}

func startChromium(ctx context.Context, program, dir string, height int) (*chromium, error) {
	profile := filepath.Join(dir, "chromium")
	c := &chromium{cmd: exec.Command(program, "--headless=new", "--remote-debugging-port=0", "--user-data-dir="+profile,
		"--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
		"--disable-sync", "--disable-quic", "--hide-scrollbars", fmt.Sprintf("--window-size=1440,%d", height), "about:blank")}
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // so that its helpers can be ended with it
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start Chromium: %w", err)
	}
	if err := c.attach(ctx, filepath.Join(profile, "DevToolsActivePort")); err != nil {
		return nil, errors.Join(err, c.stop())
	}
	return c, nil
}

// attach connects to the browser and makes a page.
func (c *chromium) attach(ctx context.Context, portFile string) error {
	var port, path string
	err := until(ctx, "Chromium answers", 30*time.Second, func() bool {
		text, err := os.ReadFile(portFile)
		port, path, _ = strings.Cut(strings.TrimSpace(string(text)), "\n")
		return err == nil && path != ""
	})
	if err != nil {
		return err
	}
	if c.conn, _, err = websocket.Dial(ctx, "ws://127.0.0.1:"+port+path, nil); err != nil {
		return fmt.Errorf("connect to Chromium: %w", err)
	}
	c.conn.SetReadLimit(256 << 20)
	var page struct {
		TargetID string `json:"targetId"`
	}
	if err := c.call(ctx, "Target.createTarget", map[string]any{"url": "about:blank"}, &page); err != nil {
		return err
	}
	var attached struct {
		SessionID string `json:"sessionId"`
	}
	err = c.call(ctx, "Target.attachToTarget", map[string]any{"targetId": page.TargetID, "flatten": true}, &attached)
	c.session = attached.SessionID
	return err
}

// call sends a command and waits for its answer; events are passed over.
func (c *chromium) call(ctx context.Context, method string, params any, result any) error {
	c.next++
	msg := map[string]any{"id": c.next, "method": method, "params": params}
	if c.session != "" {
		msg["sessionId"] = c.session
	}
	doc, err := json.Marshal(msg)
	if err != nil {
		return err
	}
	if err := c.conn.Write(ctx, websocket.MessageText, doc); err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	for {
		_, doc, err := c.conn.Read(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", method, err)
		}
		var answer struct {
			ID     int             `json:"id"`
			Error  json.RawMessage `json:"error"`
			Result json.RawMessage `json:"result"`
		}
		if err := json.Unmarshal(doc, &answer); err != nil {
			return fmt.Errorf("%s: %w", method, err)
		}
		switch {
		case answer.ID != c.next:
		case answer.Error != nil:
			return fmt.Errorf("%s: %s", method, answer.Error)
		case result == nil:
			return nil
		default:
			return json.Unmarshal(answer.Result, result)
		}
	}
}

// eval runs an expression in the page.
func (c *chromium) eval(ctx context.Context, expression string, value any) error {
	var answer struct {
		Result struct {
			Value json.RawMessage `json:"value"`
		} `json:"result"`
		ExceptionDetails json.RawMessage `json:"exceptionDetails"`
	}
	err := c.call(ctx, "Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true}, &answer)
	if err != nil {
		return err
	}
	if answer.ExceptionDetails != nil {
		return fmt.Errorf("evaluate in the page: %s", answer.ExceptionDetails)
	}
	if value == nil {
		return nil
	}
	return json.Unmarshal(answer.Result.Value, value)
}

// stop ends the browser and whatever it has started.
func (c *chromium) stop() error {
	if c.conn != nil {
		_ = c.conn.CloseNow()
	}
	_ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL) // its own process group
	_ = c.cmd.Wait()
	return nil
}
