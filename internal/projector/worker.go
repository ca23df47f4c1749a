package projector

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/waybill-io/waybill/internal/fault"
)

// worker applies the batches of some partitions.
type worker struct {
	*Projector
	session Session
	feed    Feed
	claims  map[Partition]owned
	hinted  time.Time
	poison  map[Partition]*flood
	parked  map[Partition]map[string]int64 // keys, and the offsets of the dead letters that they wait for
}

func (p *Projector) newWorker(s Session, claims map[Partition]owned) *worker {
	w := &worker{Projector: p, session: s, claims: claims, poison: map[Partition]*flood{}, parked: map[Partition]map[string]int64{}}
	for part, c := range claims {
		w.parked[part] = maps.Clone(c.Parked)
	}
	return w
}

// run applies batches until ctx ends. A partition that has to be halted is left
// out, and the others go on. Any other error ends the generation.
func (w *worker) run(ctx context.Context) error {
	for len(w.claims) > 0 {
		err := w.follow(ctx)
		halt, halted := errors.AsType[*HaltError](err)
		switch {
		case halted:
			w.halt(halt, w.claims[halt.Partition].Claim)
			delete(w.claims, halt.Partition)
			w.report()
		case !errors.Is(err, errReopen):
			w.tellFence(err)
			return err
		}
	}
	return nil
}

// follow applies what one feed brings.
func (w *worker) follow(ctx context.Context) error {
	if err := w.approach(ctx); err != nil {
		return w.haltOn(err)
	}
	fetching, stop := context.WithCancel(ctx)
	defer stop()
	from := make(map[Partition]int64, len(w.claims))
	for part, c := range w.claims {
		from[part] = c.from()
	}
	w.feed = w.session.Open(fetching, from)
	for {
		g, err := w.gather(ctx)
		if err != nil {
			return w.haltOn(err)
		}
		fault.Point("fetched")
		w.cfg.Metrics.stage(stageGather, time.Since(g.began))
		if err := w.apply(ctx, g); err != nil {
			return err
		}
		w.hint(ctx)
	}
}

// tellFence notes that somebody else owns a partition by now. It is the worker
// that tells: the generation only hears of whoever ended first.
func (w *worker) tellFence(err error) {
	if errors.Is(err, ErrFenced) {
		w.cfg.Metrics.fenced.Inc()
		w.log.Warn("fenced, joining again", "error", err)
	}
}

// gathered is the records of one batch.
type gathered struct {
	records []Record
	next    map[Partition]int64
	bytes   int
	began   time.Time // when the first of them was there
}

// gather waits for records and collects a batch of them.
func (w *worker) gather(ctx context.Context) (*gathered, error) {
	f, err := w.next(ctx)
	if err != nil {
		return nil, err
	}
	g := &gathered{next: map[Partition]int64{}, began: time.Now()}
	wait, cancel := context.WithTimeout(ctx, w.cfg.BatchWait)
	defer cancel()
	for {
		g.grow(len(f.Records), w.cfg.BatchEvents)
		g.add(f)
		if f.AtEnd || len(g.records) >= w.cfg.BatchEvents || g.bytes >= w.cfg.BatchBytes {
			return g, nil
		}
		f, err = w.next(wait)
		if err != nil && ctx.Err() == nil && (errors.Is(err, context.DeadlineExceeded) || cannotGoOn(err)) {
			return g, nil // the feed says the latter again
		}
		if err != nil {
			return nil, err
		}
	}
}

// cannotGoOn reports a feed that has ended, behind all that it yielded.
func cannotGoOn(err error) bool {
	_, outside := errors.AsType[*OutOfRangeError](err)
	_, corrupt := errors.AsType[*CorruptError](err)
	return outside || corrupt
}

// next waits for records that were not applied yet.
func (w *worker) next(ctx context.Context) (Fetched, error) {
	f, err := w.feed.Next(ctx)
	if err != nil {
		return f, err
	}
	return f, w.verify(&f)
}

// grow makes room for a portion. What has one before it is likely to become a
// whole batch.
func (g *gathered) grow(portion, whole int) {
	if n := len(g.records); n > 0 && cap(g.records) < n+portion {
		g.records = slices.Grow(g.records, max(whole-n, 0)+portion)
	}
}

func (g *gathered) add(f Fetched) {
	g.records = append(g.records, f.Records...)
	maps.Copy(g.next, f.Next)
	for i := range f.Records {
		g.bytes += len(f.Records[i].Value)
	}
}

// apply decodes and applies a batch. Once begun it is finished, even when ctx
// ends meanwhile.
func (w *worker) apply(ctx context.Context, g *gathered) error {
	if len(g.next) == 0 {
		return nil
	}
	finish, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(w.cfg.Grace, cancel) })
	defer stop()
	if err := w.probeAll(finish, g); err != nil {
		return err
	}
	return w.applyAll(finish, g)
}

// applyAll decodes what was gathered and applies it, up to a record that halts
// its partition.
func (w *worker) applyAll(ctx context.Context, g *gathered) error {
	if len(g.next) == 0 {
		return nil
	}
	start := time.Now()
	b := w.decode(g)
	w.cfg.Metrics.stage(stageDecode, time.Since(start))
	if halt, at := w.haltsAt(&b); halt != nil {
		g.cut(halt.Partition, at, w.claims[halt.Partition].Next)
		if err := w.applyAll(ctx, g); err != nil {
			return err
		}
		return halt
	}
	b.Advances = w.advances(g)
	if err := w.checkFlood(b, start); err != nil {
		return err
	}
	if err := w.applyBatch(ctx, b); err != nil {
		return err
	}
	w.cfg.Metrics.batch(len(g.records), time.Since(start))
	return nil
}

// advances says how far the batch brings each partition that moved.
func (w *worker) advances(g *gathered) []Advance {
	parts := slices.SortedFunc(maps.Keys(g.next), Partition.compare)
	last := map[Partition]*Record{}
	for i := range g.records {
		last[g.records[i].Partition] = &g.records[i]
	}
	moves := make([]Advance, 0, len(parts))
	for _, part := range parts {
		c := w.claims[part]
		a := Advance{Partition: part, Epoch: c.Epoch, From: c.Next, To: g.next[part], LastSeen: c.LastSeen, LastHash: c.LastHash}
		if r := last[part]; r != nil {
			a.LastSeen, a.LastHash = r.Offset, r.Hash()
		}
		moves = append(moves, a)
	}
	return moves
}

func (p Partition) compare(o Partition) int {
	return cmp.Or(cmp.Compare(p.Topic, o.Topic), cmp.Compare(p.ID, o.ID))
}

// Hash tells a record from another one at the same offset of another log.
func (r *Record) Hash() []byte {
	h := sha256.New()
	h.Write(r.Key)
	h.Write([]byte{0})
	h.Write(r.Value)
	return h.Sum(nil)
}

// applyTrying applies one batch, trying again what passes.
func (w *worker) applyTrying(ctx context.Context, b Batch) error {
	first := true
	err := w.retry(ctx, "apply a batch", func(ctx context.Context) error {
		if !first {
			done, err := w.refresh(ctx, &b)
			if err != nil || done {
				return err
			}
		}
		first = false
		start := time.Now()
		applied, err := w.storeApply(ctx, b)
		if err == nil {
			w.cfg.Metrics.applied(b, applied, time.Since(start))
		}
		return err
	})
	if err != nil {
		return err
	}
	w.moved(b)
	return nil
}

// moved takes the new positions over, and the keys that are parked from now on.
func (w *worker) moved(b Batch) {
	w.park(b)
	for _, a := range b.Advances {
		c := w.claims[a.Partition]
		c.Next, c.LastSeen, c.LastHash = a.To, a.LastSeen, a.LastHash
		w.claims[a.Partition] = c
	}
}

// refresh asks, after a failure, where the partitions stand: whether the commit
// went through although its answer was lost.
func (w *worker) refresh(ctx context.Context, b *Batch) (done bool, err error) {
	parts := make([]Partition, len(b.Advances))
	for i, a := range b.Advances {
		parts[i] = a.Partition
	}
	now, err := w.store.Positions(ctx, parts)
	if err != nil {
		return false, err
	}
	before, after := 0, 0
	for _, a := range b.Advances {
		c := now[a.Partition]
		switch {
		case c.Epoch != a.Epoch:
			return false, ErrFenced
		case c.Next == a.To:
			after++
		case c.Next == a.From:
			before++
		}
	}
	switch len(b.Advances) {
	case after:
		return true, nil
	case before:
		return false, nil
	}
	return false, ErrFenced
}

// hint tells the group how far we are, at most once a second. Nothing depends
// on it.
func (w *worker) hint(ctx context.Context) {
	if time.Since(w.hinted) < time.Second {
		return
	}
	w.hinted = time.Now()
	fault.Point("before_hint")
	next := make(map[Partition]int64, len(w.claims))
	for part, c := range w.claims {
		next[part] = c.Next
	}
	if err := w.session.Hint(ctx, next); err != nil && ctx.Err() == nil {
		w.log.Debug("the group does not take the hint", "error", err)
	}
}
