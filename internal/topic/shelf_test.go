package topic_test

import (
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go/protocol"
	"pgregory.net/rapid"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/topic"
)

// drawBytes draws bytes that are often those of the record before, nothing, or
// more than fit beside others.
func drawBytes(t *rapid.T, name string) []byte {
	few := rapid.SampledFrom([][]byte{nil, {}, []byte("a"), []byte("urn:acme:wms-1"), []byte("1.0")})
	long := rapid.Map(rapid.IntRange(0, 40_000), func(n int) []byte { return slices.Repeat([]byte{byte(n)}, n) })
	return rapid.OneOf(few, few, few, long).Draw(t, name)
}

// Whatever the records before it were like, a record is copied as it is, and not
// changed by what comes behind it or by the memory that it came in.
func TestRecordsAreCopiedAsTheyAre(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var want []events.Message
		var in []protocol.Record
		var lent [][]byte
		lend := func(b []byte) []byte {
			if b == nil {
				return nil
			}
			lent = append(lent, append([]byte{}, b...))
			return lent[len(lent)-1]
		}
		for range rapid.IntRange(1, 12).Draw(t, "records") {
			m := events.Message{Key: drawBytes(t, "key"), Value: drawBytes(t, "value")}
			r := protocol.Record{Key: protocol.NewBytes(lend(m.Key)), Value: protocol.NewBytes(lend(m.Value))}
			for range rapid.IntRange(0, 4).Draw(t, "headers") {
				h := events.Header{Key: rapid.SampledFrom([]string{"", "ce_id", "ce_type"}).Draw(t, "header"), Value: drawBytes(t, "text")}
				m.Headers = append(m.Headers, h)
				r.Headers = append(r.Headers, protocol.Header{Key: h.Key, Value: lend(h.Value)})
			}
			want, in = append(want, m), append(in, r)
		}
		got, err := topic.Shelve(in)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range lent {
			clear(b)
		}
		if !reflect.DeepEqual(want, got) { // cmp looks at bytes one by one
			t.Errorf("messages (-want +got):\n%s", cmp.Diff(want, got))
		}
	})
}
