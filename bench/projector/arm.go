package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime/pprof"
	"time"

	"github.com/waybill-io/waybill/bench/internal/proc"
	"github.com/waybill-io/waybill/bench/internal/report"
	"github.com/waybill-io/waybill/internal/topic"
)

// childArg makes this program a child that runs one arm.
const childArg = "-arm-of-parent"

// job tells a child what to run.
type job struct {
	Arm         string // one of arms
	Name        string // of this run of it
	Brokers     []string
	Names       topic.Names
	Group       string
	DatabaseURL string
	Workers     int
	BatchEvents int
	Cuts        []cut  // of the pipeline, for the arms that repeat them
	Expect      int    // records to wait for; 0: those that are in the log at the beginning
	Skip        int    // of these, how many do not count for Waits
	Profile     string // file, or none
}

// figures are what an arm measures.
type figures struct {
	Events     int           // records taken
	Stored     int           // events written
	Duplicates int           // copies refused
	Late       int           // events that found newer ones
	Refolds    int           // streams folded from their history
	Changes    int           // entities that clients were told of
	Batches    int           // transactions
	Seconds    float64       // from the first claim to the last commit
	Commit     float64       // of these, by all workers, in COMMIT
	Applying   float64       // of these, by all workers, in the store
	CPU        float64       // seconds of this process meanwhile
	PeakMiB    float64       // of this process
	Fill       float64       // of Seconds, until a rebuild has filled its version
	First      float64       // seconds from the start of the process to the first commit
	Waits      report.Spread // of events, from when they were published to their commit
	Cuts       []cut

	first time.Time // of the commits
}

// perSecond is the rate; of a rebuild that of the fill, without comparing.
func (f figures) perSecond() float64 { return float64(f.Events) / cmp.Or(f.Fill, f.Seconds) }

// arms are what a child can run. An arm prepares, then calls begin, and
// everything from there to its return is measured.
var arms = map[string]func(ctx context.Context, j job, begin func()) (figures, error){
	"pipeline": pipeline,
	"sql":      sqlOnly,
	"copy":     copyOnly,
	"oracle":   oracle,

	"latency":           latency,
	rebuilding:          rebuild,
	"watermill":         watermillEach,
	"watermill-batched": watermillBatched,
	"watermill-early":   watermillEarly,
}

// serveArm is the child's side.
func serveArm(ctx context.Context, in io.Reader, out io.Writer) error {
	var j job
	if err := json.NewDecoder(in).Decode(&j); err != nil {
		return fmt.Errorf("read the job: %w", err)
	}
	arm, ok := arms[j.Arm]
	if !ok {
		return fmt.Errorf("there is no arm %q", j.Arm)
	}
	var start time.Time
	var cpu float64
	born := time.Now()
	begin := func() {
		if j.Profile != "" {
			startProfile(j.Profile)
		}
		start, cpu = time.Now(), proc.SelfCPU()
	}
	f, err := arm(ctx, j, begin)
	if !f.first.IsZero() {
		f.First = f.first.Sub(born).Seconds()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", j.Arm, err)
	}
	f.Seconds, f.CPU, f.PeakMiB = time.Since(start).Seconds(), proc.SelfCPU()-cpu, proc.PeakMiB()
	pprof.StopCPUProfile()
	return json.NewEncoder(out).Encode(f)
}

func startProfile(name string) {
	f, err := os.Create(name)
	if err == nil {
		err = pprof.StartCPUProfile(f)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "no profile:", err)
	}
}

// child makes the process of an arm, not started yet.
func child(ctx context.Context, j job) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	doc, err := json.Marshal(j)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, childArg)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(doc), os.Stderr
	return cmd, nil
}

// runArm is the parent's side.
func runArm(ctx context.Context, j job) (figures, error) {
	cmd, err := child(ctx, j)
	if err != nil {
		return figures{}, err
	}
	out, err := cmd.Output()
	if err != nil {
		return figures{}, errors.Join(fmt.Errorf("run arm %s: %w", j.Arm, err), ctx.Err())
	}
	var f figures
	if err := json.Unmarshal(out, &f); err != nil {
		return figures{}, fmt.Errorf("read the figures of arm %s: %w", j.Arm, err)
	}
	return f, nil
}
