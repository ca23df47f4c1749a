package devstack_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/waybill-io/waybill/internal/devstack"
)

// roleVar makes this test binary play a process that a test will kill.
const roleVar, dirVar = "DEVSTACK_TEST_ROLE", "DEVSTACK_TEST_DIR"

// exitMissing is the exit code of a child that has no Postgres to run.
const exitMissing = 3

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVar); role != "" {
		if err := play(role, os.Getenv(dirVar)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			if errors.Is(err, devstack.ErrNoPostgres) {
				os.Exit(exitMissing)
			}
			os.Exit(1)
		}
		select {} // until killed
	}
	goleak.VerifyTestMain(m)
}

// play starts what the role asks for and prints where it is.
func play(role, dir string) error {
	signal.Ignore(os.Interrupt)
	switch role {
	case "postgres":
		p, err := devstack.StartPostgres(context.Background(), devstack.PostgresConfig{Dir: dir, TempDir: os.Getenv("TMPDIR")})
		if err != nil {
			return err
		}
		defer stayReferenced(p)
		return announce(p.URL())
	case "broker":
		b, err := devstack.StartBroker(context.Background(), devstack.BrokerConfig{Dir: dir})
		if err != nil {
			return err
		}
		return announce(b.Addr())
	}
	return fmt.Errorf("no role %q", role)
}

// stayReferenced keeps p from the garbage collector for the process's life.
func stayReferenced(p *devstack.Postgres) {
	go func() { _ = p.Wait(context.Background()) }()
}

func announce(where string) error { return json.NewEncoder(os.Stdout).Encode(where) }

// A child is this test binary in a role.
type child struct {
	cmd   *exec.Cmd
	where string
}

// startChild starts a process group of its own for the role, and returns when
// what it runs is up.
func startChild(t *testing.T, role, dir string) *child {
	t.Helper()
	c := &child{cmd: exec.Command(os.Args[0])}
	c.cmd.Env = append(os.Environ(), roleVar+"="+role, dirVar+"="+dir)
	c.cmd.Stderr = os.Stderr
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.kill)
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if errors.Is(err, io.EOF) && len(line) == 0 {
		_ = c.cmd.Wait()
		if c.cmd.ProcessState.ExitCode() == exitMissing {
			missing(t, devstack.ErrNoPostgres)
		}
		t.Fatalf("the child has ended without a word: %v", c.cmd.ProcessState)
	}
	if err := json.Unmarshal(line, &c.where); err != nil {
		t.Fatalf("child said %q: %v", line, err)
	}
	return c
}

// kill ends the child as nothing can prepare for.
func (c *child) kill() {
	if c.cmd.ProcessState == nil {
		_ = c.cmd.Process.Kill()
		_ = c.cmd.Wait()
	}
}

// missing ends a test that cannot run here.
func missing(t *testing.T, err error) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	t.Skip(err)
}

// process is a line of ps.
type process struct {
	pid, parent int
	state       string
}

// processes lists those that run; a zombie does not.
func processes(t *testing.T) []process {
	t.Helper()
	out, err := exec.Command("ps", "-A", "-o", "pid=,ppid=,stat=").Output()
	if err != nil {
		t.Fatalf("list processes: %v", err)
	}
	var list []process
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		pid, _ := strconv.Atoi(fields[0])
		parent, _ := strconv.Atoi(fields[1])
		if !strings.HasPrefix(fields[2], "Z") {
			list = append(list, process{pid, parent, fields[2]})
		}
	}
	return list
}

// tree returns the process and all below it.
func tree(t *testing.T, root int) []int {
	t.Helper()
	list := processes(t)
	pids := []int{root}
	for i := 0; i < len(pids); i++ {
		for _, p := range list {
			if p.parent == pids[i] {
				pids = append(pids, p.pid)
			}
		}
	}
	return pids
}

// waitGone waits until none of the processes runs.
func waitGone(t *testing.T, pids []int, limit time.Duration) {
	t.Helper()
	eventually(t, limit, func() error {
		for _, p := range processes(t) {
			for _, pid := range pids {
				if p.pid == pid {
					return fmt.Errorf("process %d (%s) still runs", pid, p.state)
				}
			}
		}
		return nil
	})
}

// eventually waits until check has nothing to say.
func eventually(t *testing.T, limit time.Duration, check func() error) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
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
