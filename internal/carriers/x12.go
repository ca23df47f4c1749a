package carriers

import (
	"errors"
	"io"
	"iter"
	"strings"
)

// parseX12 reads a file of X12 interchanges, a message for every transaction. It
// holds one transaction at a time.
func parseX12(r io.Reader, p *Profile) iter.Seq2[message, error] {
	return func(yield func(message, error) bool) {
		f, err := newX12File(r, p)
		if err != nil {
			yield(message{}, err)
			return
		}
		for {
			m, err := f.next()
			if errors.Is(err, io.EOF) {
				return
			}
			if !yield(m, err) || err != nil {
				return
			}
		}
	}
}

// x12File walks through the envelopes of a file: interchanges (ISA to IEA) of
// functional groups (GS to GE) of transactions (ST to SE). What is open has
// elements.
type x12File struct {
	in              *x12Lexer
	profile         *Profile
	number, partner []x12Selector

	isa, gs     x12Segment
	groups      int // in the interchange
	sets        int // in the group
	transaction *x12Transaction
	again       *x12Segment // read, and not yet taken
	raw         []byte      // of the transaction, used again for the next
}

func newX12File(r io.Reader, p *Profile) (*x12File, error) {
	number, err := x12Selectors(p.number)
	if err != nil {
		return nil, err
	}
	partner, err := x12Selectors(p.partner)
	if err != nil {
		return nil, err
	}
	return &x12File{in: newX12Lexer(r), profile: p, number: number, partner: partner}, nil
}

// next reads up to the end of the next transaction. At the end of the file it
// returns io.EOF.
func (f *x12File) next() (message, error) {
	for {
		s, err := f.segment()
		if err != nil {
			return message{}, err
		}
		if f.transaction != nil && (s.id() == "ST" || s.id() == "GE") {
			f.again = &s
			f.transaction.problem(s, "SE", "is missing")
			return f.finish(), nil
		}
		done, err := f.take(s)
		if err != nil {
			return message{}, err
		}
		if done {
			return f.finish(), nil
		}
	}
}

// segment reads a segment, and the header of the next interchange where none is
// open.
func (f *x12File) segment() (x12Segment, error) {
	if s := f.again; s != nil {
		f.again = nil
		return *s, nil
	}
	if f.isa.elements == nil {
		isa, err := f.in.begin()
		if err != nil {
			return isa, err
		}
		f.isa, f.groups = isa, 0
	}
	s, err := f.in.segment()
	if errors.Is(err, io.EOF) {
		return s, brokenX12(f.in.line, "IEA", "the file ends within interchange %s, of line %d", f.isa.at(13), f.isa.line)
	}
	return s, err
}

// take puts a segment where it belongs, and reports whether a transaction ends
// with it.
func (f *x12File) take(s x12Segment) (bool, error) {
	switch s.id() {
	case "ISA":
		return false, brokenX12(s.line, "IEA", "is missing: interchange %s, of line %d, is still open", f.isa.at(13), f.isa.line)
	case "IEA":
		return false, f.endInterchange(s)
	case "GS":
		return false, f.beginGroup(s)
	case "GE":
		return false, f.endGroup(s)
	case "ST":
		return false, f.beginTransaction(s)
	case "TA1":
		if f.gs.elements == nil {
			return false, nil // acknowledges an interchange that we sent
		}
	}
	if f.transaction == nil {
		return false, f.stray(s)
	}
	return s.id() == "SE", f.transaction.take(s)
}

func (f *x12File) stray(s x12Segment) error {
	if !x12ID(s.id()) {
		return brokenX12(s.line, "", "%s is no segment's id", quoted(s.id()))
	}
	return brokenX12(s.line, s.id(), "stands outside of a transaction")
}

func (f *x12File) beginGroup(gs x12Segment) error {
	if f.gs.elements != nil {
		return brokenX12(gs.line, "GE", "is missing: group %s, of line %d, is still open", quoted(f.gs.at(6)), f.gs.line)
	}
	if place, reason := gs.fault(); reason != "" {
		return brokenX12(gs.line, place, "%s", reason)
	}
	if gs.at(6) == "" {
		return brokenX12(gs.line, gs.place(6), "a control number is required")
	}
	f.gs, f.sets = gs, 0
	f.groups++
	return nil
}

func (f *x12File) endGroup(ge x12Segment) error {
	if f.gs.elements == nil {
		return brokenX12(ge.line, "GE", "closes no group")
	}
	if err := closes(ge, f.gs.at(6), f.sets, "transactions"); err != nil {
		return err
	}
	f.gs = x12Segment{}
	return nil
}

func (f *x12File) endInterchange(iea x12Segment) error {
	if f.gs.elements != nil {
		return brokenX12(iea.line, "GE", "is missing: group %s, of line %d, is still open", quoted(f.gs.at(6)), f.gs.line)
	}
	if err := closes(iea, f.isa.at(13), f.groups, "groups"); err != nil {
		return err
	}
	f.isa = x12Segment{}
	return nil
}

// closes checks the end of an envelope: how many are in it, and the control
// number of its beginning. Both may be padded with zeros.
func closes(s x12Segment, control string, count int, of string) error {
	if !counts(s.at(1), count) {
		return brokenX12(s.line, s.place(1), "says %s, and there are %d %s", quoted(s.at(1)), count, of)
	}
	if !sameControl(s.at(2), control) {
		return brokenX12(s.line, s.place(2), "says %s, and the control number is %s", quoted(s.at(2)), quoted(control))
	}
	return nil
}

func (f *x12File) beginTransaction(st x12Segment) error {
	if f.gs.elements == nil {
		return brokenX12(st.line, "ST", "stands outside of a group")
	}
	f.sets++
	f.raw = append(f.raw[:0], f.line(f.isa)...)
	f.raw = append(f.raw, f.line(f.gs)...)
	f.transaction = newX12Transaction(f, st)
	return f.transaction.take(st)
}

// finish ends the transaction and says what it says. What is raw is a file of
// its own.
func (f *x12File) finish() message {
	t := f.transaction
	f.transaction = nil
	m := message{line: t.st.line, id: x12MessageID(f.isa.at(13), f.gs.at(6), t.control), reports: t.reports(f), problems: t.problems}
	f.raw = append(f.raw, f.line(x12Segment{elements: []string{"GE", "1", f.gs.at(6)}})...)
	f.raw = append(f.raw, f.line(x12Segment{elements: []string{"IEA", "1", f.isa.at(13)}})...)
	m.raw = f.raw
	if len(m.problems) > 0 {
		m.reports = nil
	}
	return m
}

// line writes a segment as the file writes them.
func (f *x12File) line(s x12Segment) string {
	return strings.Join(s.elements, string(f.in.marks.element)) + f.in.marks.end()
}

// counts reports whether a number as written is n.
func counts(written string, n int) bool {
	if !digits(written) {
		return false
	}
	rest := n
	for i := len(written) - 1; i >= 0; i-- {
		if int(written[i]-'0') != rest%10 {
			return false
		}
		rest /= 10
	}
	return rest == 0
}

// sameControl reports whether two control numbers are the same one.
func sameControl(a, b string) bool {
	if digits(a) && digits(b) {
		return strings.TrimLeft(a, "0") == strings.TrimLeft(b, "0")
	}
	return a == b && a != ""
}

// x12MessageID names a transaction by its control numbers, in what ids may have.
func x12MessageID(numbers ...string) string {
	id := strings.Map(func(r rune) rune {
		if r < 0x80 && (!punctuation(byte(r)) || r == '.' || r == '-') && r > ' ' {
			return r
		}
		return -1
	}, strings.Join(numbers, "."))
	return id[:min(len(id), 64)]
}
