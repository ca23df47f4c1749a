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

// I2, I15: whatever is told, taken back, linked, asked for, dropped, resumed and
// rebuilt, at rest every client has the timelines and counts of the model, and
// the alerts were told once, in order, per chain of resumes.
func TestBoardsEndUpAsTheReadModelWhateverHappens(t *testing.T) {
	seeds := uint64(40)
	if testing.Short() {
		seeds = 8
	}
	var resumed, history int
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			cfg := fanout.Config{PageRows: 3, Ring: 40, Resume: 30, PendingEntities: 20, SlowPause: 300 * time.Millisecond, Linger: 2 * time.Second}
			inBubble(t, cfg, func(b *bench) {
				rng := rand.New(rand.NewPCG(seed, 11))
				b.model.Latency = time.Duration(rng.IntN(20)) * time.Millisecond
				v := &viewer{bench: b, kept: make(map[int64]*fanouttest.View)}
				v.connect()
				for step := range 150 {
					tell(b.model, rng, step)
					v.act(rng)
					time.Sleep(time.Duration(rng.IntN(120)) * time.Millisecond)
				}
				v.pipe.pause(false)
				b.settle(8 * time.Second)
				v.check()
				b.leave(v.conn)
				b.honest(v.pipe)
				resumed += b.meter.of("resumes/accepted")
				history += b.meter.of("resumes/history")
			})
		})
	}
	if resumed == 0 || history == 0 {
		t.Errorf("%d resumes and %d refused: the test does not reach what it is for", resumed, history)
	}
}

// viewer is a client of all boards.
type viewer struct {
	bench *bench
	pipe  *pipe
	conn  *fanout.Conn
	kept  map[int64]*fanouttest.View
}

func (v *viewer) asks() []fanout.Request {
	return []fanout.Request{
		{SID: 1, Topic: fanout.KPIs}, {SID: 2, Topic: fanout.Alerts}, timelineOf(3, ofS1), timelineOf(4, ofO1),
	}
}

func (v *viewer) connect() {
	v.pipe = newPipe()
	v.conn = v.bench.connect(acme, v.pipe)
	for _, r := range v.asks() {
		from := v.kept[r.SID]
		v.pipe.book.Ask(r.SID, from)
		if from != nil {
			r.Since = from.Since()
		}
		v.bench.subscribe(v.conn, v.pipe, r)
	}
}

func (v *viewer) act(rng *rand.Rand) {
	switch rng.IntN(12) {
	case 0:
		v.pipe.pause(false)
		v.bench.leave(v.conn)
		v.bench.honest(v.pipe)
		v.kept = make(map[int64]*fanouttest.View)
		for _, r := range v.asks() {
			if known := v.pipe.book.View(r.SID); known.Since() != nil && known.Live {
				v.kept[r.SID] = known
			}
		}
		if rng.IntN(3) == 0 {
			v.bench.restart()
		}
		time.Sleep(time.Duration(rng.IntN(800)) * time.Millisecond)
		v.connect()
	case 1:
		v.pipe.pause(true)
	case 2, 3:
		v.pipe.pause(false)
	}
}

func (v *viewer) check() {
	v.bench.sameKPIs(v.pipe.book.View(1), acme)
	v.bench.sameTimeline(v.pipe.book.View(3), acme, ofS1)
	v.bench.sameTimeline(v.pipe.book.View(4), acme, ofO1)
	alerts := v.pipe.book.View(2)
	var want []string
	for _, e := range v.bench.model.AlertsAfter(acme, fanout.Position{Epoch: alerts.Epoch, Seq: alerts.From}) {
		want = append(want, e.Row.Key())
	}
	got := alerts.Log
	// One frame says an entry once, the newest; between frames it may come again.
	if !alerts.Live || !slices.Equal(slices.Compact(lastOnly(want)), slices.Compact(lastOnly(got))) || len(got) > len(want) {
		v.bench.t.Errorf("alerts since %d (live: %v) told %v, want %v", alerts.From, alerts.Live, got, want)
	}
}

// lastOnly keeps the last of equal texts.
func lastOnly(all []string) []string {
	last := make(map[string]int)
	for i, s := range all {
		last[s] = i
	}
	var out []string
	for i, s := range all {
		if last[s] == i {
			out = append(out, s)
		}
	}
	return out
}

// tell commits something random.
func tell(m *fanouttest.Model, rng *rand.Rand, step int) {
	statuses := []string{"created", "in_transit", "delivered", "lost"}
	s := &fanout.ShipmentRow{ID: "S-1", Revision: int64(step), Status: statuses[rng.IntN(4)]}
	if rng.IntN(2) == 0 {
		s.Orders = []events.OrderID{"O-1"}
	}
	of := []events.Stream{ofS1, ofO1, {Kind: events.ShipmentStream, ID: "S-2"}}[rng.IntN(3)]
	f := fact(fmt.Sprint("e-", rng.IntN(15)), events.TypeLost, fmt.Sprint(step))
	switch rng.IntN(20) {
	case 0:
		m.Prune(acme, rng.IntN(5))
	case 1:
		m.Rebuild(acme, fmt.Sprint("e", step), int64(rng.IntN(100)))
	case 2:
		m.SetAway(true)
		time.Sleep(time.Duration(rng.IntN(300)) * time.Millisecond)
		m.SetAway(false)
	case 3, 4, 5:
		m.Put(acme, s, &fanout.OrderRow{ID: "O-1", Revision: int64(step), Status: "placed"})
	case 6, 7:
		m.Put(acme, s)
	case 8:
		m.Untell(acme, of, f)
	default:
		m.Tell(acme, of, f)
	}
}
