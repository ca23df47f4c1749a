package scenario_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/scenario"
	"github.com/waybill-io/waybill/internal/tracking"
)

// folded is what an order's events come to.
type folded struct {
	shipments map[string]tracking.Shipment
	anomalies map[tracking.Anomaly]int
	unmatched int
	facts     int
}

func fold(t *testing.T, all []events.Event) folded {
	t.Helper()
	f := folded{shipments: map[string]tracking.Shipment{}, anomalies: map[tracking.Anomaly]int{}}
	streams := map[events.Stream][]*tracking.Fact{}
	for _, e := range all {
		hash, err := e.ContentHash()
		if err != nil {
			t.Fatal(err)
		}
		f.facts++
		streams[e.Stream()] = append(streams[e.Stream()], tracking.NewFact(e, hash))
	}
	note := func(marks tracking.Marks) {
		for _, m := range marks {
			for _, a := range m.Anomalies {
				f.anomalies[a]++
			}
			if m.Unmatched {
				f.unmatched++
			}
		}
	}
	assigned := map[events.Stream][]tracking.Assignment{}
	for s, own := range streams {
		if s.Kind == events.ShipmentStream {
			for _, a := range tracking.Assignments(events.ShipmentID(s.ID), own) {
				number := events.TrackingStreamOf(a.Carrier, a.Number)
				assigned[number] = append(assigned[number], a)
			}
		}
	}
	scans := map[events.ShipmentID][]tracking.Scan{}
	for s, own := range streams {
		if s.Kind == events.TrackingStream {
			given, marks := tracking.FoldNumber(own, tracking.Resolve(assigned[s]))
			note(marks)
			for id, its := range given {
				scans[id] = append(scans[id], its...)
			}
		}
	}
	for s, own := range streams {
		if s.Kind == events.ShipmentStream {
			shipment, marks := tracking.FoldShipment(events.ShipmentID(s.ID), own, scans[events.ShipmentID(s.ID)])
			note(marks)
			f.shipments[s.ID] = shipment
		}
	}
	return f
}

// over are the statuses that a shipment does not leave in a finished history.
var over = []tracking.Status{tracking.Delivered, tracking.Returned, tracking.Lost, tracking.Destroyed, tracking.Cancelled}

func TestEveryShipmentIsFoldedToItsEnd(t *testing.T) {
	rates := scenario.DefaultRates()
	rates.DayPrecision = 0 // a day begins before its parcels have numbers
	g := generator(t, scenario.Config{Seed: 21, Rates: rates})
	statuses := map[tracking.Status]int{}
	anomalies := map[tracking.Anomaly]int{}
	facts := 0
	for i := range 800 {
		f := fold(t, g.Order(i))
		facts += f.facts
		for id, s := range f.shipments {
			statuses[s.Status]++
			if !slices.Contains(over, s.Status) || !s.Known {
				t.Errorf("shipment %s of order %d ends as %s", id, i, s.Status)
			}
			if s.OpenExceptions() > 0 {
				t.Errorf("shipment %s of order %d ends with an open exception", id, i)
			}
		}
		for a, n := range f.anomalies {
			anomalies[a] += n
		}
		if f.unmatched > 0 {
			t.Errorf("order %d: %d scans have a number that nobody was given", i, f.unmatched)
		}
	}
	t.Logf("%d facts, %v, %v", facts, statuses, anomalies)
	if got := slices.Sorted(maps.Keys(statuses)); len(got) != len(over) {
		t.Errorf("shipments end as %v, want each of %v", got, over)
	}
	if odd := anomalies[tracking.Regression]; odd == 0 || odd > facts/100 {
		t.Errorf("%d of %d facts are regressions, want a few", odd, facts)
	}
}

func TestACleanHistoryHasNoAnomalies(t *testing.T) {
	g := generator(t, scenario.Config{Seed: 22})
	for i := range 200 {
		if f := fold(t, g.Order(i)); len(f.anomalies) > 0 {
			t.Errorf("order %d: %v", i, f.anomalies)
		}
	}
}
