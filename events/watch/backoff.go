package watch

import (
	"errors"
	"math/rand/v2"
	"time"
)

const (
	steady  = 5 * time.Second // up this long, a connection was a good one
	longest = 5 * time.Minute // whatever a server asks for
)

// backoff decides how long to wait before the next connection.
type backoff struct {
	base, most time.Duration // as the last welcome said
	attempt    int
	leave      time.Time // when a server that says goodbye wants us back; zero otherwise
}

func newBackoff() backoff {
	return backoff{base: 500 * time.Millisecond, most: 20 * time.Second}
}

// hint takes what a welcome says.
func (b *backoff) hint(base, most time.Duration) {
	b.base = min(max(base, time.Millisecond), longest)
	b.most = min(max(most, b.base), longest)
}

// pause is the wait after a connection that was up for a while and ended with
// err, at random so that many clients spread out.
func (b *backoff) pause(now time.Time, up time.Duration, err error) time.Duration {
	if up >= steady {
		b.attempt = 0
	}
	leave := b.leave
	b.leave = time.Time{}
	if !leave.IsZero() && up >= steady {
		return max(0, leave.Sub(now))
	}
	wait := max(b.jitter(), leave.Sub(now))
	if refused, ok := errors.AsType[*HandshakeError](err); ok {
		wait += min(refused.after, longest)
	}
	return wait
}

// jitter draws from zero to the doubled ceiling, and doubles it.
func (b *backoff) jitter() time.Duration {
	ceiling := full(b.base, b.most, b.attempt)
	b.attempt++
	return rand.N(ceiling + 1)
}

func full(base, most time.Duration, attempt int) time.Duration {
	return min(most, base<<min(attempt, 20))
}
