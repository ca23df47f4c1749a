package main

import (
	"testing"

	"github.com/waybill-io/waybill/events"
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
			h.events[p] = append(h.events[p], projector.Event{
				Event: events.Event{Data: &events.PickedUp{}}, Record: &projector.Record{Partition: p, Offset: offset},
			})
		}
	}
	h.events[a][2].Data = nil // what is no event
	cuts := []cut{{{"t", 0, 0, 1}}, {{"t", 1, 0, 4}}, {{"t", 0, 1, 4}}}
	queues := h.batches(cuts, 2, map[projector.Partition]projector.Claim{a: {Epoch: 5}, b: {Epoch: 6}})
	if len(queues[0]) != 2 || len(queues[1]) != 1 {
		t.Fatalf("workers have %d and %d batches, want 2 and 1", len(queues[0]), len(queues[1]))
	}
	got := queues[0][1]
	if len(got.Events) != 2 || got.Events[0].Record.Offset != 1 || got.Events[1].Record.Offset != 3 {
		t.Errorf("the second batch of worker 0 holds %d events, want offsets 1 and 3", len(got.Events))
	}
	if len(got.Poison) != 1 || got.Poison[0].Offset != 2 {
		t.Errorf("it has the poison %v, want offset 2", got.Poison)
	}
	if m := got.Advances[0]; m.Epoch != 5 || m.From != 1 || m.To != 4 || m.LastSeen != 3 {
		t.Errorf("it moves %+v, want epoch 5 from 1 to 4", m)
	}
}

func TestDump_doesNotMindRowsThatOverwritingMadeTooMany(t *testing.T) {
	t.Parallel()
	truth := dump{"orders": {1: 1, 2: 1}, "shipments": {7: 1}}
	have := dump{"orders": {1: 1, 3: 1, 4: 1}, "shipments": {7: 1, 8: 1}}
	if got, detail := have.unmet(truth); got != 1 || detail != " orders=1 of 2 shipments=0 of 1" {
		t.Errorf("%d rows are unmet:%s, want the order that is not there", got, detail)
	}
}

func TestStatusOf_takesNoPlanForAFact(t *testing.T) {
	t.Parallel()
	scan := func(class events.Class) *projector.Event {
		d := &events.PickedUp{}
		d.Class = class
		return &projector.Event{Event: events.Event{Data: d}}
	}
	if got := statusOf(scan(events.Actual)); got != "picked_up" {
		t.Errorf("a scan that happened gives %q, want picked_up", got)
	}
	if got := statusOf(scan(events.Planned)); got != "" {
		t.Errorf("a scan that is planned gives %q, want nothing", got)
	}
}

func TestMeter_isDoneWhereEveryPositionIsAtItsEnd(t *testing.T) {
	t.Parallel()
	a, b := projector.Partition{Topic: "t", ID: 0}, projector.Partition{Topic: "t", ID: 1}
	done := 0
	m := &meter{begin: func() {}, done: func() { done++ }}
	m.expect(map[projector.Partition]projector.Bounds{a: {End: 5}, b: {End: 3}})
	m.reached(a, 5) // as a claim after a kill finds it
	m.reached(b, 2)
	if done != 0 {
		t.Fatal("it is done before the last record")
	}
	if m.reached(b, 3); done != 1 {
		t.Error("it is not done after the last record")
	}
}
