package carriers

import (
	"errors"
	"io"
	"strings"
	"unicode/utf8"
)

// isaWidths are the widths of the elements of an ISA but the last, which is one
// character. Some senders do not pad them, and some write the year in full.
func isaWidths() [15]int {
	return [15]int{2, 10, 2, 10, 2, 15, 2, 15, 8, 4, 1, 5, 9, 1, 1}
}

// begin reads the header of an interchange, whose terminators are not known
// before. At the end of the file it returns io.EOF.
func (l *x12Lexer) begin() (x12Segment, error) {
	if err := l.skip(); err != nil {
		return x12Segment{}, err
	}
	isa := x12Segment{line: l.line}
	start, err := l.in.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return isa, readingX12(err)
	}
	if len(start) < 4 || string(start[:3]) != "ISA" || !punctuation(start[3]) {
		return isa, brokenX12(l.line, "", "no interchange begins here: want ISA")
	}
	_, _ = l.in.Discard(4) // they are in the buffer
	l.marks.element = start[3]
	isa.elements = append(isa.elements, "ISA")
	for n, width := range isaWidths() {
		e, err := l.headerElement(isa, n+1, width)
		if err != nil {
			return isa, err
		}
		isa.elements = append(isa.elements, e)
	}
	return l.headerEnd(isa)
}

// headerElement reads element n of an ISA and the mark after it.
func (l *x12Lexer) headerElement(isa x12Segment, n, width int) (string, error) {
	var text []byte
	for {
		b, err := l.next()
		switch {
		case errors.Is(err, io.EOF):
			return "", brokenX12(isa.line, isa.place(n), "the file ends within the header of an interchange")
		case err != nil:
			return "", readingX12(err)
		case b == l.marks.element:
			return string(text), checkHeader(isa, n, string(text))
		case newline(b): // of a file that was folded
			continue
		case len(text) == width:
			return "", brokenX12(isa.line, isa.place(n), "want at most %d characters", width)
		}
		text = append(text, b)
	}
}

// checkHeader refuses what makes an interchange useless: text that is none, and
// a control number that is no number.
func checkHeader(isa x12Segment, n int, text string) error {
	if !utf8.ValidString(text) {
		return brokenX12(isa.line, isa.place(n), "invalid UTF-8")
	}
	if n == 13 && !digits(strings.TrimSpace(text)) {
		return brokenX12(isa.line, isa.place(n), "%s is no control number", quoted(text))
	}
	return nil
}

// headerEnd reads the last element of an ISA, the mark between components, and
// the segment's terminator.
func (l *x12Lexer) headerEnd(isa x12Segment) (x12Segment, error) {
	var last [2]byte
	for i := range last {
		b, err := l.next()
		if errors.Is(err, io.EOF) {
			return isa, brokenX12(isa.line, isa.place(16), "the file ends within the header of an interchange")
		}
		if err != nil {
			return isa, readingX12(err)
		}
		last[i] = b
	}
	component, segment := last[0], last[1]
	if !punctuation(component) || newline(component) || component == l.marks.element {
		return isa, brokenX12(isa.line, isa.place(16), "%q cannot separate components", component)
	}
	if !punctuation(segment) || segment == l.marks.element || segment == component {
		return isa, brokenX12(isa.line, isa.place(16), "%q cannot end a segment", segment)
	}
	l.marks.segment = segment
	isa.elements = append(isa.elements, string(component))
	return isa, nil
}

// punctuation reports whether b can separate: no letter, digit or space, which
// stand in elements, and no part of a longer character.
func punctuation(b byte) bool {
	alphanumeric := 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9'
	return 0 < b && b < utf8.RuneSelf && b != ' ' && !alphanumeric
}

// digits reports whether s has digits and nothing else.
func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}
