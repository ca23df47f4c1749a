package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// platform is a running bin/dev. The fields are those of its ready file.
type platform struct {
	Page     string `json:"page"`
	WS       string `json:"ws"`
	Brokers  string `json:"brokers"`
	Postgres string `json:"postgres"`
	Tenant   string `json:"tenant"`
	Token    string `json:"token"`

	cmd    *exec.Cmd
	exited chan struct{} // closed when it has ended
}

func (p *platform) brokers() []string { return strings.Split(p.Brokers, ",") }

// startPlatform starts it on an empty directory and returns when it answers.
func startPlatform(ctx context.Context, cfg *config, dir string) (*platform, error) {
	base := cfg.portBase
	if base == 0 {
		var err error
		if base, err = freePorts(4); err != nil {
			return nil, err
		}
	}
	ready := filepath.Join(dir, "ready.json")
	p := &platform{exited: make(chan struct{})}
	p.cmd = exec.Command(cfg.dev, "--data", filepath.Join(dir, "data"), "--simulate", "0", "--port-base", strconv.Itoa(base), "--ready-file", ready)
	p.cmd.Stdout, p.cmd.Stderr = io.Discard, os.Stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for us; we stop it in order
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the platform (make build makes it): %w", err)
	}
	go func() { defer close(p.exited); _ = p.cmd.Wait() }()
	if err := p.await(ctx, ready); err != nil {
		return nil, errors.Join(err, p.stop())
	}
	return p, nil
}

func (p *platform) await(ctx context.Context, ready string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if doc, err := os.ReadFile(ready); err == nil {
			return json.Unmarshal(doc, p)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the platform: %w", ctx.Err())
		case <-p.exited:
			return errors.New("wait for the platform: it has ended")
		case <-tick.C:
		}
	}
}

// stop asks it to end and, when it does not, ends it.
func (p *platform) stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGINT)
	select {
	case <-p.exited:
		return nil
	case <-time.After(15 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.exited
		return errors.New("stop the platform: it took more than 15 s")
	}
}

// freePorts finds n ports in a row that nobody listens on. Another program may
// be quicker to take one; then the platform says so.
func freePorts(n int) (int, error) {
	for range 50 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return 0, err
		}
		base := l.Addr().(*net.TCPAddr).Port
		_ = l.Close()
		if base+n < 65536 && allFree(base, n) {
			return base, nil
		}
	}
	return 0, errors.New("find free ports: there are none in a row")
}

func allFree(base, n int) bool {
	for port := base; port < base+n; port++ {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			return false
		}
		_ = l.Close()
	}
	return true
}
