package main

import "testing"

func TestAFrameHasTheSizeThatFiguresAreGivenFor(t *testing.T) {
	t.Parallel()
	for _, n := range []int64{1, 1000, 1_000_000} {
		if got := len(hubFrame(n)); got < frameBytes-15 || got > frameBytes+15 {
			t.Errorf("frame %d has %d bytes, want about %d", n, got, frameBytes)
		}
	}
}
