package carriers_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-io/waybill/events"
)

func TestEasyPostsTrackersOfSeveralCarriers(t *testing.T) {
	tests := []struct {
		file, subject string
		want          []string
	}{
		{"usps", "trk:USPS:9400100000000000000001", []string{
			"info_received 2026-03-02T00:00:00Z unknown",
			"picked_up 2026-03-02T18:40:00-06:00 HOUSTON TX 77001",
			"departed 2026-03-03T02:12:00-06:00 NORTH_HOUSTON_TX_DISTRIBUTION_CENTER",
			"arrived 2026-03-04T05:55:00-05:00 CHARLESTON SC 29423 US",
			"out_for_delivery 2026-03-05T08:10:00-05:00 CHARLESTON SC 29407 US",
			"delivered 2026-03-05T16:05:00-05:00 CHARLESTON SC 29407 US safe_place",
			"eta_changed 2026-03-05T21:10:00Z by 2026-03-05T00:00:00Z day",
		}},
		{"ups", "trk:UPS:1Z999AA10123456784", []string{
			"info_received 2026-03-03T14:00:00Z US",
			"picked_up 2026-03-03T20:31:00-08:00 San_Francisco CA US",
			"departed 2026-03-04T01:02:00-08:00 San_Francisco CA US",
			"exception_opened 2026-03-05T06:00:00-07:00 Denver CO US weather weather/medium/false",
			"delivery_attempted 2026-03-05T15:45:00-07:00 Boulder CO US missed_delivery",
			"delivered 2026-03-06T10:21:00-07:00 Boulder CO US",
		}},
		{"fedex", "trk:FEDEX:397200000001", []string{
			"info_received 2026-03-04T17:54:00Z 91746 US",
			"picked_up 2026-03-04T19:20:00-08:00 LA_PUENTE CA 91746 US",
			"exception_opened 2026-03-07T09:30:00-05:00 MIAMI FL US incorrect_address shipper/medium/true",
			"delivery_attempted 2026-03-07T14:30:00-05:00 MIAMI FL US refused",
			"exception_opened 2026-03-07T14:30:00-05:00 MIAMI FL US refused consignee/high/true",
			"return_initiated 2026-03-07T18:00:00-05:00 MIAMI FL US returned_to_shipper",
			"returned 2026-03-12T11:00:00-07:00 LA_PUENTE CA US returned_to_shipper",
			"eta_changed 2026-03-08T10:00:00Z by 2026-03-07T23:59:00-05:00",
		}},
		{"dhl", "trk:DHLEXPRESS:JD014600000000000001", []string{
			"picked_up 2026-03-06T16:10:00+08:00 HONG_KONG HK",
			"customs_held 2026-03-06T20:00:00+08:00 HONG_KONG HK customs",
			"customs_released 2026-03-08T04:00:00+01:00 LEIPZIG DE customs",
			"customs_held 2026-03-08T05:00:00+01:00 LEIPZIG DE clearance_delay",
			"exception_opened 2026-03-08T05:00:00+01:00 LEIPZIG DE clearance_delay customs/medium/false",
			"departed 2026-03-08T06:00:00+01:00 LEIPZIG DE",
			"exception_opened 2026-03-08T07:00:00+01:00 LEIPZIG DE held other/medium/false",
			"departed 2026-03-08T18:00:00+01:00 LEIPZIG DE",
			"eta_changed 2026-03-08T20:00:00Z by 2026-03-09T22:59:00+01:00",
		}},
		{"canadapost", "trk:CPCC:7035114477138472", []string{
			"info_received 2026-03-03T12:00:00Z unknown",
			"arrived 2026-03-04T03:21:00-05:00 MISSISSAUGA ON CA",
			"departed 2026-03-05T06:11:00-07:00 CALGARY AB CA",
			"delivery_attempted 2026-03-05T12:47:00-07:00 CALGARY AB CA missed_delivery",
			"available_for_pickup 2026-03-06T11:00:00-07:00 CALGARY AB T2E_7W6 CA",
		}},
		{"surepost", "trk:UPSSUREPOST:1Z999AA1YW23456784", []string{
			"picked_up 2026-03-04T18:00:00-06:00 DALLAS TX US",
			"departed 2026-03-06T20:44:00-05:00 CHARLOTTE NC US",
			"out_for_delivery 2026-03-07T07:10:00-05:00 CHARLOTTE NC 28203 US",
		}},
	}
	p := jsonProfile(t, "easypost")
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			all := jsonEvents(t, p, jsonFile(t, "easypost/"+tt.file+".json"))
			if diff := cmp.Diff(jsonSaidAll(t, all), tt.want); diff != "" {
				t.Errorf("got -, want +:\n%s", diff)
			}
			for _, e := range all {
				if e.Subject != tt.subject || e.Tenant != "acme" || e.Source != "urn:carrier:easypost" {
					t.Errorf("event of %s, tenant %s, source %s; want %s, acme, urn:carrier:easypost", e.Subject, e.Tenant, e.Source, tt.subject)
				}
			}
		})
	}
}

func TestEasyPostsScanInFull(t *testing.T) {
	all := jsonEvents(t, jsonProfile(t, "easypost"), jsonFile(t, "easypost/usps.json"))
	got, ok := all[3].Data.(*events.Arrived)
	if !ok {
		t.Fatalf("the fourth event is %T, want an arrival", all[3].Data)
	}
	if diff := cmp.Diff(got.Raw, &events.Raw{
		Standard: "EasyPost", Status: "in_transit", Reason: "arrived_at_facility", PartnerCode: "A1", Text: "Arrived at USPS Regional Facility",
	}); diff != "" {
		t.Errorf("raw: got -, want +:\n%s", diff)
	}
	if all[3].CorrelationID != "evt_usps" || !all[3].RecordedAt.Equal(all[3].Time) {
		t.Errorf("correlation %q, recorded %v; want evt_usps, and %v as no scan says when it was known", all[3].CorrelationID, all[3].RecordedAt, all[3].Time)
	}
}

func TestEasyPostsDescriptionStandsInForTheMessage(t *testing.T) {
	for fields, want := range map[string]string{
		`"message":"In words","description":"Otherwise"`: "In words",
		`"message":null,"description":"Otherwise"`:       "Otherwise",
	} {
		doc := `{"tracking_code":"1","carrier":"UPS","tracking_details":[{"datetime":"2026-03-01T10:00:00Z",` + fields + `}]}`
		got := jsonEvents(t, jsonProfile(t, "easypost"), doc)[0].Data.(*events.ScanUnmapped).Raw.Text
		if got != want {
			t.Errorf("%s: text %q, want %q", fields, got, want)
		}
	}
}

func TestEasyPostsTrackerWithoutScans(t *testing.T) {
	p := jsonProfile(t, "easypost")
	tests := []struct {
		name, text string
		want       []string
	}{
		{"its own status", `{"object":"Tracker","tracking_code":"1","carrier":"USPS","status":"pre_transit","status_detail":"unknown","updated_at":"2026-03-01T10:00:00Z","tracking_details":[]}`, []string{"info_received 2026-03-01T10:00:00Z"}},
		{"created", `{"description":"tracker.created","result":{"tracking_code":"1","carrier":"USPS","status":"unknown","updated_at":"2026-03-01T10:00:00Z","tracking_details":null}}`, []string{"scan_unmapped 2026-03-01T10:00:00Z"}},
		{"an estimate alone, known when the event was", `{"object":"Event","description":"tracker.updated","created_at":"2026-03-01T10:00:00Z","result":{"tracking_code":"1","carrier":"USPS","est_delivery_date":"2026-03-04T18:00:00-05:00"}}`, []string{"eta_changed 2026-03-01T10:00:00Z by 2026-03-04T18:00:00-05:00"}},
		{"an estimate without an offset is a date", `{"tracking_code":"1","carrier":"USPS","updated_at":"2026-03-01T10:00:00Z","est_delivery_date":"2026-03-04T18:00:00"}`, []string{"eta_changed 2026-03-01T10:00:00Z by 2026-03-04T00:00:00Z day"}},
		{"nothing at all", `{"tracking_code":"1","carrier":"USPS","tracking_details":[]}`, nil},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(jsonSaidAll(t, jsonEvents(t, p, tt.text)), tt.want); diff != "" {
			t.Errorf("%s: got -, want +:\n%s", tt.name, diff)
		}
	}
}

func TestBadEasyPostPayloads(t *testing.T) {
	scan := func(fields string) string {
		return "{\"tracking_code\":\"A1\",\"carrier\":\"UPS\",\"tracking_details\":[\n{\"datetime\":\"2026-03-01T10:00:00Z\"},\n  {\"status\":\"delivered\"," + fields + "}\n]}"
	}
	tests := []struct {
		name, text string
		want       []string
	}{
		{"another event", `{"object":"Event",` + "\n" + `"description":"batch.created","result":{"object":"Batch","status":{"a":1}}}`, []string{"2: /description want tracker.created or tracker.updated"}},
		{"an event of no kind", `{"object":"Event","result":{}}`, []string{"1: /description want tracker.created or tracker.updated"}},
		{"an event without result", `{"description":"tracker.updated","result":null}`, []string{"1: /result is required"}},
		{"an event of something else", `{"description":"tracker.updated","result":{"object":"Shipment","tracking_code":"1"}}`, []string{"1: /result/object want Event or Tracker"}},
		{"something else", `{"object":"Batch","id":"batch_1"}`, []string{"1: /object want Event or Tracker"}},
		{"an empty object", `{}`, []string{"1: /tracking_code is required", "1: /carrier is required: the profile easypost has no carrier of its own"}},
		{"no number", `{"description":"tracker.updated","result":{"carrier":"UPS","tracking_details":[{"datetime":"2026-03-01T10:00:00Z"},{}]}}`, []string{"1: /result/tracking_code is required"}},
		{"no carrier", `{"description":"tracker.updated","result":{"tracking_code":"1","tracking_details":[{"datetime":"2026-03-01T10:00:00Z"},{}]}}`, []string{
			"1: /result/carrier is required: the profile easypost has no carrier of its own",
		}},
		{"a carrier without a code", strings.Replace(scan(`"datetime":"2026-03-01T10:00:00Z"`), "UPS", "日本郵便", 1), []string{
			`1: /carrier "日本郵便" cannot be used: name its code under carriers in the profile`,
		}},
		{"AfterShip's webhook", checkpoint, []string{"1: is no webhook or Tracker of EasyPost: it looks like AfterShip's, of format aftership"}},
		{"AfterShip's tracking", checkpointOf("Delivered", "", ""), []string{"1: is no webhook or Tracker of EasyPost: it looks like AfterShip's, of format aftership"}},
		{"a number that cannot be one", strings.Replace(scan(`"datetime":"2026-03-01T10:00:00Z"`), "A1", "A#1", 1), []string{
			`1: /tracking_code "A#1" cannot be used: want 1 to 48 letters and digits`,
		}},
		{"no time", scan(`"datetime":null`), []string{"3: /tracking_details/1/datetime is required"}},
		{"no scan", strings.Replace(scan(`"datetime":"2026-03-01T10:00:00Z"`), `{"datetime":"2026-03-01T10:00:00Z"}`, "null", 1), []string{"2: /tracking_details/0/datetime is required"}},
		{"a time in words", scan(`"datetime":"yesterday"`), []string{"3: /tracking_details/1/datetime \"yesterday\" is no time such as 2026-03-01T10:00:00Z"}},
		{"a time of many lines", scan(`"datetime":"\n\u001b[2J` + strings.Repeat("x", 100) + `"`), []string{`3: /tracking_details/1/datetime "\n\x1b[2J` + strings.Repeat("x", 35) + `..." is no time such as 2026-03-01T10:00:00Z`}},
		{"a day that is none", scan(`"datetime":"2026-02-30T10:00:00Z"`), []string{"3: /tracking_details/1/datetime \"2026-02-30T10:00:00Z\" is no time such as 2026-03-01T10:00:00Z"}},
		{"a fraction after a comma", scan(`"datetime":"2026-02-20T10:00:00,5Z"`), []string{"3: /tracking_details/1/datetime \"2026-02-20T10:00:00,5Z\" is no time such as 2026-03-01T10:00:00Z"}},
		{"a time long ago", scan(`"datetime":"1970-01-01T00:00:00-05:00"`), []string{"3: /tracking_details/1 schema_violation: time: lies outside the years 2000 to 2100"}},
		{"a time that is a number", scan("\n\"datetime\":1772900000"), []string{"4: /tracking_details/1/datetime is not of the type it should be"}},
		{"scans that are no list", `{"tracking_code":"1","tracking_details":{"a":1}}`, []string{"1: /tracking_details is not of the type it should be"}},
		{"a place that is a text", scan(`"datetime":"2026-03-01T10:00:00Z","tracking_location":"here"`), []string{"3: /tracking_details/1/tracking_location is not of the type it should be"}},
		{"NUL in the words", scan(`"datetime":"2026-03-01T10:00:00Z","message":"a\u0000b"`), []string{"3: /tracking_details/1 control_char: a string holds the character U+0000"}},
		{"an estimate that is no time", "{\"tracking_code\":\"1\",\"carrier\":\"UPS\",\n\"updated_at\":\"2026-03-01T10:00:00Z\",\n\"est_delivery_date\":\"soon\"}", []string{"3: /est_delivery_date \"soon\" is no time such as 2026-03-01T10:00:00Z"}},
		{"an estimate of nobody knows when", `{"tracking_code":"1","carrier":"UPS","est_delivery_date":"2026-03-04T00:00:00Z"}`, []string{"1: /est_delivery_date cannot be placed in time: updated_at is missing, or no time such as 2026-03-01T10:00:00Z"}},
		{"more scans than a parcel can have", `{"tracking_code":"1","tracking_details":[` + strings.Repeat("{},", 10_000) + `{}]}`, []string{"1: /tracking_details/10000 is one of more than 10000"}},
		{"a status of nobody knows when", `{"tracking_code":"1","carrier":"UPS","status":"delivered"}`, []string{"1: /updated_at is required"}},
	}
	p := jsonProfile(t, "easypost")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(jsonOutcome(p, tt.text), tt.want); diff != "" {
				t.Errorf("got -, want +:\n%s", diff)
			}
		})
	}
}

// EasyPost writes a local clock as UTC where it does not know the place.
func TestEasyPostsTimes(t *testing.T) {
	tests := []struct{ datetime, place, want string }{
		{"2026-03-01T10:00:00Z", `null`, "2026-03-01T10:00:00Z unknown"},
		{"2026-03-01T10:00:00Z", `{"city":null,"state":""}`, "2026-03-01T10:00:00Z unknown"},
		{"2026-03-01T10:00:00+00:00", `null`, "2026-03-01T10:00:00Z unknown"},
		{"2026-03-01T10:00:00Z", `{"city":"London","country":"GB"}`, "2026-03-01T10:00:00Z London GB"},
		{"2026-03-01T10:00:00-05:00", `null`, "2026-03-01T10:00:00-05:00"},
		{"2026-03-01T10:00:00-0500", `null`, "2026-03-01T10:00:00-05:00"},
		{"2026-03-01T10:00:00.250-05:00", `null`, "2026-03-01T10:00:00.25-05:00 millisecond"},
		{"2026-03-01T10:00:00", `{"state":"ON","country":"CA"}`, "2026-03-01T10:00:00-05:00 location ON CA"},
		{"2026-03-01T10:00", `{"country":"CA"}`, "2026-03-01T10:00:00Z unknown minute CA"},
		{"2026-03-01", `{"country":"DE"}`, "2026-03-01T00:00:00+01:00 location day DE"},
	}
	p := jsonProfile(t, "easypost")
	for _, tt := range tests {
		doc := fmt.Sprintf(`{"tracking_code":"1","carrier":"X1","tracking_details":[{"status":"out_for_delivery","datetime":%q,"tracking_location":%s}]}`, tt.datetime, tt.place)
		got := jsonSaidAll(t, jsonEvents(t, p, doc))
		if want := []string{"out_for_delivery " + tt.want}; !slices.Equal(got, want) {
			t.Errorf("%s at %s is %q, want %q", tt.datetime, tt.place, got, want)
		}
	}
}
