package readmodel

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// lane is a transaction whose writes nobody waits for: a goroutine of its own
// executes them, in the order in which they were handed over, while the one that
// hands them over goes on folding. What is asked of the transaction itself waits
// for them first. After the first error nothing more is written, and whoever
// waits gets it.
//
// The statements of [pgx.Tx] that are not overridden here must not be used while
// writes are under way.
type lane struct {
	pgx.Tx
	todo    chan write
	settled chan error // answers to a write without a statement: all before it are done
	under   bool       // writes are under way
	err     error      // as of the last wait
}

// write is a statement with its arguments, one per column.
type write struct {
	what string // for errors: an infinitive
	sql  string
	args []any
	rows int64 // how many must be written; anyNumber: it does not matter
}

const anyNumber = -1

func newLane(ctx context.Context, tx pgx.Tx) *lane {
	l := &lane{Tx: tx, todo: make(chan write, 32), settled: make(chan error)}
	go l.run(ctx)
	return l
}

func (l *lane) run(ctx context.Context) {
	defer close(l.settled)
	var failed error
	for w := range l.todo {
		switch {
		case w.sql == "":
			l.settled <- failed
		case failed == nil:
			failed = w.execute(ctx, l.Tx)
		}
	}
}

func (w *write) execute(ctx context.Context, tx pgx.Tx) error {
	tag, err := tx.Exec(ctx, w.sql, w.args...)
	if err != nil {
		return fmt.Errorf("%s: %w", w.what, err)
	}
	if w.rows != anyNumber && tag.RowsAffected() != w.rows {
		return fmt.Errorf("%s: %d of %d rows are where they were read", w.what, tag.RowsAffected(), w.rows)
	}
	return nil
}

// later hands a write over.
func (l *lane) later(what, sql string, args ...any) {
	l.hand(write{what, sql, args, anyNumber})
}

// laterAll hands a write over that must find so many rows.
func (l *lane) laterAll(rows int, what, sql string, args ...any) {
	l.hand(write{what, sql, args, int64(rows)})
}

func (l *lane) hand(w write) {
	l.under = true
	l.todo <- w
}

// wait returns when all writes are done.
func (l *lane) wait() error {
	if l.under {
		l.todo <- write{}
		l.under, l.err = false, <-l.settled
	}
	return l.err
}

// close waits for the goroutine. The transaction itself stays open.
func (l *lane) close() {
	close(l.todo)
	<-l.settled
}

// Exec executes a statement once all writes are done.
func (l *lane) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	if err := l.wait(); err != nil {
		return pgconn.CommandTag{}, err
	}
	return l.Tx.Exec(ctx, sql, args...)
}

// Query asks once all writes are done.
func (l *lane) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if err := l.wait(); err != nil {
		return nil, err
	}
	return l.Tx.Query(ctx, sql, args...)
}

// QueryRow asks once all writes are done.
func (l *lane) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	if err := l.wait(); err != nil {
		return failedRow{err}
	}
	return l.Tx.QueryRow(ctx, sql, args...)
}

type failedRow struct{ err error }

// Scan returns the error that kept the row from being asked for.
func (r failedRow) Scan(...any) error { return r.err }
