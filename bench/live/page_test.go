package main

import (
	"slices"
	"testing"
	"time"

	"github.com/waybill-io/waybill/events"
)

// at is a moment of the test, in milliseconds.
func at(ms int) time.Time { return time.UnixMilli(1_000_000 + int64(ms)) }

func TestWaits_countOnlyRowsThatStoodThereWhenTheirEventWasPublished(t *testing.T) {
	t.Parallel()
	l := newLedger()
	for _, ms := range []int{0, 100, 200, 300} {
		l.note([]events.Event{{Subject: "S-1", Data: &events.Position{}}}, told{at(ms), ms > 0})
	}
	ms, left := waits(l, []sighting{
		{"S-1", 2, at(150)},  // it comes into view: its first two events are not waited for
		{"S-1", 3, at(240)},  // 40 ms after its third was published
		{"S-1", -1, at(310)}, // it leaves before its fourth is shown
		{"S-2", 1, at(320)},  // nobody published that
	})
	if want := []float64{40}; !slices.Equal(ms, want) || left != 1 {
		t.Errorf("waits = %v and %d left, want %v and 1", ms, left, want)
	}
}
