// Package cli is what the commands share: flags with WAYBILL_* variables behind
// them, signals and exit codes.
//
// # Promises
//
//   - A wrong flag or variable is an error that names it, before anything else
//     happens; [Main] exits with 2 then.
//   - The first interrupt ends the context; the second one kills.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"reflect"
	"regexp"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
)

// Run is a command: what main calls, and tests call in-process.
type Run func(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error

// UsageError says which flag or variable is wrong.
type UsageError struct{ Err error }

// Error is the cause's.
func (e *UsageError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *UsageError) Unwrap() error { return e.Err }

// ExitCoder is an error with an exit code of its own.
type ExitCoder interface {
	error
	ExitCode() int
}

// Main runs a command with the process's arguments, environment and signals,
// and returns its exit code: 0, 2 for wrong usage, what the error says, or 1.
func Main(name string, run Run) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // the second signal kills
	err := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	if err == nil {
		return 0
	}
	fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
	if _, ok := errors.AsType[*UsageError](err); ok {
		return 2
	}
	if coder, ok := errors.AsType[ExitCoder](err); ok {
		return coder.ExitCode()
	}
	return 1
}

// Parse reads args into the command structure of kong that into points to. A
// flag that is not given takes the variable WAYBILL_ and its name. It returns
// nil when only help was asked for, which is written to stdout.
func Parse(name, description string, into any, args []string, getenv func(string) string, stdout io.Writer) (*kong.Context, error) {
	helped, env := false, &environment{getenv: getenv, used: map[string]bool{}}
	parser, err := kong.New(into,
		kong.Name(name), kong.Description(description), kong.UsageOnError(), kong.Writers(stdout, io.Discard),
		kong.Exit(func(int) { helped = true }), kong.Resolvers(env.resolver()),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.ValueFormatter(withVariable))
	if err != nil {
		return nil, fmt.Errorf("describe the flags: %w", err)
	}
	ctx, err := parser.Parse(args)
	if helped {
		return nil, nil
	}
	if err != nil {
		return nil, &UsageError{env.blame(err)}
	}
	return ctx, nil
}

// variable is the environment variable behind a flag.
func variable(flag string) string {
	return "WAYBILL_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// environment is where flags that are not given come from.
type environment struct {
	getenv func(string) string
	used   map[string]bool // flags that a variable gave
}

func (e *environment) resolver() kong.Resolver {
	return kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		if flag.Name == "help" {
			return nil, nil
		}
		value := e.getenv(variable(flag.Name))
		if value == "" {
			return nil, nil
		}
		if err := tryVariable(flag, value); err != nil {
			return nil, fmt.Errorf("%s: %w", variable(flag.Name), err)
		}
		e.used[flag.Name] = true
		return value, nil
	})
}

// tryVariable parses a variable's value by itself, so that an error names the
// variable and not the flag that nobody gave.
func tryVariable(flag *kong.Flag, value string) error {
	trial := reflect.New(flag.Target.Type()).Elem()
	return flag.Parse(kong.Scan().PushTyped(value, kong.FlagValueToken), trial) // -1s is a value too
}

// flagNames are the flags that a text speaks of.
var flagNames = regexp.MustCompile(`--[a-z][a-z0-9-]*`)

// blame adds the variables to an error about flags that they gave.
func (e *environment) blame(err error) error {
	var given []string
	for _, name := range flagNames.FindAllString(err.Error(), -1) {
		if name = strings.TrimPrefix(name, "--"); e.used[name] {
			given = append(given, variable(name))
			e.used[name] = false
		}
	}
	if len(given) == 0 {
		return err
	}
	return fmt.Errorf("%w (from %s)", err, strings.Join(given, ", "))
}

// withVariable adds the variable to a flag's help.
func withVariable(value *kong.Value) string {
	if value.Flag == nil || value.Flag.Name == "help" {
		return kong.DefaultHelpValueFormatter(value)
	}
	return fmt.Sprintf("%s ($%s)", kong.DefaultHelpValueFormatter(value), variable(value.Flag.Name))
}
