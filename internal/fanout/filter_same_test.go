package fanout_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/waybill-io/waybill/internal/fanout"
)

// drawNumeric draws a condition on numbers from 0 to 4.
func drawNumeric(t *rapid.T) string {
	n := rapid.IntRange(0, 4)
	switch rapid.IntRange(0, 2).Draw(t, "op") {
	case 0:
		return fmt.Sprintf(`{"f":"parcels","op":"eq","v":%d}`, n.Draw(t, "v"))
	case 1:
		return fmt.Sprintf(`{"f":"parcels","op":"in","v":[%d,%d.0,%d]}`, n.Draw(t, "v"), n.Draw(t, "w"), n.Draw(t, "x"))
	}
	return fmt.Sprintf(`{"f":"parcels","op":"range","v":{%q:%d,%q:%d}}`, rapid.SampledFrom([]string{"gt", "gte"}).Draw(t, "from"), n.Draw(t, "v"),
		rapid.SampledFrom([]string{"lt", "lte"}).Draw(t, "to"), n.Draw(t, "w"))
}

// drawMoments draws a range of times that are few microseconds, or halves of
// them, apart.
func drawMoments(t *rapid.T) string {
	at := func(label string) string {
		zone := time.FixedZone("", 3600*rapid.IntRange(-12, 12).Draw(t, label+" zone"))
		return drawEpoch.Add(time.Duration(rapid.IntRange(0, 6).Draw(t, label)) * 500 * time.Nanosecond).In(zone).Format(time.RFC3339Nano)
	}
	return fmt.Sprintf(`{"f":"eta","op":"range","v":{%q:%q,%q:%q}}`, rapid.SampledFrom([]string{"gt", "gte"}).Draw(t, "from"), at("v"),
		rapid.SampledFrom([]string{"lt", "lte"}).Draw(t, "to"), at("w"))
}

func drawBoxes(t *rapid.T) string {
	lon, lat := rapid.SampledFrom([]float64{-180, -90, 0, 90, 180}), rapid.SampledFrom([]float64{-1, 0, 1})
	return fmt.Sprintf(`{"f":"pos","op":"bbox","v":[%v,%v,%v,%v]}`, lon.Draw(t, "w"), lat.Draw(t, "s"), lon.Draw(t, "e"), lat.Draw(t, "n"))
}

// everyValue has a row for every number, moment and place that the conditions
// can tell apart, and for those beyond them.
func everyValue() (rows []*fanout.ShipmentRow) {
	for n := -1; n <= 6; n++ {
		rows = append(rows, &fanout.ShipmentRow{Parcels: n, ETA: drawEpoch.Add(time.Duration(n) * time.Microsecond)})
	}
	for lon := -180.0; lon <= 180; lon += 45 {
		for lat := -1.5; lat <= 1.5; lat += 0.5 {
			rows = append(rows, &fanout.ShipmentRow{Pos: &[2]float64{lon, lat}})
		}
	}
	return append(rows, &fanout.ShipmentRow{})
}

// Two conditions on a field are spelt alike exactly when they want the same rows,
// so that groups are shared where they can be and nowhere else.
func TestConditionsAreSpeltAlikeWhenTheyMeanTheSame(t *testing.T) {
	rows := everyValue()
	for name, draw := range map[string]func(*rapid.T) string{"numbers": drawNumeric, "times": drawMoments, "boxes": drawBoxes} {
		t.Run(name, func(t *testing.T) {
			same := 0
			rapid.Check(t, func(t *rapid.T) {
				pairs, spelt := 0, map[string]string{} // what is wanted, by canonical form
				for range 10 {
					text := draw(t)
					f, problem := fanout.ParseFilter(fanout.Shipments, []byte(text))
					if problem != nil {
						continue
					}
					wants := wanted(f, rows)
					if was, ok := spelt[f.Canonical()]; ok && was != wants {
						t.Fatalf("%s wants %s; others of its spelling %s want %s", text, wants, f.Canonical(), was)
					}
					spelt[f.Canonical()] = wants
					pairs++
				}
				meanings := map[string]string{}
				for canon, wants := range spelt {
					if other, ok := meanings[wants]; ok {
						t.Fatalf("%s and %s want the same rows", canon, other)
					}
					meanings[wants] = canon
				}
				same += pairs - len(spelt)
			})
			if same == 0 {
				t.Error("no two conditions mean the same: the test does not reach what it is for")
			}
		})
	}
}

// wanted says of each row whether the filter wants it.
func wanted(f fanout.Filter, rows []*fanout.ShipmentRow) string {
	out := make([]byte, len(rows))
	for i, r := range rows {
		out[i] = '.'
		if f.Match(r) {
			out[i] = 'x'
		}
	}
	return string(out)
}

// Matching is on the path of every change and costs no memory.
func TestMatchingDoesNotAllocate(t *testing.T) {
	row := shipment("S-1", 1, "in_transit")
	row.Numbers, row.ETA, row.Pos = append(row.Numbers, "1Z1"), drawEpoch, &[2]float64{4.35, 50.85}
	for _, text := range []string{
		`{"f":"status","op":"in","v":["in_transit","lost"]}`, `{"f":"numbers","op":"eq","v":"1Z1"}`, `{"f":"numbers","op":"prefix","v":"1Z"}`,
		`{"f":"parcels","op":"in","v":[0,2]}`, `{"f":"late","op":"eq","v":false}`, `{"f":"eta","op":"range","v":{"gte":"2026-03-01T09:00:00Z"}}`,
		`{"not":{"f":"pos","op":"bbox","v":[0,0,1,1]}}`,
	} {
		f := mustFilter(t, fanout.Shipments, text)
		if !f.Match(row) {
			t.Errorf("%s does not match %+v", text, row)
		}
		if n := testing.AllocsPerRun(100, func() { f.Match(row) }); n > 0 {
			t.Errorf("%s: %v allocations to match a row, want 0", text, n)
		}
	}
}
