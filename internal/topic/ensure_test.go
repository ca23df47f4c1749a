package topic_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/waybill-io/waybill/internal/devstack/stacktest"
	"github.com/waybill-io/waybill/internal/topic"
)

func TestMissingTopicsAreMadeAndMadeOnce(t *testing.T) {
	t.Parallel()
	brokers := stacktest.Broker(t)
	names := unusedNames(t, brokers)
	cfg := topic.TopicsConfig{Brokers: brokers, Topics: names, Partitions: 3}
	for try := range 2 {
		if err := topic.EnsureTopics(t.Context(), cfg); err != nil {
			t.Fatalf("time %d: %v", try+1, err)
		}
	}
	for _, name := range []string{names.Orders, names.Shipments, names.Orders + ".dlq", names.Shipments + ".dlq"} {
		if got := countPartitions(t, brokers, name); got != 3 {
			t.Errorf("%s has %d partitions, want 3", name, got)
		}
		if got := setting(t, brokers, name, "cleanup.policy"); got != "delete" {
			t.Errorf("%s: cleanup.policy = %q, want delete", name, got)
		}
	}
}

func TestATopicWithMorePartitionsIsTaken(t *testing.T) {
	t.Parallel()
	r := newRig(t, 4)
	makeTopics(t, r) // with 2
	if got := countPartitions(t, r.brokers, topic.DeadLetterTopic(r.names.Orders)); got != 4 {
		t.Errorf("its topic for dead letters has %d partitions, want as many as it", got)
	}
}

func TestATopicWithFewerPartitionsIsRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2)
	err := topic.EnsureTopics(t.Context(), topic.TopicsConfig{Brokers: r.brokers, Topics: r.names, Partitions: 12})
	if err == nil || !strings.Contains(err.Error(), "it has 2 partitions, 12 are wanted") {
		t.Errorf("EnsureTopics = %v", err)
	}
	if got := countPartitions(t, r.brokers, r.names.Orders); got != 2 {
		t.Errorf("the topic now has %d partitions", got)
	}
}

func TestACompactedTopicIsRefused(t *testing.T) {
	t.Parallel()
	brokers := stacktest.Broker(t)
	names := unusedNames(t, brokers)
	create := kmsg.NewPtrCreateTopicsRequest()
	create.TimeoutMillis = 10_000
	for _, name := range []string{names.Orders, names.Shipments} {
		c := kmsg.NewCreateTopicsRequestTopic()
		c.Topic, c.NumPartitions, c.ReplicationFactor = name, 2, 1
		c.Configs = append(c.Configs, kmsg.CreateTopicsRequestTopicConfig{Name: "cleanup.policy", Value: new("compact")})
		create.Topics = append(create.Topics, c)
	}
	if _, err := create.RequestWith(t.Context(), franz(t, brokers)); err != nil {
		t.Fatal(err)
	}
	err := topic.EnsureTopics(t.Context(), topic.TopicsConfig{Brokers: brokers, Topics: names, Partitions: 2})
	if err == nil || !strings.Contains(err.Error(), `its cleanup.policy is "compact"`) {
		t.Errorf("EnsureTopics = %v", err)
	}
}

func TestEnsuringTopicsWaitsForBrokersUntilTheContextEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	err := topic.EnsureTopics(ctx, topic.TopicsConfig{Brokers: []string{closedPort(t)}})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("EnsureTopics = %v, want %v", err, context.DeadlineExceeded)
	}
}

// unusedNames are names of topics that do not exist; what the test makes of them
// is deleted when it ends.
func unusedNames(t *testing.T, brokers []string) topic.Names {
	t.Helper()
	n := topic.Names{Orders: freshName(), Shipments: freshName()}
	removeLater(t, brokers, n.Orders, n.Shipments, n.Orders+".dlq", n.Shipments+".dlq")
	return n
}

// removeLater deletes topics when the test ends.
func removeLater(t *testing.T, brokers []string, names ...string) {
	t.Helper()
	client := franz(t, brokers)
	t.Cleanup(func() {
		remove := kmsg.NewPtrDeleteTopicsRequest()
		remove.TimeoutMillis = 10_000
		for _, name := range names {
			d := kmsg.NewDeleteTopicsRequestTopic()
			d.Topic = new(name)
			remove.Topics, remove.TopicNames = append(remove.Topics, d), append(remove.TopicNames, name)
		}
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		if _, err := remove.RequestWith(ctx, client); err != nil {
			t.Error(err)
		}
	})
}

func countPartitions(t *testing.T, brokers []string, name string) int {
	t.Helper()
	req := kmsg.NewPtrMetadataRequest()
	mt := kmsg.NewMetadataRequestTopic()
	mt.Topic = new(name)
	req.Topics = append(req.Topics, mt)
	res, err := req.RequestWith(t.Context(), franz(t, brokers))
	if err != nil {
		t.Fatal(err)
	}
	return len(res.Topics[0].Partitions)
}

func setting(t *testing.T, brokers []string, name, key string) string {
	t.Helper()
	req := kmsg.NewPtrDescribeConfigsRequest()
	rs := kmsg.NewDescribeConfigsRequestResource()
	rs.ResourceType, rs.ResourceName, rs.ConfigNames = kmsg.ConfigResourceTypeTopic, name, []string{key}
	req.Resources = append(req.Resources, rs)
	res, err := req.RequestWith(t.Context(), franz(t, brokers))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range res.Resources[0].Configs {
		if c.Name == key && c.Value != nil {
			return *c.Value
		}
	}
	return ""
}

// franz returns a client of another make, to arrange and to check what this
// package cannot do.
func franz(t testing.TB, brokers []string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append(opts, kgo.SeedBrokers(brokers...))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}
