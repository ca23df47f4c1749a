package carriers

import (
	"fmt"
	"slices"
	"strconv"
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
// Names and addresses are passed over.
type x12Transaction struct {
	file     *x12File
	st       x12Segment
	control  string
	segments int  // ST and SE too
	foreign  bool // no 214, of which nothing is understood

	b10      x12Segment // the ST where there is none
	header   *x12Scope
	loop     *x12Scope // LX
	scope    *x12Scope // the innermost
	statuses []x12Status
	within   bool            // the loop of the last status
	numbers  map[string]bool // that were looked at
	problems []Problem
}

// x12Status is an AT7, the MS1 that says where, and what the K1s of its loop say.
type x12Status struct {
	scope   *x12Scope
	status  x12Segment
	place   x12Segment
	remarks []string
}

func newX12Transaction(f *x12File, st x12Segment) *x12Transaction {
	header := &x12Scope{}
	st.number = 1
	t := &x12Transaction{file: f, st: st, b10: st, control: st.at(2), header: header, loop: header, scope: header, numbers: map[string]bool{}}
	if set, group := st.at(1), f.gs.at(1); set != "214" {
		t.foreign = true
		t.problem(st, st.place(1), "transaction set %s of group %s is no 214", quoted(set), quoted(group))
	} else if group != "QM" {
		t.foreign = true
		t.problem(f.gs, f.gs.place(1), "group %s is not QM, of 214s", quoted(group))
	}
	return t
}

// problem notes why the transaction is refused, at a place of a segment.
func (t *x12Transaction) problem(s x12Segment, place, format string, args ...any) {
	switch n := len(t.problems); {
	case n < maxX12Problems:
		t.problems = append(t.problems, Problem{s.line, t.place(s, place), fmt.Sprintf(format, args...)})
	case n == maxX12Problems:
		t.problems = append(t.problems, Problem{s.line, t.place(s, ""), "and more"})
	}
}

// place names a place by its segment's number too, for files that are one long
// line.
func (t *x12Transaction) place(s x12Segment, place string) string {
	in := "transaction " + quoted(t.control)
	if s.number > 0 {
		in = fmt.Sprintf("segment %d of %s", s.number, in)
	}
	return strings.TrimSpace(place + " (" + in + ")")
}

// take adds a segment, the ST and SE too.
func (t *x12Transaction) take(s x12Segment) error {
	t.segments++
	s.number = t.segments
	t.file.raw = append(t.file.raw, t.file.line(s)...)
	if len(t.file.raw) > maxX12Transaction {
		return brokenX12(t.st.line, "ST", "transaction %s is longer than %d KiB", quoted(t.control), maxX12Transaction>>10)
	}
	if place, reason := s.fault(); reason != "" {
		t.problem(s, place, "%s", reason)
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
		t.problem(se, se.place(1), "says %s, and there are %d segments", quoted(se.at(1)), t.segments)
	}
	if !sameControl(se.at(2), t.control) {
		t.problem(se, se.place(2), "says %s, and the control number is %s", quoted(se.at(2)), quoted(t.control))
	}
}

// read understands a segment.
func (t *x12Transaction) read(s x12Segment) {
	switch s.id() {
	case "B10":
		t.b10 = s
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
	t.remark(s)
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
		t.problem(t.st, "AT7", "is missing: there is no status")
		return nil
	}
	if bad, _ := f.profile.unusable(t.carrier(), ""); bad != "" {
		t.problem(t.b10, "B10-03", "%s", bad)
	}
	known := t.known()
	var all []report
	for _, st := range t.statuses {
		one := t.report(st)
		one.known = known
		numbers := st.scope.all(f.number)
		if len(numbers) == 0 {
			t.problem(st.status, t.numberPlace(), "there is no tracking number: want %s", names(f.number))
			return nil
		}
		if len(all)+len(numbers) > maxX12Reports {
			t.problem(st.status, "AT7", "there are more than %d statuses", maxX12Reports)
			return nil
		}
		for _, one.number = range numbers {
			t.usable(one.number, st.status)
			all = append(all, one)
		}
	}
	return all
}

// remark keeps what a K1 says, for the status in whose loop it stands, or else for
// all of the loop around it.
func (t *x12Transaction) remark(s x12Segment) {
	switch s.id() {
	case "AT7":
		t.within = true
	case "MS1", "MS2", "M7":
	case "K1":
		said := strings.TrimSpace(s.at(1) + " " + s.at(2))
		if n := len(t.statuses); t.within {
			t.statuses[n-1].remarks = append(t.statuses[n-1].remarks, said)
		} else {
			t.scope.remarks = append(t.scope.remarks, said)
		}
	default:
		t.within = false
	}
}

// carrier is as the B10 names it, and empty for the profile's own.
func (t *x12Transaction) carrier() string {
	if t.b10.id() != "B10" {
		return ""
	}
	return t.b10.at(3)
}

// usable notes, once for all its statuses, that a number cannot be used.
func (t *x12Transaction) usable(number string, of x12Segment) {
	if t.numbers[number] {
		return
	}
	if _, bad := t.file.profile.unusable("", number); bad != "" {
		t.problem(of, t.numberPlace(), "%s", bad)
	}
	t.numbers[number] = true
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
	r := report{line: s.line, place: t.place(s, s.place(1)), carrier: t.carrier(), status: s.at(1), reason: s.at(2)}
	text := st.text()
	if appointment := s.at(3); r.status == "" {
		r.place, r.status, r.reason = t.place(s, s.place(3)), appointment, s.at(4)
	} else if appointment != "" {
		text = append([]string{strings.TrimSpace("appointment " + appointment + " " + s.at(4))}, text...)
	}
	r.text = strings.Join(text, "; ")
	if r.status == "" {
		t.problem(s, s.place(1), "a status is required")
	}
	if partner := st.scope.all(t.file.partner); len(partner) > 0 {
		r.partner = partner[0]
	}
	r.at = t.happened(s)
	r.prefer = t.prefer(s, r.at)
	r.where = t.where(st.place)
	return r
}

// text is what the remarks say: those of the status, or else those nearest to it.
func (st *x12Status) text() []string {
	text := st.remarks
	for in := st.scope; in != nil && len(text) == 0; in = in.outer {
		text = in.remarks
	}
	return text
}

// prefer orders estimates of one group: the more precise one counts, then the
// later one.
func (t *x12Transaction) prefer(s x12Segment, at wall) string {
	fine := slices.Index([]events.Precision{events.ToDay, events.ToMinute, events.ToSecond, events.ToMillisecond}, at.precision)
	control, err := strconv.ParseUint(t.control, 10, 64)
	if err != nil || len(t.control) > 9 {
		control = 0
	}
	return fmt.Sprintf("%d%09d%06d", fine+1, control, s.number)
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
		t.problem(s, s.place(day), "a date is required")
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
		t.problem(s, s.place(day), "%s is no date: want CCYYMMDD or YYMMDD", quoted(s.at(day)))
	}
	sinceMidnight, precision, ok := x12Clock(s.at(clock))
	if !ok {
		t.problem(s, s.place(clock), "%s is no time of day: want HHMM, HHMMSS or HHMMSSDD", quoted(s.at(clock)))
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
