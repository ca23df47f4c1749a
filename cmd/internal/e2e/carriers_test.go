package e2e_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/carriers"
)

// canadaPost reads the real messages of a carrier, which stand beside the
// repository, as producer publish does.
func canadaPost(t testing.TB) []events.Event {
	t.Helper()
	file, err := os.Open(filepath.Join(root, "..", "shared", "data", "carriers", "canadapost-214.edi"))
	if errors.Is(err, fs.ErrNotExist) {
		const say = "the file of real messages is not there: this test reads ../shared/data/carriers/canadapost-214.edi beside the repository"
		if os.Getenv("CI") == "true" {
			t.Fatal(say)
		}
		t.Skip(say)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close() //nolint:errcheck // it was only read
	profile, err := carriers.Open("canadapost")
	if err != nil {
		t.Fatal(err)
	}
	var all []events.Event
	for m, err := range profile.Messages(file, tenant, time.Now()) {
		if err != nil || len(m.Problems) > 0 {
			t.Fatalf("line %d: %v %v", m.Line, err, m.Problems)
		}
		all = append(all, m.Events...)
	}
	return all
}

// Numbers of the file: one with three scans, and two of another shipment, of
// which one was sent back and one has a scan that says no time zone.
const (
	threeScans = "4343638316026577"
	noZone     = "4343638097845589"
	wayBack    = "4343638931638575"
)

func numbered() []events.Event {
	return slices.Concat(shipped("s1", threeScans), shipped("s2", noZone, wayBack))
}

// shipped creates a shipment and gives its parcels numbers.
func shipped(id events.ShipmentID, numbers ...events.TrackingNumber) []events.Event {
	fact := events.ShipmentFact{Fact: events.Fact{OccurredAt: time.Date(2019, 11, 1, 10, 0, 0, 0, time.UTC)}, ShipmentID: id}
	made := &events.ShipmentCreated{ShipmentFact: fact, Direction: events.Outbound}
	all := []events.Event{events.New(tenant, "urn:acme:wms", "made", string(id), made)}
	for _, number := range numbers {
		d := &events.TrackingAssigned{ShipmentFact: fact, TrackingNumber: number}
		d.ParcelID, d.Carrier = "p-"+events.ParcelID(number), &events.Carrier{SCAC: "CPCC"}
		made.Parcels = append(made.Parcels, events.ParcelRef{ParcelID: d.ParcelID})
		all = append(all, events.New(tenant, "urn:acme:wms", events.EventID("gave-"+number), string(id), d))
	}
	return all
}

// The file runs newest first, in four time zones. Whether its scans come before
// the numbers are given to parcels or after, forwards or backwards: the rows are
// the same, and the parcel's way is the one of the clocks.
func TestACarriersFileBeforeAndAfterItsNumbersAreGiven(t *testing.T) {
	t.Parallel()
	scans := canadaPost(t)
	before := newPlatform(t)
	before.project()
	before.publish(scans...)
	before.drained()
	if streams, all := value[int](before, `SELECT count(DISTINCT stream_id) FROM waybill.unmatched_scans`), value[int](before, `SELECT count(*) FROM waybill.unmatched_scans`); streams != 16 || all != 19 {
		t.Fatalf("%d scans of %d numbers are unmatched, want 19 of 16", all, streams)
	}
	before.publish(numbered()...)
	before.drained()

	after := newPlatform(t)
	after.project()
	after.publish(numbered()...)
	backwards := slices.Clone(scans)
	slices.Reverse(backwards)
	after.publish(backwards...)
	after.publish(scans...) // the file once more
	after.drained()
	equal(t, "the numbers given first", before.rows(), after.rows())

	if n := value[int](before, `SELECT count(*) FROM waybill.unmatched_scans`); n != 14 {
		t.Errorf("%d scans are unmatched still, want those of the other 13 numbers: 14", n)
	}
	before.walks(t)
	before.keepsCodes(t)
}

// walks checks where the shipment was between the scans of its parcel.
func (p *platform) walks(t *testing.T) {
	t.Helper()
	site := p.serve()
	type state struct {
		Status string `json:"status"`
		Since  string `json:"status_since"`
	}
	for _, step := range []struct {
		asOf string
		want state
	}{
		{"2019-11-02T15:54:59-07:00", state{"created", "2019-11-01T10:00:00Z"}},
		{"2019-11-02T15:55:00-07:00", state{"in_transit", "2019-11-02T22:55:00Z"}},
		{"2019-11-03T08:15:00-07:00", state{"delivery_attempted", "2019-11-03T15:15:00Z"}},
		{"2019-11-03T08:37:00-07:00", state{"in_transit", "2019-11-03T15:37:00Z"}},
	} {
		var got state
		site.get(t, "/v1/shipments/s1?as_of="+url.QueryEscape(step.asOf), tenant, http.StatusOK, &got)
		if got != step.want {
			t.Errorf("as of %s the shipment is %+v, want %+v", step.asOf, got, step.want)
		}
	}
	got := p.lines(`SELECT parcel_id || ' ' || status || ' ' || to_char(status_since AT TIME ZONE 'UTC', 'MM-DD HH24:MI') FROM waybill.parcels ORDER BY 1`)
	want := []string{"p-" + noZone + " info_received 11-03 20:34", "p-" + threeScans + " in_transit 11-03 15:37", "p-" + wayBack + " returning 11-03 00:52"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("parcels (-want +got):\n%s", diff)
	}
}

// keepsCodes checks that the timelines have the carrier's own codes and clocks.
func (p *platform) keepsCodes(t *testing.T) {
	t.Helper()
	site := p.serve()
	got := slices.Concat(site.scans(t, "s1"), site.scans(t, "s2"))
	want := []string{
		"2019-11-02T15:55:00-07:00 zone_code shipment.departed.v1 X12-214 AF/NS 0410",
		"2019-11-03T08:15:00-07:00 zone_code shipment.delivery_attempted.v1 X12-214 AP/AG 0405",
		"2019-11-03T08:37:00-07:00 zone_code shipment.departed.v1 X12-214 AF/NS 0410",
		"2019-11-02T17:52:00-07:00 zone_code shipment.return_initiated.v1 X12-214 CA/BT 1303",
		"2019-11-03T15:34:00-05:00 location shipment.info_received.v1 X12-214 XB/NS 0000",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("scans of the timelines (-want +got):\n%s", diff)
	}
}

// scans are the entries of a shipment's timeline that a carrier reported.
func (s *site) scans(t *testing.T, shipment string) (lines []string) {
	t.Helper()
	var page struct {
		Entries []struct {
			Type       events.Type     `json:"type"`
			OccurredAt string          `json:"occurred_at"`
			TZSource   events.TZSource `json:"tz_source"`
			Data       struct {
				Raw events.Raw `json:"raw"`
			} `json:"data"`
		} `json:"entries"`
	}
	s.get(t, "/v1/shipments/"+shipment+"/timeline", tenant, http.StatusOK, &page)
	for _, e := range page.Entries {
		if raw := e.Data.Raw; raw.Standard != "" {
			lines = append(lines, fmt.Sprintf("%s %s %s %s %s/%s %s", e.OccurredAt, e.TZSource, e.Type, raw.Standard, raw.Status, raw.Reason, raw.PartnerCode))
		}
	}
	return lines
}
