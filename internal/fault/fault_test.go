package fault_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// points builds the program that comes by two places.
func points(t *testing.T, flags ...string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "points")
	args := append(append([]string{"build", "-trimpath"}, flags...), "-o", program, "./testdata/points")
	build := exec.Command("go", args...)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, out)
	}
	return program
}

// run runs the program, which comes by three times.
func run(t *testing.T, program, faults string) (stdout, stderr string, state *os.ProcessState) {
	t.Helper()
	cmd := exec.Command(program, "3")
	cmd.Env = append(os.Environ(), "WAYBILL_FAULT="+faults)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), said.String(), cmd.ProcessState
}

func TestAPointKillsTheProcessAsItIsReachedTheNthTime(t *testing.T) {
	t.Parallel()
	program := points(t, "-tags", "fault")
	for _, tt := range []struct {
		name, faults, last, said string
		signal                   syscall.Signal
		code                     int
	}{
		{name: "no fault", last: "came by 3"},
		{name: "the second time", faults: "here:2:kill", last: "came by 1", said: "fault: here hit 2: kill\n", signal: syscall.SIGKILL},
		{name: "the other place", faults: "there:2:kill", last: "came by 2", said: "fault: there hit 2: kill\n", signal: syscall.SIGKILL},
		{name: "more often than it is reached", faults: "here:4:kill", last: "came by 3"},
		{name: "whichever of two comes first", faults: "here:3:kill,there:1:kill", last: "came by 1", said: "fault: there hit 1: kill\n", signal: syscall.SIGKILL},
		{name: "counting", faults: "there:0:count", last: "came by 3", said: "fault: there hit 1: count\nfault: there hit 2: count\nfault: there hit 3: count\n"},
		{name: "no number", faults: "here:x:kill", said: "invalid syntax", code: 2},
		{name: "no action", faults: "here:1:die", said: "the action is", code: 2},
		{name: "not three parts", faults: "here", said: "name:n:action", code: 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, said, state := run(t, program, tt.faults)
			status, ok := state.Sys().(syscall.WaitStatus)
			if !ok || status.Signaled() != (tt.signal != 0) || tt.signal != 0 && status.Signal() != tt.signal {
				t.Errorf("ended with %v, want signal %v", state, tt.signal)
			}
			if tt.signal == 0 && state.ExitCode() != tt.code {
				t.Errorf("exit code %d, want %d", state.ExitCode(), tt.code)
			}
			if !strings.HasSuffix(strings.TrimSpace(out), tt.last) {
				t.Errorf("came this far:\n%s, want %q", out, tt.last)
			}
			if !strings.Contains(said, tt.said) || tt.said == "" && said != "" {
				t.Errorf("said %q, want %q", said, tt.said)
			}
		})
	}
}

func TestAReleaseHasNothingOfIt(t *testing.T) {
	t.Parallel()
	program := points(t)
	out, said, state := run(t, program, "here:1:kill")
	if state.ExitCode() != 0 || said != "" || !strings.Contains(out, "came by 3") {
		t.Errorf("ended with %v after %q, said %q; want as if nothing were there", state, out, said)
	}
	symbols, err := exec.Command("go", "tool", "nm", program).Output()
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(symbols, []byte("internal/fault.")) {
		t.Error("the program has symbols of package fault")
	}
	text, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(text, []byte("WAYBILL_FAULT")) {
		t.Error("the program knows the variable")
	}
}
