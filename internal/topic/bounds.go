package topic

import (
	"context"
	"fmt"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/listoffsets"

	"github.com/waybill-io/waybill/internal/projector"
)

// isolation says which records of open transactions count.
type isolation int8

const (
	uncommitted isolation = 0
	committed   isolation = 1
)

// bounds asks the leader of p where its log begins and ends. With committed, the
// end is the last stable offset. kafka-go sends one request for each, so
// partitions are asked one after the other.
func (c *cluster) bounds(ctx context.Context, p projector.Partition, iso isolation) (projector.Bounds, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	ask := func(at int64) listoffsets.RequestPartition {
		return listoffsets.RequestPartition{Partition: p.ID, CurrentLeaderEpoch: -1, Timestamp: at}
	}
	res, err := c.RoundTrip(ctx, c.addr, &listoffsets.Request{
		ReplicaID:      -1,
		IsolationLevel: int8(iso),
		Topics: []listoffsets.RequestTopic{{
			Topic:      p.Topic,
			Partitions: []listoffsets.RequestPartition{ask(kafka.FirstOffset), ask(kafka.LastOffset)},
		}},
	})
	if err != nil {
		return projector.Bounds{}, fmt.Errorf("list offsets of %s: %w", p, err)
	}
	b, err := readBounds(res)
	if err != nil {
		return projector.Bounds{}, fmt.Errorf("list offsets of %s: %w", p, err)
	}
	return b, nil
}

func readBounds(res kafka.Response) (projector.Bounds, error) {
	b := projector.Bounds{Start: -1, End: -1}
	offsets, ok := res.(*listoffsets.Response)
	if !ok {
		return b, fmt.Errorf("unexpected answer %T", res)
	}
	for _, t := range offsets.Topics {
		for _, p := range t.Partitions {
			switch {
			case p.ErrorCode != 0:
				return b, kafka.Error(p.ErrorCode)
			case p.Timestamp == kafka.FirstOffset:
				b.Start = p.Offset
			case p.Timestamp == kafka.LastOffset:
				b.End = p.Offset
			}
		}
	}
	if b.Start < 0 || b.End < 0 {
		return b, fmt.Errorf("incomplete answer: start %d, end %d", b.Start, b.End)
	}
	return b, nil
}
