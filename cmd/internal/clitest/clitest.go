// Package clitest holds commands to what package cli promises of their flags.
// Only tests import it.
package clitest

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/waybill-io/waybill/cmd/internal/cli"
)

// Outcome is what a command said, and how it ended.
type Outcome struct {
	Stdout, Stderr string
	Err            error
}

// said is all of it.
func (o Outcome) said() string {
	if o.Err != nil {
		return o.Stdout + o.Stderr + o.Err.Error()
	}
	return o.Stdout + o.Stderr
}

// Call runs a command to its end with arguments and an environment of its own.
func Call(t testing.TB, run cli.Run, args []string, env map[string]string) Outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var stdout, stderr bytes.Buffer
	err := run(ctx, args, func(name string) string { return env[name] }, &stdout, &stderr)
	if ctx.Err() != nil {
		t.Fatalf("%q went on as if nothing were wrong; stderr:\n%s", args, stderr.String())
	}
	return Outcome{stdout.String(), stderr.String(), err}
}

// Wrong is a way to call a command wrongly.
type Wrong struct {
	Name   string
	Args   []string
	Env    map[string]string
	Want   []string // what the error has to say, the flag or the variable first of all
	Secret string   // what must be said nowhere
}

// Refuses tries every wrong call. Each has to end with a [cli.UsageError], for
// which [cli.Main] exits with 2.
//
// That no port is opened before is seen by giving the command ports that are
// taken, such as those of [Taken]: it would complain of them instead.
func Refuses(t *testing.T, run cli.Run, calls []Wrong) {
	t.Helper()
	for _, w := range calls {
		t.Run(w.Name, func(t *testing.T) {
			o := Call(t, run, w.Args, w.Env)
			if _, ok := errors.AsType[*cli.UsageError](o.Err); !ok {
				t.Errorf("error = %v, want one of usage", o.Err)
			}
			for _, want := range w.Want {
				if o.Err != nil && !strings.Contains(o.Err.Error(), want) {
					t.Errorf("error %q does not name %s", o.Err, want)
				}
			}
			if w.Secret != "" && strings.Contains(o.said(), w.Secret) {
				t.Errorf("the secret was printed:\n%s", o.said())
			}
		})
	}
}

// Helps asks for the help of a command and of each subcommand: it names the
// variables and ends well.
func Helps(t *testing.T, run cli.Run, variables map[string][]string) {
	t.Helper()
	for sub, names := range variables {
		t.Run(strings.TrimSpace("help of "+sub), func(t *testing.T) {
			o := Call(t, run, append(strings.Fields(sub), "--help"), nil)
			if o.Err != nil {
				t.Errorf("error = %v", o.Err)
			}
			for _, name := range names {
				if !strings.Contains(o.Stdout, "$"+name) {
					t.Errorf("the help does not name %s:\n%s", name, o.Stdout)
				}
			}
		})
	}
}

// Taken is an address where somebody else listens until the end of the test.
func Taken(t testing.TB) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

// Nowhere is an address where nobody listens, nor will: a port that is free now
// may be given to the very process that is to find nobody there.
const Nowhere = "127.0.0.1:1"

// Free is an address where nobody listens now.
func Free(t testing.TB) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // it only had to be opened
	return l.Addr().String()
}
