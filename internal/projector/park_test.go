package projector_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/projector"
)

func TestParkingCoversTypes(t *testing.T) {
	record := func(typ, key string) *projector.Record {
		return &projector.Record{Message: events.Message{Key: []byte(key), Headers: []events.Header{{Key: "ce_type", Value: []byte(typ)}}}}
	}
	for _, tt := range []struct {
		patterns string
		record   *projector.Record
		want     bool
	}{
		{"", record("order.placed.v1", "k"), false},
		{"order.placed.v1", record("order.placed.v1", "k"), true},
		{"order.placed.v1", record("order.placed.v2", "k"), false},
		{"order.placed.*", record("order.placed.v2", "k"), true}, // that no release knows yet
		{"order.*", record("shipment.created.v1", "k"), false},
		{"shipment.*, order.*", record("order.placed.v1", "k"), true},
		{"*.cancelled.v1", record("shipment.cancelled.v1", "k"), true},
		{"*", record("made/up[", "k"), true},
		{"*", record("\xff", "k"), true},
		{"*", &projector.Record{Message: events.Message{Key: []byte("k"), Value: []byte("{")}}, true},
		{"order.*", &projector.Record{Message: events.Message{Key: []byte("k"), Value: []byte(`{"type":"order.placed.v1"}`)}}, true}, // structured
		{"*", record("order.placed.v1", ""), false},                                                                                  // nobody can wait for it
		{"*", record("order.placed.v1", strings.Repeat("k", 1024)), true},                                                            //
		{"*", record("order.placed.v1", strings.Repeat("k", 1025)), false},                                                           // no event can have it
		{"order.placed.v1", &projector.Record{Message: events.Message{Key: []byte("k")}}, false},                                     // of no type
	} {
		var p projector.Parking
		if err := p.UnmarshalText([]byte(tt.patterns)); err != nil {
			t.Errorf("%q: %v", tt.patterns, err)
		}
		if got := p.Covers(tt.record); got != tt.want {
			t.Errorf("%q covers %.200q: %v, want %v", tt.patterns, tt.record.Headers, got, tt.want)
		}
		text, err := p.MarshalText()
		if want := strings.ReplaceAll(tt.patterns, " ", ""); err != nil || string(text) != want {
			t.Errorf("%q is written as %q, %v", tt.patterns, text, err)
		}
	}
	for _, wrong := range []string{"orders.*", "order.placed", "order.placed.v2", "order.placed.v1,,", "Order.*", "order.[a-z]*", "order placed", `\`} {
		var p projector.Parking
		if err := p.UnmarshalText([]byte(wrong)); err == nil {
			t.Errorf("%q is taken for a pattern", wrong)
		}
	}
}

func TestWhatIsBehindADeadLetterOfItsKeyWaitsAndTheOthersGoOn(t *testing.T) {
	part1 := projector.Partition{Topic: events.OrdersTopic, ID: 1}
	for _, portion := range []int{1, 3, 20} { // one transaction or several
		in(t, func(t *testing.T) {
			l, b, reg := newLot(), newBroker(part0, part1), prometheus.NewRegistry()
			b.portion = portion
			b.append(part0, of(t, "a", "a1"), broken(t, "a"), of(t, "b", "b1"), of(t, "a", "a2"), broken(t, "a"), of(t, "b", "b2"), of(t, "a", "a3"))
			b.append(part1, of(t, "a", "other")) // another partition's key of the same name
			l.live(t, b, "order.*", reg)
			slices.Sort(l.applied)
			l.holds(t, "0@1", "0@3 0@4 0@6", "a1", "b1", "b2", "other")
			if at := l.claims[part0]; at.Next != 7 || at.LastSeen != 6 {
				t.Errorf("position %d, last seen %d; want 7 and 6", at.Next, at.LastSeen)
			}
			wantSeries(t, reg, "events_total", map[string]float64{"dead_letter order.confirmed.v1": 1, "parked order.confirmed.v1": 3})
		})
	}
}

func TestNobodyWaitsUnlessThePolicySaysSo(t *testing.T) {
	for _, park := range []string{"", "shipment.*", "order.placed.v1"} {
		in(t, func(t *testing.T) {
			l, b := newLot(), newBroker(part0)
			b.append(part0, broken(t, "a"), of(t, "a", "a1"))
			l.live(t, b, park, nil)
			l.holds(t, "0@0", "", "a1")
		})
	}
}

// What is parked stays so when the process, or the policy, is another one.
func TestKeysStayParkedWhenThePolicyHasGone(t *testing.T) {
	in(t, func(t *testing.T) {
		l, b := newLot(), newBroker(part0)
		b.append(part0, broken(t, "a"), of(t, "a", "a1"))
		l.live(t, b, "*", nil)
		b.append(part0, of(t, "a", "a2"), broken(t, "b"), of(t, "b", "b1"), broken(t, "a"))
		l.live(t, b, "", nil)
		l.holds(t, "0@0 0@3", "0@1 0@2 0@5", "b1")
	})
}

// Somebody has settled the letter meanwhile: the worker finds out with the first
// record of the key.
func TestWhatIsUnparkedGoesOn(t *testing.T) {
	in(t, func(t *testing.T) {
		l, b := newLot(), newBroker(part0)
		b.append(part0, broken(t, "a"), of(t, "a", "a1"), broken(t, "c"))
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		park, err := projector.NewParking("*")
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() {
			done <- projector.New(b, l, projector.Config{Owner: "test", Park: park}, slog.New(slog.DiscardHandler)).Run(ctx)
		}()
		synctest.Wait()
		delete(l.parked, projector.ParkedKey{Partition: part0, Key: "t|a"})
		l.waiting = nil
		b.append(part0, of(t, "c", "c1"), of(t, "a", "a2"), of(t, "b", "b1"))
		synctest.Wait()
		l.holds(t, "0@0 0@2", "0@3", "a2", "b1")
		b.append(part0, broken(t, "a"), of(t, "a", "a3")) // it may be parked again
		synctest.Wait()
		l.holds(t, "0@0 0@2 0@6", "0@3 0@7", "a2", "b1")
		if b.joins != 1 {
			t.Errorf("joined %d times, want once: nobody has taken the partition", b.joins)
		}
		stop()
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
}

// A record whose offset is not behind the letter's is read again, by an operator's
// word: it does not wait for what comes after it.
func TestWhatIsReadAgainBeforeTheLetterDoesNotWait(t *testing.T) {
	in(t, func(t *testing.T) {
		l, b := newLot(), newBroker(part0)
		b.append(part0, of(t, "a", "a1"), broken(t, "a"), of(t, "a", "a2"))
		l.parked[projector.ParkedKey{Partition: part0, Key: "t|a"}] = 1
		l.live(t, b, "*", nil)
		l.holds(t, "0@1", "0@2", "a1")
	})
}

func TestWhatTheStoreRefusesHasTheRestOfItsKeyWait(t *testing.T) {
	for _, panics := range []bool{false, true} {
		for _, guilty := range []string{"a0", "a7", "a18"} {
			in(t, func(t *testing.T) {
				l, b := newLot(), newBroker(part0)
				b.portion = 20
				var want, waits []string
				for i := range 20 { // a0 b1 a2 b3 ...
					key := "ab"[i%2 : i%2+1]
					id := fmt.Sprintf("a%d", i)
					b.append(part0, of(t, key, id))
				}
				var at int
				if _, err := fmt.Sscanf(guilty, "a%d", &at); err != nil {
					t.Fatal(err)
				}
				for i := range 20 {
					switch {
					case i < at || i%2 != at%2:
						want = append(want, fmt.Sprintf("a%d", i))
					case i > at:
						waits = append(waits, fmt.Sprintf("0@%d", i))
					}
				}
				l.before = func(b projector.Batch) error {
					if !slices.ContainsFunc(b.Events, func(e projector.Event) bool { return string(e.ID) == guilty }) {
						return nil
					}
					if panics {
						panic("tripped")
					}
					return &projector.DataError{SQLState: "23514", Err: errors.New("refused")}
				}
				l.live(t, b, "*", nil)
				slices.Sort(waits)
				l.holds(t, fmt.Sprintf("0@%d", at), strings.Join(waits, " "), want...)
				if at := l.claims[part0]; at.Next != 20 || at.LastSeen != 19 || at.LastHash == nil {
					t.Errorf("position %d, last seen %d; want 20 and 19", at.Next, at.LastSeen)
				}
			})
		}
	}
}

// A batch that is parted takes what waits along, each record with its half.
func TestWhatWaitsIsNotLostWhenItsBatchIsParted(t *testing.T) {
	for _, guilty := range []string{"b1", "b2", "b3"} {
		in(t, func(t *testing.T) {
			l, b := newLot(), newBroker(part0)
			b.portion = 20
			b.append(part0, broken(t, "a"))
			l.live(t, b, "*", nil)
			b.append(part0, of(t, "a", "a1"), of(t, "b", "b1"), of(t, "a", "a2"), broken(t, "a"), of(t, "c", "b2"), of(t, "a", "a3"), of(t, "d", "b3"), of(t, "a", "a4"))
			left := map[string]int64{} // what was last seen after each batch
			l.before = func(b projector.Batch) error {
				if slices.ContainsFunc(b.Events, func(e projector.Event) bool { return string(e.ID) == guilty }) {
					return &projector.DataError{SQLState: "23514", Err: errors.New("refused")}
				}
				for _, a := range b.Advances {
					left[fmt.Sprint(a.To)] = a.LastSeen
				}
				return nil
			}
			l.live(t, b, "*", nil)
			at := map[string]string{"b1": "0@2", "b2": "0@5", "b3": "0@7"}[guilty]
			want := slices.DeleteFunc([]string{"b1", "b2", "b3"}, func(id string) bool { return id == guilty })
			l.holds(t, "0@0 "+at, "0@1 0@3 0@4 0@6 0@8", want...)
			for to, seen := range left {
				if fmt.Sprint(seen+1) != to {
					t.Errorf("a batch that ends before %s has last seen %d", to, seen)
				}
			}
		})
	}
}

func TestAConflictOfIdentityParksItsKeyToo(t *testing.T) {
	for park, waits := range map[string]string{"*": "0@2 0@4", "shipment.*": ""} {
		in(t, func(t *testing.T) {
			l, b, reg := newLot(), newBroker(part0), prometheus.NewRegistry()
			l.conflict = "a2"
			b.portion = 5
			b.append(part0, of(t, "a", "a1"), of(t, "a", "a2"), of(t, "a", "a3"), of(t, "b", "b1"), broken(t, "a"))
			l.live(t, b, park, reg)
			if waits != "" {
				l.holds(t, "0@1", waits, "a1", "b1")
				wantSeries(t, reg, "events_total", map[string]float64{"conflict order.confirmed.v1": 1, "parked order.confirmed.v1": 2})
			} else {
				l.holds(t, "0@4", waits, "a1", "a2", "a3", "b1") // the store deals with it
			}
		})
	}
}

func TestAWaitingRecordIsReadAgainUnlessThatKills(t *testing.T) {
	good := projector.Record{Partition: part0, Message: of(t, "a", "a1")}
	bad := projector.Record{Partition: part0, Message: broken(t, "a")}
	for _, tt := range []struct {
		name string
		p    projector.Poison
		want string
	}{
		{"an event", projector.Poison{Record: good}, ""},
		{"one that is understood by now", projector.Poison{Record: good, Code: "upgrade_needed"}, ""},
		{"one that is not", projector.Poison{Record: bad, Code: "upgrade_needed"}, "malformed_json"},
		{"one that kills processes", projector.Poison{Record: good, Code: "kills_process"}, "kills_process"},
		{"one on a wrong partition", projector.Poison{Record: good, Code: "wrong_partition"}, "wrong_partition"},
	} {
		e, refused := projector.Reread(&tt.p)
		got := ""
		if refused != nil {
			got = refused.Code
		}
		if got != tt.want || (got == "") != (e.ID == "a1") {
			t.Errorf("%s: refused as %q with event %q, want %q", tt.name, got, e.ID, tt.want)
		}
	}
}
