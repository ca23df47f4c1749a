package main

import (
	"testing"

	"github.com/waybill-io/waybill/internal/projector"
)

func TestDump_countsMissingExtraAndDifferentRows(t *testing.T) {
	t.Parallel()
	truth := dump{"orders": {1: 1, 2: 2, 3: 1}, "parcels": {7: 1}}
	for _, tt := range []struct {
		name string
		have dump
		want int
	}{
		{"the same", dump{"orders": {1: 1, 2: 2, 3: 1}, "parcels": {7: 1}}, 0},
		{"one is missing", dump{"orders": {1: 1, 2: 1, 3: 1}, "parcels": {7: 1}}, 1},
		{"one is too many", dump{"orders": {1: 1, 2: 2, 3: 1}, "parcels": {7: 2}}, 1},
		{"one differs", dump{"orders": {1: 1, 2: 2, 4: 1}, "parcels": {7: 1}}, 1},
		{"a table is empty", dump{"orders": {1: 1, 2: 2, 3: 1}}, 1},
	} {
		if got, detail := tt.have.wrong(truth); got != tt.want {
			t.Errorf("%s: %d rows are wrong (%s), want %d", tt.name, got, detail, tt.want)
		}
	}
}

func TestBatches_areCutWhereThePipelineCut(t *testing.T) {
	t.Parallel()
	a, b := projector.Partition{Topic: "t", ID: 0}, projector.Partition{Topic: "t", ID: 1}
	h := &history{parts: []projector.Partition{a, b}, events: map[projector.Partition][]projector.Event{}}
	for _, p := range h.parts {
		for offset := range int64(4) {
			h.events[p] = append(h.events[p], projector.Event{Record: &projector.Record{Partition: p, Offset: offset}})
		}
	}
	cuts := []cut{{{"t", 0, 0, 1}}, {{"t", 1, 0, 4}}, {{"t", 0, 1, 4}}}
	queues := h.batches(cuts, 2, map[projector.Partition]projector.Claim{a: {Epoch: 5}, b: {Epoch: 6}})
	if len(queues[0]) != 2 || len(queues[1]) != 1 {
		t.Fatalf("workers have %d and %d batches, want 2 and 1", len(queues[0]), len(queues[1]))
	}
	got := queues[0][1]
	if len(got.Events) != 3 || got.Events[0].Record.Offset != 1 {
		t.Errorf("the second batch of worker 0 holds %d events, want offsets 1 to 3", len(got.Events))
	}
	if m := got.Advances[0]; m.Epoch != 5 || m.From != 1 || m.To != 4 || m.LastSeen != 3 {
		t.Errorf("it moves %+v, want epoch 5 from 1 to 4", m)
	}
}
