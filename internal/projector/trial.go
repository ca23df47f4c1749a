package projector

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// Trials has records tried in a process of its own, which they may kill.
type Trials interface {
	// Try reads the suspects and rehearses what would be done with them, without
	// an effect. It fails when that cannot be done at all, which says nothing of
	// the records.
	Try(ctx context.Context, suspects []Suspect) (Trial, error)
}

// Suspect is the part of a log in which a record may be that kills processes.
type Suspect struct {
	Partition Partition
	Epoch     int64   // of its owner, who has it tried
	Next      int64   // where the owner stands
	From, To  int64   // what to read
	Fetch     int     // so many bytes at a time, and at least one batch
	Apply     int     // the first so many records are decoded and applied, the others only fetched
	Portion   int     // how many to apply at a time; 0 is as many as fit
	Skip      []int64 // are known to kill
}

// Trial is how a trial went.
type Trial struct {
	Lived []Partition // whose records have been gone through
	Died  *InHand     // nil when the process came to its end
}

// Stage is something that is done with records.
type Stage string

// The stages, in their order, and the end.
const (
	Fetching Stage = "fetching" // and unpacking what is there from From on
	Decoding Stage = "decoding"
	Applying Stage = "applying"
	Lived    Stage = "lived"
)

// InHand is what a process is about to do with records.
type InHand struct {
	Partition Partition
	Stage     Stage
	From, To  int64
}

// verdict is what was found out about a partition.
type verdict struct {
	tried bool    // a process has lived through the others
	kills []int64 // records that nothing lives through
	lost  []int64 // batches of one record that nothing can unpack
	halt  *InHand // one of several
}

// examine has the records tried that killed owners may have had in hand. When
// that cannot be done, the marks of probe have to do.
func (g *generation) examine(ctx context.Context, mine map[Partition]owned) error {
	suspects := g.suspects(mine)
	if len(suspects) == 0 {
		return nil
	}
	if err := g.onTrial(ctx, suspects, true); err != nil {
		return err
	}
	began := time.Now()
	verdicts, err := g.inquire(ctx, suspects, patienceWith(suspects, mine))
	if err != nil {
		g.log.Warn("records were not all tried", "error", err)
	}
	g.log.Info("tried what was in hand when owners were killed", "partitions", len(suspects), "took", time.Since(began))
	for _, s := range suspects {
		c, v := mine[s.Partition], verdicts[s.Partition]
		c.tried, c.kills, c.lost, c.halt = v.tried, v.kills, v.lost, v.halt
		mine[s.Partition] = c
		if len(v.kills) > 0 || len(v.lost) > 0 || v.halt != nil {
			g.keep(s.Partition)
		}
	}
	// Whoever is only asked to stop has not died of it.
	over, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	return cmp.Or(g.onTrial(over, suspects, false), ctx.Err())
}

// suspects are the partitions to be tried: a killed owner had them, and it was
// not the trial that killed it.
func (g *generation) suspects(mine map[Partition]owned) []Suspect {
	if g.cfg.Trials == nil || g.cfg.Attempts == nil {
		return nil
	}
	var list []Suspect
	for part, c := range mine {
		if !c.Unclean || c.Attempt.Trial || c.end <= c.Next {
			continue
		}
		from := max(c.Next, c.begin)
		list = append(list, Suspect{Partition: part, Epoch: c.Epoch, Next: c.Next, From: from, To: c.end, Fetch: many, Apply: g.cfg.BatchEvents})
	}
	slices.SortFunc(list, func(a, b Suspect) int { return a.Partition.compare(b.Partition) })
	return list
}

// onTrial notes that a trial begins or is over.
func (g *generation) onTrial(ctx context.Context, suspects []Suspect, running bool) error {
	for _, s := range suspects {
		a := Attempt{From: s.From, To: min(s.To, s.From+int64(s.Apply)), Trial: running}
		err := g.retry(ctx, "note a trial", func(ctx context.Context) error {
			return g.cfg.Attempts.Try(ctx, s.Partition, s.Epoch, a)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// patienceWith says how long suspects may be gone through without a death. Most
// owners were killed from outside, and their partitions are waited for; when it
// has happened again, with the same in hand, all of it is gone through.
func patienceWith(suspects []Suspect, mine map[Partition]owned) time.Duration {
	const hurry, all = 2 * time.Second, time.Minute
	for _, s := range suspects {
		if mine[s.Partition].Attempt.Deaths > 0 {
			return all
		}
	}
	return hurry
}

// inquire tries suspects until they are lived through, without those that kill.
func (p *Projector) inquire(ctx context.Context, suspects []Suspect, wait time.Duration) (map[Partition]verdict, error) {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.ApplyTimeout)
	defer cancel()
	verdicts, left := map[Partition]verdict{}, slices.Clone(suspects)
	for len(left) > 0 {
		t, err := p.tryFor(ctx, wait, left)
		for _, part := range t.Lived {
			v := verdicts[part]
			v.tried = true
			verdicts[part] = v
		}
		if err != nil || t.Died == nil {
			return verdicts, err
		}
		wait = p.cfg.ApplyTimeout // there is something to be found
		left = slices.DeleteFunc(left, func(s Suspect) bool { return slices.Contains(t.Lived, s.Partition) })
		i := slices.IndexFunc(left, func(s Suspect) bool { return s.Partition == t.Died.Partition })
		if i < 0 {
			return verdicts, fmt.Errorf("the trial speaks of %s, which is not tried", t.Died.Partition)
		}
		v := verdicts[t.Died.Partition]
		more, err := p.convict(ctx, &left[i], *t.Died, &v)
		if err != nil {
			return verdicts, err
		}
		verdicts[t.Died.Partition] = v
		if !more {
			left = slices.Delete(left, i, i+1)
		}
	}
	return verdicts, nil
}

func (p *Projector) tryFor(ctx context.Context, wait time.Duration, suspects []Suspect) (Trial, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	return p.cfg.Trials.Try(ctx, suspects)
}

// convict finds out what of a suspect killed a trial, and leaves that out of s. It
// reports whether the others are still to be tried.
func (p *Projector) convict(ctx context.Context, s *Suspect, h InHand, v *verdict) (more bool, err error) {
	killer, err := p.pinpoint(ctx, *s, h)
	if err != nil || killer == nil { // somebody else may have killed it
		return false, err
	}
	if killer.Stage != Fetching {
		v.kills = append(v.kills, killer.From)
		s.Skip = append(s.Skip, killer.From)
		return true, nil
	}
	next := *s
	next.From, next.To, next.Fetch, next.Apply = killer.From+1, min(killer.From+2, s.To), single, 0
	if next.From < s.To {
		t, err := p.cfg.Trials.Try(ctx, []Suspect{next})
		if err != nil {
			return false, err
		}
		if t.Died != nil {
			v.halt = killer
			return false, nil
		}
	}
	v.lost = append(v.lost, killer.From)
	s.From = next.From
	return next.From < s.To, nil
}

// single has one batch fetched at a time; many is what a leader is asked for in
// normal running.
const (
	single = 1
	many   = 512 << 10
)

// few records are gone through one by one; of more, portions of the root of their
// number.
const few = 25

// pinpoint finds which of the records in hand killed a trial, and tries that one
// again, alone. It returns nil when it does not happen again.
func (p *Projector) pinpoint(ctx context.Context, s Suspect, h InHand) (*InHand, error) {
	s.Fetch = single
	if h.Stage == Fetching { // it was of several batches
		s.From = h.From
		t, err := p.cfg.Trials.Try(ctx, []Suspect{s})
		if err != nil || t.Died == nil {
			return nil, err
		}
		h = *t.Died
	}
	for n := h.To - h.From; n > 1; n = h.To - h.From {
		s.From, s.To, s.Portion = h.From, h.To, int(math.Sqrt(float64(n)))
		if n <= few {
			s.Portion = 1
		}
		t, err := p.cfg.Trials.Try(ctx, []Suspect{s})
		if err != nil || t.Died == nil {
			return nil, err
		}
		if h = *t.Died; h.To-h.From >= n {
			return nil, nil
		}
	}
	s.From, s.To, s.Portion = h.From, h.From+1, 1
	t, err := p.cfg.Trials.Try(ctx, []Suspect{s})
	if err != nil || t.Died == nil || *t.Died != h {
		return nil, err
	}
	p.log.Error("a record kills processes", "partition", h.Partition.String(), "offset", h.From, "stage", string(h.Stage))
	return &h, nil
}

// approach applies, in single batches, what lies before those that no process can
// unpack. One of a single record becomes a dead letter, without its contents;
// before one of several the partition halts: what else it holds is not to be lost.
func (w *worker) approach(ctx context.Context) error {
	for part, c := range w.claims {
		for _, at := range c.lost {
			if err := w.creep(ctx, part, at); err != nil {
				return err
			}
			if err := w.lose(ctx, part, at); err != nil {
				return err
			}
		}
		if c.halt == nil {
			continue
		}
		if err := w.creep(ctx, part, c.halt.From); err != nil {
			return err
		}
		return &HaltError{part, classKills, fmt.Errorf("no process lives through unpacking the batch of several records at %d, whatever else it has to do", c.halt.From)}
	}
	return nil
}

// creep applies batch by batch up to an offset.
func (w *worker) creep(ctx context.Context, part Partition, to int64) error {
	for w.claims[part].Next < to {
		f, err := w.session.Peek(ctx, part, w.claims[part].from(), single)
		if err == nil {
			err = w.verify(&f)
		}
		if err != nil {
			return err
		}
		g := &gathered{next: map[Partition]int64{}}
		g.add(f)
		if err := w.apply(ctx, g); err != nil {
			return err
		}
	}
	return nil
}

// lose makes a dead letter of a record that cannot be unpacked. Nobody is to read
// it again in order to see whether the log is still the same.
func (w *worker) lose(ctx context.Context, part Partition, at int64) error {
	c := w.claims[part]
	if c.Next > at {
		return nil
	}
	move := Advance{Partition: part, Epoch: c.Epoch, From: c.Next, To: at + 1, LastSeen: -1}
	p := Poison{Record: Record{Partition: part, Offset: at}, Code: classKills, Message: errUnpack.Error()}
	return w.applyBatch(ctx, Batch{Advances: []Advance{move}, Poison: []Poison{p}})
}

var errUnpack = errors.New("no process lives through unpacking it: key, value and headers are in the log alone")

// killer says of a record that was found to kill processes what it is not looked
// at for.
func (o owned) killer(offset int64) error {
	if !slices.Contains(o.kills, offset) {
		return nil
	}
	return errKills
}

var errKills = errors.New("processes that tried it were killed by it, each time; it was not decoded again")
