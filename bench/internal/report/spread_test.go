package report_test

import (
	"testing"

	"github.com/waybill-io/waybill/bench/internal/report"
)

func TestSpread_namesTheMiddleAndTheTail(t *testing.T) {
	t.Parallel()
	var ms []float64
	for i := range 1000 {
		ms = append(ms, float64(1000-i))
	}
	if got, want := report.SpreadOf(ms), (report.Spread{N: 1000, P50: 501, P90: 901, P99: 991, Max: 1000}); got != want {
		t.Errorf("spread = %+v, want %+v", got, want)
	}
}
