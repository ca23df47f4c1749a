package wire_test

import (
	"testing"
	"time"

	"github.com/waybill-io/waybill/cmd/internal/wire"
)

func TestTheOldestWaitingRecordIsKnownByTheLooksSince(t *testing.T) {
	const every = 10 * time.Second
	looks := []struct {
		next, end int64
		records   int64
		waiting   time.Duration
	}{
		{0, 0, 0, 0},
		{0, 5, 5, 0}, // seen for the first time
		{0, 9, 9, every},
		{5, 9, 4, every}, // the five are applied, the four were seen one look ago
		{5, 9, 4, 2 * every},
		{9, 9, 0, 0},
		{9, 12, 3, 0},
		{12, 15, 3, 0}, // moves along: nothing waits from look to look
		{12, 3, 0, 0},  // another log
		{0, 3, 3, 0},
	}
	var b wire.Behind
	now := time.Unix(0, 0)
	for i, l := range looks {
		var records int64
		var waiting time.Duration
		b, records, waiting = wire.Look(b, now, l.next, l.end)
		if records != l.records || waiting != l.waiting {
			t.Errorf("look %d at %d of %d: %d records wait for %v, want %d for %v", i, l.next, l.end, records, waiting, l.records, l.waiting)
		}
		now = now.Add(every)
	}
}

func TestAPartitionThatStandsForLongCostsNoMemory(t *testing.T) {
	var b wire.Behind
	start := time.Unix(0, 0)
	const hours = 24
	for i := range hours * 360 {
		b, _, _ = wire.Look(b, start.Add(time.Duration(i)*10*time.Second), 0, int64(i+1))
	}
	end := start.Add(hours * time.Hour)
	var waiting time.Duration
	if b, _, waiting = wire.Look(b, end, 0, hours*360+1); waiting != hours*time.Hour {
		t.Errorf("the oldest record waits for %v, want %v", waiting, hours*time.Hour)
	}
	// Once it moves, what still waits is about as old as it looks.
	_, _, waiting = wire.Look(b, end, hours*180, hours*360+1)
	if waiting < hours/2*time.Hour-time.Minute || waiting > hours*time.Hour {
		t.Errorf("half of it is applied, and the oldest record waits for %v, want about %v and not less", waiting, hours/2*time.Hour)
	}
	if n := testing.AllocsPerRun(1, func() { wire.Look(b, end, 0, hours*360+1) }); n > 3 {
		t.Errorf("a look makes %v allocations", n)
	}
}
