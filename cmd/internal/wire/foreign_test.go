package wire_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/waybill-io/waybill/cmd/internal/wire"
	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/devstack/stacktest"
	"github.com/waybill-io/waybill/internal/ops"
	"github.com/waybill-io/waybill/internal/readmodel"
	"github.com/waybill-io/waybill/internal/topic"
)

const (
	partitions = 12 // of the platform's topics
	tenant     = "acme"
	limit      = 30 * time.Second
)

// stack is a broker, a database, and the projection between them.
type stack struct {
	brokers []string
	db      *pgxpool.Pool
	client  *kgo.Client
	ready   func() string
	orders  int // made so far
}

func newStack(t *testing.T) *stack {
	t.Helper()
	url, brokers := stacktest.Postgres(t), stacktest.Broker(t)
	if _, _, err := readmodel.Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	db, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	s := &stack{brokers: brokers, db: db}
	s.client = s.connect(t, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	s.project(t, url)
	return s
}

func (s *stack) connect(t *testing.T, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	opts = append([]kgo.Opt{kgo.SeedBrokers(s.brokers...), kgo.ProducerBatchMaxBytes(100 << 20), kgo.BrokerMaxWriteBytes(200 << 20),
		kgo.ProducerBatchCompression(kgo.ZstdCompression())}, opts...)
	c, err := kgo.NewClient(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// project runs the projection until the test is over.
func (s *stack) project(t *testing.T, url string) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	server, err := ops.Listen(t.Context(), ops.Config{Addr: "127.0.0.1:0"}, log)
	if err != nil {
		t.Fatal(err)
	}
	p := wire.Projection{Brokers: s.brokers, DatabaseURL: url, Group: "foreign", Workers: 2, BatchEvents: 5000, BatchWait: 5 * time.Millisecond}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- wire.Beside(ctx, server, p.Checks(), func(ctx context.Context) error { return p.Run(ctx, server, log) })
	}()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("the projection ended with %v", err)
		}
	})
	s.ready = func() string {
		body, _ := ops.Get(context.Background(), server.Addr(), "/readyz") // the body says it all
		return body
	}
}

// order is an event about an order that nothing was heard of before, as a record
// of the partition that its key belongs on.
func (s *stack) order(t *testing.T) *kgo.Record {
	t.Helper()
	s.orders++
	return s.confirmed(t, fmt.Sprintf("o-%d", s.orders), "e-1", time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC))
}

// orderOn is like order, of an order that belongs on a partition.
func (s *stack) orderOn(t *testing.T, partition int32) *kgo.Record {
	t.Helper()
	for {
		if r := s.order(t); r.Partition == partition {
			return r
		}
	}
}

func (s *stack) confirmed(t *testing.T, order, id string, at time.Time) *kgo.Record {
	t.Helper()
	e := events.New(tenant, "urn:test", events.EventID(id), order,
		&events.OrderConfirmed{OrderFact: events.OrderFact{Fact: events.Fact{OccurredAt: at}, OrderID: events.OrderID(order)}})
	e.IngestedAt = at
	m, err := events.Encode(e)
	if err != nil {
		t.Fatal(err)
	}
	r := &kgo.Record{Topic: events.OrdersTopic, Key: m.Key, Value: m.Value, Partition: topic.PartitionFor(m.Key, partitions)}
	for _, h := range m.Headers {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
	}
	return r
}

// subject is the order that a record is about.
func subject(r *kgo.Record) string { return string(*header(r, "ce_subject")) }

func header(r *kgo.Record, key string) *[]byte {
	for i := range r.Headers {
		if r.Headers[i].Key == key {
			return &r.Headers[i].Value
		}
	}
	panic("there is no header " + key)
}

func drop(r *kgo.Record, key string) {
	for i := range r.Headers {
		if r.Headers[i].Key == key {
			r.Headers = append(r.Headers[:i], r.Headers[i+1:]...)
			return
		}
	}
}

func (s *stack) produce(t *testing.T, records ...*kgo.Record) {
	t.Helper()
	if err := s.client.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// eventually waits until check has nothing to say.
func eventually(t *testing.T, check func() error) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(limit); ; <-tick.C {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %v: %v", limit, err)
		}
	}
}

// applied waits until the records' events are in the timeline, once each.
func (s *stack) applied(t *testing.T, records ...*kgo.Record) {
	t.Helper()
	for _, r := range records {
		eventually(t, func() error {
			n := one[int](t, s.db, `SELECT count(*) FROM waybill.events WHERE stream_id = $1 AND event_id = $2`, subject(r), string(*header(r, "ce_id")))
			if n != 1 {
				return fmt.Errorf("the event of %s at %s/%d:%d stands %d times in the timeline, want once", subject(r), r.Topic, r.Partition, r.Offset, n)
			}
			return nil
		})
	}
}

func one[T any](t *testing.T, db *pgxpool.Pool, query string, args ...any) T {
	t.Helper()
	rows, err := db.Query(t.Context(), query, args...)
	if err != nil {
		t.Fatal(err)
	}
	v, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[T])
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// kept is a dead letter.
type kept struct {
	Class, SQLState string
	Key, Value      []byte
	Headers         int
}

// letter reads the dead letter of a record, which is there once the position is
// behind it.
func (s *stack) letter(t *testing.T, r *kgo.Record) *kept {
	t.Helper()
	rows, err := s.db.Query(t.Context(), `SELECT class, sqlstate, key, value, json_array_length(headers) FROM waybill.dead_letters
		WHERE topic = $1 AND partition = $2 AND "offset" = $3`, r.Topic, r.Partition, r.Offset)
	if err != nil {
		t.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToAddrOfStructByPos[kept])
	if err != nil {
		t.Fatal(err)
	}
	if len(list) == 0 {
		return nil
	}
	return list[0]
}

// body replaces what a record says.
func body(format string) func(*kgo.Record) {
	return func(r *kgo.Record) {
		if strings.Contains(format, "%s") {
			format = fmt.Sprintf(format, subject(r))
		}
		r.Value = []byte(format)
	}
}

// set replaces a header's value.
func set(key, value string) func(*kgo.Record) {
	return func(r *kgo.Record) { *header(r, key) = []byte(value) }
}

// structured writes the record as a CloudEvent in one JSON document.
func structured(tenantID, typ string) func(*kgo.Record) {
	return func(r *kgo.Record) {
		r.Value = fmt.Appendf(nil, `{"specversion":"1.0","id":"e-1","source":"urn:test","type":%q,"subject":%q,"tenantid":%q,"time":"2026-03-01T09:00:00Z","data":%s}`,
			typ, subject(r), tenantID, r.Value)
		r.Headers = []kgo.RecordHeader{{Key: "content-type", Value: []byte("application/cloudevents+json")}, {Key: "ce_tenantid", Value: []byte(tenant)}, {Key: "ce_subject", Value: []byte(subject(r))}}
	}
}

const (
	before = `{"occurred_at":"2026-03-01T09:00:00Z","order_id":"%s"`
	nested = before + `,"x":`
)

// Every row of section 3 of the bad inputs that a record by itself can bring
// about. What needs more has a test of its own:
//
//   - 74 (a batch of very many records) TestASlowReaderBoundsWhatAFeedHolds
//   - 75 (bytes that are no records) TestBytesThatAreNoRecordsAreAnError in
//     package topic, TestCorruptBytesHaltTheirPartitionAndNoOther in projector
//   - 79, 80 TestTransactionsOfOthersAreSeenOnceCommitted below, and
//     TestAbortedRecordsAndMarkersNeverComeOut in package topic
//   - 81 with the partition stopped, TestANewerVersionIsKeptOrHaltsItsPartition
//   - 82, 83 TestCopiesAndConflicts below
//   - 85, 86 TestWhatPostgresRefuses below
//   - 87 (panics) TestAPanicIsTriedThreeTimesAndThenKept in package projector
//   - 89 TestATopicWithFewerPartitionsIsRefused, TestRunWaitsForTopicsThatDoNotExist
//     in package topic, and TestAcceptGap in cmd/consumer
func TestForeignRecords(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	for _, tt := range foreign() {
		t.Run(tt.name, func(t *testing.T) {
			bad, elsewhere := s.order(t), s.order(t)
			for elsewhere.Partition == bad.Partition {
				elsewhere = s.order(t)
			}
			name := subject(bad)
			tt.spoil(bad)
			after := s.orderOn(t, bad.Partition)
			s.produce(t, bad, after, elsewhere)
			s.applied(t, after, elsewhere)

			got := s.letter(t, bad)
			if tt.want == "" {
				if got != nil {
					t.Errorf("a dead letter of class %s, want none", got.Class)
				}
				*header(bad, "ce_subject") = []byte(name)
				s.applied(t, bad)
				return
			}
			if got == nil {
				t.Fatalf("no dead letter, want one of class %s", tt.want)
			}
			if got.Class != tt.want || got.SQLState != "" {
				t.Errorf("class = %s %s, want %s", got.Class, got.SQLState, tt.want)
			}
			if !bytes.Equal(got.Value, bad.Value) || !bytes.Equal(got.Key, bad.Key) || (got.Value == nil) != (bad.Value == nil) || got.Headers != len(bad.Headers) {
				t.Errorf("%d bytes, key %q and %d headers were kept, want %d, %q and %d", len(got.Value), got.Key, got.Headers, len(bad.Value), bad.Key, len(bad.Headers))
			}
			if n := one[int](t, s.db, `SELECT count(*) FROM waybill.events WHERE stream_id = $1`, name); n != 0 {
				t.Errorf("%d events of the refused record, want none", n)
			}
		})
	}
	if got := s.ready(); strings.Contains(got, "halted") {
		t.Errorf("a partition was halted: %s", got)
	}
}

type foreignRecord struct {
	name  string
	spoil func(*kgo.Record)
	want  string // class of the dead letter; empty: it is applied
}

func foreign() []foreignRecord {
	deep := func(n int) string { return nested + strings.Repeat("[", n) + strings.Repeat("]", n) + "}" }
	return []foreignRecord{
		{"67 null value", func(r *kgo.Record) { r.Value = nil }, "null_value"},
		{"67 empty value", func(r *kgo.Record) { r.Value = []byte{} }, "empty"},
		{"67 null key", func(r *kgo.Record) { r.Key = nil }, "null_key"},
		{"68 key of another order", func(r *kgo.Record) { r.Key = []byte(tenant + "|other") }, "key_mismatch"},
		{"68 key of another tenant", func(r *kgo.Record) { r.Key = []byte("evil|" + subject(r)) }, "key_mismatch"},
		{"69 wrong partition", func(r *kgo.Record) { r.Partition = (r.Partition + 1) % partitions }, "wrong_partition"},
		{"70 random bytes", body("\x17\xd3\x02\x99\xfe\x80 \x11"), "malformed_json"},
		{"70 Avro with magic 0", body("\x00\x00\x00\x00\x07\x0aorder"), "malformed_json"},
		{"70 protobuf", body("\x0a\x03o-1\x10\x01"), "malformed_json"},
		{"70 XML", body("<?xml version='1.0'?><order/>"), "malformed_json"},
		{"71/2 truncated", body(before), "malformed_json"},
		{"71/2 no value", body(`{"occurred_at":}`), "malformed_json"},
		{"71/2 NaN", body(`{"occurred_at":NaN}`), "malformed_json"},
		{"71/2 byte order mark", body("\ufeff" + before + "}"), "malformed_json"},
		{"71/3 null", body("null"), "schema_violation"},
		{"71/3 array", body("[]"), "schema_violation"},
		{"71/3 string", body(`"x"`), "schema_violation"},
		{"71/3 number", body("42"), "schema_violation"},
		{"71/4 field twice", body(`{"occurred_at":"2026-03-01T09:00:00Z","order_id":"a","order_id":"%s"}`), "duplicate_key"},
		{"71/5 field in other case", body(`{"occurred_at":"2026-03-01T09:00:00Z","ORDER_ID":"%s"}`), "unknown_field"},
		{"71/6 a second document", body(before + "}{}"), "trailing_data"},
		{"71/7 invalid UTF-8", body("{\"order_id\":\"\xff\"}"), "invalid_utf8"},
		{"71/8 half a surrogate pair", body(`{"order_id":"\ud800"}`), "invalid_utf8"},
		{"71/9, 84 NUL", body(nested + `"\u0000"}`), "control_char"},
		{"71/10 control character in an id", set("ce_id", "e\x07"), "invalid_id"},
		{"71/10 right-to-left override in an id", set("ce_id", "e\u202e1"), "invalid_id"},
		{"71/11 homoglyph in an id", set("ce_id", "\u0435-1"), "invalid_id"},
		{"71/12 depth 65", body(deep(65)), "too_deep"},
		{"71/12, 84 depth 60,000", body(deep(60_000)), "too_deep"},
		{"71/12 depth 1,000,000", func(r *kgo.Record) { r.Value = bytes.Repeat([]byte("["), 1_000_000) }, "too_large"},
		{"72 900 KiB of valid JSON", body(nested + `"` + strings.Repeat("a", 900<<10) + `"}`), "too_large"},
		{"73 a bomb", body(nested + `"` + strings.Repeat("a", 32<<20) + `"}`), "too_large"},
		{"76 10,000 headers", func(r *kgo.Record) {
			for range 10_000 {
				r.Headers = append(r.Headers, kgo.RecordHeader{Key: "x"})
			}
		}, "bad_headers"},
		{"76 a header of 1 MiB", func(r *kgo.Record) {
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: "x", Value: make([]byte, 1<<20)})
		}, "bad_headers"},
		{"76 two tenants", func(r *kgo.Record) {
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: "ce_tenantid", Value: []byte(tenant)})
		}, "bad_headers"},
		{"76 a header that is no text", set("ce_id", "\xff\xfe"), "bad_headers"},
		{"77 tenant of the headers, another in the payload", structured("evil", "order.confirmed.v1"), "tenant_mismatch"},
		{"78 timestamp -1", func(r *kgo.Record) {
			r.Timestamp = time.UnixMilli(-1)
			drop(r, "ce_ingestedtime")
		}, ""},
		{"78 timestamp in the year 9999", func(r *kgo.Record) {
			r.Timestamp = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
			drop(r, "ce_ingestedtime")
		}, ""},
		{"81 a newer version, binary", set("ce_type", "order.confirmed.v999"), "upgrade_needed"},
		{"81 a newer version, structured", structured(tenant, "order.confirmed.v2"), "upgrade_needed"},
		{"81 a type that was never heard of", set("ce_type", "order.sneezed.v1"), "unknown_type"},
	}
}
