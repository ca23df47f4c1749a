package ingest

import (
	"context"
	"io"
	"iter"

	"github.com/waybill-io/waybill/events"
)

// Publisher writes events to the log.
type Publisher interface {
	// Publish returns nil once every event is in the log on enough brokers. It
	// tries again, with the same ids, until ctx ends; then its error says how
	// many events are known to be written. The others may be written or not:
	// publishing them again has no further effect.
	Publish(ctx context.Context, batch []events.Event) error
}

// Outcome is what the error of a [Publisher] may tell of its batch: how many
// events are in the log, how many may be, and how many are not. Without it, all
// of them may be.
type Outcome interface {
	error
	Outcome() (acked, unknown, unsent int)
}

// Format turns a foreign file into events.
type Format interface {
	// Records yields what r holds, in order. Problems of one record are in the
	// record; an error ends the file and is a [*DataError] where the content is
	// to blame.
	Records(r io.Reader) iter.Seq2[Record, error]
}

// Record is one unit of a file: a line, or a message of several.
type Record struct {
	Line     int            // where it begins, from 1
	Raw      []byte         // as it stands in the file, valid until the next record
	Head     []byte         // what has to stand before it in a file of its own, such as the names of columns
	Events   []events.Event // in the order in which they are to be published
	Problems []Problem      // why it is refused; Events is empty then
}
