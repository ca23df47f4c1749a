package carriers

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Limits of a segment of X12. Real ones are below a hundred bytes; a longer one
// means that its terminator is lost.
const (
	maxX12Segment  = 64 << 10
	maxX12Elements = 100
)

// x12Segment is a line of X12: AT7*D1*NS***20191102*1648*MT.
type x12Segment struct {
	line     int
	number   int      // in its transaction, whose ST is 1; 0 outside of one
	elements []string // as they are written; the first is the segment's id
}

func (s x12Segment) id() string {
	if len(s.elements) == 0 {
		return ""
	}
	return s.elements[0]
}

// at is element n, from 1, without the blanks that pad it.
func (s x12Segment) at(n int) string {
	if n >= len(s.elements) {
		return ""
	}
	return strings.TrimSpace(s.elements[n])
}

// place names element n as implementation guides do.
func (s x12Segment) place(n int) string { return fmt.Sprintf("%s-%02d", s.id(), n) }

// fault says what makes a segment unreadable, and in which element.
func (s x12Segment) fault() (place, reason string) {
	if !x12ID(s.id()) {
		return "", fmt.Sprintf("%s is no segment's id", quoted(s.id()))
	}
	if len(s.elements) > maxX12Elements {
		return s.id(), fmt.Sprintf("has more than %d elements", maxX12Elements-1)
	}
	for n, e := range s.elements {
		if !utf8.ValidString(e) {
			return s.place(n), "invalid UTF-8"
		}
	}
	return "", ""
}

// x12ID reports whether s is two or three capital letters and digits that begin
// with a letter.
func x12ID(s string) bool {
	for i := range len(s) {
		letter := 'A' <= s[i] && s[i] <= 'Z'
		if digit := '0' <= s[i] && s[i] <= '9'; !letter && (!digit || i == 0) {
			return false
		}
	}
	return len(s) == 2 || len(s) == 3
}

// x12Marks are the characters that an interchange chose to be punctuated with.
// The third of its choice, between components, is of no use to a 214.
type x12Marks struct{ element, segment byte }

// ends reports whether a segment ends with b. Where lines are segments, files
// mix both kinds of line ends.
func (m x12Marks) ends(b byte) bool {
	return b == m.segment || newline(m.segment) && newline(b)
}

// end is how a segment is ended where each has a line.
func (m x12Marks) end() string {
	if m.segment == '\n' {
		return "\n"
	}
	return string(m.segment) + "\n"
}

func newline(b byte) bool { return b == '\n' || b == '\r' }

func blank(b byte) bool { return b == ' ' || b == '\t' || newline(b) }

// x12Lexer cuts a file into segments. It holds one at a time.
type x12Lexer struct {
	in    *bufio.Reader
	marks x12Marks
	line  int  // of the byte that comes next
	cr    bool // the last one was a CR
	text  []byte
}

func newX12Lexer(r io.Reader) *x12Lexer {
	l := &x12Lexer{in: bufio.NewReaderSize(r, 32<<10), line: 1}
	if mark, _ := l.in.Peek(3); string(mark) == "\ufeff" {
		_, _ = l.in.Discard(3) // they are in the buffer
	}
	return l
}

// next reads a byte and counts lines, whichever their ends.
func (l *x12Lexer) next() (byte, error) {
	b, err := l.in.ReadByte()
	if err != nil {
		return 0, err
	}
	if b == '\r' || b == '\n' && !l.cr {
		l.line++
	}
	l.cr = b == '\r'
	return b, nil
}

// skip passes over what separates segments for the eye. At the end of the file
// it returns io.EOF.
func (l *x12Lexer) skip() error {
	for {
		b, err := l.in.Peek(1)
		if err != nil {
			return readingX12(err)
		}
		if !blank(b[0]) {
			return nil
		}
		if _, err := l.next(); err != nil {
			return readingX12(err)
		}
	}
}

// segment reads the next segment. At the end of the file it returns io.EOF.
func (l *x12Lexer) segment() (x12Segment, error) {
	for {
		if err := l.skip(); err != nil {
			return x12Segment{}, err
		}
		line := l.line
		if err := l.upTo(line); err != nil {
			return x12Segment{}, err
		}
		if len(l.text) > 0 {
			return x12Segment{line: line, elements: strings.SplitN(string(l.text), string(l.marks.element), maxX12Elements+1)}, nil
		}
	}
}

// upTo collects a segment. Line ends within one are those of a file that was
// folded; the end of the file ends a segment too, and whether it may is seen by
// what is still open.
func (l *x12Lexer) upTo(line int) error {
	l.text = l.text[:0]
	for {
		b, err := l.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return readingX12(err)
		}
		switch {
		case l.marks.ends(b):
			return nil
		case newline(b):
		case len(l.text) == maxX12Segment:
			return brokenX12(line, "", "a segment is longer than %d KiB: its terminator %q is missing", maxX12Segment>>10, l.marks.segment)
		default:
			l.text = append(l.text, b)
		}
	}
}

func readingX12(err error) error {
	if errors.Is(err, io.EOF) {
		return io.EOF
	}
	return fmt.Errorf("read X12: %w", err)
}

// brokenX12 ends a file.
func brokenX12(line int, place, format string, args ...any) error {
	return &FormatError{Problem{Line: line, Place: place, Reason: fmt.Sprintf(format, args...)}}
}

// quoted shows what a message says where it is wrong, cut short.
func quoted(s string) string {
	const most = 40
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "..."
	}
	return fmt.Sprintf("%q", s)
}
