package carriers_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/carriers"
)

// latest is the window of the estimate that counts of those that are known since
// the same moment: the one with the greatest id.
func latest(t *testing.T, all []events.Event) *events.Window {
	t.Helper()
	var last events.Event
	for _, e := range all {
		if e.Class() != events.Estimated || !e.RecordedAt.Equal(all[0].RecordedAt) || !e.Time.Equal(all[0].Time) || len(e.ID) > 59 {
			t.Fatalf("%s %s of %v, known at %v, is no estimate known since the same moment, or has a long id", e.Type(), e.ID, e.Time, e.RecordedAt)
		}
		if e.ID >= last.ID {
			last = e
		}
	}
	return last.Data.(*events.ETAChanged).Window
}

// permutations are all orders of some texts.
func permutations(of []string) (all [][]string) {
	if len(of) == 0 {
		return [][]string{nil}
	}
	for i := range of {
		for _, rest := range permutations(slices.Delete(slices.Clone(of), i, i+1)) {
			all = append(all, append([]string{of[i]}, rest...))
		}
	}
	return all
}

// Several days are tried, since a hash of them could be right by chance.
func TestAfterShipsBestEstimateCounts(t *testing.T) {
	p := jsonProfile(t, "aftership")
	for i, d := range permutations([]string{"04", "05", "06", "07"}) {
		if i%5 > 0 {
			continue
		}
		fields := []string{ // from the best one
			`"latest_estimated_delivery":{"datetime":"2026-03-` + d[0] + `"}`,
			`"courier_estimated_delivery_date":{"estimated_delivery_date":"2026-03-` + d[1] + `"}`,
			`"expected_delivery":"2026-03-` + d[2] + `"`,
			`"aftership_estimated_delivery_date":{"estimated_delivery_date":"2026-03-` + d[3] + `"}`,
		}
		for best := range fields {
			for _, order := range permutations(fields[best:]) {
				doc := `{"tracking_number":"A1","slug":"usps","updated_at":"2026-03-01T10:00:00Z",` + strings.Join(order, ",") + `}`
				if got := latest(t, jsonEvents(t, p, doc)).End.Format("02"); got != d[best] {
					t.Fatalf("the estimate for day %s counts, want day %s of %s", got, d[best], doc)
				}
			}
		}
	}
}

func x12Estimates(t *testing.T, p *carriers.Profile, days, clocks []string) *events.Window {
	t.Helper()
	body := "B10*1*2*FRGT~\n"
	for i, day := range days {
		body += fmt.Sprintf("AT7*AG*NS***202603%s*%s~\n", day, clocks[i])
	}
	return latest(t, x12Events(t, p, x12File(body)))
}

func TestX12sMostPreciseEstimateCountsThenTheLastOne(t *testing.T) {
	p := x12Profile(t, "x12-214")
	for i, days := range permutations([]string{"03", "04", "05", "06"}) {
		if i%5 > 0 {
			continue
		}
		for _, clocks := range permutations([]string{"", "", "0915", "1015"}) {
			last := days[max(slices.Index(clocks, "0915"), slices.Index(clocks, "1015"))]
			if got := x12Estimates(t, p, days, clocks).End.Format("02"); got != last {
				t.Errorf("days %s at %q: day %s counts, want %s", days, clocks, got, last)
			}
		}
		if got := x12Estimates(t, p, days, []string{"", "", "", ""}).End.Format("02"); got != days[3] {
			t.Errorf("days %s: day %s counts, want the last one", days, got)
		}
	}
	// Said again, an estimate counts for what was said last.
	if got := x12Estimates(t, p, []string{"03", "04", "03"}, []string{"", "", ""}).End.Format("02"); got != "03" {
		t.Errorf("days 03, 04 and 03 again: day %s counts, want 03", got)
	}
}

func TestX12sEstimateOfALaterTransactionCounts(t *testing.T) {
	for _, days := range permutations([]string{"03", "04", "05"}) {
		var bodies []string
		for _, day := range days {
			bodies = append(bodies, "B10*1*2*FRGT~\nAT7*AG*NS***202603"+day+"~")
		}
		if got := latest(t, x12Events(t, x12Profile(t, "x12-214"), x12File(bodies...))).End.Format("02"); got != days[2] {
			t.Errorf("days %s: day %s counts, want the last one", days, got)
		}
	}
}

func TestAfterShipsSpansAreWindows(t *testing.T) {
	tests := []struct{ field, want string }{
		{`"latest_estimated_delivery":{"type":"range","datetime":null,"datetime_min":"2026-03-05T09:00:00-05:00","datetime_max":"2026-03-05T17:00:00-05:00"}`, "2026-03-05T09:00:00-05:00 2026-03-05T17:00:00-05:00 second 0"},
		{`"courier_estimated_delivery_date":{"estimated_delivery_date":"2026-03-06","estimated_delivery_date_min":"2026-03-05","estimated_delivery_date_max":"2026-03-07"}`, "2026-03-05T00:00:00Z 2026-03-07T00:00:00Z day 0"},
		{`"aftership_estimated_delivery_date":{"estimated_delivery_date":"2026-03-06","confidence_score":0.85}`, "0001-01-01T00:00:00Z 2026-03-06T00:00:00Z day 0.85"},
		{`"aftership_estimated_delivery_date":{"estimated_delivery_date":"2026-03-06","estimated_delivery_date_min":"2026-03-05T10:00:00-05:00"}`, "2026-03-05T00:00:00Z 2026-03-06T00:00:00Z day 0"},
	}
	for _, tt := range tests {
		doc := `{"tracking_number":"A1","slug":"usps","updated_at":"2026-03-01T10:00:00Z",` + tt.field + `}`
		all := jsonEvents(t, jsonProfile(t, "aftership"), doc)
		if len(all) != 1 {
			t.Fatalf("%s: %d events, want one", tt.field, len(all))
		}
		d, w, confidence := all[0].Data.(*events.ETAChanged), all[0].Data.(*events.ETAChanged).Window, 0.0
		if d.Confidence != nil {
			confidence = *d.Confidence
		}
		got := fmt.Sprintf("%s %s %s %v", w.Start.Format(time.RFC3339), w.End.Format(time.RFC3339), w.Precision, confidence)
		if got != tt.want {
			t.Errorf("%s becomes %s, want %s", tt.field, got, tt.want)
		}
	}
}
