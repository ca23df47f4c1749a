package query

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// manyUsers is how many users are remembered before those that have rested are
// forgotten for the first time.
const manyUsers = 10_000

// limiter gives every user a number of requests per second, and twice as many
// at once.
type limiter struct {
	perSecond float64

	mu    sync.Mutex
	users map[string]*rate.Limiter
	full  int // how many users to remember before the rested ones are forgotten
}

func newLimiter(perSecond float64) *limiter {
	return &limiter{perSecond: perSecond, users: map[string]*rate.Limiter{}, full: manyUsers}
}

// allow reports whether a user may ask now.
func (l *limiter) allow(user string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	u, ok := l.users[user]
	if !ok {
		if len(l.users) >= l.full {
			l.forget(now)
		}
		u = rate.NewLimiter(rate.Limit(l.perSecond), l.burst())
		l.users[user] = u
	}
	return u.AllowN(now, 1)
}

func (l *limiter) burst() int { return max(1, int(2*l.perSecond)) }

// forget drops the users who have rested: a new one may ask no less than they.
// Twice as many as are left have to come before it looks again.
func (l *limiter) forget(now time.Time) {
	for user, u := range l.users {
		if u.TokensAt(now) >= float64(l.burst()) {
			delete(l.users, user)
		}
	}
	l.full = max(manyUsers, 2*len(l.users))
}
