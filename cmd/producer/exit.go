package main

import (
	"context"
	"errors"
	"io/fs"

	"github.com/waybill-io/waybill/cmd/internal/cli"
	"github.com/waybill-io/waybill/internal/carriers"
	"github.com/waybill-io/waybill/internal/ingest"
)

// Exit codes beside 0, 1 and 2, those of sysexits.h.
const (
	codeData        = 65  // the content of a file is refused
	codeNoInput     = 66  // a file is not there
	codeIO          = 74  // reading or writing a file failed
	codeUnavailable = 75  // the brokers did not answer in time; trying again is right
	codeNoAccess    = 77  // a file may not be read
	codeInterrupted = 130 // a signal came before the end
)

// errOutput says that the result could not be told.
var errOutput = errors.New("write the output")

// exitError is an error with its exit code.
type exitError struct {
	error
	code int
}

// ExitCode is for package cli.
func (e *exitError) ExitCode() int { return e.code }

// Unwrap returns the cause.
func (e *exitError) Unwrap() error { return e.error }

func usage(err error) error { return &cli.UsageError{Err: err} }

// exit gives an error its exit code.
func exit(ctx context.Context, err error) error {
	if _, ok := errors.AsType[*cli.UsageError](err); ok {
		return err
	}
	if ctx.Err() != nil && (errors.Is(err, context.Cause(ctx)) || errors.Is(err, context.Canceled)) {
		return &exitError{err, codeInterrupted}
	}
	return &exitError{err, codeOf(err)}
}

func codeOf(err error) int {
	is := func(target error) bool { return errors.Is(err, target) }
	_, mapping := errors.AsType[*ingest.MappingError](err)
	_, data := errors.AsType[*ingest.DataError](err)
	_, profile := errors.AsType[*carriers.ProfileError](err)
	_, file := errors.AsType[*ingest.FileError](err)
	path, disk := errors.AsType[*fs.PathError](err)
	switch {
	case mapping || profile || data:
		return codeData
	case is(fs.ErrPermission):
		return codeNoAccess
	case file || is(fs.ErrNotExist):
		return codeNoInput
	case disk && path != nil || is(ingest.ErrRejects) || is(errOutput):
		return codeIO
	case is(context.DeadlineExceeded):
		return codeUnavailable
	default:
		return 1
	}
}
