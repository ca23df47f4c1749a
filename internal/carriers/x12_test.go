package carriers_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/carriers"
)

func x12Now() time.Time { return time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC) }

func x12Profile(t testing.TB, name string) *carriers.Profile {
	t.Helper()
	p, err := carriers.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// x12Read reads a file to its end or its first error.
func x12Read(p *carriers.Profile, file string) (all []carriers.Message, err error) {
	for m, err := range p.Messages(strings.NewReader(file), "acme", x12Now()) {
		if err != nil {
			return all, err
		}
		m.Raw = slices.Clone(m.Raw)
		all = append(all, m)
	}
	return all, nil
}

// x12Events reads a file in which nothing is wrong.
func x12Events(t testing.TB, p *carriers.Profile, file string) []events.Event {
	t.Helper()
	all, err := x12Read(p, file)
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	var made []events.Event
	for _, m := range all {
		for _, problem := range m.Problems {
			t.Errorf("line %d: %s: %s", problem.Line, problem.Place, problem.Reason)
		}
		made = append(made, m.Events...)
	}
	return made
}

const x12ISA = "ISA*00*          *00*          *02*FRGT           *ZZ*SHIPPER        *260301*1800*U*00401*000000007*0*P*>~\n"

// x12File is an interchange of one group with a transaction for each body.
func x12File(bodies ...string) string {
	var b strings.Builder
	b.WriteString(x12ISA + "GS*QM*FRGT*SHIPPER*20260301*1800*7*X*004010~\n")
	for i, body := range bodies {
		body = strings.TrimSpace(body)
		fmt.Fprintf(&b, "ST*214*%04d~\n%s\nSE*%d*%04d~\n", i+1, body, strings.Count(body, "~")+2, i+1)
	}
	fmt.Fprintf(&b, "GE*%d*7~\nIEA*1*000000007~\n", len(bodies))
	return b.String()
}

// x12Scan is what the tests look at of an event.
type x12Scan struct {
	Stream, Type, At string
	TZ               events.TZSource
	Codes            string // status/reason/partner
	Reason           string
}

func x12Scans(made []events.Event) []x12Scan {
	all := make([]x12Scan, len(made))
	for i, e := range made {
		raw := x12Raw(e)
		all[i] = x12Scan{e.Subject, string(e.Type()), e.Time.UTC().Format("2006-01-02T15:04:05.999Z"), e.TZSource(), raw.Status + "/" + raw.Reason + "/" + raw.PartnerCode, x12Reason(e)}
	}
	return all
}

// x12Fact is the part that the events of these tests have in common.
func x12Fact(e events.Event) *events.ShipmentFact {
	switch d := e.Data.(type) {
	case *events.InfoReceived:
		return &d.ShipmentFact
	case *events.PickedUp:
		return &d.ShipmentFact
	case *events.Departed:
		return &d.ShipmentFact
	case *events.Arrived:
		return &d.ShipmentFact
	case *events.OutForDelivery:
		return &d.ShipmentFact
	case *events.DeliveryAttempted:
		return &d.ShipmentFact
	case *events.Delivered:
		return &d.ShipmentFact
	case *events.ReturnInitiated:
		return &d.ShipmentFact
	case *events.ExceptionOpened:
		return &d.ShipmentFact
	case *events.ETAChanged:
		return &d.ShipmentFact
	case *events.ScanUnmapped:
		return &d.ShipmentFact
	default:
		panic(fmt.Sprintf("no test is about %T", d))
	}
}

func x12Raw(e events.Event) *events.Raw { return x12Fact(e).Raw }

func x12Reason(e events.Event) string {
	switch d := e.Data.(type) {
	case *events.DeliveryAttempted:
		return d.ReasonCode
	case *events.ReturnInitiated:
		return d.ReasonCode
	case *events.ExceptionOpened:
		return d.ReasonCode + " by " + string(d.Party)
	}
	return ""
}

// However a file is punctuated, it says the same.
func TestPunctuationDoesNotMatter(t *testing.T) {
	p, file := x12Profile(t, "canadapost"), canadaPost(t)
	want := x12Events(t, p, file)
	marks := func(element, component, segment string) string {
		return strings.NewReplacer("*", element, ">", component, "\n", segment).Replace(file)
	}
	fold := func(s string) (folded string) {
		for len(s) > 80 {
			folded, s = folded+s[:80]+"\r\n", s[80:]
		}
		return folded + s
	}
	sloppy := strings.Replace(file, "ISA*00*          *00*          *02*CPC            *ZZ*00602679321    *", "ISA*00**00**02*CPC*ZZ*00602679321*", 1)
	if sloppy == file {
		t.Fatal("the header was not found")
	}
	tests := map[string]string{
		"one line":                    marks("*", ">", "~"),
		"no end of the last line":     strings.TrimRight(file, "\n"),
		"tilde and newline":           marks("*", ":", "~\n"),
		"tilde and CR LF":             marks("*", ":", "~\r\n"),
		"tilde and blank lines":       marks("*", ":", "~\n\n  "),
		"no last tilde":               strings.TrimRight(marks("*", ":", "~\n"), "~\n"),
		"CR LF":                       marks("*", ">", "\r\n"),
		"newline, then CR LF":         strings.Replace(marks("*", ">", "\r\n"), "\r\n", "\n", 1),
		"CR LF, then newline":         strings.Replace(file, "\n", "\r\n", 1),
		"CR":                          marks("|", ">", "\r"),
		"pipe and caret":              marks("|", "^", "~"),
		"dollar":                      marks("|", "^", "$"),
		"control characters":          marks("\x1d", "\x1f", "\x1c"),
		"tabs":                        marks("\t", ">", "'"),
		"byte order mark":             "\ufeff" + file,
		"blank lines before":          "\n\r\n \n" + file,
		"folded at 80 columns":        fold(marks("*", ">", "~")),
		"a header that is not padded": sloppy,
	}
	for name, other := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(want, x12Events(t, p, other)); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEveryMessageIsAFileOfItsOwn(t *testing.T) {
	p, file := x12Profile(t, "canadapost"), canadaPost(t)
	for name, file := range map[string]string{
		"lines":             file,
		"tilde and newline": strings.ReplaceAll(file, "\n", "~\n"),
	} {
		all, err := x12Read(p, file)
		if err != nil || len(all) != 19 {
			t.Fatalf("%s: %d messages, error %v, want 19", name, len(all), err)
		}
		for i, m := range all {
			if diff := cmp.Diff(m.Events, x12Events(t, p, string(m.Raw))); diff != "" {
				t.Errorf("%s: message %d again (-first +again):\n%s", name, i, diff)
			}
			if again, _ := x12Read(p, string(m.Raw)); len(again) != 1 || string(again[0].Raw) != string(m.Raw) {
				t.Errorf("%s: message %d changes when it is read again:\n%s", name, i, m.Raw)
			}
		}
		if lines := strings.Split(file, "\n"); !strings.HasPrefix(string(all[3].Raw), strings.Join(lines[:2], "\n")) || lines[all[3].Line-1][:6] != "ST*214" {
			t.Errorf("%s: message 3 begins in line %d with\n%s", name, all[3].Line, all[3].Raw)
		}
	}
}

func TestLinesAreCountedWhateverTheirEnds(t *testing.T) {
	file := x12File("B10*1*2*FRGT~\nAT7*D1*NS***20261301*0915*ET~")
	for _, end := range []string{"\n", "\r\n", "\r"} {
		all, err := x12Read(x12Profile(t, "x12-214"), strings.ReplaceAll(file, "\n", end))
		if err != nil || len(all) != 1 || all[0].Line != 3 || all[0].Problems[0].Line != 5 {
			t.Errorf("lines that end with %q: %+v, error %v, want line 3 and the problem in line 5", end, all, err)
		}
	}
}

func TestSeveralInterchangesAndGroups(t *testing.T) {
	p, file := x12Profile(t, "canadapost"), canadaPost(t)
	group := file[strings.Index(file, "GS*"):strings.Index(file, "IEA*")]
	two := strings.Replace(file, group, group+strings.ReplaceAll(group, "000001644", "000001645"), 1)
	two = strings.Replace(two, "IEA*00001*", "IEA*00002*", 1)
	tilde := strings.ReplaceAll(file, "\n", "~")
	if got := len(x12Events(t, p, two+tilde+file)); got != 4*19 {
		t.Errorf("%d events, want %d", got, 4*19)
	}
}

func TestFilesWithNothingInThem(t *testing.T) {
	for _, file := range []string{"", "\n\n  \r\n", "\ufeff", "\ufeff\n"} {
		if all, err := x12Read(x12Profile(t, "x12-214"), file); len(all) != 0 || err != nil {
			t.Errorf("%q: %d messages, error %v, want nothing", file, len(all), err)
		}
	}
}

func TestReadErrorsAreNotTheFilesFault(t *testing.T) {
	broken := errors.New("the disk is gone")
	for _, file := range []string{"", "IS", x12ISA[:50], x12ISA, x12File("B10*1*2*FRGT~")[:200]} {
		var got error
		for _, err := range x12Profile(t, "x12-214").Messages(&faulty{strings.NewReader(file), broken}, "acme", x12Now()) {
			got = err
		}
		if _, format := errors.AsType[*carriers.FormatError](got); !errors.Is(got, broken) || format {
			t.Errorf("after %d bytes: error = %v, want the reader's own", len(file), got)
		}
	}
}

// faulty fails where its reader ends.
type faulty struct {
	r   *strings.Reader
	err error
}

func (f *faulty) Read(p []byte) (int, error) {
	if f.r.Len() == 0 {
		return 0, f.err
	}
	return f.r.Read(p)
}
