package fanout_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/fanout"
	"github.com/waybill-io/waybill/internal/fanout/fanouttest"
)

// question is a filter beside what it means.
type question struct {
	topic  fanout.Topic
	filter string
	want   func(fanout.Row) bool
}

func hasStatus(names ...string) func(fanout.Row) bool {
	return func(r fanout.Row) bool { return slices.Contains(names, r.StatusName()) }
}

var questions = []question{
	{fanout.Shipments, "", everyRow},
	{fanout.Shipments, `{"f":"status","op":"in","v":["in_transit","created"]}`, hasStatus("in_transit", "created")},
	{fanout.Shipments, `{"not":{"f":"status","op":"eq","v":"delivered"}}`, func(r fanout.Row) bool { return r.StatusName() != "delivered" }},
	{fanout.Shipments, `{"and":[{"f":"status","op":"eq","v":"lost"},{"f":"carrier","op":"eq","v":"DHL"}]}`,
		func(r fanout.Row) bool {
			c, _ := r.Field("carrier")
			return r.StatusName() == "lost" && c.Text() == "DHL"
		}},
	{fanout.Orders, `{"or":[{"f":"status","op":"eq","v":"lost"},{"f":"id","op":"eq","v":"acme-3"}]}`,
		func(r fanout.Row) bool { return r.StatusName() == "lost" || r.Key() == "acme-3" }},
}

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

func (p *player) disconnect() {
	p.pipe.pause(false)
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
	switch rng.IntN(9) {
	case 0:
		if len(p.asked) < 4 {
			p.nextID++
			q := questions[rng.IntN(len(questions))]
			p.asked[p.nextID] = q
			p.bench.subscribe(p.conn, p.pipe, fanout.Request{SID: p.nextID, Topic: q.topic, Filter: []byte(q.filter), MaxHz: float64(rng.IntN(11))})
		}
	case 1:
		for sid := range p.asked {
			delete(p.asked, sid)
			p.conn.Unsubscribe(sid)
			break
		}
	case 2:
		p.disconnect()
		time.Sleep(time.Duration(rng.IntN(400)) * time.Millisecond)
		p.connect(rng)
	case 3:
		p.pipe.pause(true)
	case 4, 5:
		p.pipe.pause(false)
	}
}

// change commits something random to a tenant.
func change(m *fanouttest.Model, rng *rand.Rand, tenant events.TenantID, v int64) {
	statuses := []string{"created", "in_transit", "delivered", "lost"}
	rows := make([]fanout.Row, 0, 4)
	for range 1 + rng.IntN(4) {
		id := fmt.Sprint(tenant, "-", rng.IntN(12))
		status := statuses[rng.IntN(len(statuses))]
		if rng.IntN(4) == 0 {
			rows = append(rows, &fanout.OrderRow{ID: events.OrderID(id), Revision: v, Status: status})
		} else {
			carrier := []events.SCAC{"UPS", "DHL"}[rng.IntN(2)]
			rows = append(rows, &fanout.ShipmentRow{ID: events.ShipmentID(id), Revision: v, Status: status, Carrier: carrier})
		}
	}
	switch rng.IntN(30) {
	case 0:
		m.Delete(tenant, fanout.Shipments, rows[0].Key())
	case 1:
		m.Prune(tenant, rng.IntN(5))
	case 2:
		m.Rebuild(tenant, fmt.Sprint("e", v), int64(rng.IntN(100)))
	case 3:
		m.SetAway(true)
		time.Sleep(time.Duration(rng.IntN(300)) * time.Millisecond)
		m.SetAway(false)
	default:
		m.Put(tenant, rows...)
	}
}

// I1, I2, I3, I4, I5: whatever is changed, asked for, dropped, resumed, paused,
// pruned and rebuilt, ranges tile, positions and revisions do not go back, nobody
// is live on less than a state, no row of another tenant shows, and at rest every
// client has exactly what the read model has. The books check the protocol with
// every frame; a deleted row that comes back may have any revision.
func TestClientsEndUpWithTheReadModelWhateverHappens(t *testing.T) {
	seeds := uint64(60)
	if testing.Short() {
		seeds = 10
	}
	var resumed, reset, deltas int
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
				b.settle(5 * time.Second)
				for _, p := range players {
					for sid, q := range p.asked {
						v := p.pipe.book.View(sid)
						b.same(v, p.tenant, q.topic, q.want)
						deltas += v.Deltas
					}
					b.leave(p.conn)
					b.honest(p.pipe)
				}
				resumed += b.meter.of("resumes/accepted")
				reset += b.meter.of("resets/slow") + b.meter.of("resets/epoch") + b.meter.of("resets/history")
			})
		})
	}
	if resumed == 0 || reset == 0 || deltas == 0 {
		t.Errorf("%d resumes, %d resets, %d deltas: the test does not reach what it is for", resumed, reset, deltas)
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
