// Command fold measures what an event costs where it gets its meaning: applied
// to the state of its shipment in order, folded anew with a history of 40, and
// folded with its order. Beside them, in the same rounds, runs what every
// tracker does at least: decoding the same events, and overwriting a status in
// a map with whatever came last.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"github.com/waybill-io/waybill/bench/internal/report"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "fold:", err)
		os.Exit(1)
	}
}

// config is what the flags say.
type config struct {
	orders int
	seed   uint64
	rounds int
	turn   time.Duration
}

func parse(args []string) (config, error) {
	var c config
	f := flag.NewFlagSet("fold", flag.ContinueOnError)
	f.IntVar(&c.orders, "orders", 2000, "how many orders' histories are decoded, applied and folded")
	f.Uint64Var(&c.seed, "seed", 1, "of the simulated histories")
	f.IntVar(&c.rounds, "rounds", 5, "how often every arm runs; the figures are medians")
	f.DurationVar(&c.turn, "turn", 300*time.Millisecond, "how long an arm runs in each round, at least")
	if err := f.Parse(args); err != nil {
		return c, err
	}
	if f.NArg() > 0 || c.orders < 1 || c.rounds < 1 || c.turn <= 0 {
		return c, fmt.Errorf("want flags only, and positive ones: %v", args)
	}
	return c, nil
}

func run(args []string, out io.Writer) error {
	cfg, err := parse(args)
	if err != nil {
		return err
	}
	conditions := report.Begin()
	l, err := newLoad(cfg)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%d events of %d orders; %d of %d facts of shipments are applied in order, the others need a fold\n",
		len(l.messages), cfg.orders, l.applies, l.own)
	arms := l.arms()
	taken := map[string][]cost{}
	for range cfg.rounds {
		for _, a := range arms {
			runtime.GC()
			taken[a.name] = append(taken[a.name], a.run(cfg.turn))
		}
	}
	conditions.End()
	r := newResult(cfg, l, taken, conditions)
	r.table(out, arms)
	return report.Result(out, r)
}
