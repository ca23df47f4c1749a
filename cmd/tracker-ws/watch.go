package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/waybill-io/waybill/events/watch"
)

// viewer shows what comes.
type viewer interface {
	// Show takes a view. An error ends the command.
	Show(v watch.View) error
	// Close leaves the terminal as it was.
	Close() error
}

// follow shows the rows of a topic as they change until ctx ends: a table on a
// terminal, a line per change elsewhere.
func follow(ctx context.Context, cfg watchConfig, getenv func(string) string, stdout io.Writer, log *slog.Logger) error {
	source, err := cfg.source(getenv)
	if err != nil {
		return err
	}
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	var shown shown
	source = shown.by(source)
	show, table := newViewer(ctx, cfg, getenv, stdout)
	client, err := watch.New(watch.Config{
		URL: cfg.URL, Client: "tracker-ws/watch", Log: quiet(log, table),
		Token: func(ctx context.Context) (string, error) {
			token, err := source(ctx)
			if errors.Is(err, errNoDevTokens) {
				end(&ending{err})
			}
			return token, err
		},
		Subscriptions: []watch.Subscription{{
			Topic: cfg.Topic, Filter: watch.Filter(cfg.Filter), MaxHz: cfg.MaxHz,
			Handle: func(v watch.View) {
				v.Err = shown.name(v.Err)
				if err := show.Show(v); err != nil {
					end(&ending{fmt.Errorf("write the output: %w", err)})
				}
			},
		}},
	})
	if err != nil {
		return err
	}
	err = client.Run(ctx)
	if own, ok := errors.AsType[*ending](context.Cause(ctx)); ok {
		err = own.error
	}
	return errors.Join(show.Close(), advise(shown.name(err), shown.link.Load()))
}

// ending is why the command ends itself.
type ending struct{ error }

func newViewer(ctx context.Context, cfg watchConfig, getenv func(string) string, stdout io.Writer) (show viewer, table bool) {
	if cfg.JSON {
		return newObjects(stdout), false
	}
	size := sizeOf(stdout)
	if _, _, ok := size(); !ok || getenv("TERM") == "dumb" {
		return newLines(stdout, cfg.columns()), false
	}
	b := newBoard(cfg.Topic, cfg.columns(), time.Local)
	return newScreen(ctx, stdout, b, size, getenv("NO_COLOR") == ""), true
}

// quiet leaves out what the viewer tells by itself, and all of it where a table
// would be written over.
func quiet(log *slog.Logger, table bool) *slog.Logger {
	if table {
		return nil
	}
	return slog.New(warnings{log.Handler()})
}

// warnings are what is left of a log.
type warnings struct{ slog.Handler }

// Enabled leaves out what is no warning.
func (w warnings) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && w.Handler.Enabled(ctx, l)
}
