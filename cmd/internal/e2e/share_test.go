package e2e_test

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/waybill-io/waybill/cmd/internal/clitest"
)

// What a group of consumers promises, and the session timeout that it has.
const (
	moves   = 5 * time.Second // after a member joins or leaves
	session = 10 * time.Second
	noise   = 10 * time.Second // of a machine that runs other tests
)

// owned counts the partitions by the process that claimed them last.
func (p *platform) owned() map[int]int {
	p.t.Helper()
	rows, _ := p.pool.Query(p.t.Context(), `SELECT owner, count(*) FROM waybill.projection_offsets GROUP BY owner`) // the error is ForEachRow's too
	var owner string
	var n int
	by := map[int]int{}
	_, err := pgx.ForEachRow(rows, []any{&owner, &n}, func() error {
		pid, err := strconv.Atoi(owner[strings.LastIndexByte(owner, '/')+1:])
		by[pid] += n
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return by
}

// shared waits until the partitions are shared out like that, and returns how
// long it took.
func (p *platform) shared(what string, within time.Duration, want map[*clitest.Process]int) {
	p.t.Helper()
	began := time.Now()
	by := map[int]int{}
	for c, n := range want {
		by[c.PID()] = n
	}
	clitest.Eventually(p.t, func() error {
		if got := p.owned(); !maps.Equal(got, by) {
			return fmt.Errorf("%s: partitions by process %v, want %v", what, got, by)
		}
		return nil
	})
	took := time.Since(began)
	p.t.Logf("%s: the partitions had moved after %v (promised %v)", what, took.Round(10*time.Millisecond), within)
	if took > within+noise {
		p.t.Errorf("%s: it took %v for the partitions to move, want %v", what, took, within)
	}
}

// Consumers of a group share 24 partitions. Whoever joins, leaves, dies or falls
// silent, they are worked on again in time; and nothing is lost of what comes in
// meanwhile.
func TestConsumersShareTheWork(t *testing.T) {
	if testing.Short() {
		t.Skip("the group gives a silent member up after 10 seconds, twice")
	}
	t.Parallel()
	program := buildConsumer(t, "")
	p := newOwnPlatform(t)
	l := p.loaded(14, 50)
	group := freshName()
	first := p.consume(program, group, "")
	p.shared("one alone", moves, map[*clitest.Process]int{first: 24})
	second := p.consume(program, group, "")
	p.shared("another joins", moves, map[*clitest.Process]int{first: 12, second: 12})
	third := p.consume(program, group, "")
	p.shared("a third joins", moves, map[*clitest.Process]int{first: 8, second: 8, third: 8})
	first.Signal(syscall.SIGTERM)
	p.shared("one is asked to stop", moves, map[*clitest.Process]int{second: 12, third: 12})
	if code := first.Wait(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	second.Kill()
	p.shared("one is killed", session+moves, map[*clitest.Process]int{third: 24})
	fourth := p.consume(program, group, "")
	p.shared("a fourth joins", moves, map[*clitest.Process]int{third: 12, fourth: 12})
	third.Signal(syscall.SIGSTOP)
	p.shared("one falls silent", session+moves, map[*clitest.Process]int{fourth: 24})
	third.Signal(syscall.SIGCONT)
	p.shared("it speaks again", moves, map[*clitest.Process]int{third: 12, fourth: 12})
	l.stop()
	p.likeCalm(t)
}
