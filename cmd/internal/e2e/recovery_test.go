package e2e_test

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waybill-io/waybill/cmd/internal/clitest"
)

var recoveries = flag.Int("recoveries", 1, "how often one of two consumers is killed, with and without a new one at once")

// One of two consumers is killed under load, again and again. The other takes its
// partitions over when the group gives it up, and has caught up soon after; a new
// one that is there at once changes nothing about that.
func TestAKilledConsumerIsReplacedInTime(t *testing.T) {
	if testing.Short() {
		t.Skip("the group gives a silent member up after 10 seconds")
	}
	t.Parallel()
	program := buildConsumer(t, "")
	p := newOwnPlatform(t)
	const rate = 500
	l := p.loaded(13, rate)
	group := freshName()
	members := []*clitest.Process{p.member(program, group), p.member(program, group)}
	p.shared("two share", moves, map[*clitest.Process]int{members[0]: 12, members[1]: 12})
	g := p.measure()
	took := map[bool][]time.Duration{}
	for i := range 2 * *recoveries {
		atOnce := i%2 == 1
		h := &happened{at: time.Now()}
		members[0].Kill()
		if atOnce {
			members = append(members, p.member(program, group))
		}
		g.watch(h)
		took[atOnce] = append(took[atOnce], g.overcome(t, h))
		if !atOnce {
			members = append(members, p.member(program, group))
		}
		members = members[1:]
		p.shared("two share again", session+moves, map[*clitest.Process]int{members[0]: 12, members[1]: 12})
	}
	l.stop()
	for atOnce, all := range took {
		slices.Sort(all)
		most := all[len(all)-1]
		t.Logf("replaced at once %t: %d kills under %d events a second; lag below 1 s again after %v in the median, %v at most (promised %v)",
			atOnce, len(all), rate, all[len(all)/2].Round(10*time.Millisecond), most.Round(10*time.Millisecond), session+moves)
		if most > session+moves+noise {
			t.Errorf("it took %v until the lag was below 1 s again, want %v", most, session+moves)
		}
	}
	p.likeCalm(t)
}

// member starts the command in a group, in batches of the usual size.
func (p *platform) member(program, group string) *clitest.Process {
	p.t.Helper()
	args := []string{"run", "--brokers", strings.Join(p.brokers, ","), "--database-url", p.db, "--ops-addr", "127.0.0.1:0", "--group", group}
	return clitest.StartProgram(p.t, program, args, nil)
}

// overcome waits until the read model has caught up after what happened, and
// returns how long that took.
func (g *gauge) overcome(t testing.TB, h *happened) (took time.Duration) {
	t.Helper()
	clitest.Eventually(t, func() error {
		g.mu.Lock()
		defer g.mu.Unlock()
		if took = h.over; took == 0 {
			return fmt.Errorf("the read model has not caught up with what was there %v ago", time.Since(h.at))
		}
		return nil
	})
	return took
}
