package topic_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestWhatIsPublishedIsFetchedOnceInOrderPerKey(t *testing.T) {
	t.Parallel()
	r := newRig(t, 4)
	sent := append(orders(600, 37), shipment("s-1"), shipment("s-2"))
	began := time.Now().Truncate(time.Millisecond)
	r.publish(sent...)
	ended := time.Now()

	ctx, s := r.session()
	got := read(t, s.Open(ctx, fromStart(s)), len(sent))

	want := byKey(messages(t, sent...))
	if diff := cmp.Diff(want, byKey(messagesOf(got)), otherTime()); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
	next := map[string]int64{}
	for _, rec := range got {
		if rec.Time.Before(began) || rec.Time.After(ended) {
			t.Errorf("a record's time is %v, published between %v and %v", rec.Time, began, ended)
		}
		if p := rec.Partition.String(); rec.Offset != next[p] {
			t.Fatalf("%s: offset %d, want %d", p, rec.Offset, next[p])
		}
		next[rec.Partition.String()]++
	}
}
