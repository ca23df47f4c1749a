package scenario_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/scenario"
)

func TestLiveTellsItNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		time.Sleep(26 * 365 * 24 * time.Hour) // a bubble begins in 2000
		const rate = 100
		began := time.Now()
		said := map[identity][]byte{}
		n, scans, near := 0, 0, 0
		err := scenario.Live(ctx, scenario.LiveConfig{
			Config: scenario.Config{Seed: 1, Rates: scenario.DefaultRates()}, Rate: rate,
		}, func(_ context.Context, batch []events.Event) error {
			for _, e := range batch {
				n++
				doc := wire(t, e)
				if first, ok := said[identityOf(e)]; ok {
					if string(first) != string(doc) {
						t.Fatalf("%v says\n%s\nand\n%s", identityOf(e), first, doc)
					}
					continue
				}
				said[identityOf(e)] = doc
				if e.IngestedAt.After(time.Now()) || time.Since(e.IngestedAt) > time.Second {
					t.Fatalf("%s arrives at %s, now it is %s", e.ID, e.IngestedAt, time.Now())
				}
				if e.Class() != events.Actual {
					continue
				}
				scans++
				if e.Time.After(e.IngestedAt) || e.Time.Before(began) {
					t.Fatalf("%s %s happened at %s and arrived at %s", e.Type(), e.ID, e.Time, e.IngestedAt)
				}
				if e.IngestedAt.Sub(e.Time) < 10*time.Second {
					near++
				}
			}
			if time.Since(began) > 4*time.Minute {
				cancel()
			}
			return nil
		})
		if err != nil {
			t.Fatalf("Live: %v", err)
		}
		if got, want := float64(n)/time.Since(began).Seconds(), float64(rate); got < want*0.98 || got > want*1.02 {
			t.Errorf("%.1f events a second, want %.0f", got, want)
		}
		if share := float64(near) / float64(scans); share < 0.9 {
			t.Errorf("%.0f %% of the events happened within 10 s of their arrival, want at least 90 %%", share*100)
		}
	})
}

func TestLiveKeepsFewShipmentsOpen(t *testing.T) {
	for _, rate := range []float64{20, 2000} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			b := newBoard()
			n := 0
			err := scenario.Live(ctx, scenario.LiveConfig{
				Config: scenario.Config{Seed: 4, Rates: scenario.DefaultRates()}, Rate: rate,
			}, func(_ context.Context, batch []events.Event) error {
				for _, e := range batch {
					b.see(e)
				}
				if n += len(batch); n > 60_000 {
					cancel()
				}
				return nil
			})
			if err != nil {
				t.Fatalf("Live: %v", err)
			}
			t.Logf("at %v events/s at most %d shipments are open", rate, b.most)
			if b.most >= 3000 {
				t.Errorf("%d shipments are open at %v events/s, want fewer than 3,000", b.most, rate)
			}
			if rate >= 500 && b.most < 800 {
				t.Errorf("only %d shipments are open at %v events/s: the bound throttles too much", b.most, rate)
			}
		})
	}
}

// Histories that take much longer than usual have to wait for each other.
func TestLiveHoldsASmallBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBoard()
		rates := scenario.Rates{Exception: 1, FailedAttempt: 1, International: 1, Customs: 1, Split: 1, Lost: 0.3}
		err := scenario.Live(t.Context(), scenario.LiveConfig{
			Config: scenario.Config{Seed: 4, Orders: 500, Rates: rates}, Rate: 1000, MaxOpen: 30,
		}, func(_ context.Context, batch []events.Event) error {
			for _, e := range batch {
				b.see(e)
			}
			return nil
		})
		if err != nil {
			t.Fatalf("Live: %v", err)
		}
		if b.most >= 30 || b.most < 10 {
			t.Errorf("at most %d shipments were open, want fewer than 30 and not few", b.most)
		}
		if len(b.placed) != 500 {
			t.Errorf("%d orders were placed, want 500", len(b.placed))
		}
		if b.open() > 0 {
			t.Errorf("at the end %v are still open", b.left)
		}
	})
}

func TestTwoStartsOfLiveShareNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ids [2]map[identity]bool
		for i := range ids {
			ids[i] = map[identity]bool{}
			err := scenario.Live(t.Context(), scenario.LiveConfig{Config: scenario.Config{Orders: 20}, Rate: 1000},
				func(_ context.Context, batch []events.Event) error {
					for _, e := range batch {
						ids[i][identityOf(e)] = true
					}
					return nil
				})
			if err != nil {
				t.Fatalf("Live: %v", err)
			}
		}
		for id := range ids[0] {
			if ids[1][id] {
				t.Fatalf("both starts tell %v", id)
			}
		}
	})
}

func TestLiveStopsWhenPublishDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		want := errors.New("no broker")
		err := scenario.Live(t.Context(), scenario.LiveConfig{Rate: 10}, func(context.Context, []events.Event) error { return want })
		if !errors.Is(err, want) {
			t.Errorf("Live: %v, want %v", err, want)
		}
		if err := scenario.Live(t.Context(), scenario.LiveConfig{}, nil); err == nil {
			t.Error("Live accepts a rate of 0")
		}
	})
}
