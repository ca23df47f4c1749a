package clitest

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/waybill-io/waybill/cmd/internal/cli"
)

// childVar makes a test binary the command that it tests.
const childVar = "WAYBILL_TEST_COMMAND"

// limit is how long what must happen may take: longer than a group waits for a
// member that was killed, and than a command may take to stop.
const limit = 2 * time.Minute

// Main is TestMain of a command: it runs the tests, or, in a process that
// [Start] has started, the command.
func Main(m *testing.M, name string, run cli.Run) {
	if os.Getenv(childVar) != "" {
		os.Exit(cli.Main(name, run))
	}
	goleak.VerifyTestMain(m)
}

// Process is a command in a process of its own. Its race detector is on where
// the test's is.
type Process struct {
	t      testing.TB
	cmd    *exec.Cmd
	output output
	done   chan struct{} // closed when it has ended
}

// Start starts the command that the test binary is of. It is killed when the
// test ends.
func Start(t testing.TB, args []string, env map[string]string) *Process {
	t.Helper()
	own := map[string]string{childVar: "yes"}
	maps.Copy(own, env)
	return StartProgram(t, os.Args[0], args, own)
}

// StartProgram starts a program that was built for the test, as [Start] does.
func StartProgram(t testing.TB, program string, args []string, env map[string]string) *Process {
	t.Helper()
	p := &Process{t: t, cmd: exec.Command(program, args...), done: make(chan struct{})}
	p.cmd.Env = os.Environ()
	for name, value := range env {
		p.cmd.Env = append(p.cmd.Env, name+"="+value)
	}
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait() // how it ended stands in its state
	}()
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("process %d said:\n%s", p.PID(), p.Said())
		}
	})
	return p
}

// PID is its process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Signal sends it a signal.
func (p *Process) Signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatalf("signal %v: %v", s, err)
	}
}

// Kill ends it as nothing can prepare for, and waits for that.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // it may have ended by itself
	<-p.done
}

// Wait waits until it has ended by itself, and returns its exit code.
func (p *Process) Wait() int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(limit):
		p.t.Fatalf("process %d has not ended in %v", p.PID(), limit)
	}
	return p.cmd.ProcessState.ExitCode()
}

// Ended is closed when it has ended, however that came.
func (p *Process) Ended() <-chan struct{} { return p.done }

// Killed reports whether it has ended by a signal.
func (p *Process) Killed() bool {
	<-p.done
	status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled()
}

// Said is all that it has written so far.
func (p *Process) Said() string { return p.output.String() }

// Says waits until it has written something.
func (p *Process) Says(what string) {
	p.t.Helper()
	Eventually(p.t, func() error {
		if !strings.Contains(p.Said(), what) {
			return fmt.Errorf("process %d has not said %q", p.PID(), what)
		}
		return nil
	})
}

// Eventually waits until check has nothing to say.
func Eventually(t testing.TB, check func() error) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(limit); ; <-tick.C {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %v: %v", limit, err)
		}
	}
}

// output is what a process writes.
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

// String is all that was written.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
