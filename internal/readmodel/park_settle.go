package readmodel

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/waybill-io/waybill/internal/projector"
)

// Unparked is what became of the records that waited behind a dead letter when
// that was settled. They are applied in the order of their offsets, up to one that
// cannot be: that is a dead letter from then on, for which the rest waits.
type Unparked struct {
	Applied int               // how many were applied, copies of known events included
	Waiting int               // how many wait still
	Head    *projector.Poison // what they wait for now, nil when their key goes on
}

// A portion of records is applied in one transaction, with the letter that they
// waited for: about as much as a batch.
const (
	unparkRecords = 5000
	unparkBytes   = 16 << 20
)

// settlement is how a dead letter is to be settled.
type settlement struct {
	place           Place
	status, by, why string
	dry             bool
}

// settleAll settles a letter, and applies what waits for it in portions. The
// letter is settled with the last one: whoever is killed in between has done part
// of it and changed nothing of what there is to do, because a letter's event that
// is in the timeline already has no second effect.
func (s *Store) settleAll(ctx context.Context, how settlement) (Replayed, error) {
	var all Replayed
	for first := true; ; first = false {
		r, more, err := s.settleOnce(ctx, how)
		if first {
			all = r
		} else {
			all.add(r)
		}
		if err != nil || !more || how.dry {
			return all, err
		}
	}
}

// add takes over what the next portion has come to.
func (r *Replayed) add(next Replayed) {
	r.Status, r.Refused = next.Status, next.Refused
	r.Applied.New += next.Applied.New
	r.Applied.Duplicates += next.Applied.Duplicates
	r.Applied.Changes += next.Applied.Changes
	next.Behind.Applied += r.Behind.Applied
	r.Behind = next.Behind
}

// settleOnce is one transaction. It reports whether there is more to apply.
func (s *Store) settleOnce(ctx context.Context, how settlement) (r Replayed, more bool, err error) {
	err = s.inLive(ctx, func(tx pgx.Tx) (err error) {
		r = Replayed{Place: how.place, Status: "new"}
		l, err := s.lockLetter(ctx, tx, how.place)
		if err != nil {
			return err
		}
		if r.Status = l.Status; l.Status != "new" {
			r.Before = true
			return nil
		}
		x := &unparking{tx: tx, projection: schemaOf(sessionVersion(tx.Conn())), letter: &l, out: &r}
		if more, err = x.run(ctx, how.status == "replayed"); err != nil {
			return err
		}
		if r.Refused != nil {
			return errUndo
		}
		if !more {
			if err := s.settle(ctx, tx, how.place, how.status, how.by, how.why); err != nil {
				return err
			}
		}
		if how.dry {
			return errUndo
		}
		if !more {
			r.Status = how.status
		}
		return nil
	})
	if errors.Is(err, errUndo) {
		err = nil
	}
	return r, more, err
}

// unparking is the work of one such transaction. It locks the letter, then the row
// of its key, then whatever a batch locks.
type unparking struct {
	tx         pgx.Tx
	projection string
	letter     *Letter
	out        *Replayed
}

// run applies the letter, unless it is only let go of, and what waits for it.
func (x *unparking) run(ctx context.Context, replay bool) (more bool, err error) {
	parked, err := x.lockKey(ctx)
	if err != nil {
		return false, fmt.Errorf("lock the key: %w", err)
	}
	var queue []projector.Poison
	if replay {
		queue = append(queue, projector.Poison{Record: x.letter.Record})
	}
	own := len(queue)
	if parked {
		waiting, err := parkedRecords(ctx, x.tx, x.projection, x.letter.Place(), unparkRecords, unparkBytes)
		if err != nil {
			return false, fmt.Errorf("read what waits: %w", err)
		}
		queue = append(queue, waiting...)
	}
	done, refused, err := x.apply(ctx, queue, own > 0)
	if err != nil {
		return false, err
	}
	if done < own {
		x.out.Refused = refused
		return false, nil
	}
	if !parked {
		return false, nil
	}
	x.out.Behind.Applied = done - own
	if refused != nil {
		return false, x.park(ctx, refused)
	}
	return x.goOn(ctx, queue[own:done])
}

// lockKey locks the key's row, if its records wait for this letter.
func (x *unparking) lockKey(ctx context.Context) (parked bool, err error) {
	const query = `-- name: lock_parked_key
		SELECT FROM parked_keys WHERE projection = $1 AND topic = $2 AND partition = $3 AND key = $4 AND head = $5 FOR UPDATE`
	tag, err := x.tx.Exec(ctx, query, x.projection, x.letter.Partition.Topic, x.letter.Partition.ID, x.letter.Key, x.letter.Offset)
	return err == nil && tag.RowsAffected() > 0, err
}

// apply applies records as one batch, as many of them as can be, and says how many
// these are and why the next one cannot.
func (x *unparking) apply(ctx context.Context, queue []projector.Poison, letter bool) (done int, refused *projector.Poison, err error) {
	evs := make([]projector.Event, 0, len(queue))
	for i := 0; i < len(queue) && refused == nil; i++ {
		var e projector.Event
		if e, refused = projector.Reread(&queue[i]); refused == nil {
			evs = append(evs, e)
		}
	}
	good, bad := 0, len(evs)+1 // so many can be applied, and so many cannot
	for n := len(evs); n > 0; {
		u, why, at, err := x.try(ctx, evs[:n], n == bad-1)
		switch {
		case err != nil:
			return 0, nil, err
		case why != nil:
			bad, refused = at+1, why
			if n = (good + bad) / 2; why.Code == conflictClass {
				n = at // the ones before it have none
			}
		case n == bad-1:
			x.out.Applied = u.applied
			x.out.Known = letter && !slices.ContainsFunc(u.entries, func(e *entry) bool { return e.Record == evs[0].Record })
			return n, refused, nil
		default:
			good = n
			n = (good + bad) / 2
		}
	}
	return 0, refused, nil
}

// conflictClass is the class of events whose identity is taken.
const conflictClass = "id_conflict"

// try applies events as one batch. Only when that went well, and it is to be kept,
// something stays. It says why not, and which of them is to blame: the last one,
// as far as can be known.
func (x *unparking) try(ctx context.Context, evs []projector.Event, keep bool) (u *unit, why *projector.Poison, at int, err error) {
	tx, err := x.tx.Begin(ctx)
	if err != nil {
		return nil, nil, 0, err
	}
	u = newUnit(x.projection, projector.Batch{Events: evs})
	u.tx = tx
	if why, err = u.attempt(ctx); err == nil && why == nil && keep {
		return u, nil, 0, tx.Commit(ctx)
	}
	if err := errors.Join(err, tx.Rollback(ctx)); err != nil {
		return nil, nil, 0, err
	}
	if why == nil {
		return u, nil, 0, nil
	}
	at = len(evs) - 1
	if why.Code == conflictClass {
		at = slices.IndexFunc(evs, func(e projector.Event) bool { return e.Record.Offset == why.Offset })
	}
	why.Record = *evs[at].Record
	return u, why, at, nil
}

// attempt runs the unit and says why its events are refused: the first one whose
// identity is taken, or what the database or this program makes of them together.
func (u *unit) attempt(ctx context.Context) (why *projector.Poison, err error) {
	defer func() {
		if p := recover(); p != nil { // a record that is poison to the program is that to this command too
			why, err = &projector.Poison{Code: "panic", Message: fmt.Sprint(p)}, nil
		}
	}()
	err = u.run(ctx)
	if data, refused := errors.AsType[*projector.DataError](classify(err)); refused {
		return &projector.Poison{Code: "constraint", SQLState: data.SQLState, Message: data.Error()}, nil
	}
	for i := range u.poison {
		if why == nil || u.poison[i].Offset < why.Offset {
			why = &u.poison[i]
		}
	}
	return why, err
}

// park has what waits wait for a record of them that cannot be applied.
func (x *unparking) park(ctx context.Context, head *projector.Poison) error {
	letters := newUnit(x.projection, projector.Batch{Poison: []projector.Poison{*head}})
	letters.tx = x.tx
	if err := letters.writeDeadLetters(ctx); err != nil {
		return fmt.Errorf("keep another dead letter: %w", err)
	}
	if err := x.forget(ctx, head.Offset); err != nil {
		return err
	}
	const query = `-- name: move_parked_key
		UPDATE parked_keys SET head = $5 WHERE projection = $1 AND topic = $2 AND partition = $3 AND key = $4`
	if _, err := x.tx.Exec(ctx, query, x.projection, head.Partition.Topic, head.Partition.ID, head.Key, head.Offset); err != nil {
		return fmt.Errorf("have the rest wait for it: %w", err)
	}
	x.out.Behind.Head = head
	return nil
}

// goOn unparks the key, unless there is more to apply.
func (x *unparking) goOn(ctx context.Context, done []projector.Poison) (more bool, err error) {
	if len(done) > 0 {
		if err := x.forget(ctx, done[len(done)-1].Offset); err != nil {
			return false, err
		}
	}
	if x.out.Behind.Waiting > 0 {
		return true, nil
	}
	const query = `-- name: unpark_key
		DELETE FROM parked_keys WHERE projection = $1 AND topic = $2 AND partition = $3 AND key = $4`
	if _, err := x.tx.Exec(ctx, query, x.projection, x.letter.Partition.Topic, x.letter.Partition.ID, x.letter.Key); err != nil {
		return false, fmt.Errorf("unpark the key: %w", err)
	}
	return false, nil
}

// forget takes the records up to an offset away, and counts those that are left.
func (x *unparking) forget(ctx context.Context, last int64) error {
	const forget = `-- name: delete_parked_records
		DELETE FROM parked_records WHERE projection = $1 AND topic = $2 AND partition = $3 AND key = $4 AND "offset" <= $5`
	const count = `-- name: count_parked_records
		SELECT count(*) FROM parked_records WHERE projection = $1 AND topic = $2 AND partition = $3 AND key = $4`
	key := []any{x.projection, x.letter.Partition.Topic, x.letter.Partition.ID, x.letter.Key}
	if _, err := x.tx.Exec(ctx, forget, append(key, last)...); err != nil {
		return fmt.Errorf("take %d away from what waits: %w", last, err)
	}
	if err := x.tx.QueryRow(ctx, count, key...).Scan(&x.out.Behind.Waiting); err != nil {
		return fmt.Errorf("count what waits: %w", err)
	}
	return nil
}
