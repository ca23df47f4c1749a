package topic_test

import (
	"slices"
	"testing"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"
	"pgregory.net/rapid"

	"github.com/waybill-io/waybill/internal/topic"
)

// logModel is a partition's log, written by some producers at the same time.
type logModel struct {
	batches []entry
	aborted []transaction
	end     int64
}

// entry is a batch; what it reads as is made anew for each walk.
type entry struct {
	base, size int64
	producer   int64
	inside     bool // of a transaction
	control    bool
	abort      bool
	visible    bool // once the log is complete
}

// transaction is one that was aborted: from its first record to its marker.
type transaction struct{ producer, first, marker int64 }

// drawLog writes batches, transactions and markers in any order. Every
// transaction is ended, as it is below the last stable offset.
func drawLog(t *rapid.T) *logModel {
	l := &logModel{}
	open := map[int64][]int{} // producer: its entries in the open transaction
	for range rapid.IntRange(1, 40).Draw(t, "steps") {
		producer := rapid.Int64Range(1, 4).Draw(t, "producer")
		switch rapid.IntRange(0, 4).Draw(t, "what") {
		case 0:
			l.append(entry{producer: -1, size: rapid.Int64Range(1, 3).Draw(t, "size"), visible: true})
		case 1, 2:
			open[producer] = append(open[producer], len(l.batches))
			l.append(entry{producer: producer, inside: true, size: rapid.Int64Range(1, 3).Draw(t, "size")})
		case 3:
			l.finish(producer, open, rapid.Bool().Draw(t, "abort"))
		case 4: // compaction and removed records leave holes
			l.end += rapid.Int64Range(0, 2).Draw(t, "hole")
		}
	}
	for producer := int64(1); producer <= 4; producer++ {
		l.finish(producer, open, rapid.Bool().Draw(t, "abort"))
	}
	return l
}

func (l *logModel) append(e entry) {
	e.base = l.end
	l.end += e.size
	l.batches = append(l.batches, e)
}

// finish ends the producer's transaction, if there is one.
func (l *logModel) finish(producer int64, open map[int64][]int, abort bool) {
	if len(open[producer]) == 0 {
		return
	}
	if abort {
		l.aborted = append(l.aborted, transaction{producer, l.batches[open[producer][0]].base, l.end})
	}
	for _, i := range open[producer] {
		l.batches[i].visible = !abort
	}
	delete(open, producer)
	l.append(entry{producer: producer, inside: true, control: true, abort: abort, size: 1})
}

// fetch is the broker: whole batches from the one that holds the offset, and the
// aborted transactions that reach into them.
func (l *logModel) fetch(from int64, most int) ([]fetch.ResponseTransaction, []protocol.RecordReader) {
	var readers []protocol.RecordReader
	last := from
	for _, e := range l.batches {
		if e.base+e.size > from && len(readers) < most {
			readers = append(readers, e.reader())
			last = e.base + e.size
		}
	}
	var aborted []fetch.ResponseTransaction
	for _, tx := range l.aborted {
		if tx.marker >= from && tx.first < last {
			aborted = append(aborted, fetch.ResponseTransaction{ProducerID: tx.producer, FirstOffset: tx.first})
		}
	}
	return aborted, readers
}

func (e entry) reader() protocol.RecordReader {
	if e.control {
		marker := protocol.ControlRecord{Offset: e.base, Type: 1}
		if e.abort {
			marker.Type = 0
		}
		b := protocol.NewControlBatch(marker)
		b.BaseOffset, b.ProducerID, b.Attributes = e.base, e.producer, protocol.Transactional|protocol.Control
		return b
	}
	records := make([]protocol.Record, e.size)
	for i := range records {
		records[i] = protocol.Record{Offset: e.base + int64(i), Value: protocol.NewBytes([]byte("v"))}
	}
	b := &protocol.RecordBatch{BaseOffset: e.base, ProducerID: e.producer, Records: protocol.NewRecordReader(records...)}
	if e.inside {
		b.Attributes = protocol.Transactional
	}
	return b
}

// visible lists the offsets from the given one that a consumer may see.
func (l *logModel) visible(from int64) []int64 {
	var out []int64
	for _, e := range l.batches {
		for o := e.base; o < e.base+e.size; o++ {
			if e.visible && o >= from {
				out = append(out, o)
			}
		}
	}
	return out
}

// Wherever a reader begins and however the log is cut into answers, it sees
// exactly the committed records, in order.
func TestAWalkSeesExactlyWhatIsCommitted(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := drawLog(t)
		from := rapid.Int64Range(0, l.end).Draw(t, "from")
		want := l.visible(from)
		var got []int64
		for at := from; ; {
			aborted, batches := l.fetch(at, rapid.IntRange(1, 5).Draw(t, "batches"))
			if len(batches) == 0 {
				break
			}
			offsets, next, err := topic.Walk(at, aborted, batches...)
			if err != nil {
				t.Fatal(err)
			}
			if next <= at {
				t.Fatalf("stands at %d", at)
			}
			got, at = append(got, offsets...), next
		}
		if !slices.Equal(got, want) {
			t.Errorf("from %d:\ngot  %v\nwant %v\naborted %v", from, got, want, l.aborted)
		}
	})
}
