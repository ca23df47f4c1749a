//go:build unix

package fault_test

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

func TestAPointStopsTheProcessUntilItIsToldToGoOn(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(points(t, "-tags", "fault"), "3")
	cmd.Env = append(os.Environ(), "WAYBILL_FAULT=there:2:stop")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(cmd.Process.Pid, &status, syscall.WUNTRACED, nil); err != nil || !status.Stopped() {
		t.Fatalf("wait: %v, status %v, want a process that is stopped", err, status)
	}
	if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	var last string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		last = lines.Text()
	}
	if !strings.Contains(last, "came by 3") {
		t.Errorf("it came to %q, want to its end", last)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
