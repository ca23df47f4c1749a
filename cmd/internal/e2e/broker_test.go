package e2e_test

import (
	"bufio"
	"cmp"
	"context"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/waybill-io/waybill/cmd/internal/clitest"
	"github.com/waybill-io/waybill/internal/devstack"
	"github.com/waybill-io/waybill/internal/topic"
)

// brokerVar makes a process that a test has started a broker at that port, whose
// records are in its working directory's folder brokerDirVar.
const (
	brokerVar    = "WAYBILL_E2E_BROKER_PORT"
	brokerDirVar = "WAYBILL_E2E_BROKER_DIR"
)

// runBroker is the embedded broker in a process of its own, which a test may kill.
func runBroker(ctx context.Context, port, dir string, log *slog.Logger) error {
	n, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	b, err := devstack.StartBroker(ctx, devstack.BrokerConfig{Dir: dir, Port: n, Log: log})
	if err != nil {
		return err
	}
	<-ctx.Done()
	return b.Close()
}

// ownBroker is a broker, or a cluster of real Kafka, that a test may kill: it is
// not the one that other tests share. It keeps its records.
type ownBroker struct {
	t     testing.TB
	nodes int
	dir   string
	addrs []string

	embedded *clitest.Process
	script   string // of real Kafka, where TEST_KAFKA_BROKERS asks for that
}

// newOwnBroker is the embedded broker, which is one node, or so many of Kafka.
func newOwnBroker(t testing.TB, nodes int) *ownBroker {
	b := &ownBroker{t: t, nodes: nodes, dir: t.TempDir()}
	if os.Getenv("TEST_KAFKA_BROKERS") != "" {
		b.script = cmp.Or(os.Getenv("TEST_KAFKA_SCRIPT"), filepath.Join(root, "scripts", "kafka", "kafka.sh"))
		return b
	}
	b.nodes, b.addrs = 1, []string{clitest.Free(t)}
	return b
}

// start returns when the broker answers and has the platform's topics.
func (b *ownBroker) start() {
	b.t.Helper()
	if b.script == "" {
		b.startEmbedded()
		return
	}
	b.startKafka()
	err := topic.EnsureTopics(b.t.Context(), topic.TopicsConfig{Brokers: b.addrs, Partitions: 12, Replication: b.nodes})
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *ownBroker) startEmbedded() {
	b.t.Helper()
	_, port, err := net.SplitHostPort(b.addrs[0])
	if err != nil {
		b.t.Fatal(err)
	}
	b.embedded = clitest.Start(b.t, nil, map[string]string{brokerVar: port, brokerDirVar: b.dir})
	b.embedded.Says("broker is up")
}

// startKafka starts the nodes; they stay until the script's input is closed.
func (b *ownBroker) startKafka() {
	b.t.Helper()
	cmd := exec.Command(b.script, "run", "--nodes", strconv.Itoa(b.nodes), "--dir", b.dir)
	cmd.Stderr = b.t.Output()
	in, err := cmd.StdinPipe()
	if err != nil {
		b.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.t.Fatalf("start %s: %v", b.script, err)
	}
	b.t.Cleanup(func() {
		_ = in.Close()
		_, _ = io.Copy(io.Discard, out)
		if err := cmd.Wait(); err != nil {
			b.t.Errorf("stop the brokers: %v", err)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	list, ok := strings.CutPrefix(strings.TrimSpace(line), "brokers=")
	if !ok {
		b.t.Fatalf("%s said %q: %v", b.script, line, err)
	}
	b.addrs = strings.Split(list, ",")
}

// restart kills a node and starts it again on its records.
func (b *ownBroker) restart(node int) {
	b.t.Helper()
	if b.script == "" {
		b.embedded.Kill()
		b.startEmbedded()
		return
	}
	for _, verb := range []string{"kill", "start-node"} {
		cmd := exec.Command(b.script, verb, strconv.Itoa(node%b.nodes+1), "--dir", b.dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			b.t.Errorf("%s: %v: %s", verb, err, out)
		}
	}
}
