package watch_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-io/waybill/events/watch"
)

// bubble runs a client against a script within a bubble, on a clock of its own,
// until the end of the test.
func bubble(t *testing.T, cfg watch.Config, script func(*peer)) *book {
	wire := newPipes()
	serve(t, wire, script)
	b := newBook(t)
	cfg.URL, cfg.HTTPClient = "ws://tracker/v1/live", wire.client()
	cfg.Subscriptions = []watch.Subscription{{Topic: watch.Shipments, Handle: b.handle}}
	run(t, cfg)
	return b
}

// begin makes the first subscription live with one row at 7.
func begin(p *peer) float64 {
	subs := p.greet()
	if len(subs) == 0 {
		return 0
	}
	s := sid(subs[0])
	if subs[0]["since"] != nil {
		p.say(resumed(s, 7))
	} else {
		p.say(snap(s, map[string]int{"S-1": 1}, 1, false), live(s, 7, 1))
	}
	return s
}

func TestASilentServerIsGivenUpAfterTwoHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := make(chan time.Time, 10)
		b := bubble(t, watch.Config{}, func(p *peer) {
			began <- time.Now()
			begin(p)
			p.linger()
		})
		first := <-began
		second := <-began
		if took := second.Sub(first); took < 40*time.Second || took > 41*time.Second {
			t.Errorf("a new connection after %v, want 40 s and a little", took)
		}
		if !told(b, func(v seen) bool { return errors.Is(v.Err, watch.ErrSilent) && v.Freshness == watch.Reconnecting }) {
			t.Error("the silence was not told")
		}
	})
}

// What the server says while a handler runs is not read, which is no silence.
func TestASlowHandlerIsNoSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire, b, connections := newPipes(), newBook(t), make(chan int, 10)
		serve(t, wire, func(p *peer) {
			connections <- p.n
			s := begin(p)
			p.say(delta(s, 7, 8, "S-2", 1)) // waits in the client
			p.say(delta(s, 8, 9, "S-3", 1)) // waits in the network
			p.linger()
		})
		run(t, watch.Config{
			URL: "ws://tracker/v1/live", HTTPClient: wire.client(),
			Subscriptions: []watch.Subscription{{Topic: watch.Shipments, Handle: func(v watch.View) {
				if v.Event == watch.Loaded {
					time.Sleep(50 * time.Second)
				}
				b.handle(v)
			}}},
		})
		time.Sleep(55 * time.Second)
		synctest.Wait()
		if v := b.last(); v.Freshness != watch.Live || v.Position.Seq != 9 || len(connections) != 1 {
			t.Errorf("after a handler of 50 s: %s at %v on %d connections, want live at 9 on one", v.Freshness, v.Position, len(connections))
		}
	})
}

// Heartbeats keep a connection, are answered, and are told of as checks.
func TestHeartbeatsKeepTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		connections, pongs := make(chan int, 10), make(chan bool, 100)
		b := bubble(t, watch.Config{}, func(p *peer) {
			connections <- p.n
			s := begin(p)
			for range 10 {
				time.Sleep(20 * time.Second)
				p.say(fmt.Sprintf(`{"t":"hb","now":%d,"lag_ms":0,"q":{"%v":7},"quarantined":0}`, time.Now().UnixMilli(), s))
				pongs <- p.hear()["t"] == "pong"
			}
			p.linger()
		})
		for range 10 {
			if !<-pongs {
				t.Error("the answer to a heartbeat is no pong")
			}
		}
		synctest.Wait()
		if n := len(connections); n != 1 {
			t.Errorf("%d connections, want 1", n)
		}
		v := b.last()
		if age := time.Since(v.Checked); v.Freshness != watch.Live || age > time.Second {
			t.Errorf("%s, checked %v ago; want live, just now", v.Freshness, age)
		}
		if age := time.Since(v.Since); age < 190*time.Second {
			t.Errorf("live since %v, want since the beginning", age)
		}
	})
}

// Rows are called lagging while the server says to be behind, or deltas come late,
// and not without a connection.
func TestALagIsToldAndForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bubble(t, watch.Config{}, func(p *peer) {
			if p.n > 1 {
				time.Sleep(time.Minute)
				return
			}
			p.hearA("hello")
			p.say(strings.Replace(welcome, "1763700000123", fmt.Sprint(time.Now().Add(time.Hour).UnixMilli()), 1)) // another clock
			p.say(snap(1, map[string]int{"S-1": 1}, 1, false), live(1, 7, 1))
			hb := func(lag int) string {
				return fmt.Sprintf(`{"t":"hb","now":%d,"lag_ms":%d,"q":{"1":7},"quarantined":0}`, time.Now().Add(time.Hour).UnixMilli(), lag)
			}
			late := func(from int, by time.Duration) string {
				at := time.Now().Add(time.Hour - by).UnixMilli()
				return strings.Replace(delta(1, from, from+1, "S-2", from), `"n":1`, fmt.Sprintf(`"n":1,"ts":%d`, at), 1)
			}
			for _, frame := range []func() string{
				func() string { return hb(4000) }, func() string { return hb(3000) },
				func() string { return late(7, time.Hour) }, // the first one after live may be of a long absence
				func() string { return late(8, time.Second) },
				func() string { return late(9, 4*time.Second) },
			} {
				time.Sleep(10 * time.Second)
				f := frame()
				if p.say(f); strings.Contains(f, `"hb"`) {
					p.hearA("pong")
				}
			}
			time.Sleep(2 * time.Second)
			p.close(1001, "")
			p.linger()
		})
		var got []string
		for range 13 {
			time.Sleep(5 * time.Second)
			synctest.Wait()
			got = append(got, fmt.Sprint(b.last().Freshness, " ", b.last().Lag))
		}
		want := []string{
			"live 0s", "lagging 4s", "lagging 4s", "live 3s", "live 3s", "live 3s", "live 3s", "live 1s", "live 1s",
			"lagging 4s", "reconnecting 0s", "reconnecting 0s", "reconnecting 0s",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("freshness every 5 s (-want +got):\n%s", diff)
		}
	})
}

// Run ends soon although the server reads nothing, with a message in hand.
func TestADeafServerDoesNotHoldUpTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire, held := newPipes(), make(chan struct{})
		serve(t, wire, func(p *peer) {
			s := begin(p)
			p.say(delta(s, 7, 8, "S-2", 1))
			time.Sleep(time.Minute)
		})
		ctx, cancel := context.WithCancel(context.Background())
		c, err := watch.New(watch.Config{
			URL: "ws://tracker/v1/live", HTTPClient: wire.client(),
			Token: func(context.Context) (string, error) { return "secret", nil },
			Subscriptions: []watch.Subscription{{Topic: watch.Shipments, Handle: func(watch.View) {
				<-held
			}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- c.Run(ctx) }()
		time.Sleep(time.Second) // the reader has the delta in hand
		began := time.Now()
		cancel()
		close(held)
		if err := <-done; err != nil || time.Since(began) > 1100*time.Millisecond {
			t.Errorf("Run = %v after %v, want nil within a second", err, time.Since(began))
		}
	})
}

// A server that is away is tried again with waits that are random and grow up to the
// limit of the last welcome.
func TestTheBackoffGrowsAndIsRandom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := make(chan time.Time, 1000)
		bubble(t, watch.Config{}, func(p *peer) {
			at <- time.Now()
			p.hearA("hello")
			p.say(strings.Replace(welcome, `"base_ms":1,"max_ms":4`, `"base_ms":1000,"max_ms":16000`, 1))
		})
		time.Sleep(30 * time.Minute)
		synctest.Wait()
		var waits []time.Duration
		last := <-at
		for len(at) > 0 {
			next := <-at
			waits = append(waits, next.Sub(last))
			last = next
		}
		var sum, most time.Duration
		for i, w := range waits {
			if ceiling := min(16*time.Second, time.Second<<i); i < 10 && w > ceiling+10*time.Millisecond {
				t.Errorf("wait %d is %v, above %v", i+1, w, ceiling)
			}
			sum, most = sum+w, max(most, w)
		}
		mean := sum / time.Duration(len(waits))
		if mean < 6*time.Second || mean > 10*time.Second || most < 12*time.Second {
			t.Errorf("%d waits, in the mean %v, %v at most; want about 8 s and up to 16 s", len(waits), mean, most)
		}
	})
}

// A goodbye says when to come back; a server that does not close by then is left.
func TestAGoodbyeIsKept(t *testing.T) {
	const asked = 7400 * time.Millisecond
	for name, c := range map[string]struct {
		after  time.Duration // that the connection is up
		closes bool
	}{
		"closed": {8 * time.Second, true}, "left open": {8 * time.Second, false}, "closed soon": {time.Second, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				at := make(chan time.Time, 100)
				bubble(t, watch.Config{}, func(p *peer) {
					at <- time.Now()
					begin(p)
					if p.n > 1 {
						p.linger()
						return
					}
					time.Sleep(c.after)
					p.say(fmt.Sprintf(`{"t":"goaway","code":"deploy","reconnect_in_ms":%d}`, asked.Milliseconds()))
					if c.closes {
						time.Sleep(time.Second)
						p.close(4001, "server is draining")
					}
					p.linger()
				})
				first := <-at
				if took := (<-at).Sub(first) - c.after; took < asked || took > asked+time.Second {
					t.Errorf("back %v after the goodbye, want %v", took, asked)
				}
			})
		})
	}
}

// A subscription that the server leaves unanswered is asked for again.
func TestAnAnswerThatDoesNotComeIsAskedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		again := make(chan time.Duration, 10)
		b := bubble(t, watch.Config{}, func(p *peer) {
			p.greet()
			began := time.Now()
			for range 3 {
				time.Sleep(18 * time.Second)
				p.say(`{"t":"hb","now":1,"lag_ms":0,"q":{},"quarantined":0}`)
				p.hearA("pong")
			}
			f := p.hearA("sub")
			if f == nil {
				return
			}
			again <- time.Since(began)
			p.say(snap(sid(f), map[string]int{"S-1": 1}, 1, false), live(sid(f), 7, 1))
			p.linger()
		})
		if took := <-again; took < time.Minute || took > 65*time.Second {
			t.Errorf("asked again after %v, want a minute", took)
		}
		b.at(7)
	})
}

// One that breaks again and again is not asked for ever faster.
func TestASubscriptionThatKeepsBreakingWaitsLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := make(chan struct{}, 100_000)
		bubble(t, watch.Config{}, func(p *peer) {
			p.hearA("hello")
			p.say(strings.Replace(welcome, `"base_ms":1,"max_ms":4`, `"base_ms":500,"max_ms":20000`, 1), live(1, 7, 0))
			for {
				f := p.hearA("sub")
				if f == nil {
					return
				}
				asked <- struct{}{}
				p.say(live(sid(f), 7, 0))
			}
		})
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if n := len(asked); n < 3 || n > 60 {
			t.Errorf("asked %d times within 30 s, want a few", n)
		}
	})
}
