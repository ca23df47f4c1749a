package carriers

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// splitter cuts a file into JSON documents: one or several, each on a line or
// spread over many, or the elements of one array. It holds one document at a
// time.
type splitter struct {
	in   io.Reader
	held []byte // read from in, beginning with what is not given out yet
	used int    // bytes at the beginning of held that have been given out
	fed  int    // bytes of held that the decoder has been given
	line int    // of held[used]
	from int    // the line where the array begins
	pos  position
	last bool // in has nothing more
	old  bool // the beginning of the file lies behind
	fail error
}

// position is where the splitter stands among the documents.
type position int

const (
	outside     position = iota // not in an array
	opened                      // behind the bracket that opens an array
	afterItem                   // behind an element
	behindComma                 // behind the comma after it
	closed                      // behind the array
)

// next finds the next document. It fails with io.EOF at the end, and with a
// [*FormatError] where no further one can be found.
func (s *splitter) next() (document, error) {
	if err := s.begin(); err != nil {
		return document{}, err
	}
	for {
		c, err := s.peek()
		if err != nil {
			return document{}, s.end(err)
		}
		step, ok := s.pos.after(c)
		if !ok {
			return document{}, s.format("want %s", s.pos.wanted())
		}
		if step == s.pos {
			return s.document()
		}
		if step == opened {
			s.from = s.line
		}
		s.pos = step
		s.take(1)
	}
}

// after is the position behind the punctuation c, or the same one where a
// document begins. It reports whether that is possible.
func (p position) after(c byte) (position, bool) {
	switch p {
	case outside:
		if c == '[' {
			return opened, true
		}
		return outside, true
	case opened, behindComma:
		if c == ']' {
			return closed, p == opened
		}
		return p, true
	case afterItem:
		switch c {
		case ',':
			return behindComma, true
		case ']':
			return closed, true
		}
	case closed:
	}
	return p, false
}

// wanted says what could stand there.
func (p position) wanted() string {
	switch p {
	case afterItem:
		return "a comma or ] after a document of an array"
	case closed:
		return "nothing after the array"
	case outside, opened, behindComma:
	}
	return "a document after the comma"
}

// begin takes the byte order mark of a file away.
func (s *splitter) begin() error {
	if s.old {
		return nil
	}
	s.old = true
	for len(s.held) < 3 && !s.last {
		if err := s.more(); err != nil {
			return err
		}
	}
	if bytes.HasPrefix(s.held, []byte{0xff, 0xfe}) || bytes.HasPrefix(s.held, []byte{0xfe, 0xff}) {
		return s.format("is UTF-16, want UTF-8")
	}
	if bytes.HasPrefix(s.held, []byte("\uFEFF")) {
		s.used = 3
	}
	return nil
}

// peek is the next byte that is no white space, or io.EOF.
func (s *splitter) peek() (byte, error) {
	for {
		rest := s.held[s.used:]
		s.take(len(rest) - len(bytes.TrimLeft(rest, " \t\r\n")))
		if s.used < len(s.held) {
			return s.held[s.used], nil
		}
		if s.last {
			return 0, io.EOF
		}
		if err := s.more(); err != nil {
			return 0, err
		}
	}
}

// end is what the end of the file means.
func (s *splitter) end(err error) error {
	if errors.Is(err, io.EOF) && s.pos != outside && s.pos != closed {
		return s.format("the array that begins in line %d is cut off: the file ends within it", s.from)
	}
	return err
}

// take gives n bytes out and counts their lines.
func (s *splitter) take(n int) []byte {
	out := s.held[s.used : s.used+n]
	s.line += bytes.Count(out, []byte{'\n'})
	s.used += n
	return out
}

// more reads on, and forgets what has been given out.
func (s *splitter) more() error {
	const chunk = 32 << 10
	n := copy(s.held, s.held[s.used:])
	s.held, s.used = s.held[:n], 0
	s.held = append(s.held, make([]byte, chunk)...)
	got, err := s.in.Read(s.held[n:])
	s.held = s.held[:n+got]
	if errors.Is(err, io.EOF) {
		s.last = true
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the file: %w", err)
	}
	return nil
}

// Read feeds the decoder of one document. It keeps its error, which the decoder
// may take for one of the grammar.
func (s *splitter) Read(p []byte) (int, error) {
	for s.fed == min(len(s.held)-s.used, maxDocument) {
		if s.last && s.used+s.fed == len(s.held) {
			return 0, io.EOF
		}
		if s.fed == maxDocument {
			s.fail = s.format("a document is larger than %d MiB", maxDocument>>20)
		} else {
			s.fail = s.more()
		}
		if s.fail != nil {
			return 0, s.fail
		}
	}
	n := copy(p, s.held[s.used+s.fed:min(len(s.held), s.used+maxDocument)])
	s.fed += n
	return n, nil
}

// document takes the value that begins here.
func (s *splitter) document() (document, error) {
	s.fed = 0
	dec := jsontext.NewDecoder(s, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	_, err := dec.ReadValue()
	if s.pos != outside {
		s.pos = afterItem
	}
	if s.fail != nil {
		return document{}, s.fail
	}
	if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return s.broken(syntax)
	}
	if err != nil {
		return document{}, fmt.Errorf("read a document: %w", err)
	}
	d := document{line: s.line}
	d.raw = s.take(int(dec.InputOffset()))
	return d, nil
}

// broken takes a document that is not JSON, up to where the next one must begin:
// at a line that begins with a brace, as people indent what lies within. In an
// array, too, nothing else tells.
func (s *splitter) broken(why *jsontext.SyntacticError) (document, error) {
	d := document{line: s.line}
	n, err := s.brace(int(why.ByteOffset))
	if err != nil {
		return document{}, err
	}
	if s.pos != outside {
		s.pos = behindComma
		if s.used+n == len(s.held) {
			s.pos = closed
		}
	}
	d.raw = s.take(n)
	d.problem = d.ungrammatical(why)
	return d, nil
}

// brace is the length up to the next line that begins with a brace, not before
// the line of offset, or up to the end of the file.
func (s *splitter) brace(offset int) (int, error) {
	from := max(0, bytes.LastIndexByte(s.held[s.used:s.used+offset], '\n'))
	for {
		rest := s.held[s.used:]
		if i := bytes.Index(rest[from:], []byte("\n{")); i >= 0 {
			return from + i + 1, nil
		}
		if s.last {
			return len(rest), nil
		}
		if len(rest) > maxDocument {
			return 0, s.format("is not JSON, and no next document was found within %d MiB", maxDocument>>20)
		}
		from = max(from, len(rest)-1)
		if err := s.more(); err != nil {
			return 0, err
		}
	}
}

// format ends the file here.
func (s *splitter) format(reason string, args ...any) error {
	return &FormatError{Problem{Line: s.line, Reason: fmt.Sprintf(reason, args...)}}
}
