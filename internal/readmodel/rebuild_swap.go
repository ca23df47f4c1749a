package readmodel

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// errNotYet says that too much has come since to stop the projection for it.
var errNotYet = errors.New("too many streams are left for the swap")

// errUnequal cannot be: the positions are copied while nobody may move them.
var errUnequal = errors.New("the versions' positions differ under the lock")

// swap makes the version live. It tries again when it cannot have its locks
// shortly, or when too much has come in between.
func (r *rebuild) swap(ctx context.Context) error {
	r.tell("swap")
	for {
		err := r.patiently(ctx, func(tx pgx.Tx) error { return r.swapOnce(ctx, tx) })
		if errors.Is(err, errNotYet) {
			if err := r.follow(ctx); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return classify(err)
		}
		r.out.Swapped = true
		_, _ = r.admin.Exec(ctx, `SELECT pg_notify('changes', '')`) // a hint: gateways look by themselves too
		return nil
	}
}

// swapOnce is the transaction of the swap. The views come first: somebody may
// hold them for long, and nothing else is locked meanwhile. Then everybody who
// claims or applies waits: positions before the timeline, as they do it.
func (r *rebuild) swapOnce(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, `SELECT waybill.use_read_model($1)`, r.run.version); err != nil {
		return fmt.Errorf("turn the views: %w", err)
	}
	for _, statement := range []string{
		`LOCK TABLE waybill.projection_offsets IN EXCLUSIVE MODE`,
		`LOCK TABLE waybill.events IN SHARE ROW EXCLUSIVE MODE`,
	} {
		if _, err := tx.Exec(ctx, statement); err != nil {
			return fmt.Errorf("stop the projection: %w", err)
		}
	}
	stopped := time.Now()
	for _, step := range []struct {
		name string
		do   func(context.Context, pgx.Tx) error
	}{
		{"fold the rest", r.foldRest}, {"compare again", r.check}, {"hand over", r.handOver},
	} {
		if err := step.do(ctx, tx); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	r.out.Pause = time.Since(stopped).Seconds()
	return nil
}

// foldRest folds what is left, as the projector.
func (r *rebuild) foldRest(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, `SET LOCAL ROLE `+pgx.Identifier{projectorRole}.Sanitize()); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `SET LOCAL search_path = `+pgx.Identifier{schemaOf(r.run.version)}.Sanitize()+`, waybill`); err != nil {
		return err
	}
	left, err := r.waiting(ctx, tx)
	if err != nil {
		return err
	}
	if left > r.rest {
		return errNotYet
	}
	if err := r.notePositions(ctx, tx); err != nil {
		return err
	}
	for {
		n, err := catchUp(ctx, tx, followStreams)
		if err != nil {
			return err
		}
		if n == 0 {
			return nil
		}
		r.out.Followed += int64(n)
	}
}

// check requires that both versions stand at the same positions, and that the
// rows that differed do not any more, unless the operator says otherwise.
func (r *rebuild) check(ctx context.Context, tx pgx.Tx) error {
	const query = `-- name: unequal_positions
		SELECT count(*) FROM (SELECT * FROM waybill.projection_offsets WHERE projection = $1) a
		  FULL JOIN (SELECT * FROM waybill.projection_offsets WHERE projection = $2) b USING (topic, partition)
		 WHERE ROW(a.next_offset, a.last_offset, a.last_hash) IS DISTINCT FROM ROW(b.next_offset, b.last_offset, b.last_hash)`
	var unequal int64
	if err := tx.QueryRow(ctx, query, schemaOf(r.run.live), schemaOf(r.run.version)).Scan(&unequal); err != nil {
		return err
	}
	if unequal > 0 {
		return errUnequal
	}
	still, err := r.compareAgain(ctx, tx)
	if err != nil {
		return err
	}
	r.out.Differences = still
	if len(still) > 0 && !r.cfg.Force {
		return ErrDiffer
	}
	return nil
}

// handOver gives the version all that is not its own: what is kept by
// projection, the epochs that fence the workers of the old one, and those that
// send every client for a snapshot.
func (r *rebuild) handOver(ctx context.Context, tx pgx.Tx) error {
	const epochs = `-- name: move_epochs
		UPDATE tenant_stream SET epoch = epoch + 1`
	if _, err := tx.Exec(ctx, epochs); err != nil {
		return fmt.Errorf("move the feed's epochs: %w", err)
	}
	if _, err := tx.Exec(ctx, `RESET ROLE`); err != nil {
		return err
	}
	const fence = `-- name: fence_all
		UPDATE waybill.projection_offsets SET epoch = epoch + 1 WHERE projection = ANY ($1)`
	if _, err := tx.Exec(ctx, fence, []string{schemaOf(r.run.live), schemaOf(r.run.version)}); err != nil {
		return fmt.Errorf("fence the workers: %w", err)
	}
	if _, err := tx.Exec(ctx, `SELECT rebuild.take_over($1, $2), rebuild.close_version($2)`, r.run.live, r.run.version); err != nil {
		return fmt.Errorf("take over: %w", err)
	}
	return finish(ctx, tx)
}
