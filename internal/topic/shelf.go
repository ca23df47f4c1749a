package topic

import (
	"bytes"
	"io"

	"github.com/segmentio/kafka-go/protocol"

	"github.com/waybill-io/waybill/events"
)

// shelf copies records out of the pages that kafka-go reuses, and their headers
// out of the many small pieces that it makes of them: many records to one
// allocation. What a header says like that of the record before is kept once.
type shelf struct {
	bytes   []byte
	headers []events.Header
	last    []events.Header // of the record before
}

// message copies r and releases its pages.
func (s *shelf) message(r *protocol.Record) (events.Message, error) {
	defer release(r)
	key, err := s.copy(r.Key)
	if err != nil {
		return events.Message{}, err
	}
	value, err := s.copy(r.Value)
	if err != nil {
		return events.Message{}, err
	}
	return events.Message{Key: key, Value: value, Headers: s.list(r.Headers), Time: r.Time}, nil
}

func (s *shelf) copy(b protocol.Bytes) ([]byte, error) {
	if b == nil {
		return nil, nil
	}
	n := b.Len()
	out := s.room(n)
	if _, err := io.ReadFull(b, out); err != nil {
		return nil, err
	}
	return out, nil
}

// room cuts n bytes off the slab. What is large gets its own memory.
func (s *shelf) room(n int) []byte {
	const slab = 64 * kib
	if n > slab/4 {
		return make([]byte, n)
	}
	if s.bytes == nil || len(s.bytes) < n { // nothing is something else than none
		s.bytes = make([]byte, slab)
	}
	out := s.bytes[:n:n]
	s.bytes = s.bytes[n:]
	return out
}

func (s *shelf) list(in []protocol.Header) []events.Header {
	const slab = 1024
	if len(in) == 0 {
		return nil
	}
	if len(s.headers) < len(in) {
		s.headers = make([]events.Header, max(slab, len(in)))
	}
	out := s.headers[:len(in):len(in)]
	s.headers = s.headers[len(in):]
	for i, h := range in {
		out[i] = s.header(i, h)
	}
	s.last = out
	return out
}

// header copies the header at index i of its record.
func (s *shelf) header(i int, h protocol.Header) events.Header {
	out := events.Header{Key: h.Key}
	if i < len(s.last) && s.last[i].Key == h.Key {
		if same := s.last[i]; bytes.Equal(same.Value, h.Value) && (same.Value == nil) == (h.Value == nil) {
			return same
		}
		out.Key = s.last[i].Key
	}
	if h.Value != nil {
		out.Value = s.room(len(h.Value))
		copy(out.Value, h.Value)
	}
	return out
}
