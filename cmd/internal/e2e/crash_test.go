package e2e_test

import (
	"context"
	"fmt"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/waybill-io/waybill/cmd/internal/clitest"
)

// total is how many records have been applied.
func (p *platform) total() int64 { return p.position(p.topics.Orders) + p.position(p.topics.Shipments) }

// reaches waits until so many records have been applied.
func (p *platform) reaches(n int64) {
	p.t.Helper()
	clitest.Eventually(p.t, func() error {
		if at := p.total(); at < n {
			return fmt.Errorf("%d of %d records are in the read model", at, n)
		}
		return nil
	})
}

// hold is a lock that every batch needs for its last step before the commit.
type hold struct {
	p  *platform
	tx pgx.Tx
}

// hold takes the lock once the transactions under way have ended.
func (p *platform) hold() *hold {
	p.t.Helper()
	tx, err := p.pool.Begin(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := tx.Exec(p.t.Context(), `LOCK TABLE waybill.tenant_stream IN EXCLUSIVE MODE`); err != nil {
		p.t.Fatal(err)
	}
	h := &hold{p, tx}
	p.t.Cleanup(func() { _ = tx.Rollback(context.Background()) }) // of no effect after release
	return h
}

// blocks waits until a batch has come to that step.
func (h *hold) blocks() {
	h.p.t.Helper()
	must(h.p.t, "a batch waits for its last step", func() bool {
		return value[int](h.p, `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND application_name = 'waybill consumer' AND wait_event_type = 'Lock'`) > 0
	})
}

func (h *hold) release() {
	h.p.t.Helper()
	if err := h.tx.Rollback(h.p.t.Context()); err != nil {
		h.p.t.Fatal(err)
	}
}

func TestAConsumerThatIsAskedToStopFinishesItsBatch(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.publish(histories(t, 3, tenant, 40)...)
	h := p.hold()
	c := p.spawn(p.projection())
	h.blocks()
	c.Signal(syscall.SIGTERM)
	c.Says("asked to stop")
	h.release()
	if code := c.Wait(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	if p.total() == 0 {
		t.Error("the batch in hand was given up")
	}
	p.project()
	p.likeNew()
}

// likeNew waits until everything is applied, and compares with a consumer that
// nothing has happened to.
func (p *platform) likeNew() {
	p.t.Helper()
	calm := p.beside()
	calm.project()
	calm.drained()
	p.drained()
	equal(p.t, "compared with an undisturbed run", calm.rows(), p.rows())
}

// A process that is stopped in the middle of a transaction, for so long that its
// group gives its partitions to another one, must change nothing when it goes
// on.
func TestAConsumerThatSleptThroughItsReplacementIsFenced(t *testing.T) {
	if testing.Short() {
		t.Skip("the group gives a silent member up after 10 seconds")
	}
	t.Parallel()
	p := newPlatform(t)
	all := histories(t, 4, tenant, 60)
	p.publish(all[:len(all)/2]...)
	cfg := p.projection()
	cfg.BatchEvents, cfg.Workers = 50, 1 // so that it is stopped in the only transaction it has
	sleeper := p.spawn(cfg)
	p.drained()
	h := p.hold()
	p.publish(all[len(all)/2:]...)
	h.blocks()
	sleeper.Signal(syscall.SIGSTOP)
	h.release()

	heir := p.spawn(cfg) // the same group
	p.drained()
	sleeper.Signal(syscall.SIGCONT)
	sleeper.Says("fenced")
	p.publish(histories(t, 6, tenant, 20)...)
	p.likeNew()
	for _, c := range []*clitest.Process{sleeper, heir} {
		c.Signal(syscall.SIGTERM)
		if code := c.Wait(); code != 0 {
			t.Errorf("exit code %d, want 0", code)
		}
	}
}
