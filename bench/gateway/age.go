package main

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/waybill-io/waybill/bench/internal/report"
)

const (
	ageStep = 100 * time.Microsecond
	ageMost = 5 * time.Second
)

// ages counts how old frames were, to a tenth of a millisecond, up to 5 s. It may
// be used from any goroutine.
type ages [ageMost / ageStep]atomic.Int64

func (a *ages) add(d time.Duration) {
	a[min(max(0, d/ageStep), ageMost/ageStep-1)].Add(1)
}

func (a *ages) clear() {
	for i := range a {
		a[i].Store(0)
	}
}

// spread describes what was added.
func (a *ages) spread() report.Spread {
	var s report.Spread
	for i := range a {
		s.N += int(a[i].Load())
	}
	if s.N == 0 {
		return s
	}
	s.P50, s.P90, s.P99, s.Max = a.at(s.N, .5), a.at(s.N, .9), a.at(s.N, .99), a.at(s.N, 1)
	return s
}

// at is below which age a share of n lies, in milliseconds.
func (a *ages) at(n int, share float64) float64 {
	left := int64(math.Ceil(share * float64(n)))
	for i := range a {
		if left -= a[i].Load(); left <= 0 {
			return millis(time.Duration(i+1) * ageStep)
		}
	}
	return millis(ageMost)
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
