package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/IBM/sarama"
	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill-kafka/v3/pkg/kafka"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/projector"
)

// mill is a Watermill router from the topics to a database/sql pool: what people
// build today. A subscriber per topic, each in a consumer group, hands over one
// message of a partition at a time, and the next one after its ack; the router
// runs the handlers of all partitions side by side, 24 of them.
type mill struct {
	j      job
	db     *sql.DB
	begin  func()
	cancel context.CancelFunc

	mu      sync.Mutex
	ends    map[projector.Partition]int64 // of the logs that are not done yet
	figures figures
}

// saramaConfig is Watermill's, with a protocol that brokers of today and the
// embedded one speak with sarama (its join and sync of later ones the embedded
// one does not answer as it expects). A partition whose handler is slow stays
// subscribed.
func saramaConfig() *sarama.Config {
	c := kafka.DefaultSaramaSubscriberConfig()
	c.Version = sarama.V2_2_0_0
	c.Consumer.Offsets.Initial = sarama.OffsetOldest
	c.Consumer.MaxProcessingTime = time.Minute
	return c
}

func newMill(ctx context.Context, j job, begin func(), conns int) (*mill, error) {
	m := &mill{j: j, begin: sync.OnceFunc(begin)}
	cfg, err := pgx.ParseConfig(j.DatabaseURL)
	if err != nil {
		return nil, err
	}
	for name, value := range map[string]string{
		"application_name": "bench watermill", "search_path": "rm_1,waybill", "timezone": "UTC", "jit": "off", "work_mem": "32MB",
	} {
		cfg.RuntimeParams[name] = value
	}
	// pgx prepares every statement once per connection and keeps it.
	m.db = stdlib.OpenDB(*cfg)
	m.db.SetMaxOpenConns(conns)
	m.db.SetMaxIdleConns(conns)
	if err := m.db.PingContext(ctx); err != nil {
		return nil, errors.Join(err, m.db.Close())
	}
	if m.ends, err = logEnds(j); err != nil {
		return nil, errors.Join(err, m.db.Close())
	}
	return m, nil
}

// logEnds asks where the logs end, of partitions that are not empty.
func logEnds(j job) (ends map[projector.Partition]int64, err error) {
	client, err := sarama.NewClient(j.Brokers, saramaConfig())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	ends = map[projector.Partition]int64{}
	for _, name := range j.topics() {
		ids, err := client.Partitions(name)
		if err != nil {
			return nil, err
		}
		for _, id := range ids {
			end, err := client.GetOffset(name, id, sarama.OffsetNewest)
			if err != nil {
				return nil, err
			}
			if end > 0 {
				ends[projector.Partition{Topic: name, ID: id}] = end
			}
		}
	}
	return ends, nil
}

// topics are those of the job.
func (j job) topics() []string {
	names := []string{events.OrdersTopic, events.ShipmentsTopic}
	if j.Names.Orders != "" {
		names = []string{j.Names.Orders, j.Names.Shipments}
	}
	return names
}

// patience is how long the load of an arm may take.
const patience = 10 * time.Minute

// run routes messages to handle until every partition is done.
func (m *mill) run(ctx context.Context, handle func(context.Context, *record) error) error {
	ctx, m.cancel = context.WithTimeout(ctx, patience)
	defer m.cancel()
	log := watermill.NewSlogLogger(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})))
	router, err := message.NewRouter(message.RouterConfig{CloseTimeout: 10 * time.Second}, log)
	if err != nil {
		return err
	}
	for _, name := range m.j.topics() {
		sub, err := kafka.NewSubscriber(kafka.SubscriberConfig{
			Brokers: m.j.Brokers, Unmarshaler: kafka.DefaultMarshaler{}, ConsumerGroup: m.j.Group + "-" + name,
			OverwriteSaramaConfig: saramaConfig(),
		}, log)
		if err != nil {
			return err
		}
		router.AddConsumerHandler(name, name, sub, func(msg *message.Message) error {
			m.begin()
			return handle(msg.Context(), read(name, msg))
		})
	}
	if err := router.Run(ctx); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := len(m.ends); n > 0 {
		return fmt.Errorf("%d partitions were not done when the router ended", n)
	}
	return nil
}

// record is one message with what it says.
type record struct {
	part   projector.Partition
	offset int64
	event  *projector.Event // nil when it is none
	done   chan struct{}    // closed by what commits it in a batch
}

func read(topic string, msg *message.Message) *record {
	id, _ := kafka.MessagePartitionFromCtx(msg.Context())
	offset, _ := kafka.MessagePartitionOffsetFromCtx(msg.Context())
	key, _ := kafka.MessageKeyFromCtx(msg.Context())
	at, _ := kafka.MessageTimestampFromCtx(msg.Context())
	r := &record{part: projector.Partition{Topic: topic, ID: id}, offset: offset}
	m := events.Message{Key: key, Value: msg.Payload, Time: at}
	for name, value := range msg.Metadata {
		m.Headers = append(m.Headers, events.Header{Key: name, Value: []byte(value)})
	}
	e, err := events.Decode(m)
	if err != nil {
		return r // a poison queue would take it
	}
	if hash, err := e.ContentHash(); err == nil {
		r.event = &projector.Event{Event: e, Hash: hash}
	}
	return r
}

// committed counts what is in the database, and ends the run after the last.
func (m *mill) committed(all ...*record) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.figures.Batches++
	m.figures.Events += len(all)
	for _, r := range all {
		if r.offset+1 >= m.ends[r.part] {
			delete(m.ends, r.part)
		}
	}
	if len(m.ends) == 0 {
		m.cancel()
	}
}

func (m *mill) close() error {
	if err := m.db.Close(); err != nil {
		return fmt.Errorf("close the pool: %w", err)
	}
	return nil
}
