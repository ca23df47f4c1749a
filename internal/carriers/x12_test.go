package carriers_test

import (
	"errors"
	"fmt"
	"os"
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

func canadaPost(t testing.TB) string {
	t.Helper()
	content, err := os.ReadFile("../../../shared/data/carriers/canadapost-214.edi")
	if errors.Is(err, os.ErrNotExist) {
		if os.Getenv("CI") == "true" {
			t.Fatal("the Canada Post file is missing: want it in ../shared/data/carriers beside the repository")
		}
		t.Skip("the Canada Post file is missing: want it in ../shared/data/carriers beside the repository")
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestCanadaPostsFileIsNineteenScansOfSixteenParcels(t *testing.T) {
	made := x12Events(t, x12Profile(t, "canadapost"), canadaPost(t))
	got := x12Scans(made)
	const (
		info, departed, attempted = "shipment.info_received.v1", "shipment.departed.v1", "shipment.delivery_attempted.v1"
		code                      = events.TZZoneCode
	)
	want := []x12Scan{
		{"trk:CPCC:4343638097845589", info, "2019-11-03T20:34:00Z", events.TZLocation, "XB/NS/0000", ""},
		{"trk:CPCC:4343638098050296", attempted, "2019-11-02T23:25:00Z", code, "AH/AG/0156", "no_access"},
		{"trk:CPCC:4343638931638575", "shipment.return_initiated.v1", "2019-11-03T00:52:00Z", code, "CA/BT/1303", "returned_to_shipper"},
		{"trk:CPCC:4343638098146166", "shipment.delivered.v1", "2019-11-02T22:48:00Z", code, "D1/NS/1498", ""},
		{"trk:CPCC:4343638098181877", departed, "2019-11-03T21:09:00Z", code, "AF/NS/0410", ""},
		{"trk:CPCC:4343638098181891", departed, "2019-11-03T21:09:00Z", code, "AF/NS/0410", ""},
		{"trk:CPCC:4343638098181921", info, "2019-11-03T17:31:00Z", code, "XB/NS/0100", ""},
		{"trk:CPCC:4343638098186995", departed, "2019-11-03T21:09:00Z", code, "AF/NS/0410", ""},
		{"trk:CPCC:4343638151403540", departed, "2019-11-03T18:25:00Z", code, "AF/NS/0175", ""},
		{"trk:CPCC:4343638151403540", info, "2019-11-03T15:53:00Z", code, "XB/NS/0100", ""},
		{"trk:CPCC:4343638316026577", departed, "2019-11-03T15:37:00Z", code, "AF/NS/0410", ""},
		{"trk:CPCC:4343638316026577", attempted, "2019-11-03T15:15:00Z", code, "AP/AG/0405", "no_access"},
		{"trk:CPCC:4343638316026577", departed, "2019-11-02T22:55:00Z", code, "AF/NS/0410", ""},
		{"trk:CPCC:4343638672340607", attempted, "2019-11-03T13:33:00Z", code, "AP/AG/0405", "no_access"},
		{"trk:CPCC:4343638098171441", info, "2019-11-03T16:04:00Z", code, "XB/NS/0100", ""},
		{"trk:CPCC:4343638098171472", departed, "2019-11-03T21:09:00Z", code, "AF/NS/0410", ""},
		{"trk:CPCC:4343638098176088", attempted, "2019-11-03T12:31:00Z", code, "AP/AG/0405", "no_access"},
		{"trk:CPCC:4343638458862606", info, "2019-11-03T22:28:00Z", code, "XB/NS/0104", ""},
		{"trk:CPCC:4343638098196574", info, "2019-11-03T21:18:00Z", code, "XB/NS/0104", ""},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("scans (-want +got):\n%s", diff)
	}
	streams := map[string]bool{}
	for _, s := range got {
		streams[s.Stream] = true
	}
	if len(streams) != 16 {
		t.Errorf("%d streams, want 16", len(streams))
	}
}

func TestCanadaPostsScanInFull(t *testing.T) {
	e := x12Events(t, x12Profile(t, "canadapost"), canadaPost(t))[11]
	d := e.Data.(*events.DeliveryAttempted)
	if got, want := e.OccurredAt().Format(time.RFC3339), "2019-11-03T08:15:00-07:00"; got != want {
		t.Errorf("occurred at %s, want %s: the clocks went back that night", got, want)
	}
	if got, want := e.RecordedAt.UTC().Format(time.RFC3339), "2019-11-03T23:00:00Z"; got != want {
		t.Errorf("recorded at %s, want %s: when the group was made, in Toronto", got, want)
	}
	if e.CorrelationID != "000001644.000001644.000000012" || e.Source != "urn:carrier:canadapost" || e.Precision() != events.ToMinute {
		t.Errorf("correlation %q, source %q, precision %q", e.CorrelationID, e.Source, e.Precision())
	}
	if diff := cmp.Diff(&events.Location{City: "LASERLEVEL", Region: "AB", Country: "CA"}, d.Location); diff != "" {
		t.Errorf("location (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(&events.Raw{Standard: "X12-214", Status: "AP", Reason: "AG", PartnerCode: "0405"}, d.Raw); diff != "" {
		t.Errorf("raw (-want +got):\n%s", diff)
	}
}

func TestNamesAndStreetsStayInTheMessage(t *testing.T) {
	for _, e := range x12Events(t, x12Profile(t, "canadapost"), canadaPost(t)) {
		for _, personal := range []string{"The Hulk", "Terminator", "PO BOX", "RR 1", "T0C1Z0", "HAMMER", "Beast"} {
			if strings.Contains(string(e.Body), personal) {
				t.Errorf("event %s of %s says %q", e.ID, e.Subject, personal)
			}
		}
	}
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

// A carrier of freight: a PRO number, a transaction with the whole history, zones
// by offset, by name and by place.
func TestFreightByPRONumber(t *testing.T) {
	file := x12File(`
B10*123-456789*BOL77*FRGT~
L11*PO4711*PO~
N1*SH*ACME WIDGETS~
N3*1 MAIN ST~
N4*AKRON*OH*44301*US~
LX*1~
AT7*AF*NS***20260227*1715*ES~
MS1*AKRON*OH*USA~
MS2*FRGT*53012~
AT7*X4*NS***20260228*031522*CT~
MS1*CHICAGO*IL*USA~
AT7***AB*NA*20260304*1000*LT~
MS1*DENVER*CO*US~
AT7*SD*AO***20260228*0900*LT~
MS1*CHICAGO*IL*USA~
AT7*X6*NS***20260228*12301550~
MS1*DES MOINES*IA*US*****50309~
AT7*AG*NS***20260303~
MS1*DENVER*CO*US~
LX*2~
AT7*A7*BS***20260301*1000*18~
MS1*DENVER*CO*US*1045903*0394421*W*N~
K1*JOHN DOE WAS RUDE~
AT7*ZZ*NS***20260301*1001*UT~
`)
	made := x12Events(t, x12Profile(t, "x12-214"), file)
	const stream = "trk:FRGT:123456789"
	want := []x12Scan{
		{stream, "shipment.picked_up.v1", "2026-02-27T22:15:00Z", events.TZZoneCode, "AF/NS/", ""},
		{stream, "shipment.arrived.v1", "2026-02-28T09:15:22Z", events.TZZoneCode, "X4/NS/", ""},
		{stream, "shipment.eta_changed.v1", "2026-03-01T18:00:00Z", events.TZAssumedUTC, "AB/NA/", ""},
		{stream, "shipment.exception_opened.v1", "2026-02-28T15:00:00Z", events.TZLocation, "SD/AO/", "weather by weather"},
		{stream, "shipment.departed.v1", "2026-02-28T18:30:15.5Z", events.TZLocation, "X6/NS/", ""},
		{stream, "shipment.eta_changed.v1", "2026-03-01T18:00:00Z", events.TZAssumedUTC, "AG/NS/", ""},
		{stream, "shipment.delivery_attempted.v1", "2026-03-01T17:00:00Z", events.TZZoneCode, "A7/BS/", "refused"},
		{stream, "shipment.exception_opened.v1", "2026-03-01T17:00:00Z", events.TZZoneCode, "A7/BS/", "refused by consignee"},
		{stream, "shipment.scan_unmapped.v1", "2026-03-01T10:01:00Z", events.TZZoneCode, "ZZ/NS/", ""},
	}
	if diff := cmp.Diff(want, x12Scans(made)); diff != "" {
		t.Fatalf("scans (-want +got):\n%s", diff)
	}
	precisions := []events.Precision{events.ToMinute, events.ToSecond, "", events.ToMinute, events.ToMillisecond}
	for i, want := range precisions {
		if got := made[i].Precision(); want != "" && got != want {
			t.Errorf("event %d is precise to the %s, want the %s", i, got, want)
		}
	}
	day := made[5].Data.(*events.ETAChanged).Window
	if got := day.End.Format(time.RFC3339); got != "2026-03-03T00:00:00-07:00" || day.Precision != events.ToDay {
		t.Errorf("estimate %s to the %s, want the day 2026-03-03 in Denver", got, day.Precision)
	}
	if got := made[2].Data.(*events.ETAChanged).Window.End.Format(time.RFC3339); got != "2026-03-04T10:00:00-07:00" {
		t.Errorf("appointment %s, want 10:00 in Denver", got)
	}
	if got := x12Fact(made[4]).Location.Postcode; got != "50309" {
		t.Errorf("postcode %q, want that of the MS1", got)
	}
	lat, lon := 39.7391667, -104.9841667
	if diff := cmp.Diff(&events.Location{City: "DENVER", Region: "CO", Country: "US", Lat: &lat, Lon: &lon}, x12Fact(made[6]).Location); diff != "" {
		t.Errorf("coordinates (-want +got):\n%s", diff)
	}
	if x12Fact(made[8]).Location != nil {
		t.Error("the last status has a place, and its AT7 has no MS1")
	}
}

// A carrier of parcels: a transaction for a shipment, in it the packages.
func TestParcelsByTrackingNumber(t *testing.T) {
	file := x12File(`
B10*SHP1*ORDER1*PRCL~
L11*1ZHEADER*2I~
L11*0001*86~
LX*1~
AT7*D1*NS***20260228*0915*ET~
MS1*ALBANY*NY*US~
L11*1ZLOOP*2I~
LX*2~
CD3*L*1~
L11*1Z1*2I~
AT7*AJ*NS***20260301*0700*ET~
MS1*ALBANY*NY*US~
CD3*L*2~
MAN*CP*1Z2~
AT7*AH*A2***20260301*0800*ET~
MS1*ALBANY*NY*US~
LX*3~
L11*1ZA*2I~
L11*1ZB*2I~
L11*1ZA*2I~
AT7*X4*NS***20260301*0900*ET~
LX*4~
AT7*X4*NS***20260301*1000*ET~
`)
	p, err := carriers.Open(profileFile(t, "profile: mine\nformat: x12-214\nextends: x12-214\nnumber: [MAN:CP, L11:2I]\npartner: [L11:86]\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []x12Scan{
		{"trk:PRCL:1ZLOOP", "shipment.delivered.v1", "2026-02-28T14:15:00Z", events.TZZoneCode, "D1/NS/0001", ""},
		{"trk:PRCL:1Z1", "shipment.out_for_delivery.v1", "2026-03-01T12:00:00Z", events.TZZoneCode, "AJ/NS/0001", ""},
		{"trk:PRCL:1Z2", "shipment.delivery_attempted.v1", "2026-03-01T13:00:00Z", events.TZZoneCode, "AH/A2/0001", "incorrect_address"},
		{"trk:PRCL:1Z2", "shipment.exception_opened.v1", "2026-03-01T13:00:00Z", events.TZZoneCode, "AH/A2/0001", "incorrect_address by consignee"},
		{"trk:PRCL:1ZA", "shipment.arrived.v1", "2026-03-01T14:00:00Z", events.TZZoneCode, "X4/NS/0001", ""},
		{"trk:PRCL:1ZB", "shipment.arrived.v1", "2026-03-01T14:00:00Z", events.TZZoneCode, "X4/NS/0001", ""},
		{"trk:PRCL:1ZHEADER", "shipment.arrived.v1", "2026-03-01T15:00:00Z", events.TZZoneCode, "X4/NS/0001", ""},
	}
	if diff := cmp.Diff(want, x12Scans(x12Events(t, p, file))); diff != "" {
		t.Errorf("scans (-want +got):\n%s", diff)
	}
}

func TestLayoutsOfOtherReleases(t *testing.T) {
	tests := []struct{ name, at7, ms1, want string }{
		{"before 4010, with its century", "AT7*D1*NS***260301*20*0915*ET", "MS1*ALBANY*NY*US", "2026-03-01T14:15:00Z"},
		{"before 4010, without century", "AT7*D1*NS***260301**0915*ET", "MS1*ALBANY*NY*US", "2026-03-01T14:15:00Z"},
		{"a short year", "AT7*D1*NS***260301*0915*ET", "MS1*ALBANY*NY*US", "2026-03-01T14:15:00Z"},
		{"tenths of seconds", "AT7*D1*NS***20260301*0915305*ET", "MS1*ALBANY*NY*US", "2026-03-01T14:15:30.5Z"},
		{"a zone without a time", "AT7*D1*NS***20260301**ET", "MS1*ALBANY*NY*US", "2026-03-01T05:00:00Z"},
		{"decimal degrees", "AT7*D1*NS***20260301*0915*ET", "MS1*********-73.75*42.65", "2026-03-01T14:15:00Z"},
	}
	for _, tt := range tests {
		made := x12Events(t, x12Profile(t, "x12-214"), x12File("B10*1*2*FRGT~\nLX*1~\n"+tt.at7+"~\n"+tt.ms1+"~"))
		if len(made) != 1 || made[0].Time.UTC().Format("2006-01-02T15:04:05.999Z") != tt.want {
			t.Errorf("%s: %+v, want one event at %s", tt.name, made, tt.want)
		}
		if at := x12Fact(made[0]).Location; tt.name == "decimal degrees" && (at == nil || at.Lat == nil || *at.Lat != 42.65 || *at.Lon != -73.75) {
			t.Errorf("decimal degrees: at %+v", at)
		}
	}
}

func TestStatusAndAppointmentTogether(t *testing.T) {
	made := x12Events(t, x12Profile(t, "x12-214"), x12File("B10*1*2*FRGT~\nAT7*SD*HB*AB*NA*20260301*0915*ET~"))
	if got := x12Raw(made[0]); len(made) != 1 || got.Status != "SD" || got.Text != "appointment AB NA" {
		t.Errorf("%d events, raw %+v, want the status, and the appointment as text", len(made), got)
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
