package projector

import (
	"context"
	"errors"
	"math"
)

// Attempts remembers, across processes, what an owner had in hand when it was
// killed. In normal running nothing of it is called per batch.
type Attempts interface {
	// Mark notes that the records from..to of a partition are in hand now. The
	// mark stays when the process is killed, and Claim then counts that death,
	// once: whoever takes the same in hand again marks it again, and the deaths
	// so far stay.
	Mark(ctx context.Context, part Partition, epoch int64, from, to int64) error
	// Absolve takes a mark back, and the death that it was counted as: its owner was
	// taken for dead, and lives.
	Absolve(ctx context.Context, part Partition, epoch int64, from, to int64) error
	// Try notes that the records of a.From..a.To of a partition are tried in a
	// process of their own from now on, or, without a.Trial, no more. When the owner
	// dies meanwhile, claims say so until these records are behind.
	Try(ctx context.Context, part Partition, epoch int64, a Attempt) error
	// Release says of partitions, by the epochs of their claims, that their
	// owner leaves them in order.
	Release(ctx context.Context, epochs map[Partition]int64) error
}

// Attempt is what was in hand when owners were killed.
type Attempt struct {
	From, To int64 // of the last mark
	Deaths   int   // of owners that had just that in hand
	Trial    bool  // an owner died of having its records tried
}

// alone reports that a single record was in hand.
func (a Attempt) alone() bool { return a.To-a.From == 1 }

// deadly is how often a record, alone in hand, may be there when its process is
// killed, before it becomes a dead letter without being looked at: more often when
// it was lived through in a process of its own.
func (o owned) deadly() int {
	const untried, tried = 2, 4
	if o.tried {
		return tried
	}
	return untried
}

// portion is how many records to take in hand at a time, after owners were
// killed with all of them: a killer among 5,000 is alone after two more deaths,
// and the records beside it take a second rather than half a minute.
func (a Attempt) portion() int {
	const few = 100
	n := a.To - a.From
	switch {
	case a.Deaths == 0:
		return math.MaxInt
	case n <= few:
		return 1
	}
	return int(math.Ceil(math.Sqrt(float64(n))))
}

// probeAll takes care of the first records of partitions whose last owner was
// killed, and leaves the rest in g.
func (w *worker) probeAll(ctx context.Context, g *gathered) error {
	if w.cfg.Attempts == nil {
		return nil
	}
	for part := range g.next {
		c := w.claims[part]
		if !c.Unclean {
			continue
		}
		own := g.take(part)
		if err := w.probe(ctx, part, c.Attempt, own); err != nil {
			return err
		}
	}
	return nil
}

// take moves what there is of a partition out of g.
func (g *gathered) take(part Partition) *gathered {
	own := &gathered{next: map[Partition]int64{part: g.next[part]}}
	delete(g.next, part)
	kept := make([]Record, 0, len(g.records))
	for _, r := range g.records {
		if r.Partition == part {
			own.records = append(own.records, r)
		} else {
			kept = append(kept, r)
		}
	}
	g.records = kept
	return own
}

// probe applies the records of one partition, in portions that are marked before
// they are decoded, until those that were in hand at a death are behind.
func (w *worker) probe(ctx context.Context, part Partition, a Attempt, g *gathered) error {
	size := a.portion()
	for len(g.records) > 0 && (a.Deaths == 0 || g.records[0].Offset < a.To) {
		step := g.first(part, min(size, g.below(a)))
		if err := w.probeStep(ctx, part, a, step); err != nil {
			return err
		}
		if a.Deaths == 0 {
			break
		}
	}
	if c := w.claims[part]; a.Deaths == 0 || c.Next >= a.To || len(g.records) > 0 {
		c.Unclean, c.Attempt = false, Attempt{}
		w.claims[part] = c
	}
	if g.next[part] == w.claims[part].Next {
		return nil
	}
	return w.applyAll(ctx, g)
}

// below counts the records that the attempt is about.
func (g *gathered) below(a Attempt) int {
	if a.Deaths == 0 {
		return len(g.records)
	}
	n := 0
	for n < len(g.records) && g.records[n].Offset < a.To {
		n++
	}
	return n
}

// first takes n records of the partition, which is all that g holds.
func (g *gathered) first(part Partition, n int) *gathered {
	step := &gathered{records: g.records[:n], next: map[Partition]int64{part: g.records[n-1].Offset + 1}}
	g.records = g.records[n:]
	if len(g.records) == 0 {
		step.next[part] = g.next[part]
	}
	return step
}

// probeStep marks a portion and applies it. A record that has been alone in hand
// at two deaths becomes a dead letter unseen.
func (w *worker) probeStep(ctx context.Context, part Partition, a Attempt, step *gathered) error {
	first, last := &step.records[0], &step.records[len(step.records)-1]
	here := a.From == first.Offset && a.To == last.Offset+1
	if here && a.alone() && a.Deaths >= w.claims[part].deadly() {
		b := Batch{Advances: w.advances(step), Poison: []Poison{{Record: *first, Code: classKills,
			Message: "process after process was killed with this record in hand; it was not decoded again"}}}
		return w.applyBatch(ctx, b)
	}
	w.probing.Lock() // only one may be to blame for a death
	defer w.probing.Unlock()
	err := w.retry(ctx, "mark what is in hand", func(ctx context.Context) error {
		return w.cfg.Attempts.Mark(ctx, part, w.claims[part].Epoch, first.Offset, last.Offset+1)
	})
	if err != nil {
		return err
	}
	err = w.applyAll(ctx, step)
	if errors.Is(err, ErrFenced) {
		w.absolve(ctx, part, first.Offset, last.Offset+1)
	}
	return err
}

// absolve takes a mark back. That it stays, when the store is away, is found in
// nobody's favour: deaths have to be several.
func (w *worker) absolve(ctx context.Context, part Partition, from, to int64) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := w.cfg.Attempts.Absolve(ctx, part, w.claims[part].Epoch, from, to); err != nil {
		w.log.Warn("a mark cannot be taken back", "partition", part.String(), "error", err)
	}
}
