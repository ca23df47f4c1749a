// Command live measures how long it takes from the call that publishes an event
// until a client has it: a plain WebSocket client, and the page in a headless
// Chromium. The platform runs as bin/dev in a process of its own; the load is a
// simulation at a steady rate.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "live:", err)
		os.Exit(1)
	}
}

// config is what the flags say.
type config struct {
	rate     float64
	warmup   time.Duration
	duration time.Duration
	open     int
	seed     uint64
	dev      string
	portBase int
	chromium string
	browser  bool
	height   int
}

func parse(args []string) (*config, error) {
	var c config
	f := flag.NewFlagSet("live", flag.ContinueOnError)
	f.Float64Var(&c.rate, "rate", 1000, "events per second")
	f.DurationVar(&c.warmup, "warmup", 5*time.Second, "load before the measured part")
	f.DurationVar(&c.duration, "duration", 30*time.Second, "measured part")
	f.IntVar(&c.open, "open", 1000, "shipments under way")
	f.Uint64Var(&c.seed, "seed", 1, "of the simulated histories")
	f.StringVar(&c.dev, "dev", "../bin/dev", "the platform's `program`")
	f.IntVar(&c.portBase, "port-base", 0, "first of its four ports; defaults to free ones")
	f.BoolVar(&c.browser, "browser", true, "measure in Chromium as well")
	f.StringVar(&c.chromium, "chromium", "", "`program`; defaults to what is found on PATH")
	f.IntVar(&c.height, "height", 1400, "of the browser's window: the more, the more rows are seen")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	var all []error
	if f.NArg() > 0 {
		all = append(all, fmt.Errorf("unexpected argument %q", f.Arg(0)))
	}
	if !(c.rate > 0 && c.rate <= 100_000) {
		all = append(all, fmt.Errorf("-rate: %v is not above 0 and at most 100,000", c.rate))
	}
	if c.duration < time.Second || c.duration > 10*time.Minute || c.warmup < 0 || c.warmup > time.Minute {
		all = append(all, errors.New("-duration must be from 1 s to 10 min, -warmup at most 1 min"))
	}
	return &c, errors.Join(all...)
}

// run is bounded by what its flags ask for and a minute to start and to stop.
func run(ctx context.Context, args []string) error {
	cfg, err := parse(args)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, cfg.warmup+cfg.duration+2*time.Minute)
	defer cancel()
	return measure(ctx, cfg, os.Stdout)
}
