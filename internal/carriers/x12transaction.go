package carriers

import (
	"fmt"
	"strings"

	"github.com/waybill-io/waybill/events"
)

// Limits of a transaction of X12.
const (
	maxX12Transaction = 1 << 20
	maxX12Reports     = 10_000
	maxX12Problems    = 50
)

// x12Transaction collects a 214: whose scans, and the statuses with their place.
// Names, addresses and remarks are passed over.
type x12Transaction struct {
	file     *x12File
	line     int
	control  string
	segments int  // ST and SE too
	foreign  bool // no 214, of which nothing is understood

	carrier  string
	header   *x12Scope
	loop     *x12Scope // LX
	scope    *x12Scope // the innermost
	statuses []x12Status
	problems []Problem
}

// x12Status is an AT7 and the MS1 that says where.
type x12Status struct {
	scope  *x12Scope
	status x12Segment
	place  x12Segment
}

func newX12Transaction(f *x12File, st x12Segment) *x12Transaction {
	header := &x12Scope{}
	t := &x12Transaction{file: f, line: st.line, control: st.at(2), header: header, loop: header, scope: header}
	if set, group := st.at(1), f.gs.at(1); set != "214" {
		t.foreign = true
		t.problem(st.line, st.place(1), "transaction set %s of group %s is no 214", quoted(set), quoted(group))
	} else if group != "QM" {
		t.foreign = true
		t.problem(f.gs.line, f.gs.place(1), "group %s is not QM, of 214s", quoted(group))
	}
	return t
}

// problem notes why the transaction is refused. Its control number is named for
// files that are one long line.
func (t *x12Transaction) problem(line int, place, format string, args ...any) {
	switch n := len(t.problems); {
	case n < maxX12Problems:
		t.problems = append(t.problems, Problem{line, place, fmt.Sprintf(format, args...) + ", in transaction " + quoted(t.control)})
	case n == maxX12Problems:
		t.problems = append(t.problems, Problem{line, "", "and more, in transaction " + quoted(t.control)})
	}
}

// take adds a segment, the ST and SE too.
func (t *x12Transaction) take(s x12Segment) error {
	t.segments++
	t.file.raw = append(t.file.raw, t.file.line(s)...)
	if len(t.file.raw) > maxX12Transaction {
		return brokenX12(t.line, "ST", "transaction %s is longer than %d KiB", quoted(t.control), maxX12Transaction>>10)
	}
	if place, reason := s.fault(); reason != "" {
		t.problem(s.line, place, "%s", reason)
		return nil
	}
	if s.id() == "SE" {
		t.end(s)
	} else if !t.foreign {
		t.read(s)
	}
	return nil
}

// end checks the SE.
func (t *x12Transaction) end(se x12Segment) {
	if !counts(se.at(1), t.segments) {
		t.problem(se.line, se.place(1), "says %s, and there are %d segments", quoted(se.at(1)), t.segments)
	}
	if !sameControl(se.at(2), t.control) {
		t.problem(se.line, se.place(2), "says %s, and the control number is %s", quoted(se.at(2)), quoted(t.control))
	}
}

// read understands a segment.
func (t *x12Transaction) read(s x12Segment) {
	switch s.id() {
	case "B10":
		t.carrier = s.at(3)
	case "LX":
		t.loop = &x12Scope{outer: t.header}
		t.scope = t.loop
	case "CD3", "PRF", "SPO": // a package, an order, a part of one
		t.scope = &x12Scope{outer: t.loop}
	case "AT7":
		t.statuses = append(t.statuses, x12Status{scope: t.scope, status: s})
	case "MS1":
		if n := len(t.statuses); n > 0 && t.statuses[n-1].scope == t.scope && t.statuses[n-1].place.elements == nil {
			t.statuses[n-1].place = s
		}
	}
	for _, from := range [][]x12Selector{t.file.number, t.file.partner} {
		for _, sel := range from {
			if found := sel.find(s); found != "" {
				t.scope.keep(sel, found)
			}
		}
	}
}

// reports are what a transaction says: a report for every status and number.
func (t *x12Transaction) reports(f *x12File) []report {
	if t.foreign {
		return nil
	}
	if len(t.statuses) == 0 {
		t.problem(t.line, "AT7", "is missing: there is no status")
		return nil
	}
	known := t.known()
	var all []report
	for _, st := range t.statuses {
		one := t.report(st)
		one.known = known
		numbers := st.scope.all(f.number)
		if len(numbers) == 0 {
			t.problem(one.line, t.numberPlace(), "there is no tracking number: want %s", names(f.number))
			return nil
		}
		if len(all)+len(numbers) > maxX12Reports {
			t.problem(one.line, "AT7", "there are more than %d statuses", maxX12Reports)
			return nil
		}
		for _, one.number = range numbers {
			all = append(all, one)
		}
	}
	return all
}

// known is when the sender made the group, or else the interchange.
func (t *x12Transaction) known() wall {
	header, day := t.file.gs, 4
	if header.at(day) == "" {
		header, day = t.file.isa, 9
	}
	if header.at(day) == "" {
		return wall{}
	}
	return t.wall(header, day, day+1, "")
}

// numberPlace is where a number is missed.
func (t *x12Transaction) numberPlace() string {
	for _, s := range t.file.number {
		if s.qualifier == "" {
			return s.text
		}
	}
	return "L11-01"
}

func names(selectors []x12Selector) string {
	all := make([]string, len(selectors))
	for i, s := range selectors {
		all[i] = s.text
	}
	return strings.Join(all, " or ")
}

// report is a status without its number.
func (t *x12Transaction) report(st x12Status) report {
	s := st.status
	r := report{line: s.line, place: s.place(1), carrier: t.carrier, status: s.at(1), reason: s.at(2)}
	if appointment := s.at(3); r.status == "" {
		r.place, r.status, r.reason = s.place(3), appointment, s.at(4)
	} else if appointment != "" {
		r.text = strings.TrimSpace("appointment " + appointment + " " + s.at(4))
	}
	if r.status == "" {
		t.problem(s.line, s.place(1), "a status is required")
	}
	if partner := st.scope.all(t.file.partner); len(partner) > 0 {
		r.partner = partner[0]
	}
	r.at = t.happened(s)
	r.where = t.where(st.place)
	return r
}

// happened is the time of an AT7. Before release 4010 the century stands between
// date and time.
func (t *x12Transaction) happened(s x12Segment) wall {
	const day = 5
	clock, century := 6, ""
	if in := s.at(6); len(in) == 2 || in == "" && len(s.at(7)) >= 4 {
		clock, century = 7, in
	}
	if s.at(day) == "" {
		t.problem(s.line, s.place(day), "a date is required")
		return wall{}
	}
	w := t.wall(s, day, clock, century)
	w.zone = s.at(clock + 1)
	return w
}

// wall reads the date in one element and the time of day in another.
func (t *x12Transaction) wall(s x12Segment, day, clock int, century string) wall {
	date, ok := x12Date(s.at(day), century)
	if !ok {
		t.problem(s.line, s.place(day), "%s is no date: want CCYYMMDD or YYMMDD", quoted(s.at(day)))
	}
	sinceMidnight, precision, ok := x12Clock(s.at(clock))
	if !ok {
		t.problem(s.line, s.place(clock), "%s is no time of day: want HHMM, HHMMSS or HHMMSSDD", quoted(s.at(clock)))
	}
	return wall{clock: date.Add(sinceMidnight), precision: precision}
}

// where is the place of an MS1. The standard's states and provinces are those of
// the United States and Canada, which senders leave out.
func (t *x12Transaction) where(s x12Segment) *events.Location {
	l := events.Location{City: s.at(1), Region: s.at(2), Country: country(s.at(3)), Postcode: s.at(8)}
	for _, of := range []string{"US", "CA"} {
		if s.at(3) == "" && places()[of+"-"+strings.ToUpper(l.Region)] != nil {
			l.Country = of
		}
	}
	for _, form := range x12Coordinates() {
		lon, lat := s.at(form.longitude), s.at(form.longitude+1)
		if lon == "" && lat == "" {
			continue
		}
		l.Lon = t.degrees(s, form, form.longitude, 180, 6, "E", "W")
		l.Lat = t.degrees(s, form, form.longitude+1, 90, 7, "N", "S")
		if l.Lon == nil || l.Lat == nil {
			l.Lon, l.Lat = nil, nil
		}
	}
	if l == (events.Location{}) {
		return nil
	}
	return &l
}
