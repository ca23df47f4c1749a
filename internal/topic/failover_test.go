package topic_test

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/topic"
)

// nodes is a cluster of three that the test may kill parts of. It is not the one
// that other tests share.
type nodes struct {
	t       *testing.T
	script  string
	dir     string
	brokers []string
}

// startNodes starts real Kafka brokers. It is no matter of CI whether they are
// to be had: make test-kafka names brokers, and everything else runs without.
func startNodes(t *testing.T) *nodes {
	t.Helper()
	if os.Getenv("TEST_KAFKA_BROKERS") == "" {
		t.Skip("a node is killed on real Kafka only, which make test-kafka starts: TEST_KAFKA_BROKERS is not set")
	}
	n := &nodes{t: t, script: cmp.Or(os.Getenv("TEST_KAFKA_SCRIPT"), filepath.Join("..", "..", "scripts", "kafka", "kafka.sh"))}
	n.dir = t.TempDir()
	cmd := exec.Command(n.script, "run", "--nodes", "3", "--dir", n.dir)
	cmd.Stderr = t.Output()
	in, err := cmd.StdinPipe() // the nodes stay until it is closed
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", n.script, err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_, _ = io.Copy(io.Discard, out)
		if err := cmd.Wait(); err != nil {
			t.Errorf("stop nodes: %v", err)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	list, ok := strings.CutPrefix(strings.TrimSpace(line), "brokers=")
	if !ok {
		t.Fatalf("%s said %q: %v", n.script, line, err)
	}
	n.brokers = strings.Split(list, ",")
	return n
}

// do runs a command of the script about a node.
func (n *nodes) do(verb string, node int32) {
	n.t.Helper()
	cmd := exec.Command(n.script, verb, strconv.Itoa(int(node)), "--dir", n.dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		n.t.Fatalf("%s %d: %v: %s", verb, node, err, out)
	}
}

// leader returns the node that leads a partition.
func (n *nodes) leader(name string, partition int32) int32 {
	n.t.Helper()
	req := kmsg.NewPtrMetadataRequest()
	mt := kmsg.NewMetadataRequestTopic()
	mt.Topic = new(name)
	req.Topics = append(req.Topics, mt)
	res, err := req.RequestWith(n.t.Context(), franz(n.t, n.brokers))
	if err != nil {
		n.t.Fatal(err)
	}
	for _, p := range res.Topics[0].Partitions {
		if p.Partition == partition {
			return p.Leader
		}
	}
	n.t.Fatalf("%s has no partition %d", name, partition)
	return -1
}

// load publishes batches until it is told to stop, and notes what was
// acknowledged.
type load struct {
	mu      sync.Mutex
	acked   map[string]bool
	failed  []error
	last    time.Time     // of an acknowledgement
	silence time.Duration // the longest between two
}

func (l *load) run(ctx context.Context, p *topic.Publisher, name string) {
	for i := 0; ctx.Err() == nil; i++ {
		batch := orders(50, 50)
		for j := range batch {
			batch[j].ID = events.EventID(fmt.Sprintf("%s-%d-%d", name, i, j))
		}
		call, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
		err := p.Publish(call, batch)
		cancel()
		l.note(batch, err)
	}
}

func (l *load) note(batch []events.Event, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.failed = append(l.failed, err)
		return
	}
	now := time.Now()
	if !l.last.IsZero() {
		l.silence = max(l.silence, now.Sub(l.last))
	}
	l.last = now
	for _, e := range batch {
		l.acked[string(e.ID)] = true
	}
}

// more waits until n more events are acknowledged.
func (l *load) more(t *testing.T, n int) {
	t.Helper()
	count := func() int {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.acked)
	}
	want := count() + n
	eventually(t, 2*limit, func() error {
		if got := count(); got < want {
			return fmt.Errorf("%d of %d events are acknowledged", got, want)
		}
		return nil
	})
}

// Three publishers write while the node that leads a partition is killed and,
// later, started again.
func TestNothingAcknowledgedIsLostWhenALeaderIsKilled(t *testing.T) {
	n := startNodes(t)
	r := &rig{t: t, brokers: n.brokers, group: freshName(), names: topic.Names{Orders: freshName(), Shipments: freshName()}}
	if err := topic.EnsureTopics(t.Context(), topic.TopicsConfig{
		Brokers: n.brokers, Topics: r.names, Partitions: 6, Replication: 3,
	}); err != nil {
		t.Fatal(err)
	}
	rd := newReader(t)
	r.run(r.source(), rd.serve)

	l := &load{acked: map[string]bool{}}
	ctx, cancel := context.WithCancel(t.Context())
	var loads sync.WaitGroup
	for i := range 3 {
		p := r.publisher()
		loads.Go(func() { l.run(ctx, p, fmt.Sprintf("p%d", i)) })
	}
	t.Cleanup(loads.Wait)
	t.Cleanup(cancel)
	l.more(t, 3000)
	victim := n.leader(r.names.Orders, 0)
	began := time.Now()
	n.do("kill", victim)
	l.more(t, 6000)
	t.Logf("6,000 events were acknowledged within %v of the death of node %d", time.Since(began), victim)
	n.do("start-node", victim)
	l.more(t, 3000)
	cancel()
	loads.Wait()

	for _, err := range l.failed {
		t.Errorf("a publisher did not recover: %v", err)
	}
	rd.has(2*limit, l.acked)
	rd.mu.Lock()
	defer rd.mu.Unlock()
	distinct := idsOf(ids(t, rd.seen))
	t.Logf("the longest time without an acknowledgement was %v", l.silence)
	t.Logf("%d events acknowledged, %d records in the log, %d distinct, %d generations",
		len(l.acked), len(rd.seen), len(distinct), rd.sessions)
	if len(distinct) != len(l.acked) {
		t.Errorf("%d distinct events in the log, %d were published", len(distinct), len(l.acked))
	}
}
