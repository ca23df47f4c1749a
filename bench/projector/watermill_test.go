package main

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/projector"
)

func TestBatcher_endsABatchThatIsFullOrLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := batcher{most: 3, wait: time.Second}
		queue := make(chan *record, 10)
		for range 4 {
			queue <- &record{}
		}
		if got := len(b.collect(queue)); got != 3 {
			t.Errorf("a batch has %d records, want 3", got)
		}
		if got := len(b.collect(queue)); got != 1 {
			t.Errorf("a batch that does not fill has %d records, want 1", got)
		}
		close(queue)
		if got := b.collect(queue); got != nil {
			t.Errorf("a closed queue yields %v, want nothing", got)
		}
	})
}

func TestBatcher_hasMessagesAckedAfterTheCommitUnlessEarly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		queue := make(chan *record, 2)
		if err := (batcher{early: true}).put(ctx, queue, &record{}); err != nil {
			t.Errorf("early: %v", err)
		}
		acked := make(chan error, 1)
		go func() { acked <- batcher{}.put(ctx, queue, &record{}) }()
		synctest.Wait()
		if len(acked) > 0 || len(queue) != 2 {
			t.Fatal("a message is acked before its commit")
		}
		cancel()
		if err := <-acked; !errors.Is(err, context.Canceled) {
			t.Errorf("a message that is never committed: %v, want that the run has ended", err)
		}
	})
}

func TestLatest_hasTheLastOfABatchWin(t *testing.T) {
	t.Parallel()
	l := newLatest()
	scan := func(d events.Data) *record {
		return &record{event: &projector.Event{Event: events.New("bench", "s", "1", "ship-1", d)}}
	}
	created := &events.ShipmentCreated{Direction: events.Outbound, Contents: []events.Content{{OrderID: "o-1"}, {OrderID: "o-1"}, {OrderID: "o-2"}}}
	for _, d := range []events.Data{created, &events.Delivered{}, &events.PickedUp{}} {
		l.take(scan(d))
	}
	s := l.ships["ship-1"]
	if s == nil || s.status != "picked_up" || s.events != 3 || s.pass != "shipped" || !slices.Equal(s.contents, []string{"o-1", "o-2"}) {
		t.Errorf("the shipment is %+v, want it picked up and shipped, because that came last", s)
	}
}
