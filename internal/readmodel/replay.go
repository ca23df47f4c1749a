package readmodel

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/waybill-io/waybill/internal/projector"
)

// ErrNoLetter says that there is no dead letter at a place.
var ErrNoLetter = errors.New("no dead letter is kept of this record")

// Replayed says what a replay did with a dead letter.
type Replayed struct {
	Place   Place
	Status  string            // of the letter afterwards
	Refused *projector.Poison // why it is poison still, nil when it is not
	Before  bool              // it had been settled before; nothing was done
	Known   bool              // its event was in the timeline already
	Applied projector.Applied // what the record changed, and those that had waited for it
	Behind  Unparked
}

// Discarded says what became of a dead letter that was not to be applied.
type Discarded struct {
	Done   bool // false when it had been settled before
	Behind Unparked
}

// Replay applies a dead letter's record with the present code, in a transaction
// of its own that also settles the letter. It goes the way of every batch but
// moves no position, so that it fences nobody and nobody fences it; the identity
// of events makes a repetition harmless. What is poison still stays, and counts
// the attempt. The records that waited for it are applied with it, and their key
// is not parked any more; see [Unparked]. A dry run changes nothing and says the
// same.
func (s *Store) Replay(ctx context.Context, place Place, by string, dry bool) (Replayed, error) {
	r, err := s.settleAll(ctx, settlement{place: place, status: "replayed", by: by, dry: dry})
	if data, refused := errors.AsType[*projector.DataError](classify(err)); refused {
		r.Refused = &projector.Poison{Code: "constraint", SQLState: data.SQLState, Message: data.Error()}
		err = nil
	}
	if r.Applied.Changes > 0 && !dry {
		s.notify(ctx)
	}
	if err != nil {
		return r, letterError("replay", place, err)
	}
	if r.Refused != nil && !dry {
		if err := s.noteAttempt(ctx, place, r.Refused); err != nil {
			return r, letterError("note the attempt at", place, err)
		}
	}
	return r, nil
}

// Discard settles a dead letter without applying it, for a reason that is kept.
// The records that waited for it are applied, as by [Store.Replay]. A dry run
// only says what would come of it.
func (s *Store) Discard(ctx context.Context, place Place, by, why string, dry bool) (Discarded, error) {
	r, err := s.settleAll(ctx, settlement{place: place, status: "discarded", by: by, why: why, dry: dry})
	if r.Applied.Changes > 0 && !dry {
		s.notify(ctx)
	}
	if err != nil {
		return Discarded{}, letterError("discard", place, err)
	}
	return Discarded{Done: !r.Before, Behind: r.Behind}, nil
}

// letterError says what was attempted, and whether trying again may help.
func letterError(what string, place Place, err error) error {
	err = fmt.Errorf("%s %s: %w", what, place, err)
	if errors.Is(err, ErrNoLetter) {
		return err
	}
	return classify(err)
}

// errUndo rolls a transaction back that has found out what it was for.
var errUndo = errors.New("undo")

// errMoved says that another version than the session's is live.
var errMoved = errors.New("another version of the read model is live by now")

// inLive runs a transaction of the version that is live, and stays so until its
// end: a swap waits for it.
func (s *Store) inLive(ctx context.Context, do func(pgx.Tx) error) error {
	for {
		err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			live, err := lockLive(ctx, tx)
			if err != nil {
				return err
			}
			if live != sessionVersion(tx.Conn()) {
				s.live.Store(live)
				return errMoved
			}
			return do(tx)
		})
		if !errors.Is(err, errMoved) {
			return err
		}
	}
}

// lockLetter reads the letter of a place and holds it.
func (s *Store) lockLetter(ctx context.Context, tx pgx.Tx, place Place) (Letter, error) {
	const query = `-- name: lock_dead_letter
		SELECT topic, partition, "offset", key, value, headers, record_time, record_ms, class, sqlstate, message,
		       attempts, status, created_at, published_at, tried_at, settled_at, settled_by, settled_why, NULL::int, 1
		  FROM dead_letters WHERE projection = $1 AND topic = $2 AND partition = $3 AND "offset" = $4
		   FOR UPDATE`
	rows, err := tx.Query(ctx, query, s.projection(), place.Topic, place.ID, place.Offset)
	if err != nil {
		return Letter{}, err
	}
	var one int
	l, err := pgx.CollectExactlyOneRow(rows, func(row pgx.CollectableRow) (Letter, error) { return scanLetter(row, &one) })
	if errors.Is(err, pgx.ErrNoRows) {
		return Letter{}, ErrNoLetter
	}
	return l, err
}

// settle ends a new letter.
func (s *Store) settle(ctx context.Context, tx pgx.Tx, place Place, status, by, why string) error {
	const query = `-- name: settle_dead_letter
		UPDATE dead_letters
		   SET status = $5, settled_at = now(), settled_by = $6, settled_why = $7,
		       attempts = attempts + CASE WHEN $5 = 'replayed' THEN 1 ELSE 0 END,
		       tried_at = CASE WHEN $5 = 'replayed' THEN now() ELSE tried_at END
		 WHERE projection = $1 AND topic = $2 AND partition = $3 AND "offset" = $4 AND status = 'new'`
	_, err := tx.Exec(ctx, query, s.projection(), place.Topic, place.ID, place.Offset, status, by, nullText(why))
	return err
}

// noteAttempt keeps why a letter is poison still.
func (s *Store) noteAttempt(ctx context.Context, place Place, p *projector.Poison) error {
	const query = `-- name: note_attempt
		UPDATE dead_letters SET attempts = attempts + 1, tried_at = now(), class = $5, sqlstate = $6, message = $7
		 WHERE projection = $1 AND topic = $2 AND partition = $3 AND "offset" = $4 AND status = 'new'`
	return s.inLive(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, query, s.projection(), place.Topic, place.ID, place.Offset, p.Code, p.SQLState, storableMessage(p.Message))
		return err
	})
}
