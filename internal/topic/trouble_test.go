package topic_test

import (
	"context"
	"errors"
	"hash/crc32"
	"net"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/devstack"
	"github.com/waybill-io/waybill/internal/devstack/stacktest"
	"github.com/waybill-io/waybill/internal/projector"
	"github.com/waybill-io/waybill/internal/topic"
)

func TestAFeedGoesOnAfterErrorsOfBrokers(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]*kerr.Error{
		"the leader has moved":     kerr.NotLeaderForPartition,
		"the leader is not known":  kerr.LeaderNotAvailable,
		"the epoch is old":         kerr.FencedLeaderEpoch,
		"the topic is not known":   kerr.UnknownTopicOrPartition,
		"the disk is in trouble":   kerr.KafkaStorageError,
		"offsets are not known":    kerr.OffsetNotAvailable,
		"an unsettled leader":      kerr.OffsetOutOfRange, // though the position lies within the log
		"an error without a name":  kerr.UnknownServerError,
		"something newly invented": {Code: 999},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, c := bend(t, 2)
			ctx, s := r.session()
			f := s.Open(ctx, fromStart(s))
			h := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: err, Count: 3})
			r.publish(orders(40, 10)...)
			read(t, f, 40)
			if h.Hits() != 3 {
				t.Errorf("%d faults, want 3", h.Hits())
			}
		})
	}
}

func TestAFeedGoesOnAfterBrokenConnections(t *testing.T) {
	t.Parallel()
	r, c := bend(t, 2)
	ctx, s := r.session()
	f := s.Open(ctx, fromStart(s))
	var broken atomic.Int32
	c.ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
		if broken.Add(1) > 8 {
			return nil, nil, false
		}
		c.KeepControl()
		return nil, errors.New("cut"), true
	})
	r.publish(orders(40, 10)...)
	read(t, f, 40)
	if broken.Load() <= 8 {
		t.Errorf("%d fetches, want more than 8", broken.Load())
	}
}

func TestAFeedFollowsItsLeaders(t *testing.T) {
	t.Parallel()
	c, err := kfake.NewCluster(kfake.NumBrokers(3))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	r := rigOn(t, c.ListenAddrs(), 6)
	rd := newReader(t)
	r.run(r.source(), rd.serve)
	const moves = 18
	sent := orders(moves*20, 60)
	p := r.publisher()
	began := time.Now()
	for i := range moves { // each partition moves to the next broker between two writes
		if err := p.Publish(t.Context(), sent[i*20:(i+1)*20]); err != nil {
			t.Fatal(err)
		}
		partition := int32(i % 6)
		to := (c.LeaderFor(r.names.Orders, partition) + 1) % 3
		if err := c.MoveTopicPartition(r.names.Orders, partition, to); err != nil {
			t.Fatal(err)
		}
	}
	rd.has(limit, idSet(sent))
	// Cached metadata would be seconds old at every move.
	if took := time.Since(began); took > limit {
		t.Errorf("%d moves took %v", moves, took)
	}
}

func TestFetchingGoesOnAfterTheBrokerWasAway(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := stacktest.Embedded(t, devstack.BrokerConfig{Dir: dir})
	r := &rig{t: t, brokers: first.Brokers(), group: freshName(), names: topic.Names{Orders: freshName(), Shipments: freshName()}}
	if err := topic.EnsureTopics(t.Context(), topic.TopicsConfig{Brokers: r.brokers, Topics: r.names, Partitions: 3}); err != nil {
		t.Fatal(err)
	}
	rd := newReader(t)
	r.run(r.source(), rd.serve)
	p := r.publisher()
	sent := orders(200, 40)
	if err := p.Publish(t.Context(), sent[:100]); err != nil {
		t.Fatal(err)
	}
	rd.has(limit, idSet(sent[:100]))

	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	published := make(chan error, 1)
	go func() { published <- p.Publish(t.Context(), sent[100:]) }() // waits for the broker
	stacktest.Embedded(t, devstack.BrokerConfig{Dir: dir, Port: portOf(t, first.Addr())})
	if err := <-published; err != nil {
		t.Fatal(err)
	}
	rd.has(limit, idSet(sent))
}

func portOf(t *testing.T, addr string) int {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// serveBatch makes the broker answer fetches of one partition of the orders'
// topic with these bytes.
func serveBatch(c *kfake.Cluster, name string, partition int32, batch []byte) {
	c.ControlKey(int16(kmsg.Fetch), func(kreq kmsg.Request) (kmsg.Response, error, bool) {
		req := kreq.(*kmsg.FetchRequest)
		res := req.ResponseKind().(*kmsg.FetchResponse)
		concerned := false
		for _, rt := range req.Topics {
			t := kmsg.NewFetchResponseTopic()
			t.Topic = rt.Topic
			for _, rp := range rt.Partitions {
				p := kmsg.NewFetchResponseTopicPartition()
				p.Partition, p.HighWatermark, p.LastStableOffset = rp.Partition, rp.FetchOffset, rp.FetchOffset
				if rt.Topic == name && rp.Partition == partition {
					concerned = true
					p.HighWatermark, p.LastStableOffset, p.RecordBatches = 100, 100, batch
				}
				t.Partitions = append(t.Partitions, p)
			}
			res.Topics = append(res.Topics, t)
		}
		if !concerned {
			return nil, nil, false
		}
		c.KeepControl()
		return res, nil, true
	})
}

// batchOf is a record batch whose records are the given bytes.
func batchOf(attributes int16, count int32, records []byte) []byte {
	b := kmsg.RecordBatch{
		PartitionLeaderEpoch: -1, Magic: 2, Attributes: attributes, LastOffsetDelta: count - 1,
		ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1, NumRecords: count, Records: records,
	}
	b.Length = int32(len(b.AppendTo(nil)) - 12)
	raw := b.AppendTo(nil)
	b.CRC = int32(crc32.Checksum(raw[21:], crc32.MakeTable(crc32.Castagnoli)))
	return b.AppendTo(nil)
}

func TestBytesThatAreNoRecordsAreAnError(t *testing.T) {
	t.Parallel()
	const lz4, zstd, unheardOf = 3, 4, 7
	good := (&kmsg.Record{Length: 6, Key: []byte{}, Value: []byte{}}).AppendTo(nil)
	wrongSum := batchOf(0, 1, good)
	wrongSum[len(wrongSum)-1] ^= 0x40
	for name, batch := range map[string][]byte{
		"a wrong checksum":                wrongSum,
		"not lz4":                         batchOf(lz4, 1, []byte("this is not compressed")),
		"not zstd":                        batchOf(zstd, 1, []byte("this is not compressed")),
		"lz4 that is cut off":             batchOf(lz4, 1, []byte{0x04, 0x22, 0x4d, 0x18, 0x60}),
		"a compression nobody has":        batchOf(unheardOf, 1, good),
		"fewer records than it says":      batchOf(0, 3, nil),
		"bytes of an old message's shape": make([]byte, 80),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, c := bend(t, 3)
			ctx, s := r.session()
			serveBatch(c, r.names.Orders, 1, batch)
			f := s.Open(ctx, fromStart(s))
			_, err := tryRead(t.Context(), f, 1)
			var corrupt *projector.CorruptError
			want := projector.Partition{Topic: r.names.Orders, ID: 1}
			if !errors.As(err, &corrupt) || corrupt.Partition != want || corrupt.Offset != 0 {
				t.Errorf("error %v, want corrupt bytes in %s at 0", err, want)
			}
			if _, again := f.Next(t.Context()); again == nil || again.Error() != err.Error() {
				t.Errorf("the next error is %v, want the same", again)
			}
		})
	}
}

func TestABatchWithoutRecordsIsSteppedOver(t *testing.T) {
	t.Parallel()
	r, c := bend(t, 1)
	ctx, s := r.session()
	serveBatch(c, r.names.Orders, 0, batchOf(0, 0, nil))
	p := projector.Partition{Topic: r.names.Orders}
	got, err := s.Open(ctx, fromStart(s)).Next(t.Context())
	if err != nil || len(got.Records) != 0 || got.Next[p] != 1 {
		t.Errorf("got %+v, %v; want no records and position 1", got, err)
	}
}

func TestAStallEndsTheGeneration(t *testing.T) {
	t.Parallel()
	r, c := bend(t, 1)
	sent := orders(10, 2)
	rd := newReader(t)
	r.run(r.source(func(c *topic.SourceConfig) { c.StallTimeout = time.Second }), rd.serve)
	// The broker says that there are records, and sends none.
	serveBatch(c, r.names.Orders, 0, nil)
	r.publish(sent...)
	eventually(t, limit, func() error {
		rd.mu.Lock()
		defer rd.mu.Unlock()
		if rd.sessions < 2 {
			return errNotYet
		}
		return nil
	})
}

func TestAGroupWhoseCoordinatorIsNotThereYetIsWaitedFor(t *testing.T) {
	t.Parallel()
	r, c := bend(t, 1)
	h := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.FindCoordinator}, Group: r.group, Err: kerr.CoordinatorNotAvailable, Count: 2})
	r.session()
	if h.Hits() != 2 {
		t.Errorf("%d faults, want 2", h.Hits())
	}
}

// While nobody reads one feed, another one has many answers: without a bound the
// first would have as many.
func TestASlowReaderBoundsWhatAFeedHolds(t *testing.T) {
	t.Parallel()
	r, c := bend(t, 1)
	const many, rounds = 4000, 20
	r.publish(orders(many, 10)...)
	ctx, s := r.session(func(c *topic.SourceConfig) { c.PrefetchBytes, c.PartitionBytes = 1, 4<<10 })
	var fetches atomic.Int32
	c.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		for _, rt := range req.(*kmsg.FetchRequest).Topics {
			if rt.Topic == r.names.Orders {
				fetches.Add(1)
			}
		}
		return nil, nil, false
	})
	unread := s.Open(ctx, map[projector.Partition]int64{{Topic: r.names.Orders}: 0})
	busy := s.Open(ctx, map[projector.Partition]int64{{Topic: r.names.Shipments}: 0})
	p := r.publisher()
	for range rounds {
		if err := p.Publish(t.Context(), []events.Event{shipment("s-1")}); err != nil {
			t.Fatal(err)
		}
		read(t, busy, 1)
	}
	if n := fetches.Load(); n != 1 {
		t.Errorf("%d fetches for a feed that nobody reads, want 1", n)
	}
	read(t, unread, many)
	if n := fetches.Load(); n < 4 {
		t.Errorf("all came in %d answers: the test shows nothing", n)
	}
}

func TestAnswersAreCutIntoPortions(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2)
	sent := orders(100, 30)
	r.publish(sent...)
	ctx, s := r.session(func(c *topic.SourceConfig) { c.MaxRecords = 7 })
	f := s.Open(ctx, fromStart(s))
	next := fromStart(s)
	for got := 0; got < len(sent); {
		part, err := f.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(part.Records) > 7 || len(part.Records) == 0 {
			t.Errorf("a portion of %d records", len(part.Records))
		}
		for _, rec := range part.Records {
			if rec.Offset != next[rec.Partition] {
				t.Errorf("%s: offset %d, want %d", rec.Partition, rec.Offset, next[rec.Partition])
			}
			next[rec.Partition]++
		}
		for p, n := range part.Next {
			if n != next[p] {
				t.Errorf("%s: next is %d, want %d", p, n, next[p])
			}
		}
		got += len(part.Records)
	}
}

func TestAFeedEndsWithItsContext(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	ctx, s := r.session()
	ctx, cancel := context.WithCancel(ctx)
	f := s.Open(ctx, fromStart(s))
	cancel()
	if _, err := f.Next(t.Context()); !errors.Is(err, context.Canceled) {
		t.Errorf("Next = %v, want %v", err, context.Canceled)
	}
}

// A fetch that takes too long for its size would take too long for ever.
func TestAFeedAsksForLessAfterAnAnswerThatTookTooLong(t *testing.T) {
	t.Parallel()
	r, c := bend(t, 1)
	r.publish(orders(50, 5)...)
	ctx, s := r.session(func(c *topic.SourceConfig) { c.MaxWait, c.FetchTimeout = 10*time.Millisecond, 100*time.Millisecond })
	c.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		slow := req.(*kmsg.FetchRequest).MaxBytes > 300<<10
		if slow {
			c.KeepControl()
		}
		return nil, nil, slow // no answer at all
	})
	read(t, s.Open(ctx, fromStart(s)), 50)
}
