package watch_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-io/waybill/events/watch"
)

func TestASnapshotCountsWhenItIsWhole(t *testing.T) {
	whole := make(chan struct{})
	b, _ := against(t, func(p *peer) {
		s := sid(p.greet()[0])
		p.say(snap(s, map[string]int{"S-1": 1}, 1, true))
		<-whole
		p.say(snap(s, map[string]int{"S-2": 1}, 2, false), live(s, 7, 2))
		p.linger()
	})
	if v := b.last(); len(v.Rows) != 0 || v.Freshness != watch.Connecting {
		t.Errorf("after one page of two: %d rows, %s; want none, connecting", len(v.Rows), v.Freshness)
	}
	close(whole)
	v := b.at(7)
	if diff := cmp.Diff(map[string]int{"S-1": 1, "S-2": 1}, v.revisions(t)); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	if v.Event != watch.Loaded || v.Err != nil || v.Checked.IsZero() || v.Topic != watch.Shipments {
		t.Errorf("view %+v, want loaded, checked, without an error", v.View)
	}
}

func TestADeltaPutsAndDrops(t *testing.T) {
	b, _ := against(t, func(p *peer) {
		s := sid(p.greet()[0])
		p.say(snap(s, map[string]int{"S-1": 1, "S-2": 1}, 1, false), live(s, 7, 2))
		p.say(`{"t":"news from the future","sid":1}`, delta(s, 7, 9, "S-3", 1, "S-1", "S-99"), `{"t":"d","sid":77,"p":"?"`[:0])
		p.linger()
	})
	v := b.at(9)
	if diff := cmp.Diff(map[string]int{"S-2": 1, "S-3": 1}, v.revisions(t)); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([][]string{{"S-3"}, {"S-1", "S-99"}}, [][]string{v.Put, v.Removed}); diff != "" {
		t.Errorf("put and removed (-want +got):\n%s", diff)
	}
}

// Whatever is missing, doubled or in the wrong order: the client asks from where it
// stands and ends with the server's rows.
func TestWhatDoesNotTileIsAskedForAgain(t *testing.T) {
	tests := []struct {
		name string
		says []string // behind a snapshot at 7, with sid 1
	}{
		{"a gap", []string{delta(1, 8, 9, "S-3", 1)}},
		{"a doubled delta", []string{delta(1, 7, 9, "S-3", 1), delta(1, 7, 9, "S-3", 1)}},
		{"the wrong order", []string{delta(1, 8, 9, "S-3", 2), delta(1, 7, 8, "S-3", 1)}},
		{"an older one", []string{delta(1, 3, 5, "S-3", 1)}},
		{"a heartbeat that knows of more", []string{`{"t":"hb","now":1763700020123,"lag_ms":0,"q":{"1":9},"quarantined":0}`}},
		{"a heartbeat that knows of less", []string{`{"t":"hb","now":1763700020123,"lag_ms":0,"q":{"1":5},"quarantined":0}`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			asked := make(chan map[string]any, 1)
			b, _ := against(t, func(p *peer) {
				s := sid(p.greet()[0])
				p.say(snap(s, map[string]int{"S-1": 1}, 1, false), live(s, 7, 1))
				p.say(tt.says...)
				again := p.hearA("sub")
				asked <- again
				since := again["since"].(map[string]any)["seq"].(float64)
				p.say(delta(s, int(since), 20, "S-old", 1)) // of the id that was given up
				p.say(resumed(sid(again), int(since)), delta(sid(again), int(since), 12, "S-2", 1))
				p.linger()
			})
			v := b.at(12)
			rows := v.revisions(t)
			delete(rows, "S-3")
			if diff := cmp.Diff(map[string]int{"S-1": 1, "S-2": 1}, rows); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
			if again := <-asked; sid(again) == 1 {
				t.Error("asked again under the old id, whose frames may still come")
			}
			if !told(b, func(v seen) bool { return v.Freshness == watch.Stale && v.Reset == "gap" && v.Err != nil }) {
				t.Error("the gap was not announced")
			}
		})
	}
}

func told(b *book, ok func(seen) bool) bool { return slices.ContainsFunc(b.all(), ok) }

// A snapshot that does not fit together is asked for anew, and none of it shows.
func TestABrokenSnapshotIsAskedForAnew(t *testing.T) {
	one, two := map[string]int{"S-1": 1}, map[string]int{"S-2": 1}
	for name, says := range map[string][]string{
		"a page is missing":       {snap(1, one, 1, true), snap(1, two, 3, false), live(1, 7, 2)},
		"a page twice":            {snap(1, one, 1, true), snap(1, two, 2, true), snap(1, two, 2, false), live(1, 7, 2)},
		"no first page":           {snap(1, two, 2, false), live(1, 7, 1)},
		"live before the end":     {snap(1, one, 1, true), live(1, 7, 1)},
		"live without a snapshot": {live(1, 7, 0)},
		"another count":           {snap(1, one, 1, false), live(1, 7, 2)},
		"another epoch":           {snap(1, one, 1, true), strings.ReplaceAll(snap(1, two, 2, false), "e1", "e2"), live(1, 7, 2)},
		"resumed from nothing":    {resumed(1, 7)},
	} {
		t.Run(name, func(t *testing.T) {
			b, _ := against(t, func(p *peer) {
				p.greet()
				p.say(says...)
				again := p.hearA("sub")
				if again == nil || again["since"] != nil {
					t.Errorf("asked again with %v, want no position", again)
					return
				}
				p.say(snap(sid(again), map[string]int{"S-9": 1}, 1, false), live(sid(again), 11, 1))
				p.linger()
			})
			v := b.at(11)
			for _, old := range b.all()[:len(b.all())-1] {
				if len(old.Rows) > 0 {
					t.Errorf("rows %v were shown", old.Rows)
				}
			}
			if diff := cmp.Diff(map[string]int{"S-9": 1}, v.revisions(t)); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
		})
	}
}

// A reset leaves the rows as they were until the snapshot is whole; that of other
// rights takes them away at once.
func TestAReset(t *testing.T) {
	for code, left := range map[string]int{"slow": 1, "history": 1, "epoch": 1, "filter": 1, "authz": 0} {
		t.Run(code, func(t *testing.T) {
			looked := make(chan struct{})
			b, _ := against(t, func(p *peer) {
				s := sid(p.greet()[0])
				p.say(snap(s, map[string]int{"S-1": 1}, 1, false), live(s, 7, 1))
				p.say(fmt.Sprintf(`{"t":"reset","sid":%v,"code":%q,"retry_ms":0}`, s, code))
				<-looked
				p.say(snap(s, map[string]int{"S-2": 1}, 1, false), live(s, 9, 1))
				p.linger()
			})
			v := b.until("the reset", func(v seen) bool { return v.Reset == code })
			want := watch.Stale
			if code == "authz" {
				want = watch.Connecting
			}
			if len(v.Rows) != left || v.Freshness != want || v.Err == nil || v.Freshness.Current() {
				t.Errorf("after the reset %d rows, %s, %v; want %d, %s and an error", len(v.Rows), v.Freshness, v.Err, left, want)
			}
			close(looked)
			if diff := cmp.Diff(map[string]int{"S-2": 1}, b.at(9).revisions(t)); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
		})
	}
}

// A server puts up to 5,000 rows into one frame.
func TestALargeMessageIsRead(t *testing.T) {
	b, _ := against(t, func(p *peer) {
		s := sid(p.greet()[0])
		p.say(snap(s, many(5000), 1, false), live(s, 7, 5000))
		p.linger()
	})
	if v := b.at(7); len(v.Rows) != 5000 {
		t.Errorf("%d rows, want 5,000", len(v.Rows))
	}
}

// After a reset there is nothing to resume from until the next snapshot.
func TestAResetForgetsThePosition(t *testing.T) {
	b, _ := against(t, func(p *peer) {
		sub := p.greet()[0]
		if p.n == 1 {
			p.say(snap(1, map[string]int{"S-1": 1}, 1, false), live(1, 7, 1), `{"t":"reset","sid":1,"code":"slow","retry_ms":5000}`)
			return
		}
		if sub["since"] != nil {
			t.Errorf("asked since %v", sub["since"])
		}
		p.say(snap(1, map[string]int{"S-2": 1}, 1, false), live(1, 9, 1))
		p.linger()
	})
	b.at(9)
}

// However the connection ends, the next one goes on from the same position.
func TestALostConnectionGoesOnWhereItWas(t *testing.T) {
	cuts := map[string]func(*peer){
		"closed by the network":  func(p *peer) { _ = p.raw.Close() },
		"reset by the network":   func(p *peer) { _ = p.raw.(*net.TCPConn).SetLinger(0); _ = p.raw.Close() },
		"in the middle of frame": func(p *peer) { _, _ = p.raw.Write([]byte("\x81\x7e\x01\x00{\"t\":\"d\"")); _ = p.raw.Close() },
		"a header and no more":   func(p *peer) { _, _ = p.raw.Write([]byte("\x81")); _ = p.raw.Close() },
		"garbage":                func(p *peer) { _, _ = p.raw.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")); p.linger() },
		"a masked frame":         func(p *peer) { _, _ = p.raw.Write([]byte("\x81\x82abcd\x00\x00")); _ = p.raw.Close() },
		"not JSON":               func(p *peer) { p.say(`{"t":"d",`); p.linger() },
		"not an object":          func(p *peer) { p.say(`[1,2]`); p.linger() },
		"a frame without a kind": func(p *peer) { p.say(`{"sid":1}`); p.linger() },
		"a wrong type":           func(p *peer) { p.say(`{"t":"d","sid":"1"}`); p.linger() },
		"a row without an id":    func(p *peer) { p.say(`{"t":"d","sid":1,"p":7,"q":8,"u":[{"v":1}],"r":[],"n":1}`); p.linger() },
		"an id that is none":     func(p *peer) { p.say(`{"t":"d","sid":1,"p":7,"q":8,"u":[],"r":[7],"n":1}`); p.linger() },
		"a delta that goes back": func(p *peer) { p.say(delta(1, 7, 5, "S-3", 1)); p.linger() },
		"not UTF-8":              func(p *peer) { p.say("{\"t\":\"x\",\"y\":\"\xff\"}"); p.linger() },
		"a binary message":       func(p *peer) { _ = p.ws.Write(context.Background(), 2, []byte("{}")); p.linger() },
		"a message too big":      func(p *peer) { p.say(strings.Repeat(" ", 17<<20)); p.linger() },
		"too many rows":          func(p *peer) { p.say(snap(1, many(5001), 1, true)); p.linger() },
	}
	for code := range map[int]bool{1000: true, 1001: true, 1011: true, 1012: true, 1013: true, 3000: true,
		4000: true, 4001: true, 4002: true, 4003: true, 4004: true, 4005: true, 4006: true, 4007: true, 4499: true} {
		cuts[fmt.Sprint("closed with ", code)] = func(p *peer) { p.close(code, "because") }
	}
	for name, cut := range cuts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, _ := against(t, func(p *peer) {
				subs := p.greet()
				if len(subs) == 0 {
					return
				}
				s := sid(subs[0])
				if p.n == 1 {
					p.say(snap(s, map[string]int{"S-1": 1}, 1, false), live(s, 7, 1))
					cut(p)
					return
				}
				want := map[string]any{"epoch": "e1", "seq": 7.0, "shape": shape}
				if diff := cmp.Diff(want, subs[0]["since"]); diff != "" {
					t.Errorf("since (-want +got):\n%s", diff)
				}
				p.say(resumed(s, 7), delta(s, 7, 9, "S-2", 1))
				p.linger()
			})
			v := b.at(9)
			if diff := cmp.Diff(map[string]int{"S-1": 1, "S-2": 1}, v.revisions(t)); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
			if !told(b, func(v seen) bool { return v.Freshness == watch.Reconnecting && v.Err != nil && len(v.Rows) == 1 }) {
				t.Error("that the connection was lost was not told, or took the rows away")
			}
		})
	}
}

func many(n int) map[string]int {
	rows := make(map[string]int, n)
	for i := range n {
		rows[fmt.Sprint("S-", i)] = 1
	}
	return rows
}

// What would come to nothing again ends Run, with the code.
func TestACodeThatSaysNotToComeBackEndsRun(t *testing.T) {
	for _, code := range []int{1002, 1003, 1007, 1009, 4500, 4501, 4502, 4503, 4504, 4505, 4506, 4999} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			b, r := against(t, func(p *peer) {
				p.greet()
				p.close(code, "because")
			})
			err := r.wait(t)
			closed, ok := errors.AsType[*watch.CloseError](err)
			if !ok || closed.Code != code || closed.Reason != "because" || closed.Reconnect() {
				t.Fatalf("Run = %v, want the end with %d", err, code)
			}
			if v := b.last(); v.Err == nil || v.Freshness == watch.Live {
				t.Errorf("the last view is %s, %v", v.Freshness, v.Err)
			}
		})
	}
}

func TestARefusedSubscriptionEndsAloneAndTheLastEndsRun(t *testing.T) {
	server := serve(t, nil, func(p *peer) {
		subs := p.greet()
		first, second := sid(subs[0]), sid(subs[1])
		p.say(snap(first, map[string]int{"O-1": 1}, 1, false), live(first, 7, 1))
		p.say(fmt.Sprintf(`{"t":"err","sid":%v,"code":"bad_filter","msg":"no such field","retry_ms":0}`, second))
		p.say(`{"t":"err","code":"bad_request","msg":"of nobody","retry_ms":0}`)
		p.say(delta(first, 7, 8, "O-2", 1))
		p.say(fmt.Sprintf(`{"t":"err","sid":%v,"code":"forbidden","msg":"not yours","retry_ms":0}`, first))
		p.linger()
	})
	orders, shipments := newBook(t), newBook(t)
	r := run(t, watch.Config{URL: server.URL, HTTPClient: httpClient(t), Subscriptions: []watch.Subscription{
		{Topic: watch.Orders, Handle: orders.handle},
		{Topic: watch.Shipments, Filter: watch.Eq("status", "x"), Handle: shipments.handle},
	}})
	err := r.wait(t)
	for _, want := range []string{"subscribe to shipments: bad_filter: no such field", "subscribe to orders: forbidden: not yours"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Run = %v, want %q in it", err, want)
		}
	}
	if refused, ok := errors.AsType[*watch.RefusedError](shipments.last().Err); !ok || refused.Code != "bad_filter" {
		t.Errorf("the view of the refused one has %v", shipments.last().Err)
	}
	if !told(orders, func(v seen) bool { return v.Position.Seq == 8 && len(v.Rows) == 2 }) {
		t.Error("the other one did not go on")
	}
	if v := orders.last(); v.Event != watch.Emptied || len(v.Rows) != 0 || v.Freshness != watch.Refused {
		t.Errorf("without the right to see them: %s, %s, %d rows; want emptied, refused, none", v.Event, v.Freshness, len(v.Rows))
	}
}

// Errors that pass are tried again, not before the server says.
func TestATemporaryErrorIsTriedAgain(t *testing.T) {
	for _, code := range []string{"rate_limited", "overloaded", "internal"} {
		t.Run(code, func(t *testing.T) {
			b, _ := against(t, func(p *peer) {
				s := sid(p.greet()[0])
				said := time.Now()
				p.say(fmt.Sprintf(`{"t":"err","sid":%v,"code":%q,"msg":"later","retry_ms":50}`, s, code))
				again := p.hear()
				if took := time.Since(said); took < 50*time.Millisecond {
					t.Errorf("asked again after %v, want 50 ms", took)
				}
				if again["t"] != "sub" {
					t.Errorf("after the error came %v, want sub", again)
				}
				p.say(snap(sid(again), map[string]int{"S-1": 1}, 1, false), live(sid(again), 7, 1))
				p.linger()
			})
			b.at(7)
			if !told(b, func(v seen) bool { return v.Err != nil && strings.Contains(v.Err.Error(), "later") }) {
				t.Error("the reason was not told")
			}
		})
	}
}
