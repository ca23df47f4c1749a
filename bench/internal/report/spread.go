package report

import (
	"math"
	"slices"
)

// Spread describes many waits, in milliseconds.
type Spread struct {
	N   int     `json:"n"`
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// SpreadOf sorts waits and describes them, to a tenth of a millisecond.
func SpreadOf(ms []float64) Spread {
	if len(ms) == 0 {
		return Spread{}
	}
	slices.Sort(ms)
	at := func(p float64) float64 {
		return math.Round(ms[min(len(ms)-1, int(p*float64(len(ms))))]*10) / 10
	}
	return Spread{len(ms), at(.5), at(.9), at(.99), at(1)}
}
