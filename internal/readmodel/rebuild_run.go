package readmodel

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// The phases of a fill, in their order.
const (
	phasePlan        = "plan"
	phaseAssignments = "assignments"
	phaseShipments   = "shipments"
	phaseNumbers     = "numbers"
	phaseOrders      = "orders"
	phaseFollow      = "follow"
)

// rebuildRun is what the database keeps of a rebuild that is not live yet.
type rebuildRun struct {
	version, live int32
	phase         string
}

// patiently runs do in a transaction of the owner that waits for locks only
// shortly, so that nobody queues behind it for long, and tries again.
func (r *rebuild) patiently(ctx context.Context, do func(pgx.Tx) error) error {
	try := func() error {
		err := pgx.BeginFunc(ctx, r.admin, func(tx pgx.Tx) error {
			const limits = `SELECT set_config('lock_timeout', '2s', true), set_config('statement_timeout', '60s', true),
				set_config('idle_in_transaction_session_timeout', '5s', true)` // a stopped process must not stop others
			if _, err := tx.Exec(ctx, limits); err != nil {
				return err
			}
			return do(tx)
		})
		if pg, ok := errors.AsType[*pgconn.PgError](err); ok && (pg.Code == "55P03" || pg.Code == "40P01") {
			return err
		}
		if err != nil {
			return backoff.Permanent(err)
		}
		return nil
	}
	pause := backoff.NewExponentialBackOff(backoff.WithInitialInterval(100*time.Millisecond), backoff.WithMaxInterval(5*time.Second), backoff.WithMaxElapsedTime(0))
	return backoff.RetryNotify(try, backoff.WithContext(pause, ctx), func(err error, wait time.Duration) {
		r.cfg.Log.Info("waiting for a lock", "wait", wait, "error", err)
	})
}

// begin goes on with the run that the database knows of, or begins one: a new
// version, and a trigger that notes which streams are told more from now on.
func (r *rebuild) begin(ctx context.Context) error {
	return r.patiently(ctx, func(tx pgx.Tx) error {
		live, err := lockLive(ctx, tx)
		if err != nil {
			return err
		}
		found, err := r.find(ctx, tx, live)
		if err != nil || found && !r.cfg.Restart {
			return err
		}
		if found {
			if err := abandon(ctx, tx, r.run.version); err != nil {
				return err
			}
		}
		return r.create(ctx, tx, live)
	})
}

func (r *rebuild) find(ctx context.Context, tx pgx.Tx, live int32) (bool, error) {
	const query = `-- name: rebuild_run
		SELECT version, live, phase FROM rebuild.run`
	err := tx.QueryRow(ctx, query).Scan(&r.run.version, &r.run.live, &r.run.phase)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	if err == nil && r.run.live != live && !r.cfg.Restart {
		err = fmt.Errorf("it was begun beside version %d, but %d is live: restart it", r.run.live, live)
	}
	r.out = Rebuilt{From: r.run.live, Version: r.run.version, Resumed: true}
	return err == nil, err
}

func (r *rebuild) create(ctx context.Context, tx pgx.Tx, live int32) error {
	versions, err := versionsOf(ctx, tx)
	if err != nil {
		return err
	}
	r.run = rebuildRun{version: versions[len(versions)-1] + 1, live: live, phase: phasePlan}
	r.out = Rebuilt{From: live, Version: r.run.version}
	const statement = `-- name: create_version
		SELECT waybill.create_read_model($1), rebuild.open_version($1)`
	if _, err := tx.Exec(ctx, statement, r.run.version); err != nil {
		return fmt.Errorf("create version %d: %w", r.run.version, err)
	}
	const insert = `-- name: insert_run
		INSERT INTO rebuild.run (version, live, phase) VALUES ($1, $2, $3)`
	if _, err := tx.Exec(ctx, insert, r.run.version, live, phasePlan); err != nil {
		return fmt.Errorf("note the run: %w", err)
	}
	if _, err := tx.Exec(ctx, `ALTER TABLE waybill.events ENABLE TRIGGER touch`); err != nil {
		return fmt.Errorf("enable the trigger: %w", err)
	}
	return nil
}

// abandon takes away all that a run has left.
func abandon(ctx context.Context, tx pgx.Tx, version int32) error {
	if err := dropVersion(ctx, tx, version); err != nil {
		return err
	}
	return finish(ctx, tx)
}

// finish forgets a run. Nobody stores events meanwhile: to disable the trigger
// takes a lock against them.
func finish(ctx context.Context, tx pgx.Tx) error {
	for _, statement := range []string{
		`ALTER TABLE waybill.events DISABLE TRIGGER touch`,
		`TRUNCATE rebuild.run, rebuild.chunks, rebuild.touched`,
	} {
		if _, err := tx.Exec(ctx, statement); err != nil {
			return fmt.Errorf("end the run: %w", err)
		}
	}
	return nil
}

// Abandon takes away a version that is not live yet; it returns 0 when there is
// none.
func Abandon(ctx context.Context, url string) (version int32, err error) {
	r := &rebuild{cfg: RebuildConfig{URL: url, Restart: true}.withDefaults()}
	admin, err := r.lock(ctx)
	if err != nil {
		return 0, err
	}
	defer admin.Close(context.WithoutCancel(ctx))
	err = r.patiently(ctx, func(tx pgx.Tx) error {
		found, err := r.find(ctx, tx, 0)
		if err != nil || !found {
			return err
		}
		version = r.run.version
		return abandon(ctx, tx, version)
	})
	if err != nil {
		return 0, fmt.Errorf("abandon the rebuild: %w", classify(err))
	}
	return version, nil
}

// setPhase notes which phase comes next.
func (r *rebuild) setPhase(ctx context.Context, tx pgx.Tx, phase string) error {
	const query = `-- name: set_phase
		UPDATE rebuild.run SET phase = $1`
	if _, err := tx.Exec(ctx, query, phase); err != nil {
		return fmt.Errorf("note the phase: %w", err)
	}
	return nil
}
