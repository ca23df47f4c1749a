package watch

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Client follows subscriptions of one server.
type Client struct{ cfg Config }

// New returns a client. It reports everything that is wrong with the
// configuration at once.
func New(cfg Config) (*Client, error) {
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("watch: %w", err)
	}
	return &Client{cfg.withDefaults()}, nil
}

// Run follows the subscriptions until ctx ends and returns nil then. A lost
// connection is opened again, for as long as it takes. Run gives up when that
// would be of no use: with a [*CloseError] or a [*HandshakeError] that says not
// to come back, or, joined, the [*RefusedError] of every subscription when none is
// left.
//
// Each Run begins with nothing. Handlers are called by it alone, and not after it
// has returned.
func (c *Client) Run(ctx context.Context) error {
	f := newFollower(c.cfg)
	for {
		err := f.connect(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if refused := f.refusals(); refused != nil {
			return refused
		}
		f.lost(time.Now(), err)
		if f.ended {
			return fmt.Errorf("follow live updates: %w", err)
		}
		pause := time.Until(f.retry)
		c.cfg.Log.Info("connection lost", "error", err, "retry_in", pause)
		if !sleep(ctx, pause) {
			return nil
		}
	}
}

// sleep reports false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// refusals are why no subscription is left; nil while there is one.
func (f *follower) refusals() error {
	problems := make([]error, len(f.subs))
	for i, s := range f.subs {
		if s.phase != over {
			return nil
		}
		problems[i] = s.err
	}
	return errors.Join(problems...)
}
