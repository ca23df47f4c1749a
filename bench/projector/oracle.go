package main

import (
	"context"

	"github.com/waybill-io/waybill/internal/projector"
	"github.com/waybill-io/waybill/internal/readmodel"
)

// oracleBatch is so large that hardly an order or shipment lies in two batches.
const oracleBatch = 20_000

// oracle writes the read model by a single thread that sees every history whole
// and sorted: it folds, and hardly ever applies one fact to a stored state. The
// other arms must come to the same rows by way of thousands of small steps.
func oracle(ctx context.Context, j job, begin func()) (figures, error) {
	h, err := remember(ctx, j)
	if err != nil {
		return figures{}, err
	}
	store, err := readmodel.OpenStore(ctx, readmodel.Config{URL: j.DatabaseURL, Name: "bench oracle"})
	if err != nil {
		return figures{}, err
	}
	defer store.Close()
	part := projector.Partition{Topic: "oracle"}
	claims, err := store.Claim(ctx, "bench", h.cluster, []projector.Partition{part})
	if err != nil {
		return figures{}, err
	}
	begin()
	return applyAll(ctx, store, [][]projector.Batch{h.whole(part, claims[part].Epoch)})
}

// whole makes large batches of the histories, as if they lay one after the other
// in a single partition.
func (h *history) whole(part projector.Partition, epoch int64) []projector.Batch {
	all := h.distinct(h.parts)
	byStream(all)
	var queue []projector.Batch
	for from := 0; from < len(all); from += oracleBatch {
		to := min(from+oracleBatch, len(all))
		b := projector.Batch{Advances: []projector.Advance{{Partition: part, Epoch: epoch, From: int64(from), To: int64(to), LastSeen: int64(to) - 1}}}
		for i := from; i < to; i++ {
			e := *all[i]
			e.Record = &projector.Record{Partition: part, Offset: int64(i), Message: all[i].Record.Message}
			b.Events = append(b.Events, e)
		}
		queue = append(queue, b)
	}
	return queue
}
