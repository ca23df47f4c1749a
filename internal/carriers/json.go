package carriers

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybill-io/waybill/events"
)

const (
	maxDocument = 4 << 20 // bytes of one JSON document
	maxNesting  = 64      // objects and arrays within one another
	maxItems    = 10_000  // scans of a parcel
)

// document is one JSON document of a file.
type document struct {
	line    int
	raw     []byte   // valid until the next document
	problem *Problem // why it cannot be read, where its grammar is to blame
}

// messages reads a file of JSON documents and lets read make a message of each
// that is an object.
func messages(r io.Reader, read func(document) message) iter.Seq2[message, error] {
	return func(yield func(message, error) bool) {
		s := &splitter{in: r, line: 1}
		for {
			d, err := s.next()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(message{}, err)
				return
			}
			m := message{line: d.line, raw: d.raw}
			if d.problem == nil {
				d.problem = d.unfit()
			}
			if d.problem != nil {
				m.problems = []Problem{*d.problem}
			} else {
				m = read(d)
			}
			if !yield(m, nil) {
				return
			}
		}
	}
}

// message begins the message of a document.
func (d document) message() message { return message{line: d.line, raw: d.raw} }

// expect takes a report of when the parcel is expected, written as at. Without an
// offset, and at midnight in UTC, the time of day says nothing.
func (m *message) expect(r report, at string) {
	r.at, _ = wallOf(at)
	if whole := r.from.precision == events.ToDay; whole || !r.at.offset || r.at.midnight() {
		r.at = r.at.day()
		if !r.from.isZero() {
			r.from = r.from.day()
		}
	}
	if r.known.isZero() {
		m.fail(r.line, r.place, "cannot be placed in time: updated_at is missing, or no time such as 2026-03-01T10:00:00Z")
		return
	}
	m.add(r, at, r.place)
}

// begin takes the first moment of what is expected, and reports whether it is a
// time.
func (m *message) begin(r *report, from, place string) bool {
	r.from, _ = wallOf(from)
	if r.from.isZero() {
		m.fail(r.line, place, noTime(from))
		return false
	}
	if !r.from.offset || r.from.midnight() {
		r.from = r.from.day()
	}
	return true
}

// refused is m with a reason why nothing else is in it.
func (m message) refused(p *Problem) message {
	m.problems = append(m.problems, *p)
	return m
}

// fail notes a problem.
func (m *message) fail(line int, place, reason string) {
	m.problems = append(m.problems, Problem{line, place, reason})
}

// add takes a report whose time was written as at in the field place.
func (m *message) add(r report, at, place string) {
	switch {
	case !r.at.isZero():
		m.reports = append(m.reports, r)
	case at == "":
		m.fail(r.line, place, "is required")
	default:
		m.fail(r.line, place, noTime(at))
	}
}

// noTime says that a text is none.
func noTime(s string) string { return quoted(s) + " is no time such as 2026-03-01T10:00:00Z" }

// unfit says why a document is not looked into at all.
func (d document) unfit() *Problem {
	if d.raw[0] != '{' {
		return &Problem{Line: d.line, Reason: "want a JSON object"}
	}
	if at := tooDeep(d.raw); at > 0 {
		return &Problem{Line: d.lineAt(at), Reason: fmt.Sprintf("is nested deeper than %d", maxNesting)}
	}
	return nil
}

// tooDeep is where the nesting of a value gets too deep, or 0.
func tooDeep(raw []byte) int {
	depth, quoted := 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > maxNesting {
				return i
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return 0
}

// decode reads the fields that v has, and says which one is not what it should
// be. Fields that v does not have are no concern of ours.
func (d document) decode(v any) *Problem {
	err := json.Unmarshal(d.raw, v)
	if err == nil {
		return nil
	}
	if semantic, ok := errors.AsType[*json.SemanticError](err); ok {
		p := &Problem{d.lineAt(int(semantic.ByteOffset)), printable(semantic.JSONPointer), "is not of the type it should be"}
		if errors.Is(err, errTooMany) {
			p.Reason = errTooMany.Error()
		}
		return p
	}
	if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return d.ungrammatical(syntax)
	}
	return &Problem{Line: d.line, Reason: err.Error()}
}

// ungrammatical says what is wrong with the JSON itself.
func (d document) ungrammatical(err *jsontext.SyntacticError) *Problem {
	p := &Problem{Line: d.line + bytes.Count(d.raw[:err.ByteOffset], []byte{'\n'}), Place: printable(err.JSONPointer)}
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		p.Reason = "stands twice"
	case strings.Contains(err.Err.Error(), "UTF-8") || strings.Contains(err.Err.Error(), "surrogate"):
		p.Reason = "is not Unicode text"
	case errors.Is(err, io.ErrUnexpectedEOF):
		p.Line, p.Place, p.Reason = d.line, "", fmt.Sprintf("the JSON document that begins in line %d is cut off: the file ends within it", d.line)
	default:
		p.Reason = fmt.Sprintf("is not JSON, near byte %d of the document", err.ByteOffset)
	}
	return p
}

// lineAt is the line of what begins at or after an offset of the document.
func (d document) lineAt(offset int) int {
	offset = min(offset, len(d.raw))
	rest := bytes.TrimLeft(d.raw[offset:], " \t\r\n,:")
	return d.line + bytes.Count(d.raw[:len(d.raw)-len(rest)], []byte{'\n'})
}

// printable is a pointer that a terminal can show.
func printable(p jsontext.Pointer) string {
	const most = 120
	clean := strings.Map(func(r rune) rune {
		if r < ' ' || r == utf8.RuneError || r == 0x7f {
			return '?'
		}
		return r
	}, string(p))
	if len(clean) > most {
		clean = strings.ToValidUTF8(clean[:most], "") + "…"
	}
	return clean
}

// item is an element of an array that knows where it stands.
type item[T any] struct {
	offset int
	value  T
}

// present tells that a field is there, whatever is in it, and not null.
type present bool

// UnmarshalJSONFrom passes over the value.
func (p *present) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	*p = dec.PeekKind() != 'n'
	return dec.SkipValue()
}

var errTooMany = fmt.Errorf("is one of more than %d", maxItems)

// UnmarshalJSONFrom notes the offset and reads the value.
func (i *item[T]) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	if kind, n := dec.StackIndex(dec.StackDepth()); kind == '[' && n >= maxItems {
		return errTooMany
	}
	i.offset = int(dec.InputOffset())
	return json.UnmarshalDecode(dec, &i.value)
}

// lines finds the lines of ascending offsets in a single pass.
type lines struct {
	d      document
	offset int
	line   int
}

// at is what [document.lineAt] is.
func (l *lines) at(offset int) int {
	from := document{line: max(l.line, l.d.line), raw: l.d.raw[l.offset:]}
	l.line = from.lineAt(offset - l.offset)
	rest := bytes.TrimLeft(l.d.raw[offset:], " \t\r\n,:")
	l.offset = len(l.d.raw) - len(rest)
	return l.line
}
