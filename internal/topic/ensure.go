package topic

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/metadata"
)

// TopicsConfig says what [EnsureTopics] makes.
type TopicsConfig struct {
	// Brokers are seed addresses, host:port. At least one is required.
	Brokers []string
	// Security is how to connect. Defaults to plain TCP.
	Security Security
	// Topics are the topics' names. Defaults to those of package events.
	Topics Names
	// Partitions is the number of partitions of each topic. Defaults to 12.
	Partitions int
	// Replication is how many brokers keep each record. With three or more, one
	// of them may be away while records are acknowledged, but no more. Defaults
	// to 1.
	Replication int
	// Log takes lines about brokers that do not answer yet. Defaults to nowhere.
	Log *slog.Logger
}

func (c TopicsConfig) withDefaults() TopicsConfig {
	c.Topics = c.Topics.withDefaults()
	c.Partitions = cmp.Or(c.Partitions, 12)
	c.Replication = cmp.Or(c.Replication, 1)
	c.Log = cmp.Or(c.Log, slog.New(slog.DiscardHandler))
	return c
}

// deadLetterBytes is the largest batch that a topic for dead letters takes. Twice
// the brokers' default: a copy has more headers than its record.
const deadLetterBytes = 2 * mib

// wanted is a topic that is to be there.
type wanted struct {
	name       string
	partitions int
	maxBytes   int // of a batch; 0: as the brokers have it
}

// EnsureTopics makes the topics that are missing, each with one for dead letters
// that has as many partitions, and refuses those that have fewer partitions than
// wanted, or that are compacted: Kafka would throw events away that share a key.
// It waits for brokers that do not answer yet, until ctx ends.
func EnsureTopics(ctx context.Context, cfg TopicsConfig) error {
	cfg = cfg.withDefaults()
	if err := checkBrokers(cfg.Brokers); err != nil {
		return fmt.Errorf("ensure topics: %w", err)
	}
	c := newCluster(cfg.Brokers, cfg.Security, append(cfg.Topics.list(), cfg.Topics.deadLetters()...))
	defer c.close()
	a := &admin{cfg: cfg, cluster: c, client: &kafka.Client{Addr: c.addr, Transport: c, Timeout: requestTimeout}}
	for _, name := range cfg.Topics.list() {
		n, err := a.ensure(ctx, wanted{name: name, partitions: cfg.Partitions})
		if err != nil {
			return fmt.Errorf("ensure topic %s: %w", name, err)
		}
		dead := wanted{name: DeadLetterTopic(name), partitions: n, maxBytes: deadLetterBytes}
		if _, err := a.ensure(ctx, dead); err != nil {
			return fmt.Errorf("ensure topic %s: %w", dead.name, err)
		}
	}
	return nil
}

// admin makes and checks topics.
type admin struct {
	cfg     TopicsConfig
	cluster *cluster
	client  *kafka.Client
}

// ensure creates the topic or checks the one that is there, and returns how many
// partitions it has. Another process may do the same at the same time.
func (a *admin) ensure(ctx context.Context, w wanted) (partitions int, err error) {
	wait := newBackOff(time.Second)
	for {
		n, err := a.once(ctx, w)
		if err == nil || !temporary(err) {
			return n, err
		}
		a.cfg.Log.Info("topic cannot be made or read yet, trying again", "topic", w.name, "error", err)
		if !pause(ctx, wait.NextBackOff()) {
			return 0, errors.Join(ctx.Err(), err)
		}
	}
}

func (a *admin) once(ctx context.Context, w wanted) (partitions int, err error) {
	n, err := a.partitions(ctx, w.name)
	switch {
	case errors.Is(err, kafka.UnknownTopicOrPartition):
		if err := a.create(ctx, w); err != nil && !errors.Is(err, kafka.TopicAlreadyExists) {
			return 0, err
		}
		return w.partitions, nil
	case err != nil:
		return 0, err
	case n < w.partitions:
		return 0, fmt.Errorf("it has %d partitions, %d are wanted; more would move keys to other partitions, so nothing was changed", n, w.partitions)
	}
	return n, a.refuseCompacted(ctx, w.name)
}

// partitions counts the topic's partitions.
func (a *admin) partitions(ctx context.Context, name string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	res, err := a.cluster.RoundTrip(ctx, a.cluster.addr, &metadata.Request{TopicNames: []string{name}})
	if err != nil {
		return 0, fmt.Errorf("ask for metadata: %w", err)
	}
	m, ok := res.(*metadata.Response)
	if !ok || len(m.Topics) != 1 {
		return 0, fmt.Errorf("ask for metadata: unexpected answer %T", res)
	}
	if code := m.Topics[0].ErrorCode; code != 0 {
		return 0, fmt.Errorf("ask for metadata: %w", kafka.Error(code))
	}
	return len(m.Topics[0].Partitions), nil
}

func (a *admin) create(ctx context.Context, w wanted) error {
	inSync := 1
	if a.cfg.Replication > 2 {
		inSync = a.cfg.Replication - 1
	}
	settings := []kafka.ConfigEntry{
		{ConfigName: "cleanup.policy", ConfigValue: "delete"},
		{ConfigName: "min.insync.replicas", ConfigValue: strconv.Itoa(inSync)},
	}
	if w.maxBytes > 0 {
		settings = append(settings, kafka.ConfigEntry{ConfigName: "max.message.bytes", ConfigValue: strconv.Itoa(w.maxBytes)})
	}
	res, err := a.client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{
		Topic: w.name, NumPartitions: w.partitions, ReplicationFactor: a.cfg.Replication, ConfigEntries: settings,
	}}})
	if err != nil {
		return fmt.Errorf("create it: %w", err)
	}
	if err := res.Errors[w.name]; err != nil {
		return fmt.Errorf("create it: %w", err)
	}
	return nil
}

func (a *admin) refuseCompacted(ctx context.Context, name string) error {
	const setting, want = "cleanup.policy", "delete"
	res, err := a.client.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{
		Resources: []kafka.DescribeConfigRequestResource{{
			ResourceType: kafka.ResourceTypeTopic, ResourceName: name, ConfigNames: []string{setting},
		}},
	})
	if err != nil {
		return fmt.Errorf("read its settings: %w", err)
	}
	for _, r := range res.Resources {
		if r.Error != nil {
			return fmt.Errorf("read its settings: %w", r.Error)
		}
		for _, e := range r.ConfigEntries {
			if e.ConfigName == setting && e.ConfigValue != want {
				return fmt.Errorf("its %s is %q, must be %q", setting, e.ConfigValue, want)
			}
		}
	}
	return nil
}
