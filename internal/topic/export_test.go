package topic

import (
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/projector"
)

// Shelve gives tests what is copied out of the records, in their order.
func Shelve(records []protocol.Record) ([]events.Message, error) {
	var s shelf
	out := make([]events.Message, len(records))
	for i := range records {
		m, err := s.message(&records[i])
		if err != nil {
			return nil, err
		}
		out[i] = m
	}
	return out, nil
}

// Walk gives tests the walk over the batches of one partition: what it yields,
// and where it goes on.
func Walk(from int64, aborted []fetch.ResponseTransaction, batches ...protocol.RecordReader) (offsets []int64, next int64, err error) {
	w := newWalk(projector.Partition{Topic: "t"}, from, aborted, &shelf{}, func(r projector.Record) {
		offsets = append(offsets, r.Offset)
	})
	err = w.records(protocol.RecordSet{Records: &protocol.RecordStream{Records: batches}})
	return offsets, w.next, err
}
