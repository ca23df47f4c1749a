package topic

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"

	"github.com/waybill-io/waybill/internal/projector"
)

// walk reads the batches of one partition in order and passes on what a
// consumer with isolation read_committed may see.
type walk struct {
	partition projector.Partition
	next      int64 // the first offset wanted; moves on as the walk does
	pending   []fetch.ResponseTransaction
	aborting  map[int64]struct{} // producers inside a transaction that was aborted
	shelf     *shelf
	yield     func(projector.Record)
}

// newWalk begins at offset next. aborted are the aborted transactions that the
// answer names.
func newWalk(p projector.Partition, next int64, aborted []fetch.ResponseTransaction, s *shelf, yield func(projector.Record)) *walk {
	slices.SortFunc(aborted, func(a, b fetch.ResponseTransaction) int { return cmp.Compare(a.FirstOffset, b.FirstOffset) })
	return &walk{partition: p, next: next, pending: aborted, aborting: map[int64]struct{}{}, shelf: s, yield: yield}
}

// records walks all batches of the set.
func (w *walk) records(set protocol.RecordSet) error {
	if set.Records == nil {
		return nil
	}
	batches := []protocol.RecordReader{set.Records}
	if stream, ok := set.Records.(*protocol.RecordStream); ok {
		batches = stream.Records
	}
	for _, b := range batches {
		if err := w.batch(b); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) batch(b protocol.RecordReader) error {
	switch b := b.(type) {
	case *protocol.ControlBatch:
		return w.control(b)
	case *protocol.RecordBatch:
		w.begin(b.BaseOffset)
		_, aborted := w.aborting[b.ProducerID]
		return w.data(b, b.BaseOffset, aborted && b.Attributes.Transactional())
	default: // a format older than transactions
		return w.data(b, w.next-1, false)
	}
}

// begin enters the aborted transactions that have begun by offset.
func (w *walk) begin(offset int64) {
	for len(w.pending) > 0 && w.pending[0].FirstOffset <= offset {
		w.aborting[w.pending[0].ProducerID] = struct{}{}
		w.pending = w.pending[1:]
	}
}

// control reads a marker; an abort ends its producer's transaction, which is
// entered first: an answer may begin at the marker, and what is not entered now
// would be entered with the producer's next transaction.
func (w *walk) control(b *protocol.ControlBatch) error {
	const abort = 0
	w.begin(b.BaseOffset)
	w.past(b.BaseOffset)
	for {
		r, err := b.ReadRecord()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read marker: %w", err)
		}
		w.past(r.Offset)
		marker, err := protocol.ReadControlRecord(r)
		if err != nil {
			return fmt.Errorf("read marker: %w", err)
		}
		if marker.Type == abort {
			delete(w.aborting, b.ProducerID)
		}
	}
}

// data reads a batch of records, which has at least one offset even when it has
// no record any more.
func (w *walk) data(b protocol.RecordReader, base int64, skip bool) error {
	wanted := w.next
	w.past(base)
	for {
		r, err := b.ReadRecord()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read record: %w", err)
		}
		w.past(r.Offset)
		if skip || r.Offset < wanted {
			release(r)
			continue
		}
		m, err := w.shelf.message(r)
		if err != nil {
			return fmt.Errorf("read record %d: %w", r.Offset, err)
		}
		w.yield(projector.Record{Partition: w.partition, Offset: r.Offset, Message: m})
	}
}

// past moves on behind offset.
func (w *walk) past(offset int64) { w.next = max(w.next, offset+1) }

func release(r *protocol.Record) {
	if r.Key != nil {
		_ = r.Key.Close()
	}
	if r.Value != nil {
		_ = r.Value.Close()
	}
}
