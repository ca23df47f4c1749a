package fanout_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"pgregory.net/rapid"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/fanout"
)

// What the generator draws from: few values, so that filters often match.
var (
	drawStatuses = []string{"created", "in_transit", "delivered", "lost"}
	drawCarriers = []string{"UPS", "DHL", ""}
	drawNumbers  = []string{"1Z1", "1Z2", "JD01", "JD02"}
	drawLons     = []float64{-180, -170, -10, 0, 4.35, 10, 170, 180}
	drawLats     = []float64{-90, -10, 0, 50.85, 90}
	drawEpoch    = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
)

// drawTime draws one of few moments, some a microsecond apart, zero among them.
func drawTime(t *rapid.T, label string) time.Time {
	n := rapid.IntRange(-1, 5).Draw(t, label)
	if n < 0 {
		return time.Time{}
	}
	return drawEpoch.Add(time.Duration(n/2)*time.Hour + time.Duration(n%2)*time.Microsecond)
}

func drawShipment(t *rapid.T) *fanout.ShipmentRow {
	row := &fanout.ShipmentRow{
		ID:         events.ShipmentID(fmt.Sprint("S-", rapid.IntRange(0, 9).Draw(t, "id"))),
		Status:     rapid.SampledFrom(drawStatuses).Draw(t, "status"),
		Carrier:    events.SCAC(rapid.SampledFrom(drawCarriers).Draw(t, "carrier")),
		Parcels:    rapid.IntRange(0, 4).Draw(t, "parcels"),
		ETA:        drawTime(t, "eta"),
		PromiseEnd: drawTime(t, "promise"),
		Late:       rapid.Bool().Draw(t, "late"),
	}
	for _, n := range rapid.SliceOfNDistinct(rapid.SampledFrom(drawNumbers), 0, 2, rapid.ID).Draw(t, "numbers") {
		row.Numbers = append(row.Numbers, events.TrackingNumber(n))
	}
	if rapid.Bool().Draw(t, "seen") {
		row.Pos = &[2]float64{rapid.SampledFrom(drawLons).Draw(t, "lon"), rapid.SampledFrom(drawLats).Draw(t, "lat")}
	}
	return row
}

// want is a filter and what it means, made side by side.
type want struct {
	text  any
	match func(*fanout.ShipmentRow) bool
}

func condition(field, op string, v any, match func(*fanout.ShipmentRow) bool) want {
	return want{map[string]any{"f": field, "op": op, "v": v}, match}
}

func drawFilter(t *rapid.T, depth int) want {
	kind := rapid.IntRange(0, 4).Draw(t, "kind")
	if depth == 0 || kind < 2 {
		return drawCondition(t)
	}
	if kind == 2 {
		inner := drawFilter(t, depth-1)
		return want{map[string]any{"not": inner.text}, func(r *fanout.ShipmentRow) bool { return !inner.match(r) }}
	}
	a, b := drawFilter(t, depth-1), drawFilter(t, depth-1)
	if kind == 3 {
		return want{map[string]any{"and": []any{a.text, b.text}}, func(r *fanout.ShipmentRow) bool { return a.match(r) && b.match(r) }}
	}
	return want{map[string]any{"or": []any{a.text, b.text}}, func(r *fanout.ShipmentRow) bool { return a.match(r) || b.match(r) }}
}

func drawCondition(t *rapid.T) want {
	switch rapid.IntRange(0, 8).Draw(t, "condition") {
	case 0:
		vs := rapid.SliceOfN(rapid.SampledFrom(drawStatuses), 1, 3).Draw(t, "statuses")
		return condition("status", "in", vs, func(r *fanout.ShipmentRow) bool { return slices.Contains(vs, r.Status) })
	case 1:
		v := rapid.SampledFrom([]string{"UPS", "DHL"}).Draw(t, "carrier")
		return condition("carrier", "eq", v, func(r *fanout.ShipmentRow) bool { return string(r.Carrier) == v })
	case 2:
		v := fmt.Sprint("S-", rapid.IntRange(0, 9).Draw(t, "id"))
		return condition("id", "eq", v, func(r *fanout.ShipmentRow) bool { return string(r.ID) == v })
	case 3:
		vs := rapid.SliceOfN(rapid.SampledFrom(drawNumbers), 1, 2).Draw(t, "numbers")
		return condition("numbers", "in", vs, func(r *fanout.ShipmentRow) bool {
			return slices.ContainsFunc(r.Numbers, func(n events.TrackingNumber) bool { return slices.Contains(vs, string(n)) })
		})
	case 4:
		v := rapid.SampledFrom([]string{"1Z", "JD", "1Z2"}).Draw(t, "prefix")
		return condition("numbers", "prefix", v, func(r *fanout.ShipmentRow) bool {
			return slices.ContainsFunc(r.Numbers, func(n events.TrackingNumber) bool { return strings.HasPrefix(string(n), v) })
		})
	case 5:
		v := rapid.Bool().Draw(t, "late")
		return condition("late", "eq", v, func(r *fanout.ShipmentRow) bool { return r.Late == v })
	case 6:
		return drawTimes(t)
	case 7:
		return drawBox(t)
	}
	vs := rapid.SliceOfN(rapid.IntRange(0, 4), 1, 3).Draw(t, "counts")
	if rapid.Bool().Draw(t, "range") {
		lo, hi := slices.Min(vs), slices.Max(vs)+1
		return condition("parcels", "range", map[string]any{"gte": lo, "lt": hi}, func(r *fanout.ShipmentRow) bool { return lo <= r.Parcels && r.Parcels < hi })
	}
	return condition("parcels", "in", vs, func(r *fanout.ShipmentRow) bool { return slices.Contains(vs, r.Parcels) })
}

// drawTimes is a range of times in any zone, which may have only one end.
func drawTimes(t *rapid.T) want {
	zone := time.FixedZone("", rapid.IntRange(-12, 14).Draw(t, "zone")*3600)
	lo := drawEpoch.Add(time.Duration(rapid.IntRange(0, 4).Draw(t, "lo")) * 30 * time.Minute)
	hi := lo.Add(time.Duration(1+rapid.IntRange(0, 4).Draw(t, "long")) * time.Microsecond)
	if rapid.Bool().Draw(t, "hours") {
		hi = lo.Add(time.Hour)
	}
	from := rapid.SampledFrom([]string{"gt", "gte", ""}).Draw(t, "from")
	to := rapid.SampledFrom([]string{"lt", "lte", ""}).Draw(t, "to")
	if from == "" && to == "" || from == "gt" && to == "lt" && hi.Sub(lo) == time.Microsecond {
		from = "gte"
	}
	bounds := map[string]any{}
	if from != "" {
		bounds[from] = lo.In(zone)
	}
	if to != "" {
		bounds[to] = hi.In(zone)
	}
	return condition("eta", "range", bounds, func(r *fanout.ShipmentRow) bool {
		above := from == "" || r.ETA.After(lo) || from == "gte" && r.ETA.Equal(lo)
		below := to == "" || r.ETA.Before(hi) || to == "lte" && r.ETA.Equal(hi)
		return !r.ETA.IsZero() && above && below
	})
}

// drawBox says what a box holds by walking east from its west.
func drawBox(t *rapid.T) want {
	lon, lat := rapid.SampledFrom(drawLons), rapid.SampledFrom(drawLats)
	west, east, south, north := lon.Draw(t, "west"), lon.Draw(t, "east"), lat.Draw(t, "south"), lat.Draw(t, "north")
	south, north = min(south, north), max(south, north)
	east360 := func(lon float64) float64 { // degrees east of west
		d := lon - west
		if d < 0 {
			d += 360
		}
		if d == 360 {
			d = 0
		}
		return d
	}
	wide := east360(east)
	if west == -180 && east == 180 {
		wide = 360
	}
	return condition("pos", "bbox", []float64{west, south, east, north}, func(r *fanout.ShipmentRow) bool {
		return r.Pos != nil && south <= r.Pos[1] && r.Pos[1] <= north && east360(r.Pos[0]) <= wide
	})
}

func drawText(t *rapid.T, w want) string {
	text, err := json.Marshal(w.text)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
