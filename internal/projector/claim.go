package projector

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// generation is one stay in the group: the partitions that we hold, by the
// epochs that they were claimed with.
type generation struct {
	*Projector
	session Session
	cluster string
	start   func(map[Partition]owned) // begins a worker

	mu   sync.Mutex
	held map[Partition]int64
}

// claim takes partitions over and leaves out those that must stand still.
func (g *generation) claim(ctx context.Context, parts []Partition) (map[Partition]owned, error) {
	var claims map[Partition]Claim
	err := g.retry(ctx, "claim partitions", func(ctx context.Context) (err error) {
		claims, err = g.store.Claim(ctx, g.cfg.Owner, g.cluster, parts)
		return err
	})
	if err != nil {
		return nil, err
	}
	g.cfg.Metrics.took(claims)
	g.mu.Lock()
	for part, c := range claims {
		g.held[part] = c.Epoch
	}
	g.mu.Unlock()
	var bounds map[Partition]Bounds
	err = g.retry(ctx, "ask for the bounds of the logs", func(ctx context.Context) (err error) {
		bounds, err = g.session.Bounds(ctx, parts)
		return err
	})
	if err != nil {
		return nil, err
	}
	mine := make(map[Partition]owned, len(parts))
	for _, part := range parts {
		if c, ok := g.admit(part, claims[part], bounds[part]); ok {
			mine[part] = c
		}
	}
	return mine, nil
}

// admit checks a claimed partition against its log. What was halted before, for
// whatever reason, and has not been moved since, stays so.
func (g *generation) admit(part Partition, c Claim, b Bounds) (owned, bool) {
	if g.stands(part, c) {
		g.stillStanding(part, c)
		return owned{}, false
	}
	g.unhalt(part)
	if halt := Check(part, c, b, g.cluster); halt != nil {
		g.halt(halt, c)
		return owned{}, false
	}
	return own(c, b), true
}

// stillStanding notes the epoch by which an operator's word will be told.
func (p *Projector) stillStanding(part Partition, c Claim) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.halted[part] = standing{p.halted[part].err, c}
}

// awaitOperator looks now and then whether somebody has moved a halted partition
// on, and then takes it up again. The others are not disturbed by it.
func (g *generation) awaitOperator(ctx context.Context) error {
	tick := time.NewTicker(g.cfg.Recheck)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		moved, err := g.moved(ctx)
		if err != nil {
			g.log.Debug("halted partitions cannot be looked at, trying again", "error", err)
		}
		if len(moved) == 0 {
			continue
		}
		g.unhalt(moved...)
		claims, err := g.claim(ctx, moved)
		if err != nil {
			return err
		}
		if len(claims) > 0 {
			g.log.Info("partitions move on", "partitions", len(claims))
			g.start(claims)
		}
		g.report()
	}
}

// moved returns the halted partitions whose epochs are no longer those that we
// claimed them with.
func (g *generation) moved(ctx context.Context) ([]Partition, error) {
	halted := g.standings()
	if len(halted) == 0 {
		return nil, nil
	}
	parts := slices.SortedFunc(maps.Keys(halted), Partition.compare)
	now, err := g.store.Positions(ctx, parts)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(parts, func(p Partition) bool { return now[p].Epoch == halted[p].Epoch }), nil
}

// patience is how long the store is waited for when all that it is asked is to
// forget.
const patience = 2 * time.Second

// release says that we left in order. When it cannot be said, the next owner
// only takes more care with its first batches.
func (g *generation) release(ctx context.Context) {
	if g.cfg.Attempts == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.cfg.Attempts.Release(ctx, g.held); err != nil {
		g.log.Warn("the partitions cannot be released in order", "error", err)
	}
}

// keep has a partition not be left in order: whoever claims it next is to be as
// careful with it.
func (g *generation) keep(part Partition) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.held, part)
}

// keepUnclean has the partitions not be left in order of which a killed owner's
// records are still to come.
func (g *generation) keepUnclean(w *worker) {
	for part, c := range w.claims {
		if c.Unclean {
			g.keep(part)
		}
	}
}

// owned is a claimed partition, whose log ended at end then. Nothing is read below
// begin. While unverified,
// the record that was applied last is read again first, and compared.
type owned struct {
	Claim
	begin, end int64
	unverified bool

	tried bool    // its records in a process of their own
	kills []int64 // the records that were found to kill processes
	lost  []int64 // and those that no process can unpack
	halt  *InHand // the batch of several that no process can unpack
}

func own(c Claim, b Bounds) owned {
	c.Unclean = c.Unclean && c.Next < b.End // or nobody has had anything in hand
	if c.untouched() {
		return owned{Claim: c, begin: b.Start, end: b.End}
	}
	known := c.LastHash != nil && 0 <= c.LastSeen && c.LastSeen < c.Next
	return owned{Claim: c, end: b.End, unverified: known && c.LastSeen >= b.Start}
}

// from is where the partition is to be read from.
func (o owned) from() int64 {
	if o.unverified {
		return o.LastSeen
	}
	return max(o.Next, o.begin)
}

// untouched reports that no record of the partition was ever applied.
func (c Claim) untouched() bool { return c.Next == 0 && c.LastSeen < 0 }

// samePlace reports that nobody has moved the position from c to o.
func (c Claim) samePlace(o Claim) bool {
	return c.Next == o.Next && c.Cluster == o.Cluster && c.LastSeen == o.LastSeen && bytes.Equal(c.LastHash, o.LastHash)
}

// Check compares a position with the log that is there, and returns nil when the
// one may be of the other. A projection that has never seen a record begins
// wherever the log does.
func Check(part Partition, c Claim, b Bounds, cluster string) *HaltError {
	switch {
	case c.Cluster != cluster && !c.untouched():
		return &HaltError{part, "other_log", fmt.Errorf("the position %d is of cluster %q, the broker is of cluster %q, whose log holds %d..%d", c.Next, c.Cluster, cluster, b.Start, b.End)}
	case c.Next < b.Start && !c.untouched():
		return &HaltError{part, "log_gap", fmt.Errorf("%d records are lost: the position is %d, the log begins at %d", b.Start-c.Next, c.Next, b.Start)}
	case c.Next > b.End:
		return &HaltError{part, "other_log", fmt.Errorf("the position %d lies behind the log's end %d: the log was truncated or made anew", c.Next, b.End)}
	}
	return nil
}

// CheckLast compares the first record that the log yields from the last one
// applied on with that one. It is nil when the log has none there.
func CheckLast(part Partition, c Claim, r *Record) *HaltError {
	switch {
	case r == nil || r.Offset != c.LastSeen:
		return &HaltError{part, "other_log", fmt.Errorf("the record at %d, the last one applied, is not in the log any more: the log was made anew", c.LastSeen)}
	case !bytes.Equal(r.Hash(), c.LastHash):
		return &HaltError{part, "other_log", fmt.Errorf("the record at %d is not the one that was applied last, before the position %d: the log was made anew", c.LastSeen, c.Next)}
	}
	return nil
}

// verify holds the first record of each partition against the one that was
// applied last, and leaves out what was applied.
func (w *worker) verify(f *Fetched) error {
	for part := range f.Next {
		c := w.claims[part]
		if !c.unverified {
			continue
		}
		i := slices.IndexFunc(f.Records, func(r Record) bool { return r.Partition == part })
		var first *Record
		if i >= 0 {
			first = &f.Records[i]
		}
		if halt := CheckLast(part, c.Claim, first); halt != nil {
			return halt
		}
		c.unverified = false
		w.claims[part] = c
		f.Records = slices.DeleteFunc(f.Records, func(r Record) bool { return r.Partition == part && r.Offset < c.Next })
		if f.Next[part] <= c.Next {
			delete(f.Next, part)
		}
	}
	return nil
}

// haltOn stops the partition that a feed cannot read on.
func (w *worker) haltOn(err error) error {
	if e, ok := errors.AsType[*OutOfRangeError](err); ok {
		c := w.claims[e.Partition]
		if c.unverified && c.Next >= e.Bounds.Start && c.Next <= e.Bounds.End {
			c.unverified = false // what was applied last has just gone, and nothing else
			w.claims[e.Partition] = c
			return errReopen
		}
		if e.Position > e.Bounds.End {
			return &HaltError{e.Partition, "other_log", err}
		}
		return &HaltError{e.Partition, "log_gap", err}
	}
	if e, ok := errors.AsType[*CorruptError](err); ok {
		return &HaltError{e.Partition, "corrupt_log", err}
	}
	return err
}

// errReopen asks for another feed.
var errReopen = errors.New("the feed is to be opened again")
