package devstack_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/waybill-io/waybill/internal/devstack"
)

// ordersTopic is one that every broker has.
const ordersTopic = "waybill.orders.v1"

func TestBroker_recordsSurviveARestart(t *testing.T) {
	t.Parallel()
	cfg := devstack.BrokerConfig{Dir: t.TempDir()}
	b := startBroker(t, cfg)
	produce(t, b.Addr(), "one", "two")
	stopBroker(t, b)
	b = startBroker(t, cfg)
	produce(t, b.Addr(), "three")
	if diff := cmp.Diff([]string{"one", "three", "two"}, consume(t, b.Addr(), 3)); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

// The second round appends to a segment that an orderly stop has taken a
// snapshot of, which is then out of date.
func TestBroker_acknowledgedRecordsSurviveAKill(t *testing.T) {
	t.Parallel()
	cfg := devstack.BrokerConfig{Dir: t.TempDir()}
	var want []string
	for round := range 2 {
		c := startChild(t, "broker", cfg.Dir)
		var values []string
		for i := range 200 {
			values = append(values, fmt.Sprintf("%d-%03d", round, i))
		}
		produce(t, c.where, values...)
		c.kill()
		want = append(want, values...)
		b := startBroker(t, cfg)
		if diff := cmp.Diff(want, consume(t, b.Addr(), len(want))); diff != "" {
			t.Fatalf("round %d: records (-want +got):\n%s", round, diff)
		}
		stopBroker(t, b)
	}
}

func TestBroker_freshWipesTheRecordsAndIsAnotherCluster(t *testing.T) {
	t.Parallel()
	cfg := devstack.BrokerConfig{Dir: t.TempDir()}
	b := startBroker(t, cfg)
	produce(t, b.Addr(), "one")
	first := metadata(t, b.Addr())
	stopBroker(t, b)

	b = startBroker(t, cfg)
	if got, want := *metadata(t, b.Addr()).ClusterID, *first.ClusterID; got != want {
		t.Errorf("cluster id after a restart = %s, want %s", got, want)
	}
	stopBroker(t, b)

	cfg.Fresh = true
	b = startBroker(t, cfg)
	produce(t, b.Addr(), "two")
	if diff := cmp.Diff([]string{"two"}, consume(t, b.Addr(), 1)); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	if got := *metadata(t, b.Addr()).ClusterID; got == *first.ClusterID {
		t.Errorf("cluster id after a wipe is still %s", got)
	}
}

func TestBroker_topicsAreAddedToAnExistingOne(t *testing.T) {
	t.Parallel()
	cfg := devstack.BrokerConfig{Dir: t.TempDir()}
	stopBroker(t, startBroker(t, cfg))
	cfg.Topics = append(devstack.DefaultTopics(), devstack.Topic{Name: "waybill.other.v1", Partitions: 1})
	b := startBroker(t, cfg)
	got := make(map[string]int)
	for _, topic := range metadata(t, b.Addr()).Topics {
		got[*topic.Topic] = len(topic.Partitions)
	}
	want := map[string]int{"waybill.orders.v1": 12, "waybill.orders.v1.dlq": 12, "waybill.shipments.v1": 12, "waybill.shipments.v1.dlq": 12, "waybill.other.v1": 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("topics (-want +got):\n%s", diff)
	}
}

func TestBroker_aTopicOfAnotherSizeIsRefused(t *testing.T) {
	t.Parallel()
	cfg := devstack.BrokerConfig{Dir: t.TempDir()}
	stopBroker(t, startBroker(t, cfg))
	cfg.Topics = []devstack.Topic{{Name: ordersTopic, Partitions: 6}}
	_, err := devstack.StartBroker(t.Context(), cfg)
	if err == nil || !strings.Contains(err.Error(), "topic waybill.orders.v1 has 12 partitions, not 6") {
		t.Errorf("error = %v, want one that names the topic", err)
	}
	cfg.Topics = nil
	startBroker(t, cfg) // the refused one has let go of the directory
}

func TestBroker_aSecondOneOnTheSameDirectoryIsRefused(t *testing.T) {
	t.Parallel()
	cfg := devstack.BrokerConfig{Dir: t.TempDir()}
	startBroker(t, cfg)
	_, err := devstack.StartBroker(t.Context(), cfg)
	want := fmt.Sprintf("%s is in use by process %d", cfg.Dir, os.Getpid())
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error = %v, want one that says %q", err, want)
	}
}

func TestBroker_aTakenPortIsNamed(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	_, err = devstack.StartBroker(t.Context(), devstack.BrokerConfig{Port: port})
	if want := "port " + strconv.Itoa(port); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error = %v, want one that says %q", err, want)
	}
}

func TestBroker_listensOnThePortThatItIsGiven(t *testing.T) {
	t.Parallel()
	b := startBroker(t, devstack.BrokerConfig{})
	_, port, err := net.SplitHostPort(b.Addr())
	if err != nil {
		t.Fatal(err)
	}
	stopBroker(t, b)
	cfg := devstack.BrokerConfig{}
	if cfg.Port, err = strconv.Atoi(port); err != nil {
		t.Fatal(err)
	}
	if got, want := startBroker(t, cfg).Addr(), "127.0.0.1:"+port; got != want {
		t.Errorf("address = %s, want %s", got, want)
	}
}

// startBroker starts a broker that is stopped when the test ends.
func startBroker(t *testing.T, cfg devstack.BrokerConfig) *devstack.Broker {
	t.Helper()
	b, err := devstack.StartBroker(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopBroker(t, b) })
	return b
}

func stopBroker(t *testing.T, b *devstack.Broker) {
	t.Helper()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}

// produce returns when the broker has acknowledged every value.
func produce(t *testing.T, addr string, values ...string) {
	t.Helper()
	client := connect(t, addr)
	defer client.Close()
	for _, v := range values {
		record := &kgo.Record{Topic: ordersTopic, Key: []byte(v), Value: []byte(v)}
		if err := client.ProduceSync(t.Context(), record).FirstErr(); err != nil {
			t.Fatalf("produce %s: %v", v, err)
		}
	}
}

// consume returns the values of the topic, which are n, in order.
func consume(t *testing.T, addr string, n int) []string {
	t.Helper()
	client := connect(t, addr, kgo.ConsumeTopics(ordersTopic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var values []string
	for len(values) < n {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("after %d of %d records: %v", len(values), n, err)
		}
		fetches.EachRecord(func(r *kgo.Record) { values = append(values, string(r.Value)) })
	}
	slices.Sort(values)
	return values
}

func metadata(t *testing.T, addr string) *kmsg.MetadataResponse {
	t.Helper()
	client := connect(t, addr)
	defer client.Close()
	resp, err := kmsg.NewPtrMetadataRequest().RequestWith(t.Context(), client)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

func connect(t *testing.T, addr string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append(opts, kgo.SeedBrokers(addr))...)
	if err != nil {
		t.Fatal(err)
	}
	return client
}
