package projector

import (
	"context"
	"slices"
)

// Rehearsal is the other side of a trial: it goes through what a worker would do
// with records, in a process that may die of it, and says beforehand what it is
// about to have in hand.
type Rehearsal struct {
	Log interface {
		// Peek is as that of a [Session].
		Peek(ctx context.Context, part Partition, at int64, most int) (Fetched, error)
	}
	Store interface {
		// Rehearse does what Apply would do, and takes it back.
		Rehearse(ctx context.Context, b Batch) error
	}
	Say func(InHand) error
}

// How much of a partition a killed owner may have had in hand: fetched ahead, and
// of that, decoded.
const (
	reach = 32 << 20
	grasp = 4 << 20
)

// Run goes through the suspects, one after the other.
func (r *Rehearsal) Run(ctx context.Context, suspects []Suspect) error {
	for _, s := range suspects {
		if err := r.try(ctx, s); err != nil {
			return err
		}
		if err := r.Say(InHand{s.Partition, Lived, s.From, s.To}); err != nil {
			return err
		}
	}
	return nil
}

// try fetches piece by piece. What a log has that is no batch is for the owner
// to see.
func (r *Rehearsal) try(ctx context.Context, s Suspect) error {
	h := &held{suspect: s}
	for next, size := s.From, 0; next < s.To && size < reach; {
		if err := r.Say(InHand{s.Partition, Fetching, next, next + 1}); err != nil {
			return err
		}
		f, err := r.Log.Peek(ctx, s.Partition, next, s.Fetch)
		if cannotGoOn(err) {
			break
		}
		if err != nil {
			return err
		}
		size += sizeOf(f.Records)
		if err := r.take(ctx, h, f.Records); err != nil {
			return err
		}
		var moved bool
		if next, moved = f.Next[s.Partition]; !moved {
			break
		}
	}
	return r.apply(ctx, h)
}

// held is what was decoded and not applied yet.
type held struct {
	suspect Suspect
	taken   int
	events  []Event
	bytes   int
}

// wants reports a record that is to be decoded.
func (h *held) wants(r *Record) bool {
	s := &h.suspect
	return h.taken < s.Apply && s.From <= r.Offset && r.Offset < s.To && !slices.Contains(s.Skip, r.Offset)
}

// take decodes records, and applies them when they make a batch.
func (r *Rehearsal) take(ctx context.Context, h *held, records []Record) error {
	for i := range records {
		rec := &records[i]
		if !h.wants(rec) {
			continue
		}
		h.taken++
		if err := r.Say(InHand{rec.Partition, Decoding, rec.Offset, rec.Offset + 1}); err != nil {
			return err
		}
		e, err := calmly(func() (Event, error) { return Decode(rec) })
		if err != nil {
			continue // poison, which kills nobody
		}
		h.events, h.bytes = append(h.events, e), h.bytes+len(rec.Value)
		if len(h.events) == h.suspect.Portion || h.bytes >= grasp {
			if err := r.apply(ctx, h); err != nil {
				return err
			}
		}
	}
	return nil
}

// apply rehearses applying what is held.
func (r *Rehearsal) apply(ctx context.Context, h *held) error {
	err := r.part(ctx, &h.suspect, h.events)
	h.events, h.bytes = nil, 0
	return err
}

// part rehearses applying some events; what the store refuses is parted, as a
// worker parts it.
func (r *Rehearsal) part(ctx context.Context, s *Suspect, list []Event) error {
	if len(list) == 0 {
		return nil
	}
	first, last := list[0].Record, list[len(list)-1].Record
	if err := r.Say(InHand{s.Partition, Applying, first.Offset, last.Offset + 1}); err != nil {
		return err
	}
	to := Advance{Partition: s.Partition, Epoch: s.Epoch, From: s.Next, To: last.Offset + 1, LastSeen: last.Offset, LastHash: last.Hash()}
	_, err := calmly(func() (struct{}, error) {
		b := Batch{Advances: []Advance{to}, Events: list}
		b.touch()
		return struct{}{}, r.Store.Rehearse(ctx, b)
	})
	switch {
	case !isData(err):
		return err
	case len(list) == 1:
		return nil
	}
	half := len(list) / 2
	if err := r.part(ctx, s, list[:half]); err != nil {
		return err
	}
	return r.part(ctx, s, list[half:])
}

// calmly makes an error of a panic: a worker lives through one too.
func calmly[T any](do func() (T, error)) (v T, err error) {
	defer func() {
		if value := recover(); value != nil {
			err = &panicError{value}
		}
	}()
	return do()
}

func sizeOf(records []Record) int {
	n := 0
	for i := range records {
		n += len(records[i].Key) + len(records[i].Value)
	}
	return n
}
