package topic

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/waybill-io/waybill/events"
)

const (
	kib = 1 << 10
	mib = 1 << 20
)

// Names are the topics' names.
type Names struct {
	// Orders carries order events. Defaults to [events.OrdersTopic].
	Orders string
	// Shipments carries shipment and tracking events. Defaults to
	// [events.ShipmentsTopic].
	Shipments string
}

func (n Names) withDefaults() Names {
	return Names{
		Orders:    cmp.Or(n.Orders, events.OrdersTopic),
		Shipments: cmp.Or(n.Shipments, events.ShipmentsTopic),
	}
}

func (n Names) list() []string { return []string{n.Orders, n.Shipments} }

// of returns the topic of a stream.
func (n Names) of(s events.Stream) string {
	if s.Topic() == events.OrdersTopic {
		return n.Orders
	}
	return n.Shipments
}

// PublisherConfig says how a [Publisher] writes. Acknowledgement by all in-sync
// replicas is no part of it: there is no other way.
type PublisherConfig struct {
	// Brokers are seed addresses, host:port. At least one is required.
	Brokers []string
	// Security is how to connect. Defaults to plain TCP.
	Security Security
	// Topics are the topics' names. Defaults to those of package events.
	Topics Names
	// Linger is how long a batch waits to be fuller. Bulk loads want 20 ms.
	// Defaults to 5 ms.
	Linger time.Duration
	// BatchSize is how many events a request to one partition holds at most.
	// Defaults to 500.
	BatchSize int
	// MaxPending bounds the bytes of events that wait for an acknowledgement;
	// further calls wait for room. Defaults to 32 MiB.
	MaxPending int64
	// WriteTimeout bounds one request to a broker. Defaults to 10 s.
	WriteTimeout time.Duration
	// Log takes lines about writes that are repeated. Defaults to nowhere.
	Log *slog.Logger
}

func (c PublisherConfig) withDefaults() PublisherConfig {
	c.Topics = c.Topics.withDefaults()
	c.Linger = cmp.Or(c.Linger, 5*time.Millisecond)
	c.BatchSize = cmp.Or(c.BatchSize, 500)
	c.MaxPending = cmp.Or(c.MaxPending, 32*mib)
	c.WriteTimeout = cmp.Or(c.WriteTimeout, 10*time.Second)
	c.Log = cmp.Or(c.Log, slog.New(slog.DiscardHandler))
	return c
}

func (c PublisherConfig) validate() error {
	return errors.Join(
		checkBrokers(c.Brokers),
		checkPositive("Linger", c.Linger),
		checkPositive("BatchSize", c.BatchSize),
		checkPositive("MaxPending", c.MaxPending),
		checkPositive("WriteTimeout", c.WriteTimeout),
	)
}

// SourceConfig says how a [Source] reads.
type SourceConfig struct {
	// Brokers are seed addresses, host:port. At least one is required.
	Brokers []string
	// Security is how to connect. Defaults to plain TCP.
	Security Security
	// Group is the consumer group whose members share the partitions. Required.
	Group string
	// Topics are the topics' names. Defaults to those of package events.
	Topics Names
	// MaxWait is how long a broker holds a fetch that finds nothing. A fetch in
	// progress delays nothing: it is abandoned. Defaults to 500 ms.
	MaxWait time.Duration
	// FetchTimeout bounds a fetch beyond MaxWait. After one that takes longer
	// less is asked for. Defaults to 30 s.
	FetchTimeout time.Duration
	// FetchBytes bounds the answer to one fetch, as it is on the wire, where
	// events take a fifth of the memory that they take here. Defaults to 512 KiB,
	// which are some 5,000 events.
	FetchBytes int
	// PartitionBytes bounds the share of one partition in an answer. Defaults
	// to 512 KiB: events of one partition have more streams in common.
	PartitionBytes int
	// MaxRecords bounds the records of one Fetched. Defaults to 1,000: a
	// batch is more than asked for by one of them at most.
	MaxRecords int
	// PrefetchBytes is what a feed may hold, decompressed, before it stops
	// fetching: it holds at most that and one answer of every leader. Defaults
	// to 4 MiB: with that answer it is two batches.
	PrefetchBytes int
	// StallTimeout is how long a feed may wait on a partition that has more
	// before the generation is ended. Defaults to 60 s.
	StallTimeout time.Duration
	// Log takes lines about generations and troubles. Defaults to nowhere.
	Log *slog.Logger
}

func (c SourceConfig) withDefaults() SourceConfig {
	c.Topics = c.Topics.withDefaults()
	c.MaxWait = cmp.Or(c.MaxWait, 500*time.Millisecond)
	c.FetchTimeout = cmp.Or(c.FetchTimeout, 30*time.Second)
	c.FetchBytes = cmp.Or(c.FetchBytes, 512*kib)
	c.PartitionBytes = cmp.Or(c.PartitionBytes, 512*kib)
	c.MaxRecords = cmp.Or(c.MaxRecords, 1000)
	c.PrefetchBytes = cmp.Or(c.PrefetchBytes, 4*mib)
	c.StallTimeout = cmp.Or(c.StallTimeout, time.Minute)
	c.Log = cmp.Or(c.Log, slog.New(slog.DiscardHandler))
	return c
}

func (c SourceConfig) validate() error {
	var group error
	if c.Group == "" {
		group = errors.New("a Group is required")
	}
	return errors.Join(
		checkBrokers(c.Brokers), group,
		checkPositive("MaxWait", c.MaxWait),
		checkPositive("FetchTimeout", c.FetchTimeout),
		checkPositive("FetchBytes", c.FetchBytes),
		checkPositive("PartitionBytes", c.PartitionBytes),
		checkPositive("MaxRecords", c.MaxRecords),
		checkPositive("PrefetchBytes", c.PrefetchBytes),
		checkPositive("StallTimeout", c.StallTimeout),
	)
}

func checkBrokers(brokers []string) error {
	if len(brokers) == 0 {
		return errors.New("at least one of Brokers is required")
	}
	return nil
}

func checkPositive[T int | int64 | time.Duration](name string, v T) error {
	if v < 0 {
		return fmt.Errorf("%s is %v, must be positive", name, v)
	}
	return nil
}
