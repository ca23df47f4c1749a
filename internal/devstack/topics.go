package devstack

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A Topic is a topic that the broker is to have.
type Topic struct {
	// Name is the topic's name.
	Name string
	// Partitions is how many partitions it has.
	Partitions int32
}

// DefaultTopics returns the topics of the platform and those for their dead
// letters, 12 partitions each.
func DefaultTopics() []Topic {
	return []Topic{
		{Name: "waybill.orders.v1", Partitions: 12}, {Name: "waybill.orders.v1.dlq", Partitions: 12},
		{Name: "waybill.shipments.v1", Partitions: 12}, {Name: "waybill.shipments.v1.dlq", Partitions: 12},
	}
}

// ensureTopics creates the topics that are missing, and refuses one that has
// another number of partitions than it should: keys would change partitions.
func ensureTopics(ctx context.Context, addr string, topics []Topic) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		return fmt.Errorf("connect to broker: %w", err)
	}
	defer client.Close()
	present, err := partitionCounts(ctx, client, topics)
	if err != nil {
		return fmt.Errorf("look at topics: %w", err)
	}
	var missing []Topic
	for _, t := range topics {
		n, ok := present[t.Name]
		if !ok {
			missing = append(missing, t)
		} else if n != t.Partitions {
			return fmt.Errorf("topic %s has %d partitions, not %d: start fresh to change that", t.Name, n, t.Partitions)
		}
	}
	return createTopics(ctx, client, missing)
}

// partitionCounts returns the partition counts of those topics that exist.
func partitionCounts(ctx context.Context, client *kgo.Client, topics []Topic) (map[string]int32, error) {
	req := kmsg.NewPtrMetadataRequest()
	for _, t := range topics {
		rt := kmsg.NewMetadataRequestTopic()
		rt.Topic = new(t.Name)
		req.Topics = append(req.Topics, rt)
	}
	resp, err := req.RequestWith(ctx, client)
	if err != nil {
		return nil, err
	}
	counts := make(map[string]int32)
	for _, t := range resp.Topics {
		err := kerr.ErrorForCode(t.ErrorCode)
		if errors.Is(err, kerr.UnknownTopicOrPartition) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("topic %s: %w", *t.Topic, err)
		}
		counts[*t.Topic] = int32(len(t.Partitions))
	}
	return counts, nil
}

func createTopics(ctx context.Context, client *kgo.Client, topics []Topic) error {
	if len(topics) == 0 {
		return nil
	}
	req := kmsg.NewPtrCreateTopicsRequest()
	for _, t := range topics {
		rt := kmsg.NewCreateTopicsRequestTopic()
		rt.Topic, rt.NumPartitions, rt.ReplicationFactor = t.Name, t.Partitions, 1
		req.Topics = append(req.Topics, rt)
	}
	resp, err := req.RequestWith(ctx, client)
	if err != nil {
		return fmt.Errorf("create topics: %w", err)
	}
	for _, t := range resp.Topics {
		if err := kerr.ErrorForCode(t.ErrorCode); err != nil {
			return fmt.Errorf("create topic %s: %w", t.Topic, err)
		}
	}
	return nil
}
