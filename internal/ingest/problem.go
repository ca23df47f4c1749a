package ingest

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// Problem says what is wrong with a place in a file.
type Problem struct {
	File   string
	Line   int    // from 1; 0 where the file as a whole is meant
	Column int    // of a table, from 1; 0 where there is none
	Name   string // of the column
	Reason string
}

// String reads "file:line:column: name: reason", as far as that is known, fit
// for a terminal whatever the file holds.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(printable(p.File))
	for _, n := range []int{p.Line, p.Column} {
		if n > 0 {
			b.WriteString(":" + strconv.Itoa(n))
		}
	}
	b.WriteString(": ")
	if p.Name != "" {
		b.WriteString(printable(p.Name) + ": ")
	}
	b.WriteString(printable(p.Reason))
	return b.String()
}

// printable escapes what a terminal would act upon.
func printable(s string) string {
	clean := strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) && r != ' ' || r == unicode.ReplacementChar }) < 0
	if clean {
		return s
	}
	quoted := strconv.QuoteToGraphic(s)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}

// quote shows a value of a file, cut to what fits a line.
func quote(s string) string {
	const most = 60
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return strconv.QuoteToGraphic(s)
}

// DataError says that the content of a file is refused. What is wrong was
// reported, or is Problem where that is the only one.
type DataError struct {
	Problem Problem
	Bad     int // bad records; 0 where Problem ended the file
}

// Error names the problem, or counts the bad records.
func (e *DataError) Error() string {
	switch e.Bad {
	case 0:
		return e.Problem.String()
	case 1:
		return "1 record is bad, nothing was published"
	default:
		return fmt.Sprintf("%d records are bad, nothing was published", e.Bad)
	}
}

// StoppedError says that publishing stopped before its end.
type StoppedError struct {
	Acked   int // events in the log
	Unknown int // events that may be in the log
	Err     error
}

// Error counts what is known of the events handed to the log.
func (e *StoppedError) Error() string {
	cause := strings.ReplaceAll(e.Err.Error(), "\n", "; ")
	return fmt.Sprintf("publishing stopped: %d events acknowledged, %d unknown: %s", e.Acked, e.Unknown, cause)
}

// Unwrap returns the cause.
func (e *StoppedError) Unwrap() error { return e.Err }
