package readmodel

import (
	"context"
	"log/slog"
	"time"
)

// pruneEvery is how often what nobody needs any more is taken away: changes that
// are too old to resume from, revocations and links that are over.
const pruneEvery = time.Minute

// Run keeps the change feed short, and what says who may see something, until
// ctx ends. A try that fails is logged and made again a minute later.
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
			if _, err := s.PruneAccess(ctx); err != nil && ctx.Err() == nil {
				log.Warn("revocations and links were not pruned", "error", err)
			}
		}
	}
}
