package ingest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// IntakeConfig says what to do with files.
type IntakeConfig struct {
	Pipeline PipelineConfig
	// SkipBad publishes the good lines of a file with bad ones, in one reading.
	SkipBad bool
	// Rejects takes the bad lines then, as they stand, behind the names of the
	// columns where the file has them.
	Rejects io.Writer
	// Report is called with what is wrong with a line, MaxReports times at most,
	// and with warnings. Defaults to nothing.
	Report func(Problem)
	// Progress is called now and then. Defaults to nothing.
	Progress func(Progress)
}

// Progress is how far a run is.
type Progress struct {
	File      string
	Checking  bool // nothing is published yet
	Line      int
	Bytes     int64 // read of the file
	Size      int64 // of the file; -1 where nobody knows
	Events    int   // in the lines read
	Published int   // of them, acknowledged
}

// Result is what a run did.
type Result struct {
	Events    int // in good lines
	Published int // acknowledged
	Skipped   int // bad lines put aside
	Problems  int
}

// MaxReports is how many problems are reported; the others are counted.
const MaxReports = 100

// ErrRejects says that bad lines could not be put aside.
var ErrRejects = errors.New("write the rejects")

const (
	progressEvery = 200 * time.Millisecond
)

// Intake publishes files of one format.
type Intake struct {
	cfg    IntakeConfig
	format Format
	pub    Publisher
	result Result
	aside  *bufio.Writer
	head   []byte // of the last line put aside
	shown  time.Time
}

// NewIntake returns an Intake, for one run.
func NewIntake(format Format, pub Publisher, cfg IntakeConfig) *Intake {
	if cfg.Report == nil {
		cfg.Report = func(Problem) {}
	}
	if cfg.Progress == nil {
		cfg.Progress = func(Progress) {}
	}
	if cfg.Pipeline.Now == nil {
		cfg.Pipeline.Now = time.Now
	}
	in := &Intake{cfg: cfg, format: format, pub: pub}
	if cfg.Rejects != nil {
		in.aside = bufio.NewWriter(cfg.Rejects)
	}
	return in
}

// Run publishes the files. Without SkipBad it reads all of them first, and when
// there is anything wrong with any, it publishes none: its error is then a
// [*DataError]. A [*FileError] says that a file cannot be read, a
// [*StoppedError] that publishing stopped.
func (in *Intake) Run(ctx context.Context, files []*File) (result Result, err error) {
	for _, f := range files {
		if err := f.stat(); err != nil {
			return in.result, err
		}
	}
	if !in.cfg.SkipBad {
		defer func() {
			for _, f := range files {
				err = errors.Join(err, f.forget())
			}
		}()
		if err := in.check(ctx, files); err != nil {
			return in.result, err
		}
	}
	err = in.publish(ctx, files)
	if in.aside != nil {
		if flushed := in.aside.Flush(); flushed != nil {
			err = errors.Join(err, fmt.Errorf("%w: %w", ErrRejects, flushed))
		}
	}
	return in.result, err
}

// check reads all files and publishes nothing.
func (in *Intake) check(ctx context.Context, files []*File) error {
	var last Problem
	bad := 0
	for _, f := range files {
		if err := f.keep(); err != nil {
			return err
		}
		err := in.read(ctx, f, true, func(rec Record) error {
			if len(rec.Problems) > 0 {
				bad++
				last = rec.Problems[0]
			}
			in.report(rec.Problems)
			return nil
		})
		if err != nil {
			return err
		}
	}
	if bad > 0 {
		return &DataError{Problem: last, Bad: bad}
	}
	return nil
}

// publish reads all files and publishes their events.
func (in *Intake) publish(ctx context.Context, files []*File) error {
	p := NewPipeline(ctx, in.pub, in.cfg.Pipeline)
	in.result.Events = 0
	var err error
	for _, f := range files {
		err = in.read(ctx, f, false, func(rec Record) error {
			in.result.Published = p.Acked()
			if len(rec.Problems) > 0 {
				return in.putAside(rec)
			}
			return p.Add(rec.Events...)
		})
		if err != nil {
			break
		}
		if how := f.changed(); how != "" {
			in.cfg.Report(Problem{File: f.Name, Reason: "warning: while it was read, " + how})
		}
	}
	if err != nil {
		p.stop(err)
	}
	stopped := p.Finish()
	in.result.Published = p.Acked()
	return cmpErr(stopped, err)
}

// read calls each for every record of a file.
func (in *Intake) read(ctx context.Context, f *File, checking bool, each func(Record) error) error {
	r, err := f.open()
	if err != nil {
		return err
	}
	defer r.Close() //nolint:errcheck // it was only read
	count := &counter{r: r}
	for rec, err := range in.format.Records(count) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return in.named(f, err)
		}
		for i := range rec.Problems {
			rec.Problems[i].File = f.Name
		}
		in.result.Events += len(rec.Events)
		if err := each(rec); err != nil {
			return err
		}
		in.progress(Progress{File: f.Name, Checking: checking, Line: rec.Line, Bytes: count.n, Size: f.size})
	}
	return nil
}

// named puts the file's name into an error about its content. That a file
// was compressed is nothing that its format knows.
func (in *Intake) named(f *File, err error) error {
	data, ok := errors.AsType[*DataError](err)
	if broken, packed := errors.AsType[*encodingError](err); packed && !ok {
		data, ok = &DataError{Problem: Problem{Reason: broken.Error()}}, true
	}
	if ok {
		data.Problem.File = f.Name
		in.result.Problems++
		return data
	}
	return err
}

func (in *Intake) progress(p Progress) {
	now := in.cfg.Pipeline.Now()
	if now.Sub(in.shown) < progressEvery {
		return
	}
	in.shown = now
	p.Events, p.Published = in.result.Events, in.result.Published
	in.cfg.Progress(p)
}

func (in *Intake) report(problems []Problem) {
	for _, p := range problems {
		if in.result.Problems++; in.result.Problems <= MaxReports {
			in.cfg.Report(p)
		}
	}
}

// putAside writes a bad line to the rejects. In the second reading of a file
// that was good in the first there is none, unless the file changed meanwhile.
func (in *Intake) putAside(rec Record) error {
	in.report(rec.Problems)
	if !in.cfg.SkipBad {
		return &DataError{Problem: rec.Problems[0]}
	}
	in.result.Skipped++
	if in.aside == nil {
		return nil
	}
	if rec.Head != nil && in.head == nil {
		in.head = rec.Head
		if err := in.writeLine(rec.Head); err != nil {
			return err
		}
	}
	if string(rec.Head) != string(in.head) {
		return &DataError{Problem: Problem{
			File: rec.Problems[0].File, Line: 1,
			Reason: "its columns are others than those of the rejects so far; publish it by itself",
		}}
	}
	return in.writeLine(rec.Raw)
}

func (in *Intake) writeLine(line []byte) error {
	if _, err := in.aside.Write(line); err != nil {
		return fmt.Errorf("%w: %w", ErrRejects, err)
	}
	if err := in.aside.WriteByte('\n'); err != nil {
		return fmt.Errorf("%w: %w", ErrRejects, err)
	}
	return nil
}
