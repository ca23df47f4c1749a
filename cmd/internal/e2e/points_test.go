package e2e_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"
)

var kills = flag.Int("kills", 3, "how often the consumer is killed at each crash point")

// crashPoints are where the consumer is killed: at one of the first so many times
// that it comes there.
func crashPoints() map[string]int {
	return map[string]int{
		"claimed":        1,  // after the claim, before the first batch
		"fetched":        4,  // after the fetch, before the transaction
		"in_transaction": 36, // between two of its steps, of which it has 13
		"committed":      4,  // the database has it, nobody else knows
		"before_wake":    4,  // before any gateway saw it
		"before_hint":    2,  // before the group is told
		"bisecting":      3,  // between the halves of a batch that was refused
		"letters_sent":   2,  // a copy is on its topic, and nobody remembers
	}
}

// The real command is killed at each of its crash points, again and again, while
// events and poison come in. At last its rows are those of a consumer that nothing
// has happened to, and each record is accounted for.
func TestAKillAtAnyPointLosesAndDoublesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("some dozens of processes are started and killed")
	}
	t.Parallel()
	program := buildConsumer(t, "fault")
	p := newOwnPlatform(t)
	l := p.loaded(11, 200)
	r := rand.New(rand.NewPCG(11, 0))
	count := map[string]int{}
	began := time.Now()
	for range *kills {
		for name, most := range crashPoints() {
			p.killAt(program, name, 1+r.IntN(most))
			count[name]++
			p.catchUp(program)
		}
	}
	killing := time.Since(began)
	l.stop()
	p.consume(program, freshName(), "")
	p.copied() // before the undisturbed run publishes its own
	p.likeCalm(t)
	t.Logf("%d events published; killed within %v: %v", l.sent, killing.Round(time.Second), count)
}

// catchUp runs a consumer until it has applied what is in the log by now, and asks
// it to stop. Records that happen to be in hand at kill after kill would become
// dead letters otherwise, as those that kill by themselves have to.
func (p *platform) catchUp(program string) {
	p.t.Helper()
	ends := p.ends()
	c := p.consume(program, freshName(), "")
	c.Says("consumer running") // until then, a signal would just end it
	p.reaches(ends[p.topics.Orders] + ends[p.topics.Shipments])
	c.Signal(syscall.SIGTERM)
	if code := c.Wait(); code != 0 {
		p.t.Fatalf("exit code %d, want 0", code)
	}
}

// killAt runs the consumer until it kills itself. Its group is new every time: in
// an old one the dead member would be waited for.
func (p *platform) killAt(program, name string, hit int) {
	p.t.Helper()
	c := p.consume(program, freshName(), fmt.Sprintf("%s:%d:kill", name, hit))
	select {
	case <-c.Ended():
	case <-time.After(limit):
		p.t.Fatalf("%s has not come for the time %d within %v", name, hit, limit)
	}
	if want := fmt.Sprintf("fault: %s hit %d: kill", name, hit); !c.Killed() || !strings.Contains(c.Said(), want) {
		p.t.Fatalf("the consumer ended without %q", want)
	}
}
