package topic_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/waybill-io/waybill/internal/projector"
)

func TestAbortedRecordsAndMarkersNeverComeOut(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	var want []string
	one, two := r.transactional(), r.transactional()
	plain := franz(t, r.brokers, kgo.DefaultProduceTopic(r.names.Orders), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	for i := range 12 {
		commitOne, commitTwo := kgo.TransactionEndTry(i%3 != 0), kgo.TransactionEndTry(i%4 != 1)
		begin(t, one)
		begin(t, two)
		for j := range 3 { // the transactions of two producers lie between each other
			name := fmt.Sprintf("%d.%d", i, j)
			produce(t, one, "one-"+name)
			produce(t, plain, "plain-"+name)
			produce(t, two, "two-"+name)
			want = appendIf(want, bool(commitOne), "one-"+name)
			want = append(want, "plain-"+name)
			want = appendIf(want, bool(commitTwo), "two-"+name)
		}
		end(t, one, commitOne)
		end(t, two, commitTwo)
	}

	ctx, s := r.session()
	got := read(t, s.Open(ctx, fromStart(s)), len(want))
	if names := values(got); !slices.Equal(names, want) {
		t.Errorf("got  %v\nwant %v", names, want)
	}
	fromTheMiddle(ctx, t, s, got)
}

// fromTheMiddle reads again from every offset: a fetch may begin inside of a
// transaction.
func fromTheMiddle(ctx context.Context, t *testing.T, s projector.Session, all []projector.Record) {
	t.Helper()
	p := all[0].Partition
	bounds, err := s.Bounds(t.Context(), []projector.Partition{p})
	if err != nil {
		t.Fatal(err)
	}
	for from := range bounds[p].End {
		rest := slices.DeleteFunc(slices.Clone(all), func(r projector.Record) bool { return r.Offset < from })
		if len(rest) == 0 {
			break
		}
		got := read(t, s.Open(ctx, map[projector.Partition]int64{p: from}), len(rest))
		if !slices.Equal(values(got), values(rest)) {
			t.Errorf("from %d: got %v, want %v", from, values(got), values(rest))
		}
	}
}

func TestMarkersAtTheEndAreBehindTheNextPosition(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	c := r.transactional()
	begin(t, c)
	produce(t, c, "a")
	end(t, c, kgo.TryCommit)
	begin(t, c)
	produce(t, c, "b")
	end(t, c, kgo.TryAbort)

	ctx, s := r.session()
	p := projector.Partition{Topic: r.names.Orders}
	bounds, err := s.Bounds(t.Context(), []projector.Partition{p})
	if err != nil {
		t.Fatal(err)
	}
	if want := (projector.Bounds{Start: 0, End: 4}); bounds[p] != want {
		t.Errorf("bounds = %v, want %v", bounds[p], want)
	}
	f := s.Open(ctx, fromStart(s))
	for next := int64(0); next < bounds[p].End; {
		got, err := f.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		next = got.Next[p]
	}
}

func TestAnOpenTransactionIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	plain := franz(t, r.brokers, kgo.DefaultProduceTopic(r.names.Orders))
	produce(t, plain, "before")
	c := r.transactional()
	begin(t, c)
	produce(t, c, "inside")

	ctx, s := r.session()
	f := s.Open(ctx, fromStart(s))
	if got := values(read(t, f, 1)); got[0] != "before" { // read waits for AtEnd too
		t.Errorf("got %v", got)
	}
	end(t, c, kgo.TryCommit)
	if got := values(read(t, f, 1)); got[0] != "inside" {
		t.Errorf("got %v", got)
	}
}

// transactional returns a producer into the orders' topic with transactions.
func (r *rig) transactional() *kgo.Client {
	r.t.Helper()
	return franz(r.t, r.brokers, kgo.TransactionalID(freshName()), kgo.DefaultProduceTopic(r.names.Orders),
		kgo.RecordPartitioner(kgo.ManualPartitioner()))
}

func begin(t *testing.T, c *kgo.Client) {
	t.Helper()
	if err := c.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
}

func produce(t *testing.T, c *kgo.Client, value string) {
	t.Helper()
	if err := c.ProduceSync(t.Context(), kgo.StringRecord(value)).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

func end(t *testing.T, c *kgo.Client, how kgo.TransactionEndTry) {
	t.Helper()
	if err := c.EndTransaction(t.Context(), how); err != nil {
		t.Fatal(err)
	}
}

func appendIf(list []string, yes bool, s string) []string {
	if yes {
		return append(list, s)
	}
	return list
}

func values(records []projector.Record) []string {
	out := make([]string, len(records))
	for i, r := range records {
		out[i] = strings.Clone(string(r.Value))
	}
	return out
}
