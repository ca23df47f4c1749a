package readmodel

import (
	"context"
	"fmt"

	"github.com/waybill-io/waybill/internal/projector"
)

// Rehearse does in a transaction what Apply would do, and takes it back.
func (s *Store) Rehearse(ctx context.Context, b projector.Batch) error {
	tx, err := s.pool.Begin(ctx)
	if err != nil {
		return classify(fmt.Errorf("begin: %w", err))
	}
	defer tx.Rollback(context.WithoutCancel(ctx)) // that is its end
	u := newUnit(s.projection(), b)
	u.tx, u.projection = tx, schemaOf(sessionVersion(tx.Conn()))
	return classify(u.run(ctx))
}
