package topic_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-io/waybill/internal/projector"
	"github.com/waybill-io/waybill/internal/topic"
)

// Whoever asks for next to nothing is sent one batch, whole; whoever asks for more
// is sent several.
func TestPeekReadsOneBatchOrSeveralAndNothingAhead(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	list := orders(9, 1)
	for i := 0; i < len(list); i += 3 { // a batch each: they are written one after the other
		r.publish(list[i : i+3]...)
	}
	l, err := topic.OpenLog(t.Context(), topic.SourceConfig{Brokers: r.brokers, Topics: r.names, Log: logTo(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p := projector.Partition{Topic: r.names.Orders}
	for _, tt := range []struct {
		name string
		at   int64
		most int
		want []int64
	}{
		{"the first batch", 0, 1, []int64{0, 1, 2}},
		{"a batch from its middle on", 4, 1, []int64{4, 5}},
		{"more than one", 1, 1 << 20, []int64{1, 2, 3, 4, 5, 6, 7, 8}},
		{"nothing is there", 9, 1, nil},
	} {
		got, err := l.Peek(t.Context(), p, tt.at, tt.most)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		var offsets []int64
		for _, rec := range got.Records {
			offsets = append(offsets, rec.Offset)
		}
		if diff := cmp.Diff(tt.want, offsets); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
		if next, moved := got.Next[p]; moved != (tt.want != nil) || moved && next != tt.want[len(tt.want)-1]+1 {
			t.Errorf("%s: it goes on at %d, %t", tt.name, next, moved)
		}
	}
	r.deleteRecords(p, 3)
	_, err = l.Peek(t.Context(), p, 1, 1)
	if _, gone := errors.AsType[*projector.OutOfRangeError](err); !gone {
		t.Errorf("Peek of what is gone = %v", err)
	}
}
