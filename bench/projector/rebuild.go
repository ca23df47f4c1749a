package main

import (
	"context"
	"time"

	"github.com/waybill-io/waybill/internal/readmodel"
)

// rebuild fills another version of what the pipeline has written, compares both
// and swaps them. Its rate is that of the fill.
func rebuild(ctx context.Context, j job, begin func()) (figures, error) {
	begin()
	start := time.Now()
	done, err := readmodel.Rebuild(ctx, readmodel.RebuildConfig{URL: j.DatabaseURL, Workers: j.Workers})
	return figures{
		Events: int(done.Events), Stored: int(done.Events), Fill: done.FillSeconds, Applying: time.Since(start).Seconds(),
	}, err
}
