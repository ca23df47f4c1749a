package limit

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// manyKeys is how many keys are remembered before those that have rested are
// forgotten for the first time.
const manyKeys = 10_000

// Keys gives every key so many turns per second, and a number at once.
type Keys struct {
	perSecond float64
	burst     int

	mu   sync.Mutex
	keys map[string]*rate.Limiter
	full int // how many to remember before the rested ones are forgotten
}

// NewKeys returns Keys that know nobody.
func NewKeys(perSecond float64, burst int) *Keys {
	return &Keys{perSecond: perSecond, burst: max(1, burst), keys: map[string]*rate.Limiter{}, full: manyKeys}
}

// Allow reports whether it is a key's turn now.
func (k *Keys) Allow(key string, now time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	l, ok := k.keys[key]
	if !ok {
		if len(k.keys) >= k.full {
			k.forget(now)
		}
		l = rate.NewLimiter(rate.Limit(k.perSecond), k.burst)
		k.keys[key] = l
	}
	return l.AllowN(now, 1)
}

// Len is how many keys are remembered.
func (k *Keys) Len() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.keys)
}

// forget drops the keys that have rested: a new one may do no less than they.
// Twice as many as are left have to come before it looks again.
func (k *Keys) forget(now time.Time) {
	for key, l := range k.keys {
		if l.TokensAt(now) >= float64(k.burst) {
			delete(k.keys, key)
		}
	}
	k.full = max(manyKeys, 2*len(k.keys))
}
