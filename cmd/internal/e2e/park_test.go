package e2e_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/waybill-io/waybill/cmd/internal/clitest"
)

// parkLoaded publishes histories until it is stopped, in which every so often an
// event is refused by the database, or a record of the same key is none.
func (p *platform) parkLoaded(seed uint64, rate int) (stop func() int) {
	p.t.Helper()
	raw, err := kgo.NewClient(kgo.SeedBrokers(p.brokers...), kgo.DisableIdempotentWrite(), kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)))
	if err != nil {
		p.t.Fatal(err)
	}
	all, pub, r := histories(p.t, seed, tenant, 2000), p.publisher(), rand.New(rand.NewPCG(seed, 0))
	over, sent := make(chan struct{}), 0
	var running sync.WaitGroup
	running.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*limit)
		defer cancel()
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for part := range slices.Chunk(all, max(1, rate/10)) {
			spoilt := r.IntN(len(part))
			if r.IntN(2) == 0 {
				part[spoilt].Source = refused
			} else {
				none := &kgo.Record{Topic: p.topics.Shipments, Key: []byte(tenant + "|" + part[spoilt].Subject), Value: []byte(garbage)}
				if part[spoilt].Stream().Topic() == defaultTopics().Orders {
					none.Topic = p.topics.Orders
				}
				if err := raw.ProduceSync(ctx, none).FirstErr(); err != nil {
					p.t.Errorf("publish garbage: %v", err)
				}
			}
			if err := pub.Publish(ctx, part); err != nil {
				p.t.Errorf("publish: %v", err)
			}
			sent += len(part)
			select {
			case <-over:
				return
			case <-tick.C:
			}
		}
	})
	return sync.OnceValue(func() int {
		close(over)
		running.Wait()
		raw.Close()
		return sent
	})
}

// settle runs the command about dead letters on some of the new ones.
func (p *platform) settle(program, command, which string, most int, faults string, flags ...string) *clitest.Process {
	p.t.Helper()
	ids := p.lines(fmt.Sprintf(`SELECT format('%%s/%%s/%%s', topic, partition, "offset") FROM waybill.dead_letters
		WHERE status = 'new' AND %s ORDER BY created_at LIMIT %d`, which, most))
	if len(ids) == 0 {
		return nil
	}
	args := slices.Concat([]string{"deadletters", command, "--database-url", p.db}, flags, ids)
	return clitest.StartProgram(p.t, program, args, map[string]string{"WAYBILL_FAULT": faults})
}

// discardSome discards records that are none, and is perhaps killed in the midst of
// that, at any of its statements.
func (p *platform) discardSome(program string, r *rand.Rand) (killed bool) {
	p.t.Helper()
	c := p.settle(program, "discard", fmt.Sprintf("value = '%s'", garbage), 4, fmt.Sprintf("in_transaction:%d:kill", 1+r.IntN(40)), "--reason=a test")
	if c == nil {
		return false
	}
	c.Wait()
	return c.Killed()
}

// settleAll settles dead letters until there is none: refused events are allowed by
// now, and whatever is no event is discarded.
func (p *platform) settleAll(program string) (rounds int) {
	p.t.Helper()
	if _, err := p.pool.Exec(p.t.Context(), `ALTER TABLE waybill.events DROP CONSTRAINT refused`); err != nil {
		p.t.Fatal(err)
	}
	for deadline := time.Now().Add(limit); value[int](p, `SELECT count(*) FROM waybill.dead_letters WHERE status = 'new'`) > 0; rounds++ {
		if time.Now().After(deadline) {
			p.t.Fatal("there are dead letters still")
		}
		const many = 500
		none := fmt.Sprintf("value = '%s'", garbage)
		for _, c := range []*clitest.Process{
			p.settle(program, "discard", none, many, "", "--reason=a test", "--limit=500"),
			p.settle(program, "replay", "NOT "+none, many, "", "--limit=500"),
		} {
			if c != nil {
				c.Wait() // 1 when something that waited is the next letter
			}
		}
	}
	return rounds
}

// placed fails the test unless each record of the log is in just one place. A copy
// is nowhere, unless it waits.
func (p *platform) placed() {
	p.t.Helper()
	places, copies, said := map[string]int{}, map[string]bool{}, map[string]bool{}
	p.readAll(p.topics, func(r *kgo.Record) {
		place := fmt.Sprintf("%s/%d@%d", r.Topic, r.Partition, r.Offset)
		what := strings.Join([]string{string(r.Key), header(r, "ce_source"), header(r, "ce_id"), string(r.Value)}, "\n")
		copies[place] = said[what] && string(r.Value) != garbage
		places[place], said[what] = 0, true
	})
	for _, place := range p.lines(`SELECT format('%s/%s@%s', topic, partition, "offset") FROM waybill.events
		UNION ALL SELECT format('%s/%s@%s', topic, partition, "offset") FROM waybill.dead_letters WHERE status <> 'replayed'
		UNION ALL SELECT format('%s/%s@%s', topic, partition, "offset") FROM waybill.parked_records`) {
		places[place]++
	}
	for place, n := range places {
		if n != 1 && (n != 0 || !copies[place]) {
			p.t.Errorf("%s is in %d places, want 1", place, n)
		}
	}
}

// The consumer is killed at its crash points, and the command that lets records go
// at any statement, while keys are parked and let go. At last everything is let go,
// and the rows are those of a consumer to which nothing has happened.
func TestAKillLosesAndDoublesNothingOfWhatWaits(t *testing.T) {
	if testing.Short() {
		t.Skip("some dozens of processes are started and killed")
	}
	t.Parallel()
	program := buildConsumer(t, "fault")
	p := newOwnPlatform(t)
	p.park = "*"
	stop := p.parkLoaded(17, 200)
	r := rand.New(rand.NewPCG(17, 0))
	most, cut := crashPoints(), 0
	count := map[string]int{}
	for range *kills {
		for _, name := range []string{"claimed", "fetched", "in_transaction", "bisecting", "committed"} {
			p.killAt(program, name, 1+r.IntN(most[name]))
			count[name]++
			if p.discardSome(program, r) {
				cut++
			}
			p.catchUp(program)
			if p.discardSome(program, r) {
				cut++
			}
		}
	}
	sent := stop()
	p.catchUp(program)
	p.placed()
	keys, waiting := value[int](p, `SELECT count(*) FROM waybill.parked_keys`), value[int](p, `SELECT count(*) FROM waybill.parked_records`)
	if keys == 0 || waiting == 0 || cut == 0 {
		t.Errorf("%d keys are parked, %d records wait, the command was killed %d times: nothing was tried", keys, waiting, cut)
	}
	letters := value[int](p, `SELECT count(*) FROM waybill.dead_letters`)
	rounds := p.settleAll(program)
	p.placed()
	if n := value[int](p, `SELECT (SELECT count(*) FROM waybill.parked_keys) + (SELECT count(*) FROM waybill.parked_records)`); n != 0 {
		t.Errorf("%d keys and records are parked still", n)
	}
	calm := p.beside()
	c := calm.consume(program, freshName(), "")
	calm.drained()
	same(t, calm.rows(), p.rows())
	c.Kill()
	t.Logf("%d events published; consumer killed %v, command %d times; %d letters, %d records waited behind %d keys at last, let go in %d rounds: %s",
		sent, count, cut, letters, waiting, keys, rounds, strings.TrimSpace(summary(p.rows())))
}
