package topic_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/waybill-io/waybill/internal/projector"
)

func TestAPositionWhoseRecordsWereRemovedIsAnError(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	r.publish(orders(20, 5)...)
	ctx, s := r.session()
	p := projector.Partition{Topic: r.names.Orders}
	r.deleteRecords(p, 12)

	got, err := tryRead(t.Context(), s.Open(ctx, map[projector.Partition]int64{p: 7}), 1)
	want := &projector.OutOfRangeError{Partition: p, Position: 7, Bounds: projector.Bounds{Start: 12, End: 20}}
	var outside *projector.OutOfRangeError
	if !errors.As(err, &outside) || *outside != *want || len(got) != 0 {
		t.Errorf("%d records, error %v, want %v", len(got), err, want)
	}
}

func TestAPositionBeyondTheEndIsAnError(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	r.publish(orders(3, 1)...)
	ctx, s := r.session()
	p := projector.Partition{Topic: r.names.Orders}

	_, err := tryRead(t.Context(), s.Open(ctx, map[projector.Partition]int64{p: 9}), 1)
	want := &projector.OutOfRangeError{Partition: p, Position: 9, Bounds: projector.Bounds{Start: 0, End: 3}}
	var outside *projector.OutOfRangeError
	if !errors.As(err, &outside) || *outside != *want {
		t.Errorf("error %v, want %v", err, want)
	}
}

func TestRemovedRecordsAreNoticedInTheMiddleOfAFeed(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	r.publish(orders(5, 1)...)
	ctx, s := r.session()
	p := projector.Partition{Topic: r.names.Orders}
	f := s.Open(ctx, fromStart(s))
	read(t, f, 5)

	// A feed that stands at the end is not harmed by what goes before it.
	r.deleteRecords(p, 5)
	r.publish(orders(2, 1)...)
	if got := read(t, f, 2); got[0].Offset != 5 {
		t.Errorf("offset %d, want 5", got[0].Offset)
	}
}

func TestTheLastRecordCanBeReadAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	r.publish(orders(8, 2)...)
	ctx, s := r.session()
	p := projector.Partition{Topic: r.names.Orders}
	got := read(t, s.Open(ctx, map[projector.Partition]int64{p: 7}), 1)
	if got[0].Offset != 7 { // the batch that holds it begins at 0
		t.Errorf("offset %d, want 7", got[0].Offset)
	}
}

func TestBoundsAreThoseOfTheLogs(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2)
	r.publish(shipment("s-1"), shipment("s-2"), shipment("s-3"), shipment("s-4"), shipment("s-5"))
	_, s := r.session()
	clusterID, parts := s.Assignment()
	if clusterID == "" {
		t.Error("no cluster id")
	}
	wantParts := sorted(
		projector.Partition{Topic: r.names.Orders, ID: 0}, projector.Partition{Topic: r.names.Orders, ID: 1},
		projector.Partition{Topic: r.names.Shipments, ID: 0}, projector.Partition{Topic: r.names.Shipments, ID: 1},
	)
	if diff := cmp.Diff(wantParts, parts); diff != "" {
		t.Errorf("assignment (-want +got):\n%s", diff)
	}
	bounds, err := s.Bounds(t.Context(), parts)
	if err != nil {
		t.Fatal(err)
	}
	var total int64
	for _, p := range parts {
		total += bounds[p].End - bounds[p].Start
	}
	if len(bounds) != 4 || total != 5 {
		t.Errorf("bounds = %v, want 5 records in 4 partitions", bounds)
	}
}

func TestAHintBecomesTheGroupsOffset(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	r.publish(orders(9, 3)...)
	_, s := r.session()
	p := projector.Partition{Topic: r.names.Orders}
	if err := s.Hint(t.Context(), map[projector.Partition]int64{p: 6}); err != nil {
		t.Fatal(err)
	}
	if got := r.committed(p); got != 6 {
		t.Errorf("the group's offset is %d, want 6", got)
	}
}

// committed asks the group's coordinator for its offset.
func (r *rig) committed(p projector.Partition) int64 {
	r.t.Helper()
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Group = r.group
	tp := kmsg.NewOffsetFetchRequestTopic()
	tp.Topic, tp.Partitions = p.Topic, []int32{p.ID}
	req.Topics = append(req.Topics, tp)
	g := kmsg.NewOffsetFetchRequestGroup()
	gt := kmsg.NewOffsetFetchRequestGroupTopic()
	gt.Topic, gt.Partitions = p.Topic, []int32{p.ID}
	g.Group, g.Topics = r.group, append(g.Topics, gt)
	req.Groups = append(req.Groups, g)
	res, err := req.RequestWith(r.t.Context(), franz(r.t, r.brokers))
	if err != nil {
		r.t.Fatal(err)
	}
	if len(res.Groups) > 0 {
		return res.Groups[0].Topics[0].Partitions[0].Offset
	}
	return res.Topics[0].Partitions[0].Offset
}

// deleteRecords removes what stands before offset.
func (r *rig) deleteRecords(p projector.Partition, offset int64) {
	r.t.Helper()
	req := kmsg.NewPtrDeleteRecordsRequest()
	req.TimeoutMillis = 10_000
	dt := kmsg.NewDeleteRecordsRequestTopic()
	dt.Topic = p.Topic
	dp := kmsg.NewDeleteRecordsRequestTopicPartition()
	dp.Partition, dp.Offset = p.ID, offset
	dt.Partitions = append(dt.Partitions, dp)
	req.Topics = append(req.Topics, dt)
	res, err := req.RequestWith(r.t.Context(), franz(r.t, r.brokers))
	if err != nil {
		r.t.Fatal(err)
	}
	if code := res.Topics[0].Partitions[0].ErrorCode; code != 0 {
		r.t.Fatalf("delete records: error %d", code)
	}
}

func sorted(parts ...projector.Partition) []projector.Partition {
	if parts[0].Topic > parts[len(parts)-1].Topic {
		half := len(parts) / 2
		return append(append([]projector.Partition{}, parts[half:]...), parts[:half]...)
	}
	return parts
}

// members asks the coordinator for the group's state and the number of members.
func (r *rig) members() (state string, n int) {
	r.t.Helper()
	req := kmsg.NewPtrDescribeGroupsRequest()
	req.Groups = []string{r.group}
	res, err := req.RequestWith(r.t.Context(), franz(r.t, r.brokers))
	if err != nil {
		r.t.Fatal(err)
	}
	return res.Groups[0].State, len(res.Groups[0].Members)
}

func (r *rig) addPartitions(name string, total int32) {
	r.t.Helper()
	req := kmsg.NewPtrCreatePartitionsRequest()
	req.TimeoutMillis = 10_000
	ct := kmsg.NewCreatePartitionsRequestTopic()
	ct.Topic, ct.Count = name, total
	req.Topics = append(req.Topics, ct)
	res, err := req.RequestWith(r.t.Context(), franz(r.t, r.brokers))
	if err != nil {
		r.t.Fatal(err)
	}
	if code := res.Topics[0].ErrorCode; code != 0 {
		r.t.Fatalf("add partitions: error %d", code)
	}
}
