package fanout_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/fanout"
)

func mustFilter(t testing.TB, topic fanout.Topic, text string) fanout.Filter {
	t.Helper()
	f, err := fanout.ParseFilter(topic, []byte(text))
	if err != nil {
		t.Fatalf("ParseFilter(%s): %v", text, err)
	}
	return f
}

// pair is the same groups twice: told by the index, and told one by one.
type pair struct {
	index, plain *fanout.Groups
	rows         map[string]fanout.Row
	live         []int
	version      int64
}

func (p *pair) both(do func(*fanout.Groups) int) {
	i := do(p.index)
	do(p.plain)
	p.live = append(p.live, i)
}

func (p *pair) commit(t *rapid.T) {
	var changes []fanout.Change
	var rows []fanout.Row
	for range rapid.IntRange(1, 4).Draw(t, "changes") {
		row := fanout.Row(drawShipment(t))
		if rapid.Bool().Draw(t, "order") {
			row = &fanout.OrderRow{ID: events.OrderID(row.Key()), Status: row.StatusName()}
		}
		changes = append(changes, fanout.Change{Topic: row.Topic(), ID: row.Key()})
		k := string(row.Topic()) + row.Key()
		if delete(p.rows, k); rapid.IntRange(0, 3).Draw(t, "gone") > 0 {
			p.rows[k] = row
		}
	}
	for _, c := range changes {
		if row := p.rows[string(c.Topic)+c.ID]; row != nil {
			rows = append(rows, row)
		}
	}
	p.index.Commit(append([]fanout.Change(nil), changes...), rows)
	p.plain.Commit(changes, rows)
}

func (p *pair) subscribe(t *rapid.T) {
	topic, text := fanout.Shipments, `{"or":[{"f":"status","op":"eq","v":"lost"},{"f":"id","op":"eq","v":"S-1"}]}`
	if rapid.Bool().Draw(t, "drawn") {
		text = drawText(t, drawFilter(t, 2))
	} else if rapid.Bool().Draw(t, "orders") {
		topic = fanout.Orders
	}
	f, problem := fanout.ParseFilter(topic, []byte(text))
	if problem != nil {
		t.Fatalf("ParseFilter(%s): %v", text, problem)
	}
	if rapid.Bool().Draw(t, "resumed") {
		seq := int64(rapid.IntRange(0, 20).Draw(t, "since"))
		p.both(func(g *fanout.Groups) int { return g.Resume(topic, f, min(seq, g.Position())) })
		return
	}
	var rows []fanout.Row
	for _, r := range p.rows {
		rows = append(rows, r)
	}
	p.both(func(g *fanout.Groups) int { return g.Join(topic, f, rows...) })
}

// Whatever is subscribed, resumed, changed, deleted and given up, groups that the
// index tells have exactly what they had if each were told of everything.
func TestTheIndexTellsEveryGroupThatAChangeConcerns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := &pair{index: fanout.NewGroups(false), plain: fanout.NewGroups(true), rows: map[string]fanout.Row{}}
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			switch rapid.IntRange(0, 5).Draw(t, "step") {
			case 0, 1:
				p.subscribe(t)
			case 2:
				if len(p.live) > 0 {
					i := rapid.IntRange(0, len(p.live)-1).Draw(t, "leaver")
					p.index.Leave(p.live[i])
					p.plain.Leave(p.live[i])
					p.live = append(p.live[:i], p.live[i+1:]...)
				}
			default:
				p.commit(t)
				if diff := cmp.Diff(p.plain.Take(), p.index.Take()); diff != "" {
					t.Fatalf("groups (-one by one +index):\n%s", diff)
				}
			}
		}
		for _, i := range p.live {
			p.index.Leave(i)
		}
		if left := p.index.Clean(); left > 0 {
			t.Fatalf("the index keeps %d things of groups that are gone", left)
		}
	})
}

func TestGroupsThatNameTextsDoNotHearOfEverything(t *testing.T) {
	tests := []struct {
		topic   fanout.Topic
		filter  string
		resumed bool
		want    int
	}{
		{fanout.Shipments, `{"f":"id","op":"eq","v":"S-1"}`, false, 0},
		{fanout.Shipments, `{"f":"id","op":"eq","v":"S-1"}`, true, 0},
		{fanout.Shipments, `{"f":"carrier","op":"eq","v":"UPS"}`, false, 0},
		{fanout.Shipments, `{"f":"carrier","op":"eq","v":"UPS"}`, true, 1},
		{fanout.Shipments, `{"f":"orders","op":"in","v":["O-1","O-2"]}`, false, 0},
		{fanout.Shipments, `{"not":{"f":"carrier","op":"eq","v":"UPS"}}`, false, 1},
		{fanout.Shipments, ``, false, 1},
		{fanout.Orders, `{"and":[{"f":"channel","op":"eq","v":"web"},{"f":"lost","op":"range","v":{"gt":0}}]}`, false, 0},
		{fanout.Orders, `{"or":[{"f":"channel","op":"eq","v":"web"},{"f":"lost","op":"range","v":{"gt":0}}]}`, false, 1},
	}
	for _, tt := range tests {
		g := fanout.NewGroups(false)
		f := mustFilter(t, tt.topic, tt.filter)
		if tt.resumed {
			g.Resume(tt.topic, f, 0)
		} else {
			g.Join(tt.topic, f)
		}
		if wide, filed := g.Wide(); wide != tt.want || filed != 1 {
			t.Errorf("%s (resumed %v): %d of %d groups hear of everything, want %d of 1", tt.filter, tt.resumed, wide, filed, tt.want)
		}
	}
}

// A group that resumed hears of everything only until a snapshot tells what its
// clients have.
func TestAGroupIsFiledOnceItIsComplete(t *testing.T) {
	g := fanout.NewGroups(false)
	f := mustFilter(t, fanout.Shipments, `{"f":"carrier","op":"eq","v":"UPS"}`)
	g.Resume(fanout.Shipments, f, 0)
	g.Join(fanout.Shipments, f)
	if wide, filed := g.Wide(); wide != 0 || filed != 1 {
		t.Errorf("%d of %d groups hear of everything, want 0 of 1", wide, filed)
	}
}

// BenchmarkAdvance is 2,000 changes of 2,000 shipments in a tenant with 5,000
// groups: public links that watch one shipment each, and desks that watch what
// one carrier has at one place.
func BenchmarkAdvance(b *testing.B) {
	for _, way := range []string{"index", "one by one"} {
		b.Run(way, func(b *testing.B) {
			g := fanout.NewGroups(way == "one by one")
			watchers(b, 4000, func(f fanout.Filter) { g.Join(fanout.Shipments, f) })
			for i := range 1000 {
				g.Join(fanout.Shipments, mustFilter(b, fanout.Shipments, fmt.Sprintf(
					`{"and":[{"f":"carrier","op":"eq","v":"C-%d"},{"f":"last_location","op":"eq","v":"hub %d"}]}`, i%20, i)))
			}
			changes, rows := make([]fanout.Change, 2000), make([]fanout.Row, 2000)
			for i := range rows {
				row := &fanout.ShipmentRow{ID: events.ShipmentID(fmt.Sprint("S-", i*3)), Status: "in_transit",
					Carrier: events.SCAC(fmt.Sprint("C-", i%20)), LastLocation: fmt.Sprint("hub ", i%1000)}
				rows[i], changes[i] = row, fanout.Change{Topic: fanout.Shipments, ID: row.Key()}
			}
			b.ReportAllocs()
			for b.Loop() {
				g.Commit(changes, rows)
			}
		})
	}
}

// watchers adds groups that watch one shipment each.
func watchers(b *testing.B, n int, add func(fanout.Filter)) {
	b.Helper()
	for i := range n {
		add(mustFilter(b, fanout.Shipments, fmt.Sprintf(`{"f":"id","op":"eq","v":"S-%d"}`, i)))
	}
}

// BenchmarkTurn is a turn of the loop in which nothing is due to any of 5,000
// groups.
func BenchmarkTurn(b *testing.B) {
	g := fanout.NewGroups(false)
	watchers(b, 5000, func(f fanout.Filter) { g.Join(fanout.Shipments, f) })
	now := time.Now()
	for b.Loop() {
		g.Publish(now)
	}
}

// BenchmarkStorm is 2,000 groups whose clients come back at once, cut off at 20
// positions, after 5,000 changes.
func BenchmarkStorm(b *testing.B) {
	g := fanout.NewGroups(false)
	for range 5 {
		changes, rows := make([]fanout.Change, 1000), make([]fanout.Row, 1000)
		for i := range rows {
			row := shipment(fmt.Sprint("S-", i), 1, "in_transit")
			rows[i], changes[i] = row, fanout.Change{Topic: fanout.Shipments, ID: row.Key()}
		}
		g.Commit(changes, rows)
	}
	for b.Loop() {
		n := int64(0)
		watchers(b, 2000, func(f fanout.Filter) {
			g.Resume(fanout.Shipments, f, n%20*50)
			n++
		})
	}
}
