package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/waybill-io/waybill/internal/readmodel"
)

// errPoison says that a replay did not settle everything.
var errPoison = errors.New("could still not be applied")

// errStuck says that what waited for settled letters waits for others now.
var errStuck = errors.New("could not be applied, and the rest of its key waits for it now")

// shownWaiting is how many of the records that wait for a dead letter are shown.
const shownWaiting = 100

// errMissing says that a dead letter which was asked for is not there.
var errMissing = errors.New("no dead letter is kept of")

// letters runs the commands about dead letters.
func letters(ctx context.Context, cfg lettersConfig, command string, stdout, stderr io.Writer) error {
	var source letterSource
	var do func(context.Context, *readmodel.Store, *letterPrinter) error
	switch command {
	case "list":
		source, do = cfg.List.letterSource, cfg.List.run
	case "show":
		source, do = cfg.Show.letterSource, cfg.Show.run
	case "replay":
		source, do = cfg.Replay.letterSource, cfg.Replay.run
	default:
		source, do = cfg.Discard.letterSource, cfg.Discard.run
	}
	store, err := readmodel.OpenStore(ctx, readmodel.Config{URL: string(source.DatabaseURL), Name: "waybill deadletters", MaxConns: 2})
	if err != nil {
		return err
	}
	defer store.Close()
	out := &letterPrinter{out: stdout, notes: stderr, json: source.JSON}
	return errors.Join(do(ctx, store, out), out.flush())
}

func (c *listConfig) run(ctx context.Context, store *readmodel.Store, out *letterPrinter) error {
	status := c.Status
	if status == "any" {
		status = ""
	}
	list, more, err := store.Letters(ctx, c.filter(status))
	if err != nil {
		return err
	}
	if len(list) == 0 {
		out.none(c.Status, &c.letterChoice)
	}
	for i := range list {
		out.list(&list[i])
	}
	out.more(more)
	return nil
}

func (c *showConfig) run(ctx context.Context, store *readmodel.Store, out *letterPrinter) error {
	list, _, err := store.Letters(ctx, readmodel.LetterFilter{Places: places(c.IDs), Limit: len(c.IDs)})
	if err != nil {
		return err
	}
	there := map[readmodel.Place]bool{}
	for i := range list {
		waiting, err := store.Waiting(ctx, list[i].Place(), shownWaiting)
		if err != nil {
			return err
		}
		out.show(&list[i], waiting)
		there[list[i].Place()] = true
	}
	var missing []error
	for _, id := range c.IDs {
		if !there[id.Place] {
			missing = append(missing, fmt.Errorf("%w %s", errMissing, id))
		}
	}
	return errors.Join(missing...)
}

func (c *replayConfig) run(ctx context.Context, store *readmodel.Store, out *letterPrinter) error {
	list, more, err := c.chosen(ctx, store)
	if err != nil {
		return err
	}
	poison, stuck := 0, 0
	for i := range list {
		var done readmodel.Replayed
		err := patiently(ctx, func() (err error) {
			done, err = store.Replay(ctx, list[i].Place(), whoever(c.By), c.DryRun)
			return err
		})
		if err != nil {
			return err
		}
		if done.Refused != nil {
			poison++
		}
		if done.Behind.Head != nil {
			stuck++
		}
		out.replayed(&done, c.DryRun)
	}
	out.more(more)
	return errors.Join(counted(poison, len(list), errPoison), counted(stuck, len(list), errStuck))
}

// counted is the error that so many of all have, nil for none.
func counted(n, all int, err error) error {
	switch {
	case n == 0:
		return nil
	case errors.Is(err, errStuck):
		return fmt.Errorf("behind %d of %d records one that waited %w", n, all, err)
	}
	return fmt.Errorf("%d of %d records %w", n, all, err)
}

func (c *discardConfig) run(ctx context.Context, store *readmodel.Store, out *letterPrinter) error {
	list, more, err := c.chosen(ctx, store)
	if err != nil {
		return err
	}
	stuck := 0
	for i := range list {
		var done readmodel.Discarded
		err := patiently(ctx, func() (err error) {
			done, err = store.Discard(ctx, list[i].Place(), whoever(c.By), c.Reason, c.DryRun)
			return err
		})
		if err != nil {
			return err
		}
		if done.Behind.Head != nil {
			stuck++
		}
		out.discarded(list[i].Place(), &done, c.DryRun)
	}
	out.more(more)
	return counted(stuck, len(list), errStuck)
}

// chosen reads the new letters of a choice. Those that are named must be there,
// whatever became of them.
func (c *letterChoice) chosen(ctx context.Context, store *readmodel.Store) ([]readmodel.Letter, int, error) {
	status := "new"
	if len(c.IDs) > 0 {
		status = ""
	}
	list, more, err := store.Letters(ctx, c.filter(status))
	if err == nil && len(c.IDs) > 0 && len(list) == 0 {
		err = fmt.Errorf("%w %s", errMissing, c.IDs[0])
	}
	return list, more, err
}

// patiently tries again what passes, for half a minute.
func patiently(ctx context.Context, do func() error) error {
	pause := backoff.NewExponentialBackOff(backoff.WithInitialInterval(50*time.Millisecond),
		backoff.WithMaxInterval(2*time.Second), backoff.WithMaxElapsedTime(30*time.Second))
	return backoff.Retry(func() error {
		err := do()
		if t, ok := errors.AsType[interface {
			error
			Temporary() bool
		}](err); err != nil && (!ok || !t.Temporary()) {
			return backoff.Permanent(err)
		}
		return err
	}, backoff.WithContext(pause, ctx))
}

// whoever is by, or who runs this process where.
func whoever(by string) string {
	if by != "" {
		return by
	}
	name, host := "unknown", "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if h, err := os.Hostname(); err == nil {
		host = h
	}
	return name + "@" + host
}
