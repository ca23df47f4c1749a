package ingest

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// CSV is the format of tables, one row a line, whose first line names the
// columns. A field may be quoted, but cannot hold a line break: what is wrong
// with a line never reaches the next one.
type CSV struct {
	Mapping *Mapping
	// Now stamps events. Defaults to time.Now.
	Now func() time.Time
}

// Records yields one record a row.
func (c CSV) Records(r io.Reader) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		in := newLines(r)
		t, err := c.table(in)
		if err != nil {
			if !errors.Is(err, io.EOF) {
				yield(Record{}, err)
			}
			return
		}
		for {
			line, bad, err := in.next()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(Record{}, readError(in.n, err))
				return
			}
			if !yield(t.record(in.n, line, bad), nil) {
				return
			}
		}
	}
}

// table is a mapping bound to the columns of a file.
type table struct {
	rows   *rows
	head   []byte
	names  []string
	comma  byte
	fields []string // of the present row
	now    func() time.Time
}

// table reads the first line.
func (c CSV) table(in *lines) (*table, error) {
	line, bad, err := in.next()
	if err != nil {
		if errors.Is(err, io.EOF) {
			return nil, err
		}
		return nil, readError(in.n, err)
	}
	if bad != "" {
		return nil, &DataError{Problem: Problem{Line: in.n, Reason: bad}}
	}
	t := &table{head: slices.Clone(line), comma: c.Mapping.delimiter, now: c.Now}
	names, problem := split(nil, string(line), t.comma)
	if problem == nil {
		t.names = names
		t.rows, problem = c.Mapping.bind(names)
	}
	if problem != nil {
		problem.Line = in.n
		return nil, &DataError{Problem: *problem}
	}
	return t, nil
}

func (t *table) record(n int, line []byte, bad string) Record {
	rec := Record{Line: n, Raw: line, Head: t.head}
	if bad != "" {
		rec.Problems = []Problem{{Line: n, Reason: bad}}
		return rec
	}
	var problem *Problem
	t.fields, problem = split(t.fields[:0], string(line), t.comma)
	if problem == nil && len(t.fields) != len(t.names) {
		problem = &Problem{Column: min(len(t.fields), len(t.names)) + 1, Reason: fmt.Sprintf("the row has %d columns, the first line names %d", len(t.fields), len(t.names))}
	}
	if problem != nil {
		rec.Problems = []Problem{*problem}
	} else {
		rec.Events, rec.Problems = t.rows.events(t.fields, stampOf(t.now))
	}
	for i := range rec.Problems {
		p := &rec.Problems[i]
		p.Line = n
		if p.Name == "" && p.Column > 0 && p.Column <= len(t.names) {
			p.Name = t.names[p.Column-1]
		}
	}
	if len(rec.Problems) > 0 {
		rec.Events = nil
	}
	return rec
}

// split cuts a line into its fields.
func split(fields []string, line string, comma byte) ([]string, *Problem) {
	for {
		field, rest, reason := cut(line, comma)
		if reason != "" {
			return nil, &Problem{Column: len(fields) + 1, Reason: reason}
		}
		fields = append(fields, field)
		if rest == "" {
			return fields, nil
		}
		line = rest[1:] // behind the comma
	}
}

// cut takes the first field of a line. The rest begins with the comma behind it.
func cut(line string, comma byte) (field, rest, reason string) {
	if !strings.HasPrefix(line, `"`) {
		end := strings.IndexByte(line, comma)
		if end < 0 {
			end = len(line)
		}
		if strings.IndexByte(line[:end], '"') >= 0 {
			return "", "", `a " stands in a field that does not begin with one`
		}
		return line[:end], line[end:], ""
	}
	for i := 1; i < len(line); i++ {
		switch {
		case line[i] != '"':
		case i+1 < len(line) && line[i+1] == '"':
			i++
		case i+1 < len(line) && line[i+1] != comma:
			return "", "", `something follows the closing "`
		default:
			return strings.ReplaceAll(line[1:i], `""`, `"`), line[i+1:], ""
		}
	}
	return "", "", `the opening " is not closed on this line; a field cannot hold a line break`
}

// commaOf reads the character between fields.
func commaOf(s string) (byte, error) {
	if s == `\t` || s == "tab" {
		return '\t', nil
	}
	if len(s) != 1 || s[0] >= utf8.RuneSelf || strings.ContainsAny(s, "\"\r\n") {
		return 0, fmt.Errorf("want one ASCII character or tab, not %s", quote(s))
	}
	return s[0], nil
}
