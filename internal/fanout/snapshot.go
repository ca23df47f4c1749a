package fanout

import (
	"context"
	"fmt"
	"time"
)

// snapshot is what a group's filter wants at one moment, encoded once for all
// who asked. It does not change.
type snapshot struct {
	at    Position
	ids   map[string]struct{}
	pages [][]byte // rows joined by commas; at least one page
}

// frame is one page for one subscription; i counts from 0.
func (s *snapshot) frame(sid int64, i int) frame {
	return snapFrame(sid, s.at.Epoch, i+1, s.pages[i], i+1 < len(s.pages))
}

// flight is a snapshot that is being read, for all subscriptions of a group that
// have asked so far. It belongs to the hub's lock.
type flight struct {
	shared
	waiters []*sub
}

// fly starts or joins the snapshot that s needs. The hub's lock is held, and the
// caller is the loop.
func (h *Hub) fly(ctx context.Context, s *sub) {
	s.state = snapshotting
	if f := h.flights[s.shared.key]; f != nil {
		f.waiters = append(f.waiters, s)
		return
	}
	if len(h.flights) >= h.cfg.Snapshots+h.cfg.SnapshotQueue {
		h.drop(s, refuse(Overloaded, "too many snapshots are waiting"))
		return
	}
	f := &flight{shared: s.shared, waiters: []*sub{s}}
	h.flights[f.shared.key] = f
	h.work.Go(func() { h.land(f, h.readSnapshot(ctx, f)) })
}

// landing is how a flight ended.
type landing struct {
	snapshot *snapshot
	err      error
}

// readSnapshot waits for its turn and reads.
func (h *Hub) readSnapshot(ctx context.Context, f *flight) landing {
	select {
	case h.turns <- struct{}{}:
		defer func() { <-h.turns }()
	case <-ctx.Done():
		return landing{err: ctx.Err()}
	}
	ctx, cancel := context.WithTimeout(ctx, h.cfg.SnapshotTimeout)
	defer cancel()
	began := time.Now()
	s, err := h.collect(ctx, f.shared)
	if err != nil {
		h.cfg.Log.Info("snapshot failed", "tenant", f.tenant, "topic", f.topic, "error", err)
		return landing{err: err}
	}
	h.cfg.Meter.Observe(TimeSnapshot, time.Since(began))
	h.cfg.Meter.Count(CountSnapshots, "", 1)
	h.cfg.Meter.Count(CountSnapshotRows, "", len(s.ids))
	return landing{snapshot: s}
}

// collect reads the rows that the filter wants and puts them on pages.
func (h *Hub) collect(ctx context.Context, g shared) (*snapshot, error) {
	s := &snapshot{ids: make(map[string]struct{})}
	var page []byte
	onPage := 0
	q := g.filter.Narrow(Query{Tenant: g.tenant, Topic: g.topic, PageSize: h.cfg.PageRows})
	at, err := h.snapshots.Snapshot(ctx, q, func(rows []Row) error {
		for _, r := range rows {
			if !g.scope.covers(key{r.Topic(), r.Key()}) || !g.filter.Match(r) {
				continue
			}
			if len(s.ids) == h.cfg.Rows {
				return refuse(Limit, "more than %d rows match: narrow the filter", h.cfg.Rows)
			}
			if onPage == h.cfg.PageRows {
				s.pages, page, onPage = append(s.pages, page), nil, 0
			}
			if onPage > 0 {
				page = append(page, ',')
			}
			page, onPage = append(page, g.scope.encode(r)...), onPage+1
			s.ids[r.Key()] = struct{}{}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read snapshot of %s: %w", g.topic, err)
	}
	s.at, s.pages = at, append(s.pages, page)
	return s, nil
}
