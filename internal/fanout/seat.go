package fanout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/waybill-io/waybill/events"
)

// kpiPause is the least time between two readings of the counts, which cost more
// the more rows there are: they take a twentieth of the time at most.
const (
	kpiPause = time.Second
	kpiShare = 20
)

// seat puts s before its board, which is made if there is none.
func (h *Hub) seat(t *tenant, s *sub) {
	b := t.boards[s.key]
	if b == nil {
		b = newBoard(s.shared)
		if b.topic == Alerts && t.at.Epoch != "" {
			b.seen, b.since, b.told = true, t.at.Seq, t.at.Seq
		}
		t.put(b)
	}
	s.board, s.state = b, snapshotting
	if !h.serve(t, b, s, len(b.members) > 0) {
		b.waiting = append(b.waiting, s)
	}
}

// serve makes s live if the board shows enough for it. What it shows although
// something has changed since is enough when it is recent: somebody watches it, or
// it was read just now.
func (h *Hub) serve(t *tenant, b *board, s *sub, recent bool) bool {
	if s.since != nil {
		code, wait := h.refusal(t, b, s)
		switch {
		case wait:
			return false
		case code == "":
			h.resume(t, b, s)
			return true
		}
		h.cfg.Meter.Count(CountResumes, string(code), 1)
		s.conn.reset(s, code, 0)
		s.since = nil
	}
	if !b.seen || b.stale && !recent {
		return false
	}
	at := Position{Epoch: t.at.Epoch, Seq: b.position(t)}
	whole := b.whole(at, h.cfg.PageRows)
	rows := len(whole.ids)
	s.conn.open(s, whole, &liveFrame{T: "live", SID: s.sid, Epoch: at.Epoch, Shape: s.shape, Q: at.Seq, Rows: &rows},
		newBatch(b.topic, at.Seq, at.Seq, time.Time{}, nil))
	b.admit(s)
	return true
}

// refusal names why s does not resume, or that it is to wait for a reading.
func (h *Hub) refusal(t *tenant, b *board, s *sub) (code ResetCode, wait bool) {
	since := s.since.Seq
	switch {
	case s.since.Shape != s.shape:
		return whatDiffers(s.since.Shape, s.shape), false
	case s.since.Epoch != t.at.Epoch || since > t.at.Seq:
		return ResetEpoch, false
	case !b.seen && b.topic == Alerts || since > b.position(t):
		return "", true
	case b.seen && (b.topic == KPIs || since >= b.since && b.knows(since)):
		return "", false
	case b.topic == Alerts && !s.asked && since >= t.low && t.at.Seq-since <= h.cfg.Resume:
		s.asked, b.back = true, min(b.back, since)
		return "", true
	}
	return ResetHistory, false
}

// resume makes s live with what differed since it was away.
func (h *Hub) resume(t *tenant, b *board, s *sub) {
	h.cfg.Meter.Count(CountResumes, "accepted", 1)
	since, q := s.since.Seq, b.position(t)
	s.conn.open(s, nil, &liveFrame{T: "live", SID: s.sid, Epoch: t.at.Epoch, Shape: s.shape, Q: since, Resumed: true},
		newBatch(b.topic, since, q, t.committed, b.missed(since)))
	b.admit(s)
}

func (b *board) admit(s *sub) {
	b.members[s] = struct{}{}
	s.state, s.since, s.tries = live, nil, 0
}

// refresh starts the readings that are due, and returns when the next is.
func (h *Hub) refresh(ctx context.Context, now time.Time) (next time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, t := range h.tenants {
		for _, b := range t.boards {
			if !b.wanted() {
				continue
			}
			if due := b.due(); due.After(now) {
				next = sooner(next, due)
				continue
			}
			b.reading, b.next = true, now.Add(b.interval)
			after := Position{Epoch: t.at.Epoch, Seq: b.from()}
			h.work.Go(func() { h.arrive(t, b, h.readBoard(ctx, b.shared, after)) })
		}
	}
	return next
}

// sooner is the earlier of two times, of which zero is none.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// readBoard waits for its turn and reads.
func (h *Hub) readBoard(ctx context.Context, b shared, after Position) *reading {
	select {
	case h.turns <- struct{}{}:
		defer func() { <-h.turns }()
	case <-ctx.Done():
		return &reading{err: ctx.Err()}
	}
	ctx, cancel := context.WithTimeout(ctx, h.cfg.SnapshotTimeout)
	defer cancel()
	began := time.Now()
	r := &reading{from: after.Seq}
	if b.topic == Alerts {
		r.err = h.readLog(ctx, b, after, r)
	} else {
		r.err = h.readRows(ctx, b, r)
	}
	r.spent = time.Since(began)
	h.cfg.Meter.Observe(TimeRefresh, r.spent)
	return r
}

// readRows reads all rows of a board.
func (h *Hub) readRows(ctx context.Context, b shared, r *reading) error {
	q := Query{Tenant: b.tenant, Topic: b.topic, Of: b.of, PageSize: h.cfg.PageRows}
	at, err := h.snapshots.Snapshot(ctx, q, func(rows []Row) error {
		if len(r.rows)+len(rows) > h.cfg.Rows {
			return refuse(Limit, "it has more than %d entries", h.cfg.Rows)
		}
		for _, row := range rows {
			r.rows = append(r.rows, entry{id: row.Key(), row: encodeRow(row)})
			if e, ok := row.(*EntryRow); ok && e.Stream.Kind == events.ShipmentStream {
				r.about = append(r.about, keyOf(e.Stream))
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read %s: %w", b.topic, err)
	}
	r.at = at
	slices.SortFunc(r.about, func(a, b key) int { return cmp.Compare(a.id, b.id) })
	r.about = slices.Compact(r.about)
	return nil
}

// readLog reads the alerts after a position.
func (h *Hub) readLog(ctx context.Context, b shared, after Position, r *reading) error {
	log, err := h.cfg.Alerts.Alerts(ctx, b.tenant, after)
	if err != nil {
		return fmt.Errorf("read %s: %w", b.topic, err)
	}
	for _, e := range log.Entries {
		if b.filter.Match(e.Row) {
			r.rows = append(r.rows, entry{id: e.Row.Key(), seq: e.Seq, n: 1, row: encodeRow(e.Row)})
		}
	}
	r.at, r.low = log.To, log.Low
	return nil
}

// arrive takes in a reading; the loop puts it on the board once the tenant is as
// far.
func (h *Hub) arrive(t *tenant, b *board, r *reading) {
	h.mu.Lock()
	defer h.mu.Unlock()
	b.reading = false
	if t.boards[b.key] != b {
		return
	}
	if r.err != nil {
		h.stumble(t, b, r.err)
		return
	}
	if b.topic == KPIs {
		b.next = b.next.Add(max(kpiPause, kpiShare*r.spent) - b.interval)
	}
	b.failures, b.fresh = 0, r
	h.arrived = append(h.arrived, b)
	h.nudge()
}

// stumble puts off a board that cannot be read, and gives up in the end: on those
// who wait for it, and on its members when it is the board's own fault. Otherwise
// they go on with what they have, as those of other topics do.
func (h *Hub) stumble(t *tenant, b *board, err error) {
	h.cfg.Log.Info("reading failed", "tenant", b.tenant, "topic", b.topic, "error", err)
	b.failures++
	b.next = time.Now().Add(250 * time.Millisecond << min(b.failures, 4))
	why, final := errors.AsType[*Error](err)
	if b.failures < snapshotTries && !final {
		return
	}
	if !final {
		why = refuse(Internal, "it could not be read")
	}
	for s := range t.subs {
		if s.board == b && (final || s.state != live) {
			h.drop(s, why)
		}
	}
}

// hang puts the readings that have arrived on their boards. The lock is held.
func (h *Hub) hang(now time.Time) {
	arrived := h.arrived
	h.arrived = nil
	for _, b := range arrived {
		t := h.tenants[b.tenant]
		if t == nil || t.boards[b.key] != b {
			continue
		}
		if !h.hangOne(t, b, now) {
			h.arrived = append(h.arrived, b)
		}
	}
}

// hangOne reports false while the tenant is behind the reading.
func (h *Hub) hangOne(t *tenant, b *board, now time.Time) bool {
	r := b.fresh
	if t.at.Epoch == "" {
		t.start(r.at)
	}
	if r.at.Epoch == t.at.Epoch && r.at.Seq > t.at.Seq {
		return false
	}
	b.fresh = nil
	if r.at.Epoch != t.at.Epoch {
		return true // read in another life: it is still wanted
	}
	h.show(t, b, r, now)
	waiting := b.waiting
	b.waiting = nil
	for _, s := range waiting {
		if !h.serve(t, b, s, true) {
			b.waiting = append(b.waiting, s)
		}
	}
	return true
}

// show makes a reading what the board shows, and tells the members.
func (h *Hub) show(t *tenant, b *board, r *reading, now time.Time) {
	lost := b.topic == Alerts && b.seen && r.low > b.at
	if b.topic == Alerts && b.seen && !lost && r.low > r.from {
		b.back = nobody // pruned meanwhile; what members want is read next
		return
	}
	news := b.take(r)
	t.relate(b, r.about)
	if t.changedSince(b, r.at.Seq) {
		b.touch(r.at.Seq)
	}
	switch {
	case lost:
		h.restart(b)
	case len(news) > 0:
		b.tell(b.position(t), t.committed, news, now)
	}
	if len(b.members) == 0 {
		b.told = max(b.told, r.at.Seq)
	}
}

// restart begins anew with all members of a log of which a part is lost.
func (h *Hub) restart(b *board) {
	for s := range b.members {
		delete(b.members, s)
		s.state = snapshotting
		s.conn.reset(s, ResetHistory, 0)
		b.waiting = append(b.waiting, s)
	}
}

// quit takes s off its board. The lock is held.
func (b *board) quit(s *sub) {
	delete(b.members, s)
	if i := slices.Index(b.waiting, s); i >= 0 {
		b.waiting = slices.Delete(b.waiting, i, i+1)
	}
	if len(b.members)+len(b.waiting) == 0 {
		b.idle = time.Now()
	}
}
