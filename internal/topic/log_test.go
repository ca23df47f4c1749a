package topic_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-io/waybill/internal/projector"
	"github.com/waybill-io/waybill/internal/topic"
)

func TestALogIsLookedAtWithoutJoiningAGroup(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	list := orders(6, 2)
	r.publish(list...)
	p := projector.Partition{Topic: r.names.Orders}
	r.deleteRecords(p, 2)
	l, err := topic.OpenLog(t.Context(), topic.SourceConfig{Brokers: r.brokers, Topics: r.names, Log: logTo(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()

	cluster, parts := l.Assignment()
	want := sorted(p, projector.Partition{Topic: r.names.Shipments})
	if diff := cmp.Diff(want, parts); diff != "" || cluster == "" {
		t.Errorf("cluster %q, partitions (-want +got):\n%s", cluster, diff)
	}
	bounds, err := l.Bounds(t.Context(), parts)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := bounds[p], (projector.Bounds{Start: 2, End: 6}); got != want {
		t.Errorf("bounds = %v, want %v", got, want)
	}
	first, err := l.First(t.Context(), p, 3)
	if err != nil || first == nil || first.Offset != 3 || !slices.Equal(first.Key, messages(t, list[3])[0].Key) {
		t.Errorf("the record at 3 is %v, %v", first, err)
	}
	if none, err := l.First(t.Context(), p, 6); none != nil || err != nil {
		t.Errorf("the record at the end is %v, %v, want none", none, err)
	}
	if state, n := r.members(); n != 0 {
		t.Errorf("the group is %s with %d members, want none", state, n)
	}
}

func TestATopicThatIsNotThereIsSaidAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	r.names.Orders = freshName()
	if _, err := topic.OpenLog(t.Context(), topic.SourceConfig{Brokers: r.brokers, Topics: r.names}); err == nil {
		t.Error("OpenLog found a topic that there is not")
	}
}

// Home is where the publisher writes, in every partition of a session.
func TestRecordsAreAtHomeWhereThePublisherWritesThem(t *testing.T) {
	t.Parallel()
	r := newRig(t, 5)
	r.publish(orders(40, 40)...)
	ctx, s := r.session()
	for _, rec := range read(t, s.Open(ctx, fromStart(s)), 40) {
		if home, known := s.Home(rec.Partition.Topic, rec.Key); !known || home != rec.Partition.ID {
			t.Errorf("key %s lies on %d, its home is %d, %v", rec.Key, rec.Partition.ID, home, known)
		}
	}
	if _, known := s.Home("of somebody else", []byte("k")); known {
		t.Error("a topic that the session does not read has homes")
	}
}
