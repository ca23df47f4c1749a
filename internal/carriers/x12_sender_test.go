package carriers_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/carriers"
)

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
MS1*RENO*NV*US~
CD3*L*0~
MS1*RENO*NV*US~
AT7*AF*NS***20260228*0800*ET~
LX*2~
CD3*L*1~
MS1*RENO*NV*US~
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
		{"trk:PRCL:1ZLOOP", "shipment.picked_up.v1", "2026-02-28T13:00:00Z", events.TZZoneCode, "AF/NS/0001", ""},
		{"trk:PRCL:1Z1", "shipment.out_for_delivery.v1", "2026-03-01T12:00:00Z", events.TZZoneCode, "AJ/NS/0001", ""},
		{"trk:PRCL:1Z2", "shipment.delivery_attempted.v1", "2026-03-01T13:00:00Z", events.TZZoneCode, "AH/A2/0001", "incorrect_address"},
		{"trk:PRCL:1Z2", "shipment.exception_opened.v1", "2026-03-01T13:00:00Z", events.TZZoneCode, "AH/A2/0001", "incorrect_address by consignee"},
		{"trk:PRCL:1ZA", "shipment.arrived.v1", "2026-03-01T14:00:00Z", events.TZZoneCode, "X4/NS/0001", ""},
		{"trk:PRCL:1ZB", "shipment.arrived.v1", "2026-03-01T14:00:00Z", events.TZZoneCode, "X4/NS/0001", ""},
		{"trk:PRCL:1ZHEADER", "shipment.arrived.v1", "2026-03-01T15:00:00Z", events.TZZoneCode, "X4/NS/0001", ""},
	}
	made := x12Events(t, p, file)
	if diff := cmp.Diff(want, x12Scans(made)); diff != "" {
		t.Fatalf("scans (-want +got):\n%s", diff)
	}
	if at := x12Fact(made[0]).Location; at == nil || at.City != "ALBANY" {
		t.Errorf("the first status is at %+v, want the place that follows it", at)
	}
	if at := x12Fact(made[1]).Location; at != nil {
		t.Errorf("the second status is at %+v, which stands before it", at)
	}
}

// Half of a coordinate is none, and a number without its hemisphere could be in
// either.
func TestCoordinatesWithoutHemisphereAreLeftOut(t *testing.T) {
	for _, sides := range []string{"", "*W", "**N"} {
		file := x12File("B10*1*2*FRGT~\nAT7*D1*NS***20260301*0915*ET~\nMS1*DENVER*CO*US*1045903*0394421" + sides + "~")
		at := x12Fact(x12Events(t, x12Profile(t, "x12-214"), file)[0]).Location
		if at == nil || at.City != "DENVER" || at.Lat != nil || at.Lon != nil {
			t.Errorf("%q: at %+v, want Denver without coordinates", sides, at)
		}
	}
}

func TestLayoutsOfOtherReleases(t *testing.T) {
	tests := []struct{ name, at7, ms1, want string }{
		{"before 4010, with its century", "AT7*D1*NS***260301*20*0915*ET", "MS1*CHICAGO*IL*US", "2026-03-01T14:15:00Z"},
		{"before 4010, without century", "AT7*D1*NS***260301**0915*ET", "MS1*ALBANY*NY*US", "2026-03-01T14:15:00Z"},
		{"before 4010, another century", "AT7*D1*NS***260301*21*0915*ET", "MS1*ALBANY*NY*US", "refused"},
		{"a short year", "AT7*D1*NS***260301*0915*ET", "MS1*ALBANY*NY*US", "2026-03-01T14:15:00Z"},
		{"tenths of seconds", "AT7*D1*NS***20260301*0915305*ET", "MS1*ALBANY*NY*US", "2026-03-01T14:15:30.5Z"},
		{"a zone without a time", "AT7*D1*NS***20260301**ET", "MS1*ALBANY*NY*US", "2026-03-01T05:00:00Z"},
		{"a state without its country", "AT7*D1*NS***20260301*0915", "MS1*CHICAGO*IL", "2026-03-01T15:15:00Z"},
		{"a province without its country", "AT7*D1*NS***20260301*0915*LT", "MS1*REGINA*SK", "2026-03-01T15:15:00Z"},
		{"no Newfoundland", "AT7*D1*NS***20260301*0915*LT", "MS1*MONTERREY*NL*MEX", "2026-03-01T09:15:00Z"},
		{"decimal degrees", "AT7*D1*NS***20260301*0915*ET", "MS1*********-73.75*42.65", "2026-03-01T14:15:00Z"},
	}
	for _, tt := range tests {
		file := x12File("B10*1*2*FRGT~\nLX*1~\n" + tt.at7 + "~\n" + tt.ms1 + "~")
		if tt.want == "refused" {
			if all, err := x12Read(x12Profile(t, "x12-214"), file); err != nil || len(all[0].Problems) != 1 {
				t.Errorf("%s: %+v, error %v, want a problem", tt.name, all, err)
			}
			continue
		}
		made := x12Events(t, x12Profile(t, "x12-214"), file)
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
