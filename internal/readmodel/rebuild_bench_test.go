package readmodel_test

import (
	"flag"
	"testing"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/readmodel"
	"github.com/waybill-io/waybill/internal/scenario"
)

// rebuildOrders is how many histories the benchmark of a rebuild has.
var rebuildOrders = flag.Int("rebuild.orders", 1000, "histories that BenchmarkRebuild fills from, about 17 events each")

func BenchmarkRebuild(b *testing.B) {
	r := newRig(b)
	var batch []events.Event
	for i := range *rebuildOrders {
		if batch = append(batch, scenario.Order(9, i)...); len(batch) >= 5000 {
			r.apply(b, batch)
			batch = nil
		}
	}
	r.apply(b, batch)
	b.ResetTimer()
	var did, seconds float64
	for b.Loop() {
		done, err := readmodel.Rebuild(b.Context(), readmodel.RebuildConfig{URL: r.url})
		if err != nil {
			b.Fatal(err)
		}
		did, seconds = did+float64(done.Events), seconds+done.FillSeconds
		b.Logf("%+v", done)
		if _, err := readmodel.DropOld(b.Context(), r.url); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(did/seconds, "events/s")
}
