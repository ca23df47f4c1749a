package fanout_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/fanout"
	"github.com/waybill-io/waybill/internal/fanout/fanouttest"
)

// player is one client of the random test.
type player struct {
	bench  *bench
	tenant events.TenantID
	pipe   *pipe
	conn   *fanout.Conn
	asked  map[int64]question
	kept   map[int64]*fanouttest.View // of the connection before
	nextID int64
}

func (p *player) connect(rng *rand.Rand) {
	p.pipe = newPipe()
	p.pipe.book.Prefix = string(p.tenant) + "-"
	p.pipe.delay = time.Duration(rng.IntN(3)) * 10 * time.Millisecond
	p.conn = p.bench.connect(p.tenant, p.pipe)
	for sid, q := range p.asked {
		from := p.kept[sid]
		p.pipe.book.Ask(sid, from)
		r := fanout.Request{SID: sid, Topic: q.topic, Filter: []byte(q.filter)}
		if from != nil {
			r.Since = from.Since()
		}
		p.bench.subscribe(p.conn, p.pipe, r)
	}
}

// disconnect says goodbye, or is gone in the middle of whatever it was sent.
func (p *player) disconnect(killed bool) {
	if !killed {
		p.pipe.pause(false)
	} else {
		p.pipe.Close(fanout.CloseLost)
	}
	p.bench.leave(p.conn)
	p.bench.honest(p.pipe)
	p.kept = make(map[int64]*fanouttest.View)
	for sid := range p.asked {
		if v := p.pipe.book.View(sid); v != nil && v.Since() != nil && v.Live {
			p.kept[sid] = v
		}
	}
}

func (p *player) act(rng *rand.Rand) {
	switch rng.IntN(10) {
	case 0, 1:
		if len(p.asked) < 5 {
			p.nextID++
			p.ask(rng, p.nextID)
		}
	case 2:
		for sid := range p.asked {
			delete(p.asked, sid)
			p.conn.Unsubscribe(sid)
			break
		}
	case 3:
		for sid := range p.asked { // the same sid for something else
			p.pipe.book.Otherwise(sid)
			p.ask(rng, sid)
			break
		}
	case 4, 5:
		p.disconnect(rng.IntN(2) == 0)
		time.Sleep(time.Duration(rng.IntN(400)) * time.Millisecond)
		p.connect(rng)
	case 6:
		p.pipe.pause(true)
	default:
		p.pipe.pause(false)
	}
}

func (p *player) ask(rng *rand.Rand, sid int64) {
	q := anyQuestion(rng, p.tenant)
	p.asked[sid] = q
	p.bench.subscribe(p.conn, p.pipe, fanout.Request{SID: sid, Topic: q.topic, Filter: []byte(q.filter), MaxHz: float64(rng.IntN(11))})
}

// askAgain asks for what the server could not read at the time, as it was told to.
func (p *player) askAgain() {
	for sid, q := range p.asked {
		if v := p.pipe.book.View(sid); v.Refused == string(fanout.Internal) {
			p.pipe.book.Ask(sid, nil)
			p.bench.subscribe(p.conn, p.pipe, fanout.Request{SID: sid, Topic: q.topic, Filter: []byte(q.filter)})
		}
	}
}

// check holds what a client has at rest against the read model.
func (p *player) check(sid int64, q question) (v *fanouttest.View) {
	b := p.bench
	b.t.Helper()
	v = p.pipe.book.View(sid)
	if q.topic == fanout.Alerts {
		b.heard(v, p.tenant, q.want)
		return v
	}
	b.shows(v, q.answer(b.model, p.tenant))
	return v
}

// heard checks that a client was told of each alert since its snapshot, once and
// in order. One that was told again may be heard again, or be conflated with the
// later one within a tick.
func (b *bench) heard(v *fanouttest.View, tenant events.TenantID, want func(fanout.Row) bool) {
	b.t.Helper()
	var all []string
	for _, e := range b.model.AlertsAfter(tenant, fanout.Position{Epoch: v.Epoch, Seq: v.From}) {
		if want(e.Row) {
			all = append(all, e.Row.Key())
		}
	}
	if !v.Live {
		b.t.Errorf("sid %d is not live, refused with %q, resets %v", v.SID, v.Refused, v.Resets)
	}
	if diff := cmp.Diff(lastOfEach(all), lastOfEach(v.Log)); diff != "" {
		b.t.Errorf("sid %d heard since %d (-told +heard):\n%s", v.SID, v.From, diff)
	}
	for key, n := range times(v.Log) {
		if most := times(all)[key]; n > most {
			b.t.Errorf("sid %d heard of %s %d times, it was told %d times", v.SID, key, n, most)
		}
	}
}

// lastOfEach keeps the last of equal ones, in their order.
func lastOfEach(list []string) []string {
	var out []string
	for i, s := range list {
		if !slices.Contains(list[i+1:], s) {
			out = append(out, s)
		}
	}
	return out
}

func times(list []string) map[string]int {
	n := make(map[string]int)
	for _, s := range list {
		n[s]++
	}
	return n
}

// reached is what the random test has seen happen.
type reached struct{ resumed, reset, deltas, entries int }

func (r *reached) note(b *bench, v *fanouttest.View) {
	r.deltas += v.Deltas
	r.entries += len(v.Log)
}

// I1, I2, I3, I4, I5, I15: whatever is changed, told, asked for, asked otherwise,
// dropped, resumed, paused, killed, pruned and rebuilt, ranges tile, positions and
// revisions do not go back, nobody is live on less than a state, no row of another
// tenant shows, and at rest every client has exactly what the read model has, and
// was told of each alert once and in order. The books check the protocol with
// every frame.
func TestClientsEndUpWithTheReadModelWhateverHappens(t *testing.T) {
	seeds := uint64(60)
	if testing.Short() {
		seeds = 15
	}
	var r reached
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			cfg := fanout.Config{PageRows: 3, Ring: 40, Resume: 30, PendingEntities: 6, SlowPause: 300 * time.Millisecond}
			inBubble(t, cfg, func(b *bench) {
				rng := rand.New(rand.NewPCG(seed, 7))
				b.model.Latency = time.Duration(rng.IntN(20)) * time.Millisecond
				players := perform(b, rng)
				for _, p := range players {
					p.pipe.pause(false)
				}
				b.settle(10 * time.Second)
				for _, p := range players {
					p.askAgain()
				}
				b.settle(10 * time.Second)
				for _, p := range players {
					for sid, q := range p.asked {
						r.note(b, p.check(sid, q))
					}
					b.leave(p.conn)
					b.honest(p.pipe)
				}
				r.resumed += b.meter.of("resumes/accepted")
				r.reset += b.meter.of("resets/slow") + b.meter.of("resets/epoch") + b.meter.of("resets/history")
			})
		})
	}
	if r.resumed == 0 || r.reset == 0 || r.deltas == 0 || r.entries == 0 {
		t.Errorf("%+v: the test does not reach what it is for", r)
	}
}

func perform(b *bench, rng *rand.Rand) []*player {
	tenants := []events.TenantID{"acme", "zeta"}
	var players []*player
	for i := range 4 {
		p := &player{bench: b, tenant: tenants[i%2], asked: make(map[int64]question)}
		p.connect(rng)
		players = append(players, p)
	}
	for step := range int64(120) {
		change(b.model, rng, tenants[rng.IntN(2)], step+1)
		if rng.IntN(2) == 0 {
			players[rng.IntN(len(players))].act(rng)
		}
		time.Sleep(time.Duration(rng.IntN(60)) * time.Millisecond)
	}
	return players
}
