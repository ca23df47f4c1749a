// Command gateway measures the live socket: how many frames a second it spreads,
// beside a bare hub on the same cores; what an idle connection costs; what slow
// clients do to the others; how long a storm of reconnects takes; and how old a
// row is when it reaches a client, from the commit in Postgres. Servers, clients
// and the database are processes of their own.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "gateway:", err)
		os.Exit(1)
	}
}

// config is what the flags say.
type config struct {
	arms      []string
	rounds    int
	duration  time.Duration
	subs      int
	frames    float64
	idle      int
	rest      time.Duration
	storm     int
	slow      float64
	flat      time.Duration
	changes   float64
	watchers  int
	hz        float64
	commitFor time.Duration
	profile   string
}

// arms are all there are, in the order in which they run.
var arms = []string{"spread", "slow", "storm", "idle", "commit", "flat"}

func parse(args []string) (*config, error) {
	var c config
	var only string
	f := flag.NewFlagSet("gateway", flag.ContinueOnError)
	f.StringVar(&only, "arms", strings.Join(arms, ","), "which to run")
	f.IntVar(&c.rounds, "rounds", 3, "of the arms spread and slow; figures are medians")
	f.DurationVar(&c.duration, "duration", 5*time.Second, "of each measurement")
	f.IntVar(&c.subs, "subs", 1000, "subscribers")
	f.Float64Var(&c.frames, "frames", 60_000, "per second, where the pace is set")
	f.IntVar(&c.idle, "idle", 10_000, "idle connections")
	f.DurationVar(&c.rest, "rest", 150*time.Second, "how long they are idle before they are weighed; the runtime collects after 2 min at the latest")
	f.IntVar(&c.storm, "storm", 2000, "clients that come back at once")
	f.Float64Var(&c.slow, "slow", 0.1, "share of clients that never read")
	f.DurationVar(&c.flat, "flat", 20*time.Second, "how long memory is watched")
	f.Float64Var(&c.changes, "changes", 2000, "per second, committed in Postgres")
	f.IntVar(&c.watchers, "watchers", 500, "subscribers of those")
	f.Float64Var(&c.hz, "hz", 100, "deltas per second and subscription at most, of those")
	f.DurationVar(&c.commitFor, "commit-for", 20*time.Second, "how long they are measured, after a warm-up of 5 s")
	f.StringVar(&c.profile, "profile", "", "write profiles of both servers to files with this `prefix`")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	var all []error
	if f.NArg() > 0 {
		all = append(all, fmt.Errorf("unexpected argument %q", f.Arg(0)))
	}
	for arm := range strings.SplitSeq(only, ",") {
		if !slices.Contains(arms, arm) {
			all = append(all, fmt.Errorf("-arms: there is no %q among %s", arm, strings.Join(arms, ", ")))
		}
		c.arms = append(c.arms, arm)
	}
	if c.rounds < 1 || c.duration < time.Second || c.subs < 10 || c.idle < 1 || c.storm < 1 || c.watchers < 1 {
		all = append(all, errors.New("-rounds, -duration, -subs, -idle, -storm and -watchers have to be more"))
	}
	if !(c.slow > 0 && c.slow < 1) || !(c.frames > 0) || !(c.changes > 0) || !(c.hz > 0) {
		all = append(all, errors.New("-slow is a share; -frames, -changes and -hz are above 0"))
	}
	return &c, errors.Join(all...)
}

// run is the parent, or a child of it.
func run(ctx context.Context, args []string) error {
	if len(args) == 2 && args[0] == childArg {
		return serveChild(ctx, args[1], os.Stdin, os.Stdout)
	}
	cfg, err := parse(args)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute+cfg.rest+cfg.flat+cfg.commitFor+time.Duration(cfg.rounds)*10*cfg.duration)
	defer cancel()
	return measure(ctx, cfg, os.Stdout)
}
