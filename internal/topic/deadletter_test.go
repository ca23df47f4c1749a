package topic_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/projector"
	"github.com/waybill-io/waybill/internal/topic"
)

// newDeadLetters has topics with their topics for dead letters.
func newDeadLetters(t *testing.T) (topic.Names, []string, *topic.DeadLetters) {
	t.Helper()
	r := newRig(t, 3)
	names := ensured(t, r.brokers, 3)
	d, err := topic.NewDeadLetters(topic.DeadLettersConfig{Brokers: r.brokers, Topics: names})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return names, r.brokers, d
}

// ensured are topics that the test has made for it.
func ensured(t *testing.T, brokers []string, partitions int) topic.Names {
	t.Helper()
	names := unusedNames(t, brokers)
	if err := topic.EnsureTopics(t.Context(), topic.TopicsConfig{Brokers: brokers, Topics: names, Partitions: partitions}); err != nil {
		t.Fatal(err)
	}
	return names
}

// published tries until the letters stand in their topic, as the projector does:
// not every broker knows at once of a topic that was just made.
func published(t *testing.T, d *topic.DeadLetters, letters ...projector.DeadLetter) {
	t.Helper()
	eventually(t, limit, func() error { return d.Publish(t.Context(), letters) })
}

// onTopic reads n records of a partition as another client sees them.
func onTopic(t *testing.T, brokers []string, name string, partition int32, n int) []*kgo.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	c := franz(t, brokers, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{name: {partition: kgo.NewOffset().AtStart()}}))
	var got []*kgo.Record
	for len(got) < n {
		f := c.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			t.Fatalf("%d of %d records on %s/%d: %v", len(got), n, name, partition, err)
		}
		got = append(got, f.Records()...)
	}
	return got
}

func letter(part projector.Partition, offset int64, m events.Message) projector.DeadLetter {
	return projector.DeadLetter{
		Poison:   projector.Poison{Record: projector.Record{Partition: part, Offset: offset, Message: m}, Code: "key_mismatch", Message: "the record's key is not tenant|subject"},
		Attempts: 3,
	}
}

func TestACopyIsItsRecordWithHeadersOfBothDialects(t *testing.T) {
	t.Parallel()
	names, brokers, d := newDeadLetters(t)
	part := projector.Partition{Topic: names.Shipments, ID: 2}
	own := events.Message{
		Key: []byte("acme|s-1"), Value: []byte("\x00\xff{not JSON"), Time: time.UnixMilli(0x0102030405),
		Headers: []events.Header{{Key: "ce_id", Value: []byte("e-1")}, {Key: "ce_id", Value: nil}, {Key: "\xff", Value: []byte{}}, {Key: "kafka_dlt-original-topic", Value: []byte("older")}},
	}
	l := letter(part, 0x0102030405060708, own)
	l.SQLState = "22003"
	before := time.Now().Add(-time.Second)
	published(t, d, l)
	got := onTopic(t, brokers, names.Shipments+".dlq", 2, 1)[0]
	if !bytes.Equal(got.Key, own.Key) || !bytes.Equal(got.Value, own.Value) {
		t.Errorf("copy has key %q and value %q, want the record's own", got.Key, got.Value)
	}
	if got.Timestamp.Before(before) {
		t.Errorf("timestamp = %v: the topic's retention would count from the record's", got.Timestamp)
	}
	want := []kgo.RecordHeader{
		{Key: "ce_id", Value: []byte("e-1")}, {Key: "ce_id", Value: nil}, {Key: "\xff", Value: []byte{}}, {Key: "kafka_dlt-original-topic", Value: []byte("older")},
		{Key: "__connect.errors.topic", Value: []byte(names.Shipments)},
		{Key: "__connect.errors.partition", Value: []byte("2")},
		{Key: "__connect.errors.offset", Value: []byte("72623859790382856")},
		{Key: "__connect.errors.stage", Value: []byte("KEY_CONVERTER")},
		{Key: "__connect.errors.exception.class.name", Value: []byte("key_mismatch")},
		{Key: "__connect.errors.exception.message", Value: []byte("the record's key is not tenant|subject")},
		{Key: "kafka_dlt-original-topic", Value: []byte(names.Shipments)},
		{Key: "kafka_dlt-original-partition", Value: []byte{0, 0, 0, 2}},
		{Key: "kafka_dlt-original-offset", Value: []byte{1, 2, 3, 4, 5, 6, 7, 8}},
		{Key: "kafka_dlt-original-timestamp", Value: []byte{0, 0, 0, 1, 2, 3, 4, 5}},
		{Key: "waybill-dlq-id", Value: []byte(names.Shipments + "/2/72623859790382856")},
		{Key: "waybill-dlq-reason", Value: []byte("key_mismatch")},
		{Key: "waybill-dlq-attempts", Value: []byte("3")},
		{Key: "waybill-dlq-sqlstate", Value: []byte("22003")},
	}
	if diff := cmp.Diff(want, got.Headers); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
}

func TestACopyKeepsNullApartFromEmpty(t *testing.T) {
	t.Parallel()
	names, brokers, d := newDeadLetters(t)
	part := projector.Partition{Topic: names.Orders, ID: 0}
	for i, m := range []events.Message{{}, {Key: []byte{}, Value: []byte{}}} {
		published(t, d, letter(part, int64(i), m))
	}
	got := onTopic(t, brokers, names.Orders+".dlq", 0, 2)
	if got[0].Key != nil || got[0].Value != nil {
		t.Errorf("null is copied as %v and %v", got[0].Key, got[0].Value)
	}
	if got[1].Key == nil || got[1].Value == nil {
		t.Errorf("empty is copied as %v and %v", got[1].Key, got[1].Value)
	}
	if at := header(got[0], "kafka_dlt-original-timestamp"); !bytes.Equal(at, bytes.Repeat([]byte{0xff}, 8)) {
		t.Errorf("a record without a timestamp says %v, want -1", at)
	}
}

func header(r *kgo.Record, key string) (value []byte) {
	for _, h := range r.Headers {
		if h.Key == key {
			value = h.Value
		}
	}
	return value
}

func TestCopiesStandInTheirOrder(t *testing.T) {
	t.Parallel()
	names, brokers, d := newDeadLetters(t)
	part := projector.Partition{Topic: names.Orders, ID: 1}
	var letters []projector.DeadLetter
	for i := range 100 {
		letters = append(letters, letter(part, int64(i), events.Message{Key: []byte("k"), Value: fmt.Append(nil, i)}))
	}
	published(t, d, letters...)
	for i, r := range onTopic(t, brokers, names.Orders+".dlq", 1, 100) {
		if string(r.Value) != fmt.Sprint(i) {
			t.Fatalf("copy %d is of %s", i, r.Value)
		}
	}
}

func TestWhatIsNotAcknowledgedIsAnError(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2) // without topics for dead letters
	d, err := topic.NewDeadLetters(topic.DeadLettersConfig{Brokers: r.brokers, Topics: r.names})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	publish := func(part projector.Partition) error {
		return d.Publish(t.Context(), []projector.DeadLetter{letter(part, 0, events.Message{Value: []byte("v")})})
	}
	part := projector.Partition{Topic: r.names.Orders}
	if err := publish(part); err == nil {
		t.Error("nil although the topic is missing")
	}
	makeTopics(t, r)
	eventually(t, limit, func() error { return publish(part) })
	if err := publish(projector.Partition{Topic: r.names.Orders, ID: 7}); err == nil {
		t.Error("nil although the partition is missing")
	}
	two := []projector.DeadLetter{letter(part, 0, events.Message{}), letter(projector.Partition{Topic: r.names.Orders, ID: 1}, 0, events.Message{})}
	if err := d.Publish(t.Context(), two); err == nil {
		t.Error("nil for letters of two partitions in one call")
	}
}

func TestACopyThatIsRefusedIsAnErrorThatNamesTheCause(t *testing.T) {
	t.Parallel()
	for name, refusal := range map[string]*kerr.Error{
		"denied":           kerr.TopicAuthorizationFailed,
		"full":             kerr.KafkaStorageError,
		"too large":        kerr.MessageTooLarge,
		"too few replicas": kerr.NotEnoughReplicas,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, c := bend(t, 2)
			makeTopics(t, r)
			d, err := topic.NewDeadLetters(topic.DeadLettersConfig{Brokers: r.brokers, Topics: r.names})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(d.Close)
			faulty(c, refusal, 1)
			l := []projector.DeadLetter{letter(projector.Partition{Topic: r.names.Orders}, 0, events.Message{Value: []byte("v")})}
			if err := d.Publish(t.Context(), l); !errors.Is(err, kafka.Error(refusal.Code)) {
				t.Errorf("Publish = %v, want %v", err, kafka.Error(refusal.Code))
			}
			eventually(t, limit, func() error { return d.Publish(t.Context(), l) })
		})
	}
}

func TestACopyIsAcknowledgedByAllReplicas(t *testing.T) {
	t.Parallel()
	r, c := bend(t, 2)
	makeTopics(t, r)
	var requests, weak atomic.Int32
	c.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		requests.Add(1)
		if req.(*kmsg.ProduceRequest).Acks != -1 {
			weak.Add(1)
		}
		return nil, nil, false
	})
	d, err := topic.NewDeadLetters(topic.DeadLettersConfig{Brokers: r.brokers, Topics: r.names})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	if err := d.Publish(t.Context(), []projector.DeadLetter{letter(projector.Partition{Topic: r.names.Orders}, 0, events.Message{})}); err != nil {
		t.Fatal(err)
	}
	if requests.Load() == 0 || weak.Load() != 0 {
		t.Errorf("%d of %d requests ask for less than all", weak.Load(), requests.Load())
	}
}

// makeTopics makes what the rig's topics lack.
func makeTopics(t *testing.T, r *rig) {
	t.Helper()
	if err := topic.EnsureTopics(t.Context(), topic.TopicsConfig{Brokers: r.brokers, Topics: r.names, Partitions: 2}); err != nil {
		t.Fatal(err)
	}
	removeLater(t, r.brokers, r.names.Orders+".dlq", r.names.Shipments+".dlq")
}

// A record as large as brokers take is no larger with our headers.
func TestTheLargestRecordHasItsCopy(t *testing.T) {
	t.Parallel()
	names, brokers, d := newDeadLetters(t)
	noise := make([]byte, 1<<20)
	rnd := rand.NewChaCha8([32]byte{})
	_, _ = rnd.Read(noise) // never fails
	l := letter(projector.Partition{Topic: names.Orders}, 0, events.Message{Value: noise})
	published(t, d, l)
	if got := setting(t, brokers, names.Orders+".dlq", "max.message.bytes"); got != "2097152" {
		t.Errorf("max.message.bytes = %q, want twice the brokers' default", got)
	}
}

func TestDeadLettersWantBrokers(t *testing.T) {
	if _, err := topic.NewDeadLetters(topic.DeadLettersConfig{}); err == nil {
		t.Error("nil without brokers")
	}
}
