package readmodel

import (
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

// column gathers one column of a batch, to be passed as an array parameter.
func column[T, V any](rows []T, value func(T) V) []V {
	values := make([]V, len(rows))
	for i, row := range rows {
		values[i] = value(row)
	}
	return values
}

// null is NULL for the zero value.
func null[V comparable](v V) *V {
	var zero V
	if v == zero {
		return nil
	}
	return &v
}

// nullText is NULL for an empty text.
func nullText[S ~string](s S) *string { return null(string(s)) }

// nullTime is NULL for the zero time.
func nullTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// optText and optTime are what a column of a batch holds where the zero value
// stands for NULL. They spare a pointer for each.
type (
	optText string
	optTime time.Time
)

func optTextOf[S ~string](s S) optText { return optText(s) }

// orZero is the zero value for NULL.
func orZero[V any](v *V) V {
	if v == nil {
		var zero V
		return zero
	}
	return *v
}

// instant is a time of the database in UTC, zero for NULL.
func instant(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

// from and until are the ends of a span that may be open.
func from(t time.Time) pgtype.Timestamptz {
	if t.IsZero() {
		return pgtype.Timestamptz{InfinityModifier: pgtype.NegativeInfinity, Valid: true}
	}
	return pgtype.Timestamptz{Time: t, Valid: true}
}

func until(t time.Time) pgtype.Timestamptz {
	if t.IsZero() {
		return pgtype.Timestamptz{InfinityModifier: pgtype.Infinity, Valid: true}
	}
	return pgtype.Timestamptz{Time: t, Valid: true}
}

// listMark parts the items of a list that travels as one text, because arrays
// of arrays must be rectangular. No id, code or number holds it.
const listMark = "\x1f"

func list[S ~string](items []S) string {
	texts := column(items, func(s S) string { return strings.ReplaceAll(string(s), listMark, " ") })
	return strings.Join(texts, listMark)
}
