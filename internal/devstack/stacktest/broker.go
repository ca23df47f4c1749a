package stacktest

import (
	"context"
	"crypto/rand"
	"os"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/waybill-io/waybill/internal/devstack"
)

// Broker returns the seed brokers of an empty broker that is the test's own,
// with the platform's topics; or those that TEST_KAFKA_BROKERS names, which
// tests share: there, use [Topic] and group names of your own.
func Broker(t testing.TB) []string {
	t.Helper()
	if named := os.Getenv("TEST_KAFKA_BROKERS"); named != "" {
		return strings.Split(named, ",")
	}
	return Embedded(t, devstack.BrokerConfig{}).Brokers()
}

// Embedded returns a kfake broker whatever the environment says, for tests that
// restart it or bend its answers. It is closed when the test ends.
func Embedded(t testing.TB, cfg devstack.BrokerConfig) *devstack.Broker {
	t.Helper()
	b, err := devstack.StartBroker(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// Topic creates a topic with a name of its own, replicated as the brokers'
// default says, and deletes it when the test ends.
func Topic(t testing.TB, brokers []string, partitions int32) string {
	t.Helper()
	name := "waybill.test." + strings.ToLower(rand.Text()[:13])
	create := kmsg.NewPtrCreateTopicsRequest()
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, partitions, -1
	create.Topics = append(create.Topics, topic)
	request(t, brokers, func(ctx context.Context, c *kgo.Client) error {
		resp, err := create.RequestWith(ctx, c)
		if err != nil {
			return err
		}
		return kerr.ErrorForCode(resp.Topics[0].ErrorCode)
	})
	t.Cleanup(func() { deleteTopic(t, brokers, name) })
	return name
}

func deleteTopic(t testing.TB, brokers []string, name string) {
	t.Helper()
	remove := kmsg.NewPtrDeleteTopicsRequest()
	topic := kmsg.NewDeleteTopicsRequestTopic()
	topic.Topic = new(name)
	remove.Topics = append(remove.Topics, topic)
	remove.TopicNames = []string{name} // what versions before 6 read
	request(t, brokers, func(ctx context.Context, c *kgo.Client) error {
		resp, err := remove.RequestWith(ctx, c)
		if err != nil {
			return err
		}
		return kerr.ErrorForCode(resp.Topics[0].ErrorCode)
	})
}

// request asks the brokers for one thing.
func request(t testing.TB, brokers []string, ask func(context.Context, *kgo.Client) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), statementLimit) // cleanups outlive t.Context
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
	if err != nil {
		t.Fatalf("connect to %v: %v", brokers, err)
	}
	defer client.Close()
	if err := ask(ctx, client); err != nil {
		t.Fatalf("topic on %v: %v", brokers, err)
	}
}
