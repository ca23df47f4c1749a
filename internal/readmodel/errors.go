package readmodel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/waybill-io/waybill/internal/projector"
)

// passing is an error that another try may not meet again.
type passing struct{ err error }

func (e *passing) Error() string   { return e.err.Error() }
func (e *passing) Unwrap() error   { return e.err }
func (e *passing) Temporary() bool { return true }

// Class sorts what passes by what it is about, for those who count it.
func (e *passing) Class() string {
	pg, ok := errors.AsType[*pgconn.PgError](e.err)
	switch {
	case !ok && errors.Is(e.err, context.DeadlineExceeded):
		return "timeout"
	case !ok || strings.HasPrefix(pg.Code, "08") || strings.HasPrefix(pg.Code, "57P") || pg.Code == "25006":
		return "connection"
	case strings.HasPrefix(pg.Code, "53"):
		return "resources"
	}
	switch pg.Code {
	case "23505", "40001", "40P01", "55P03":
		return "conflict"
	case "57014", "25P03":
		return "timeout"
	}
	return "other"
}

// classify sorts what Postgres answers into the projector's families: fenced,
// data, passing, and the operator's business, which stays as it is.
func classify(err error) error {
	if err == nil || errors.Is(err, projector.ErrFenced) {
		return err
	}
	pg, ok := errors.AsType[*pgconn.PgError](err)
	switch {
	case ok && isData(pg.Code):
		return &projector.DataError{SQLState: pg.Code, Err: err}
	case ok && isPassing(pg.Code):
		return &passing{err}
	case ok:
		return fmt.Errorf("postgres (%s): %w", pg.Code, err)
	case errors.Is(err, context.Canceled):
		return err
	}
	// Everything else is the network or a connection that went away.
	return &passing{err}
}

// isData reports SQLSTATEs that one row of a batch is to blame for.
func isData(code string) bool {
	return strings.HasPrefix(code, "22") ||
		slices.Contains([]string{"23502", "23503", "23514", "54000", "54001"}, code)
}

// isPassing reports SQLSTATEs that pass: conflicts with other transactions,
// connections, servers that restart, are full, or are still standbys. A key that
// is there already (23505) is such a conflict: no event can cause it by itself,
// because what comes of events is written ON CONFLICT or under a lock.
func isPassing(code string) bool {
	return strings.HasPrefix(code, "08") || strings.HasPrefix(code, "53") ||
		slices.Contains([]string{"23505", "40001", "40P01", "55P03", "57014", "57P01", "57P02", "57P03", "25006", "25P03", "58030", "XX000"}, code)
}

// Unreachable reports an error that comes of a server that does not answer, or
// not yet.
func Unreachable(err error) bool {
	if err == nil {
		return false
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return isPassing(pg.Code)
	}
	_, dial := errors.AsType[*pgconn.ConnectError](err)
	_, network := errors.AsType[net.Error](err)
	return dial || network
}
