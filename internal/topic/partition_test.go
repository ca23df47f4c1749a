package topic_test

import (
	"math/rand/v2"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/waybill-io/waybill/internal/topic"
)

// The hashes are those of Java's own test, UtilsTest.testMurmur2.
func TestAKeyBelongsWhereJavaPutsIt(t *testing.T) {
	t.Parallel()
	for key, hash := range map[string]int32{
		"21":                         -973932308,
		"foobar":                     -790332482,
		"a-little-bit-long-string":   -985981536,
		"a-little-bit-longer-string": -1486304829,
		"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
		"abc": 479470107,
	} {
		for _, n := range []int{1, 3, 12, 100} {
			want := (hash & 0x7fffffff) % int32(n)
			if got := topic.PartitionFor([]byte(key), n); got != want {
				t.Errorf("PartitionFor(%q, %d) = %d, want %d", key, n, got, want)
			}
		}
	}
}

// Two other ports of Java's partitioner must agree, the writer's among them.
func TestOtherClientsPutAKeyInTheSamePartition(t *testing.T) {
	t.Parallel()
	const n = 12
	partitions := make([]int, n)
	for i := range partitions {
		partitions[i] = i
	}
	franz := kgo.StickyKeyPartitioner(nil).ForTopic("t")
	writer := kafka.Murmur2Balancer{Consistent: true}
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 2000 {
		key := make([]byte, random.IntN(40)+1)
		for j := range key {
			key[j] = byte(random.Uint32())
		}
		got := topic.PartitionFor(key, n)
		if want := franz.Partition(&kgo.Record{Key: key}, n); int(got) != want {
			t.Fatalf("key %d %x: partition %d, franz-go %d", i, key, got, want)
		}
		if want := writer.Balance(kafka.Message{Key: key}, partitions...); int(got) != want {
			t.Fatalf("key %d %x: partition %d, the writer %d", i, key, got, want)
		}
	}
}

func TestWhatIsPublishedLiesInThePartitionOfItsKey(t *testing.T) {
	t.Parallel()
	const partitions = 5
	r := newRig(t, partitions)
	r.publish(orders(200, 60)...)
	ctx, s := r.session()
	used := map[int32]bool{}
	for _, rec := range read(t, s.Open(ctx, fromStart(s)), 200) {
		if want := topic.PartitionFor(rec.Key, partitions); rec.Partition.ID != want {
			t.Errorf("key %s lies in %s, want partition %d", rec.Key, rec.Partition, want)
		}
		used[rec.Partition.ID] = true
	}
	if len(used) != partitions {
		t.Errorf("only %d of %d partitions are used", len(used), partitions)
	}
}

func FuzzPartitionFor(f *testing.F) {
	f.Add([]byte("acme|o-1"), 12)
	f.Fuzz(func(t *testing.T, key []byte, n int) {
		if n < 1 || n > 1<<16 {
			t.Skip()
		}
		partitions := make([]int, n)
		for i := range partitions {
			partitions[i] = i
		}
		want := kafka.Murmur2Balancer{Consistent: true}.Balance(kafka.Message{Key: key}, partitions...)
		if got := topic.PartitionFor(key, n); int(got) != want {
			t.Errorf("PartitionFor(%x, %d) = %d, want %d", key, n, got, want)
		}
	})
}
