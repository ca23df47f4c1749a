package ingest

import (
	"errors"
	"io"
	"iter"
	"time"

	"github.com/waybill-io/waybill/events"
)

// NDJSON is the format of CloudEvents in structured mode, one a line.
type NDJSON struct {
	// Now stamps events that do not say when they were ingested. Defaults to
	// time.Now.
	Now func() time.Time
}

// Records yields one record a line.
func (f NDJSON) Records(r io.Reader) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		in := newLines(r)
		for {
			line, bad, err := in.next()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(Record{}, readError(in.n, err))
				return
			}
			if !yield(f.record(in.n, line, bad), nil) {
				return
			}
		}
	}
}

func (f NDJSON) record(n int, line []byte, bad string) Record {
	rec := Record{Line: n, Raw: line}
	if bad != "" {
		rec.Problems = []Problem{{Line: n, Reason: bad}}
		return rec
	}
	e, err := events.Parse(line, stampOf(f.Now))
	if err != nil {
		rec.Problems = []Problem{{Line: n, Reason: err.Error()}}
		return rec
	}
	rec.Events = []events.Event{e}
	return rec
}

// stampOf is when an event is ingested that does not say so.
func stampOf(now func() time.Time) time.Time {
	if now == nil {
		now = time.Now
	}
	return now().UTC().Truncate(time.Microsecond)
}

// readError says where reading a file ended: in its content, or in the way to
// it.
func readError(line int, err error) error {
	if broken, ok := errors.AsType[*encodingError](err); ok {
		return &DataError{Problem: Problem{Line: line, Reason: broken.Error()}}
	}
	return err
}
