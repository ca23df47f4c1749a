package readmodel

import (
	"context"
	"log/slog"
	"time"
)

// pruneEvery is how often changes that nobody can resume from are taken away.
const pruneEvery = time.Minute

// Run keeps the change feed short until ctx ends. A try that fails is logged
// and made again a minute later.
func (s *Store) Run(ctx context.Context, log *slog.Logger) error {
	tick := time.NewTicker(pruneEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			pruned, err := s.Prune(ctx)
			if err != nil && ctx.Err() == nil {
				log.Warn("the change feed was not pruned", "error", err)
			} else if pruned > 0 {
				log.Debug("pruned the change feed", "changes", pruned)
			}
		}
	}
}
