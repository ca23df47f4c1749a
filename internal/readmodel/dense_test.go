package readmodel_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/projector"
)

// aged gives a tenant a feed that is long enough to be pruned.
func (r *rig) aged(t *testing.T, tenant events.TenantID) {
	t.Helper()
	for _, statement := range []string{
		`INSERT INTO waybill.tenant_stream (tenant_id, seq) VALUES ($1, 5000)`,
		`INSERT INTO waybill.changes (tenant_id, seq, kind, entity_id, entries) SELECT $1, n, 'order', 'o1', '[]' FROM generate_series(1, 5000) n`,
	} {
		if _, err := r.conn.Exec(t.Context(), statement, string(tenant)); err != nil {
			t.Fatal(err)
		}
	}
}

// feedHoles counts, in one snapshot, the tenants whose feed is not dense.
const feedHoles = `SELECT count(*) FROM waybill.tenant_stream t WHERE t.seq - t.low <>
	(SELECT count(*) FROM waybill.changes c WHERE c.tenant_id = t.tenant_id AND c.seq > t.low AND c.seq <= t.seq)
	OR EXISTS (SELECT FROM waybill.changes c WHERE c.tenant_id = t.tenant_id AND (c.seq <= t.low OR c.seq > t.seq))`

// beside does something on a connection of its own, again and again, until the
// test's work is over.
func (r *rig) beside(t *testing.T, over <-chan struct{}, running *sync.WaitGroup, pause time.Duration, do func(context.Context, *pgx.Conn) error) {
	conn := connect(t, r.url)
	running.Go(func() {
		tick := time.NewTicker(pause)
		defer tick.Stop()
		for {
			select {
			case <-over:
				return
			case <-tick.C:
			}
			if err := do(t.Context(), conn); err != nil {
				t.Error(err)
				return
			}
		}
	})
}

// takeBack appends to a tenant's feed, as a projector does whose transaction
// fails at last.
func takeBack(ctx context.Context, conn *pgx.Conn) error {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `WITH s AS (UPDATE waybill.tenant_stream SET seq = seq + 3 WHERE tenant_id = 'a' RETURNING seq)
		INSERT INTO waybill.changes (tenant_id, seq, kind, entity_id, entries) SELECT 'a', s.seq - n, 'order', 'never', '[]' FROM s, generate_series(0, 2) n`); err != nil {
		return err
	}
	time.Sleep(time.Duration(rand.IntN(3)) * time.Millisecond) // others wait for the row meanwhile
	return tx.Rollback(ctx)
}

// I7: while projectors write for the same tenants, transactions are taken back
// and the feed is pruned, it is dense at every moment: somebody who looks all the
// time never sees a position missing.
func TestTheFeedIsDenseAtEveryMoment(t *testing.T) {
	r := newRig(t)
	r.aged(t, "a")
	r.aged(t, "b")
	all := append(ofTenant("a", histories(21, 60)), ofTenant("b", histories(22, 20))...)
	rand.New(rand.NewPCG(5, 5)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	workers := []*worker{
		r.newWorker(t, projector.Partition{Topic: events.OrdersTopic, ID: 1}), r.newWorker(t, part(1)), r.newWorker(t, part(2)),
	}
	over := make(chan struct{})
	var beside, working sync.WaitGroup
	looks, pruned := 0, int64(0)
	r.beside(t, over, &beside, 2*time.Millisecond, func(ctx context.Context, conn *pgx.Conn) error {
		var holes int
		err := conn.QueryRow(ctx, feedHoles).Scan(&holes)
		if looks++; holes > 0 {
			t.Errorf("at look %d the feeds of %d tenants have holes", looks, holes)
		}
		return err
	})
	r.beside(t, over, &beside, time.Millisecond, takeBack)
	r.beside(t, over, &beside, 5*time.Millisecond, func(ctx context.Context, conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, `UPDATE waybill.changes SET changed_at = now() - interval '1 hour' WHERE changed_at > now() - interval '1 minute'`); err != nil {
			return err
		}
		n, err := r.store.Prune(ctx)
		pruned += n
		return err
	})
	for i, w := range workers {
		var batches []projector.Batch
		for _, evs := range cut(rand.New(rand.NewPCG(3, uint64(i))), shareOf(i, all), 4) {
			batches = append(batches, w.batch(t, evs))
		}
		working.Go(func() {
			if err := applyAll(t, w, batches); err != nil {
				t.Error(err)
			}
		})
	}
	working.Wait()
	close(over)
	beside.Wait()
	denseFeed(t, r)
	if n := one[int](t, r, `SELECT count(*) FROM waybill.changes WHERE entity_id = 'never'`); n > 0 {
		t.Errorf("%d changes of transactions that were taken back", n)
	}
	if looks < 20 || pruned == 0 {
		t.Errorf("looked %d times, pruned %d changes: the test does not reach what it is for", looks, pruned)
	}
	t.Logf("looked %d times, pruned %d changes", looks, pruned)
}
