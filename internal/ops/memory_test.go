package ops_test

import (
	"math"
	"runtime/debug"
	"testing"

	"github.com/waybill-io/waybill/internal/ops"
)

func TestMemoryIsLimitedUnlessTheEnvironmentSaysOtherwise(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetMemoryLimit(before) })
	gc := debug.SetGCPercent(100)
	t.Cleanup(func() { debug.SetGCPercent(gc) })
	for _, tt := range []struct {
		name, limit, percent string
		wantLimit            int64
		wantPercent          int
	}{
		{"nothing said", "", "", 1 << 30, 300},
		{"a limit", "2GiB", "", math.MaxInt64, 300},
		{"a percentage", "", "50", 1 << 30, 100},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("GOMEMLIMIT", tt.limit)
			t.Setenv("GOGC", tt.percent)
			debug.SetMemoryLimit(math.MaxInt64)
			debug.SetGCPercent(100)
			ops.LimitMemory(1 << 30)
			if got := debug.SetMemoryLimit(-1); got != tt.wantLimit {
				t.Errorf("the limit is %d, want %d", got, tt.wantLimit)
			}
			if got := debug.SetGCPercent(100); got != tt.wantPercent {
				t.Errorf("the percentage is %d, want %d", got, tt.wantPercent)
			}
		})
	}
}

func TestMemoryIsSparedUnlessTheEnvironmentSaysOtherwise(t *testing.T) {
	gc := debug.SetGCPercent(100)
	t.Cleanup(func() { debug.SetGCPercent(gc) })
	for percent, want := range map[string]int{"": 15, "70": 100} {
		t.Setenv("GOGC", percent)
		debug.SetGCPercent(100)
		ops.SpareMemory()
		if got := debug.SetGCPercent(100); got != want {
			t.Errorf("with GOGC=%q the percentage is %d, want %d", percent, got, want)
		}
	}
}
