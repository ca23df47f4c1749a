package wire

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybill-io/waybill/internal/projector"
	"github.com/waybill-io/waybill/internal/readmodel"
	"github.com/waybill-io/waybill/internal/topic"
)

// TrialVar is set in the process of a trial, which is this program once more.
const TrialVar = "WAYBILL_TRIAL"

// Trials tries records by running this program again, with the same arguments
// and TrialVar in its environment: it is to call [Projection.Rehearse] then.
type Trials struct {
	Args []string // without the name of the program
}

var _ projector.Trials = (*Trials)(nil)

// Try starts the process and waits for its end. The process is told the suspects
// on its stdin, and says on its stdout what it is about to have in hand: what was
// said last is known however it ended. It ends with its stdin, so with this
// process.
func (t *Trials) Try(ctx context.Context, suspects []projector.Suspect) (projector.Trial, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	program, err := os.Executable()
	if err != nil {
		return projector.Trial{}, fmt.Errorf("find this program: %w", err)
	}
	cmd := exec.CommandContext(ctx, program, t.Args...)
	cmd.Env = append(os.Environ(), TrialVar+"=yes")
	said := &tail{}
	cmd.Stderr = said
	in, err := cmd.StdinPipe()
	if err != nil {
		return projector.Trial{}, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return projector.Trial{}, err
	}
	if err := cmd.Start(); err != nil {
		return projector.Trial{}, fmt.Errorf("start a trial: %w", err)
	}
	// One that ends before it has read all says so by its end.
	_ = json.MarshalWrite(in, suspects)
	_, _ = io.WriteString(in, "\n")
	trial, last, err := listen(out)
	if err != nil {
		cancel()
	}
	ended := cmd.Wait()
	_ = in.Close()
	return judge(ctx, trial, last, errors.Join(err, ended), said)
}

// listen hears what the process is about to do, until it ends.
func listen(out io.Reader) (trial projector.Trial, last *projector.InHand, err error) {
	lines := jsontext.NewDecoder(bufio.NewReader(out))
	for {
		var h projector.InHand
		err := json.UnmarshalDecode(lines, &h)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return trial, last, nil
		}
		if err != nil {
			return trial, last, fmt.Errorf("listen to a trial: %w", err)
		}
		last = &h
		if h.Stage == projector.Lived {
			trial.Lived, last = append(trial.Lived, h.Partition), nil
		}
	}
}

// judge tells a process that was killed, or that the runtime has ended, from one
// that could not do what it was asked to.
func judge(ctx context.Context, trial projector.Trial, last *projector.InHand, err error, said *tail) (projector.Trial, error) {
	const fatal = 2 // of the Go runtime
	exit, ended := errors.AsType[*exec.ExitError](err)
	switch {
	case ctx.Err() != nil:
		return trial, fmt.Errorf("try records: %w", ctx.Err())
	case err == nil:
		return trial, nil
	case ended && last != nil && (exit.ExitCode() < 0 || exit.ExitCode() == fatal):
		trial.Died = last
		return trial, nil
	}
	return trial, fmt.Errorf("try records: %w: %s", err, said.text)
}

// tail keeps the end of what is written to it.
type tail struct{ text []byte }

// Write implements [io.Writer].
func (t *tail) Write(p []byte) (int, error) {
	const most = 2 << 10
	t.text = append(t.text, p...)
	if len(t.text) > most {
		t.text = append([]byte(nil), t.text[len(t.text)-most:]...)
	}
	return len(p), nil
}

// Rehearse is what the process of a trial does. It ends when in does, because the
// process that has started it has ended then.
func (c Projection) Rehearse(ctx context.Context, in io.Reader, out io.Writer, log *slog.Logger) error {
	var suspects []projector.Suspect
	lines := jsontext.NewDecoder(in)
	if err := json.UnmarshalDecode(lines, &suspects); err != nil {
		return fmt.Errorf("read what to try: %w", err)
	}
	if err := confine(cgroup); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		_, _ = lines.ReadToken() // there is no other: it waits for the end
		cancel(errOrphan)
	}()
	store, err := readmodel.OpenStore(ctx, readmodel.Config{URL: c.DatabaseURL, Name: "waybill consumer trial", MaxConns: 1})
	if err != nil {
		return err
	}
	defer store.Close()
	records, err := topic.OpenLog(ctx, topic.SourceConfig{Brokers: c.Brokers, Topics: c.Topics, Log: log})
	if err != nil {
		return err
	}
	defer records.Close()
	r := projector.Rehearsal{Log: records, Store: store, Say: func(h projector.InHand) error {
		line, err := json.Marshal(h)
		if err == nil {
			_, err = out.Write(append(line, '\n')) // at once, in one piece
		}
		return err
	}}
	return r.Run(ctx, suspects)
}

var errOrphan = errors.New("the process that wanted to know has ended")
