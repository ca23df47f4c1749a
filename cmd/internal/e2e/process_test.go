package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"

	"github.com/waybill-io/waybill/cmd/internal/wire"
	"github.com/waybill-io/waybill/internal/ops"
)

// childVar makes this test binary a consumer, and says of what.
const childVar = "WAYBILL_E2E_CONSUMER"

// runChild is the consumer in a process that a test may kill.
func runChild(ctx context.Context, _ []string, getenv func(string) string, _, stderr io.Writer) error {
	var p wire.Projection
	if err := json.Unmarshal([]byte(getenv(childVar)), &p); err != nil {
		return err
	}
	log, err := ops.NewLogger(stderr, ops.LogConfig{Format: "text"})
	if err != nil {
		return err
	}
	server, err := ops.Listen(ctx, ops.Config{Addr: "127.0.0.1:0"}, log)
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { log.Info("asked to stop") })
	return wire.Beside(ctx, server, func(ctx context.Context) error { return p.Run(ctx, server, log) })
}

// process is a consumer in a process of its own.
type process struct {
	p   *platform
	cmd *exec.Cmd
	out *output
}

// spawn starts a consumer in a process of its own.
func (p *platform) spawn(cfg wire.Projection) *process {
	p.t.Helper()
	text, err := json.Marshal(cfg)
	if err != nil {
		p.t.Fatal(err)
	}
	c := &process{p: p, cmd: exec.Command(os.Args[0]), out: &output{}}
	c.cmd.Env = append(os.Environ(), childVar+"="+string(text))
	c.cmd.Stderr = c.out
	if err := c.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		c.kill()
		if p.t.Failed() {
			p.t.Logf("consumer %d said:\n%s", c.cmd.Process.Pid, c.out)
		}
	})
	return c
}

// kill ends the process as nothing can prepare for.
func (c *process) kill() {
	c.p.t.Helper()
	if c.cmd.ProcessState == nil {
		_ = c.cmd.Process.Kill()
		_ = c.cmd.Wait()
	}
}

// signal sends a signal.
func (c *process) signal(s syscall.Signal) {
	c.p.t.Helper()
	if err := c.cmd.Process.Signal(s); err != nil {
		c.p.t.Fatalf("signal %v: %v", s, err)
	}
}

// says waits until the process has logged something.
func (c *process) says(what string) {
	c.p.t.Helper()
	must(c.p.t, fmt.Sprintf("consumer %d says %q", c.cmd.Process.Pid, what), func() bool {
		return strings.Contains(c.out.String(), what)
	})
}

// ends waits until the process has ended, and returns its exit code.
func (c *process) ends() int {
	c.p.t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = c.cmd.Wait()
	}()
	must(c.p.t, fmt.Sprintf("consumer %d has ended", c.cmd.Process.Pid), func() bool {
		select {
		case <-done:
			return true
		default:
			return false
		}
	})
	return c.cmd.ProcessState.ExitCode()
}

// output is what a process says.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements [io.Writer].
func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

// String is all that was said.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
