package wire

import (
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/waybill-io/waybill/internal/ops"
)

// Beside runs work beside the server that answers for it, which goes on until
// the work has wound up. It is not ready before the named checks say so.
func Beside(ctx context.Context, server *ops.Server, checks []string, work func(context.Context) error) error {
	for _, name := range checks {
		server.Ready.Check(name)
	}
	after, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return server.Run(after) })
	g.Go(func() error {
		defer end()
		return work(gctx)
	})
	return g.Wait()
}
