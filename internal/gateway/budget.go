package gateway

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// budget is how much a client may send. It may be used from any goroutine.
type budget struct {
	mu      sync.Mutex
	rate    *rate.Limiter
	refused int
	last    time.Time // when the last was refused
	told    time.Time // when the client was last told so
	most    int
}

// floodSeconds is for how long a client may exceed its budget by as much again.
const floodSeconds = 5

func newBudget(perSecond int) *budget {
	return &budget{rate: rate.NewLimiter(rate.Limit(perSecond), perSecond), most: perSecond * floodSeconds}
}

// take spends one. It reports whether that was there, and whether the client has
// refused to listen for long enough.
func (b *budget) take(now time.Time) (ok, enough bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rate.AllowN(now, 1) {
		return true, false
	}
	if now.Sub(b.last) > 2*floodSeconds*time.Second {
		b.refused = 0
	}
	b.refused, b.last = b.refused+1, now
	return false, b.refused > b.most
}

// tell reports whether the client is to be told that it was refused: once a
// second, so that a flood is not answered by one.
func (b *budget) tell(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.Sub(b.told) < time.Second {
		return false
	}
	b.told = now
	return true
}
