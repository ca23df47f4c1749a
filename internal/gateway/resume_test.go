package gateway_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"github.com/waybill-io/waybill/internal/auth"
	"github.com/waybill-io/waybill/internal/fanout"
	"github.com/waybill-io/waybill/internal/fanout/fanouttest"
	"github.com/waybill-io/waybill/internal/gateway"
)

// returning is a client of acme that has been away, and comes back on one
// connection again and again, with whatever position.
type returning struct {
	*client
	stack *stack
	had   *fanouttest.View // when it went
	lives int
}

// returns lets a client go live, go away and miss something.
func (s *stack) returns() *returning {
	s.t.Helper()
	for v := range int64(20) {
		s.model.Put(acme, shipment(fmt.Sprint("S-", v%7), v, "in_transit"))
		s.model.Put("zeta", shipment(fmt.Sprint("Z-", v%7), v, "in_transit"))
	}
	c := s.connect(auth.Principal{})
	c.book.Prefix = "S-"
	c.book.Ask(1, nil)
	c.send(m{"t": "sub", "sid": 1, "topic": "shipments"})
	c.frame("live", 1)
	c.send(m{"t": "unsub", "sid": 1})
	eventually(s.t, "its end", func() bool { return s.hub.Stats().Subscriptions[fanout.Shipments] == 0 })
	r := &returning{client: c, stack: s, had: c.book.View(1), lives: 1}
	s.model.Put(acme, shipment("S-1", 30, "delivered"))
	s.model.Delete(acme, fanout.Shipments, "S-2")
	return r
}

// since comes back with a position and waits until it has all rows.
func (r *returning) since(t *testing.T, at fanout.Since) *fanouttest.View {
	t.Helper()
	from := *r.had
	from.Epoch, from.Pos, from.Shape = at.Epoch, at.Seq, at.Shape
	r.book.Ask(1, &from)
	r.send(m{"t": "sub", "sid": 1, "topic": "shipments", "since": m{"epoch": at.Epoch, "seq": at.Seq, "shape": at.Shape}})
	r.lives++
	r.frame("live", r.lives)
	eventually(t, "the newest position", func() bool { return r.book.View(1).Pos == r.stack.model.Position(acme).Seq })
	if at.Shape == r.had.Shape && at.Seq > r.had.Pos && at.Seq <= r.stack.model.Position(acme).Seq {
		return r.book.View(1) // it says that it has what it has not, and goes without
	}
	want := r.stack.model.Rows(acme, fanout.Shipments, func(fanout.Row) bool { return true })
	v := r.book.View(1)
	for id, row := range want {
		text, err := json.Marshal(row)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(text), string(v.Rows[id])); diff != "" {
			t.Errorf("row %s (-want +got):\n%s", id, diff)
		}
	}
	if len(v.Rows) != len(want) {
		t.Errorf("%d rows, want %d", len(v.Rows), len(want))
	}
	return v
}

// Row 105: a position that was not given to this client is reset, never served;
// nobody sees rows of others by it, and the rows are right in any case.
func TestAPositionThatWasNotGivenIsReset(t *testing.T) {
	s := start(t, hubConfig(), gateway.Config{Commands: 10_000})
	r := s.returns()
	zeta := s.connect(auth.Principal{Tenant: "zeta"})
	zeta.book.Ask(1, nil)
	zeta.send(m{"t": "sub", "sid": 1, "topic": "shipments"})
	zeta.frame("live", 1)
	good := *r.had.Since()
	with := func(change func(at *fanout.Since)) fanout.Since {
		at := good
		change(&at)
		return at
	}
	tests := []struct {
		name string
		at   fanout.Since
		want string
	}{
		{"105 the one that was given", good, "[]"},
		{"105 garbage", fanout.Since{Epoch: "garbage", Seq: 1, Shape: "garbage"}, "[authz]"},
		{"105 nothing", fanout.Since{}, "[authz]"},
		{"105 a truncated shape", with(func(at *fanout.Since) { at.Shape = at.Shape[:15] }), "[authz]"},
		{"105 a truncated epoch", with(func(at *fanout.Since) { at.Epoch = at.Epoch[:1] }), "[epoch]"},
		{"105 another tenant's", *zeta.book.View(1).Since(), "[authz]"},
		{"105 another epoch", with(func(at *fanout.Since) { at.Epoch = "e7" }), "[epoch]"},
		{"105 the future", with(func(at *fanout.Since) { at.Seq += 1000 }), "[epoch]"},
		{"105 the end of time", with(func(at *fanout.Since) { at.Seq = 1<<63 - 1 }), "[epoch]"},
		{"105 before time", with(func(at *fanout.Since) { at.Seq = -1 << 63 }), "[history]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := r.since(t, tt.at)
			if got := fmt.Sprint(v.Resets); got != tt.want || v.Loads+v.Resumes != 1 {
				t.Errorf("resets %s, %d snapshots, %d resumes; want %s and one of them", got, v.Loads, v.Resumes, tt.want)
			}
		})
	}
	t.Run("105 expired", func(t *testing.T) {
		small := start(t, fanout.Config{Ring: 5, Resume: 10}, gatewayConfig())
		late := small.returns()
		for v := range int64(20) {
			small.model.Put(acme, shipment("S-3", 100+v, "in_transit"))
		}
		if v := late.since(t, *late.had.Since()); fmt.Sprint(v.Resets) != "[history]" || v.Loads != 1 {
			t.Errorf("resets %v, %d snapshots; want [history] and one", v.Resets, v.Loads)
		}
	})
	for _, v := range r.book.Violations() {
		t.Error(v)
	}
}

// Row 105: a single bit that is another one makes it another position.
func TestAPositionWithABitFlippedIsReset(t *testing.T) {
	s := start(t, hubConfig(), gateway.Config{Commands: 10_000})
	r := s.returns()
	good := *r.had.Since()
	flips := func(text string, use func(at *fanout.Since, text string)) (all []fanout.Since) {
		for i := range len(text) * 7 { // the eighth bit of a byte makes it no UTF-8: row 98
			b, at := []byte(text), good
			b[i/7] ^= 1 << (i % 7)
			use(&at, string(b))
			all = append(all, at)
		}
		return all
	}
	t.Run("105 of the epoch", func(t *testing.T) {
		for _, at := range flips(good.Epoch, func(at *fanout.Since, text string) { at.Epoch = text }) {
			if v := r.since(t, at); fmt.Sprint(v.Resets) != "[epoch]" || v.Loads != 1 {
				t.Errorf("epoch %q: resets %v, %d snapshots; want [epoch] and one", at.Epoch, v.Resets, v.Loads)
			}
		}
	})
	t.Run("105 of the shape", func(t *testing.T) {
		for _, at := range flips(good.Shape, func(at *fanout.Since, text string) { at.Shape = text }) {
			want := "[filter]"
			if !strings.HasSuffix(at.Shape, good.Shape[8:]) {
				want = "[authz]"
			}
			if v := r.since(t, at); fmt.Sprint(v.Resets) != want || v.Loads != 1 {
				t.Errorf("shape %q: resets %v, %d snapshots; want %s and one", at.Shape, v.Resets, v.Loads, want)
			}
		}
	})
	// A number below that of the feed is one that was given to somebody. Whoever
	// takes one that is not its own gets changes twice, or goes without.
	t.Run("105 of the number", func(t *testing.T) {
		for bit := range 64 {
			at := good
			at.Seq ^= 1 << bit
			v := r.since(t, at)
			if resumed := at.Seq >= 0 && at.Seq <= s.model.Position(acme).Seq; (v.Resumes == 1) != resumed || v.Loads+v.Resumes != 1 {
				t.Errorf("number %d: %d resumes, %d snapshots, resets %v", at.Seq, v.Resumes, v.Loads, v.Resets)
			}
		}
	})
	for _, v := range r.book.Violations() {
		t.Error(v)
	}
}

// Row 103: what another tenant has is to everybody else as if it were not there.
func TestWhatAnotherTenantHasIsNotThere(t *testing.T) {
	s := start(t, hubConfig(), gatewayConfig())
	s.model.Put("zeta", shipment("Z-1", 1, "in_transit"))
	s.model.Put(acme, shipment("S-1", 1, "in_transit"))
	asks := func(topic string, filter m) string {
		c := s.dial()
		c.book.Ask(1, nil)
		c.hello(s.token(auth.Principal{}), m{"sid": 1, "topic": topic, "filter": filter})
		c.frame("live", 1)
		var said []string
		for _, f := range c.book.Frames("")[1:] {
			f.Shape, f.SID = "", nil // one is of the question, the other in memory
			said = append(said, fmt.Sprintf("%+v", f))
		}
		c.leave()
		return strings.Join(said, "\n")
	}
	for _, tt := range []struct{ name, topic, field string }{
		{"103 a shipment of another tenant", "shipments", "id"},
		{"103 the timeline of another tenant's shipment", "timeline", "shipment"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			theirs := asks(tt.topic, m{"f": tt.field, "op": "eq", "v": "Z-1"})
			nobodys := asks(tt.topic, m{"f": tt.field, "op": "eq", "v": "Z-2"})
			if diff := cmp.Diff(nobodys, theirs); diff != "" || strings.Contains(theirs, "in_transit") {
				t.Errorf("what is said of theirs differs from what is said of nothing (-nothing +theirs):\n%s", diff)
			}
		})
	}
}
