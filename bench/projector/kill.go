package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"

	"github.com/jackc/pgx/v5"
)

// killing is the name of the pipeline that is killed half way.
const killing = "pipeline, killed"

// killed runs the pipeline until half of the log is in the read model, kills the
// process with SIGKILL, and has another process do the rest.
func (b *bench) killed(ctx context.Context) error {
	s, name := b.stageOf("pipeline"), "killed"
	url, err := b.server.create(ctx, name)
	if err != nil {
		return err
	}
	j := b.job("pipeline", name, url, s)
	at, err := runUntil(ctx, j, (s.load.events+s.load.poison)/2)
	if err != nil {
		return err
	}
	t, err := b.arm(ctx, j, s, runArm)
	if err != nil {
		return err
	}
	b.say("killed after %d records; the next process made its first commit %.1f s after its start", at, t.First)
	t.Cuts = nil
	b.took("kill -9", killing, t)
	return b.server.drop(ctx, name)
}

// runUntil runs the job and kills it as soon as so many records are in the read
// model. It says how many were.
func runUntil(ctx context.Context, j job, records int) (at int, err error) {
	cmd, err := child(ctx, j)
	if err != nil {
		return 0, err
	}
	cmd.Stdout = io.Discard
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("start the pipeline: %w", err)
	}
	ended := make(chan error, 1)
	waiting, stop := context.WithCancel(ctx)
	defer stop()
	go func() { defer stop(); ended <- cmd.Wait() }()
	at, err = awaitRecords(waiting, j.DatabaseURL, records)
	kill := cmd.Process.Kill()
	exit := (*exec.ExitError)(nil)
	if !errors.As(<-ended, &exit) || exit.Exited() {
		return at, errors.Join(err, kill, errors.New("the pipeline had ended before it could be killed"))
	}
	return at, errors.Join(err, kill)
}

// awaitRecords waits until so many records are behind the positions.
func awaitRecords(ctx context.Context, url string, records int) (at int, err error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return 0, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for at < records {
		select {
		case <-ctx.Done():
			return at, ctx.Err()
		case <-tick.C:
		}
		if err := conn.QueryRow(ctx, `SELECT coalesce(sum(next_offset), 0)::int FROM waybill.projection_offsets`).Scan(&at); err != nil {
			return at, fmt.Errorf("look how far the pipeline is: %w", err)
		}
	}
	return at, nil
}
