package topic

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"github.com/waybill-io/waybill/internal/projector"
)

// DeadLetterTopic is where copies of a topic's dead letters are published.
func DeadLetterTopic(topic string) string { return topic + ".dlq" }

// deadLetters are the topics for dead letters.
func (n Names) deadLetters() []string {
	names := n.list()
	for i := range names {
		names[i] = DeadLetterTopic(names[i])
	}
	return names
}

// DeadLettersConfig says how [DeadLetters] writes. Acknowledgement by all
// in-sync replicas is no part of it: there is no other way.
type DeadLettersConfig struct {
	// Brokers are seed addresses, host:port. At least one is required.
	Brokers []string
	// Security is how to connect. Defaults to plain TCP.
	Security Security
	// Topics are the names of the topics that the letters come from. Defaults to
	// those of package events.
	Topics Names
	// Timeout bounds one request to a broker. Defaults to 10 s.
	Timeout time.Duration
}

// DeadLetters publishes copies of dead letters, each to the partition of
// [DeadLetterTopic] that has the number of its own. It implements
// [projector.DeadLetters].
type DeadLetters struct {
	cluster *cluster
	client  *kafka.Client
}

var _ projector.DeadLetters = (*DeadLetters)(nil)

// NewDeadLetters returns one that connects when it is first used. Close it.
func NewDeadLetters(cfg DeadLettersConfig) (*DeadLetters, error) {
	if err := errors.Join(checkBrokers(cfg.Brokers), checkPositive("Timeout", cfg.Timeout)); err != nil {
		return nil, fmt.Errorf("configure dead letters: %w", err)
	}
	c := newCluster(cfg.Brokers, cfg.Security, cfg.Topics.withDefaults().deadLetters())
	return &DeadLetters{
		cluster: c,
		client:  &kafka.Client{Addr: c.addr, Transport: c, Timeout: cmp.Or(cfg.Timeout, requestTimeout)},
	}, nil
}

// Close ends its connections once they are idle.
func (d *DeadLetters) Close() { d.cluster.close() }

// Publish writes copies of letters of one partition in one request, so that
// they stand in their order.
func (d *DeadLetters) Publish(ctx context.Context, letters []projector.DeadLetter) error {
	if len(letters) == 0 {
		return nil
	}
	part := letters[0].Partition
	records, now := make([]kafka.Record, len(letters)), time.Now()
	for i := range letters {
		l := &letters[i]
		if l.Partition != part {
			return fmt.Errorf("publish dead letters: %s and %s in one call", part, l.Partition)
		}
		records[i] = kafka.Record{
			Time: now, Key: protocol.NewBytes(l.Key), Value: protocol.NewBytes(l.Value), Headers: deadLetterHeaders(l),
		}
	}
	name := DeadLetterTopic(part.Topic)
	res, err := d.client.Produce(ctx, &kafka.ProduceRequest{
		Topic: name, Partition: int(part.ID), RequiredAcks: kafka.RequireAll,
		Records: kafka.NewRecordReader(records...), Compression: kafka.Lz4,
	})
	if err == nil {
		err = res.Error
	}
	if err != nil {
		return fmt.Errorf("publish %d dead letters to %s/%d: %w", len(letters), name, part.ID, err)
	}
	return nil
}

// deadLetterHeaders are the record's own headers, and behind them, where the
// last of a name counts, those that tools for dead letters read: Kafka
// Connect's as text, Spring's with numbers in big-endian binary, and ours.
func deadLetterHeaders(l *projector.DeadLetter) []kafka.Header {
	headers := writeHeaders(l.Headers)
	add := func(key string, value []byte) { headers = append(headers, kafka.Header{Key: key, Value: value}) }
	text := func(key, value string) { add(key, []byte(value)) }
	partition, offset := strconv.Itoa(int(l.Partition.ID)), strconv.FormatInt(l.Offset, 10)

	text("__connect.errors.topic", l.Partition.Topic)
	text("__connect.errors.partition", partition)
	text("__connect.errors.offset", offset)
	text("__connect.errors.stage", connectStage(l.Code))
	text("__connect.errors.exception.class.name", l.Code)
	text("__connect.errors.exception.message", l.Message)

	text("kafka_dlt-original-topic", l.Partition.Topic)
	add("kafka_dlt-original-partition", binary.BigEndian.AppendUint32(nil, uint32(l.Partition.ID)))
	add("kafka_dlt-original-offset", binary.BigEndian.AppendUint64(nil, uint64(l.Offset)))
	add("kafka_dlt-original-timestamp", binary.BigEndian.AppendUint64(nil, uint64(recordMillis(l.Time))))

	text("waybill-dlq-id", l.Partition.String()+"/"+offset)
	text("waybill-dlq-reason", l.Code)
	text("waybill-dlq-attempts", strconv.Itoa(l.Attempts))
	if l.SQLState != "" {
		text("waybill-dlq-sqlstate", l.SQLState)
	}
	return headers
}

// recordMillis is a record's timestamp as the log has it; -1 stands for none.
func recordMillis(t time.Time) int64 {
	if t.IsZero() {
		return -1
	}
	return t.UnixMilli()
}

// connectStage is the stage of Kafka Connect at which it would have met the
// reason.
func connectStage(code string) string {
	switch code {
	case "null_key", "key_mismatch", "wrong_partition":
		return "KEY_CONVERTER"
	case "bad_headers", "tenant_mismatch":
		return "HEADER_CONVERTER"
	case "constraint", "id_conflict", "panic", "kills_process":
		return "TASK_PUT"
	default:
		return "VALUE_CONVERTER"
	}
}
