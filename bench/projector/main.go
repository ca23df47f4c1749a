// Command projector measures how many events per second get from the topic into
// the read model, beside two limits taken in the same run: the same batches
// applied from memory, and a plain COPY of the same events. It compares what
// every arm has written with the fold of whole histories by a single thread.
//
// Broker and load run in this process; every arm runs in a child of its own, so
// that processor time and memory are those of a consumer alone.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "projector:", err)
		os.Exit(1)
	}
}

// run is a child when its only argument says so, else the benchmark.
func run(ctx context.Context, args []string) error {
	if len(args) == 1 && args[0] == childArg {
		return serveArm(ctx, os.Stdin, os.Stdout)
	}
	cfg, err := parse(args)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, cfg.timeout)
	defer cancel()
	return measure(ctx, cfg, os.Stdout)
}
