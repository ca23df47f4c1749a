package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/fanout"
)

// feed is a read model in memory, of one tenant and some shipments that change
// in turn. It is a fanout.Feed and fanout.Snapshots.
type feed struct {
	hint      chan struct{}
	snapshots atomic.Int64

	mu   sync.Mutex
	seq  int64
	at   time.Time
	rows [rows]*fanout.ShipmentRow
}

func newFeed() *feed { return &feed{hint: make(chan struct{}, 1)} }

// commit makes the next change.
func (f *feed) commit() {
	f.mu.Lock()
	f.seq++
	f.at = time.Now()
	f.rows[f.seq%rows] = rowAt(f.seq, f.at)
	f.mu.Unlock()
	select {
	case f.hint <- struct{}{}:
	default:
	}
}

// Wait implements [fanout.Feed].
func (f *feed) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-f.hint:
		return nil
	}
}

// Changes implements [fanout.Feed].
func (f *feed) Changes(_ context.Context, after map[events.TenantID]fanout.Position) ([]fanout.Delta, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	at, asked := after[tenant]
	if !asked || at == f.position() {
		return nil, nil
	}
	d := fanout.Delta{Tenant: tenant, To: f.position(), CommittedAt: f.at}
	if at.Epoch != d.To.Epoch {
		return []fanout.Delta{d}, nil
	}
	for seq := at.Seq + 1; seq <= f.seq; seq++ {
		d.Changes = append(d.Changes, fanout.Change{Seq: seq, Topic: fanout.Shipments, ID: string(rowID(seq))})
	}
	for seq := max(at.Seq, f.seq-rows) + 1; seq <= f.seq; seq++ {
		d.Rows = append(d.Rows, f.rows[seq%rows])
	}
	return []fanout.Delta{d}, nil
}

func (f *feed) position() fanout.Position { return fanout.Position{Epoch: "bench", Seq: f.seq} }

// Snapshot implements [fanout.Snapshots].
func (f *feed) Snapshot(_ context.Context, _ fanout.Query, page func([]fanout.Row) error) (fanout.Position, error) {
	f.snapshots.Add(1)
	f.mu.Lock()
	at := f.position()
	var all []fanout.Row
	for _, r := range f.rows {
		if r != nil {
			all = append(all, r)
		}
	}
	f.mu.Unlock()
	return at, page(all)
}
