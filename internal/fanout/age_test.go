package fanout_test

import (
	"slices"
	"testing"
	"time"

	"github.com/waybill-io/waybill/internal/fanout"
)

// What came together at a start must not leave together six hours later.
func TestConnectionsGrowOldAtDifferentTimes(t *testing.T) {
	const clients, maxAge = 200, 6 * time.Hour
	inBubble(t, fanout.Config{UserConnections: clients, Heartbeat: time.Hour, Sweep: time.Minute}, func(b *bench) {
		began := time.Now()
		ages := make([]time.Duration, 0, clients)
		pipes := make([]*pipe, clients)
		for i := range pipes {
			pipes[i] = newPipe()
			_, err := b.hub.Connect(pipes[i], fanout.Peer{
				Subject: "ann", Tenant: acme, Scope: []string{"read"}, Expires: began.Add(24 * time.Hour),
			})
			if err != nil {
				t.Fatalf("Connect: %v", err)
			}
		}
		for len(ages) < clients && time.Since(began) < 2*maxAge {
			b.settle(time.Minute)
			for n := clients - b.hub.Stats().Connections - len(ages); n > 0; n-- {
				ages = append(ages, time.Since(began))
			}
		}
		if len(ages) != clients {
			t.Fatalf("%d of %d connections are still open after %v", clients-len(ages), clients, 2*maxAge)
		}
		first, last := slices.Min(ages), slices.Max(ages)
		if first < maxAge*8/10 || last > maxAge*12/10+time.Minute {
			t.Errorf("connections got from %v to %v old, want %v, a fifth more or less", first, last, maxAge)
		}
		if most := mostWithin(ages, 10*time.Minute); most > clients/5 {
			t.Errorf("%d of %d left within 10 minutes of 144", most, clients)
		}
		for _, p := range pipes {
			away := p.book.Frames("goaway")
			if p.closed() != fanout.CloseDrain || len(away) != 1 || away[0].Code != "age" {
				t.Fatalf("closed with %d after %+v, want %d after goaway with code age", p.closed(), away, fanout.CloseDrain)
			}
		}
	})
}

// mostWithin is how many of the times lie within one span at most.
func mostWithin(times []time.Duration, span time.Duration) int {
	slices.Sort(times)
	most := 0
	for i, from := range times {
		n, _ := slices.BinarySearch(times, from+span)
		most = max(most, n-i)
	}
	return most
}
