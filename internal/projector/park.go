package projector

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/waybill-io/waybill/events"
)

// Parking says which dead letters have the later records of their key wait, by
// the types of their events. The zero value has nobody wait.
type Parking struct{ patterns []string }

// NewParking returns the parking of types that match one of some patterns, in
// which * stands for any characters: "order.*", "*.cancelled.v1". A pattern that
// no known type matches is a typing mistake.
func NewParking(patterns ...string) (Parking, error) {
	const allowed = "abcdefghijklmnopqrstuvwxyz0123456789._*"
	for _, pattern := range patterns {
		if pattern == "" || strings.Trim(pattern, allowed) != "" {
			return Parking{}, fmt.Errorf("%q: want a type of events such as order.placed.v1, or a pattern such as order.* or *", pattern)
		}
		if !slices.ContainsFunc(events.Types(), func(t events.Type) bool { return matches(pattern, string(t)) }) {
			return Parking{}, fmt.Errorf("%q: no type of events that this release knows is called so", pattern)
		}
	}
	return Parking{patterns}, nil
}

// UnmarshalText reads patterns, separated by commas.
func (p *Parking) UnmarshalText(text []byte) (err error) {
	*p = Parking{}
	if len(text) == 0 {
		return nil
	}
	patterns := strings.Split(string(text), ",")
	for i := range patterns {
		patterns[i] = strings.TrimSpace(patterns[i])
	}
	*p, err = NewParking(patterns...)
	return err
}

// MarshalText writes what UnmarshalText reads.
func (p Parking) MarshalText() ([]byte, error) { return []byte(strings.Join(p.patterns, ",")), nil }

// maxParkedKey is the longest key that is parked. No key that an event can have
// is as long, and an index of the store cannot take any length.
const maxParkedKey = 1024

// Covers reports that a record of this type, once it is a dead letter, has the
// later ones of its key wait. One without a key has none.
func (p Parking) Covers(r *Record) bool {
	if len(p.patterns) == 0 || len(r.Key) == 0 || len(r.Key) > maxParkedKey {
		return false
	}
	typ := typeOf(r)
	return slices.ContainsFunc(p.patterns, func(pattern string) bool { return matches(pattern, typ) })
}

// matches holds a type, whatever a foreign record calls so, against a pattern.
func matches(pattern, typ string) bool {
	ok, err := path.Match(pattern, strings.ReplaceAll(typ, "/", "_")) // no separator of paths
	return ok && err == nil
}

// ParkedKey is a key of a partition's records.
type ParkedKey struct {
	Partition
	Key string
}

// UnparkedError says that keys whose records a batch has wait are not parked any
// more: somebody has replayed or discarded what they waited for. Whoever does
// not know what to do then starts over, as when fenced.
type UnparkedError struct{ Keys []ParkedKey }

// Error counts them.
func (e *UnparkedError) Error() string {
	return fmt.Sprintf("%d keys are not parked any more", len(e.Keys))
}

// Unwrap returns [ErrFenced].
func (e *UnparkedError) Unwrap() error { return ErrFenced }

// ConflictError says that events of a batch have the identity of stored ones with
// another content, and that later events of their keys must wait for that to be
// settled. Whoever does not know what to do then starts over, as when fenced.
type ConflictError struct{ Poison []Poison }

// Error counts them.
func (e *ConflictError) Error() string {
	return fmt.Sprintf("%d events have the identity of stored ones", len(e.Poison))
}

// Unwrap returns [ErrFenced].
func (e *ConflictError) Unwrap() error { return ErrFenced }

// Reread reads, with what this program knows now, a record that has waited. It
// returns why it cannot be applied, which is what was said of it before when that
// was not about what it says.
func Reread(waited *Poison) (e Event, refused *Poison) {
	if waited.Code == classKills || waited.Code == string(codeWrongPartition) {
		return Event{}, waited
	}
	defer func() {
		if value := recover(); value != nil {
			p := poisonOf(&waited.Record, &panicError{value})
			e, refused = Event{}, &p
		}
	}()
	e, err := Decode(&waited.Record)
	if err != nil {
		p := poisonOf(&waited.Record, err)
		return Event{}, &p
	}
	return e, nil
}

// applyBatch applies one batch, in which waits whatever is behind a dead letter of
// its key. It tries again what passes, and parts what the store refuses.
func (w *worker) applyBatch(ctx context.Context, b Batch) error {
	for {
		b = w.hold(b)
		err := w.applyTrying(ctx, b)
		unparked, gone := errors.AsType[*UnparkedError](err)
		conflict, known := errors.AsType[*ConflictError](err)
		switch {
		case gone:
			b = w.unpark(b, unparked.Keys)
		case known:
			b = b.refuse(conflict.Poison)
		case isData(err):
			return w.bisect(ctx, b, err)
		default:
			return err
		}
	}
}

// hold has the records of parked keys wait, and those behind the dead letters of
// the batch that park their key. It may be called again for a batch that has
// become another one.
func (w *worker) hold(b Batch) Batch {
	b.Park = w.cfg.Park
	held := slices.ContainsFunc(b.Advances, func(a Advance) bool { return len(w.parked[a.Partition]) > 0 })
	if !held && (len(b.Poison) == 0 || len(w.cfg.Park.patterns) == 0) {
		return b
	}
	heads := map[ParkedKey]int64{}
	waits := func(r *Record) bool {
		head, parked := w.parked[r.Partition][string(r.Key)]
		if !parked {
			head, parked = heads[ParkedKey{r.Partition, string(r.Key)}]
		}
		return parked && r.Offset > head // one that is read again has been dealt with
	}
	b.Parked = slices.Clone(b.Parked)
	var poison []Poison
	for _, p := range slices.SortedStableFunc(slices.Values(b.Poison), comparePoison) {
		p.Parks = false
		if waits(&p.Record) {
			b.Parked = append(b.Parked, p)
			continue
		}
		if _, parked := w.parked[p.Partition][string(p.Key)]; !parked && w.cfg.Park.Covers(&p.Record) {
			p.Parks = true
			heads[ParkedKey{p.Partition, string(p.Key)}] = p.Offset
		}
		poison = append(poison, p)
	}
	b.Poison = poison
	var evs []Event
	for _, e := range b.Events {
		if waits(e.Record) {
			b.Parked = append(b.Parked, Poison{Record: *e.Record})
		} else {
			evs = append(evs, e)
		}
	}
	b.Events = evs
	slices.SortFunc(b.Parked, comparePoison)
	return b
}

func comparePoison(a, b Poison) int { return comparePlace(&a.Record, &b.Record) }

// unpark forgets keys that are not parked any more, and takes up again what the
// batch had of them waiting.
func (w *worker) unpark(b Batch, keys []ParkedKey) Batch {
	gone := map[ParkedKey]bool{}
	for _, k := range keys {
		gone[k] = true
		delete(w.parked[k.Partition], k.Key)
	}
	waiting := b.Parked
	b.Parked, b.Poison, b.Events = nil, slices.Clone(b.Poison), slices.Clone(b.Events)
	for i := range waiting {
		p := &waiting[i]
		if !gone[ParkedKey{p.Partition, string(p.Key)}] {
			b.Parked = append(b.Parked, *p)
			continue
		}
		if p.Code != "" {
			b.Poison = append(b.Poison, *p)
			continue
		}
		e, err := w.read(&p.Record)
		if err != nil {
			b.Poison = append(b.Poison, poisonOf(&p.Record, err))
			continue
		}
		b.Events = append(b.Events, e)
	}
	slices.SortFunc(b.Events, func(x, y Event) int { return comparePlace(x.Record, y.Record) })
	return b
}

// refuse makes dead letters of events.
func (b Batch) refuse(poison []Poison) Batch {
	b.Events = slices.DeleteFunc(slices.Clone(b.Events), func(e Event) bool {
		return slices.ContainsFunc(poison, func(p Poison) bool { return comparePlace(e.Record, &p.Record) == 0 })
	})
	b.Poison = slices.Concat(b.Poison, poison)
	return b
}

// park remembers the keys that the letters of an applied batch have parked.
func (w *worker) park(b Batch) {
	for i := range b.Poison {
		p := &b.Poison[i]
		if !p.Parks {
			continue
		}
		if w.parked[p.Partition] == nil {
			w.parked[p.Partition] = map[string]int64{}
		}
		w.parked[p.Partition][string(p.Key)] = p.Offset
		w.log.Warn("the later records of a key wait behind its dead letter", "partition", p.Partition, "offset", p.Offset, "key", string(p.Key), "class", p.Code)
	}
}

// divide parts what a batch has of records by their places: those before a
// record, and those from it on.
func divide(all []Poison, pivot *Record) (before, after []Poison) {
	for _, p := range all {
		if comparePlace(&p.Record, pivot) < 0 {
			before = append(before, p)
		} else {
			after = append(after, p)
		}
	}
	return before, after
}
