// Package kafka_test holds kafka.sh to the promises at its top.
package kafka_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// needKafka skips a test that starts a broker, unless `make test-kafka` or CI runs
// it: the jars are a download that nobody asked for.
func needKafka(t *testing.T) {
	t.Helper()
	if os.Getenv("TEST_KAFKA_SCRIPT") == "" && os.Getenv("CI") != "true" {
		t.Skip("starts Apache Kafka, which make test-kafka fetches first")
	}
}

// script runs kafka.sh and returns what it printed.
func script(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("./kafka.sh", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("kafka.sh %q: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// hold is kafka.sh run in the background.
type hold struct {
	cmd    *exec.Cmd
	stdin  io.Closer
	dir    string
	broker string
}

// run starts one node and waits until kafka.sh says that it answers.
func run(t *testing.T) *hold {
	t.Helper()
	h := &hold{dir: t.TempDir()}
	h.cmd = exec.Command("./kafka.sh", "run", "--nodes", "1", "--dir", h.dir)
	h.cmd.Stderr = os.Stderr
	stdin, err := h.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	h.stdin = stdin
	stdout, err := h.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := h.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // a failed test must not leave the broker
		h.stdin.Close()
		h.cmd.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	broker, ok := strings.CutPrefix(strings.TrimSpace(line), "brokers=")
	if err != nil || !ok {
		t.Fatalf("kafka.sh run said %q, %v; want brokers=...", line, err)
	}
	h.broker = broker
	return h
}

// pid returns the process id of the only node.
func pid(t *testing.T, dir string) int {
	t.Helper()
	id, err := strconv.Atoi(script(t, "pid", "1", "--dir", dir))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// awaitGone fails the test unless a process ends soon.
func awaitGone(t *testing.T, pid int) {
	t.Helper()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	deadline := time.After(20 * time.Second)
	for {
		if err := syscall.Kill(pid, 0); errors.Is(err, syscall.ESRCH) {
			return
		}
		select {
		case <-poll.C:
		case <-deadline:
			t.Fatalf("process %d of the broker is still there", pid)
		}
	}
}

func dial(t *testing.T, addr string) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		t.Fatalf("the broker does not answer: %v", err)
	}
	conn.Close()
}

func TestRunEndsItsNodesWhenItsStdinCloses(t *testing.T) {
	t.Parallel()
	needKafka(t)
	h := run(t)
	dial(t, h.broker)
	node := pid(t, h.dir)

	h.stdin.Close()
	if err := h.cmd.Wait(); err != nil {
		t.Errorf("kafka.sh run: %v", err)
	}
	awaitGone(t, node)
}

func TestRunLeavesNoNodeBehindWhenItIsKilled(t *testing.T) {
	t.Parallel()
	needKafka(t)
	h := run(t)
	node := pid(t, h.dir)
	if err := h.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	awaitGone(t, node)
}

// What `with` starts again on behalf of its command ends with it too.
func TestWithEndsTheNodesThatItsCommandStarted(t *testing.T) {
	t.Parallel()
	needKafka(t)
	dir := t.TempDir()
	cmd := exec.Command("./kafka.sh", "with", "--nodes", "1", "--dir", dir, "--", "bash", "-euc", `
		"$TEST_KAFKA_SCRIPT" kill 1 --dir "$TEST_KAFKA_DIR"
		"$TEST_KAFKA_SCRIPT" start-node 1 --dir "$TEST_KAFKA_DIR"
		"$TEST_KAFKA_SCRIPT" pid 1 --dir "$TEST_KAFKA_DIR"
		echo "$TEST_KAFKA_BROKERS"
		exit 7`)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 7 {
		t.Fatalf("kafka.sh with: %v, want the exit code 7 of its command", err)
	}
	node, broker, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	id, err := strconv.Atoi(node)
	if err != nil || !strings.HasPrefix(broker, "127.0.0.1:") {
		t.Fatalf("the command of kafka.sh with printed %q, want a process id and a broker", out)
	}
	awaitGone(t, id)
}

func TestANodeComesBackAfterAKill(t *testing.T) {
	t.Parallel()
	needKafka(t)
	dir := t.TempDir()
	broker, _ := strings.CutPrefix(script(t, "start", "--nodes", "1", "--dir", dir), "brokers=")
	t.Cleanup(func() { script(t, "stop", "--dir", dir) })
	first := pid(t, dir)

	if out, err := exec.Command("./kafka.sh", "start", "--nodes", "1", "--dir", dir).CombinedOutput(); err == nil {
		t.Errorf("a second start on the same folder said %q, want an error", out)
	}
	dial(t, broker) // the refused start has not touched what runs

	script(t, "kill", "1", "--dir", dir)
	awaitGone(t, first)
	if out, err := exec.Command("./kafka.sh", "status", "--dir", dir).Output(); err == nil || string(out) != "node=1 down\n" {
		t.Errorf("status of a killed node is %q, %v", out, err)
	}

	script(t, "start-node", "1", "--dir", dir)
	dial(t, broker)
	second := pid(t, dir)
	script(t, "stop", "--dir", dir)
	awaitGone(t, second)
}

// A process that has taken over the number of a dead node is not touched.
func TestStopSparesAStrangerWithTheNodesNumber(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	stranger := exec.Command("sleep", "600")
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stranger.Process.Kill()
		stranger.Wait()
	})
	node := filepath.Join(dir, "node-1")
	if err := os.Mkdir(node, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		filepath.Join(dir, "cluster"): "1 29092\n",
		filepath.Join(node, "pid"):    strconv.Itoa(stranger.Process.Pid) + "\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	script(t, "stop", "--dir", dir)
	if err := stranger.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("stop ended a process that is not its own: %v", err)
	}
}

func TestBadUseSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	programs := t.TempDir() // a PATH with neither Java nor Maven
	for _, name := range []string{"bash", "cksum", "dirname", "head", "mkdir", "mktemp", "sed", "touch"} {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(path, filepath.Join(programs, name)); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"no Maven", []string{"fetch"}, "Maven is not installed"},
		{"two nodes", []string{"start", "--nodes", "2", "--dir", programs}, "--nodes is 2, must be 1 or 3"},
		{"a port that is none", []string{"start", "--port", "x", "--dir", programs}, "--port is x"},
		{"a port too high", []string{"start", "--port", "65530", "--dir", programs}, "--port is 65530"},
		{"an unknown flag", []string{"start", "--replicas", "3"}, "unknown argument --replicas"},
		{"a flag without value", []string{"start", "--dir"}, "--dir needs a value"},
		{"an unknown command", []string{"restart"}, "unknown command restart"},
		{"start without a folder", []string{"start"}, "--dir is missing"},
		{"stop without a folder", []string{"stop"}, "--dir is missing"},
		{"stop in a strange folder", []string{"stop", "--dir", programs}, "holds no cluster"},
		{"with without a command", []string{"with"}, "the COMMAND after -- is missing"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cmd := exec.Command("./kafka.sh", tt.args...)
			cmd.Env = []string{"PATH=" + programs, "HOME=" + t.TempDir()}
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), tt.want) {
				t.Errorf("kafka.sh %q said %q, %v; want an error with %q", tt.args, out, err, tt.want)
			}
		})
	}
}
