package carriers_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"github.com/waybill-io/waybill/events"
)

func TestAfterShipsTrackingsOfSeveralCouriers(t *testing.T) {
	tests := []struct {
		file, subject string
		want          []string
	}{
		{"usps", "trk:USPS:9400100000000000000001", []string{
			"info_received 2026-03-02T00:00:00-06:00 location day HOUSTON TX 77001 US",
			"picked_up 2026-03-02T18:40:00-06:00 location HOUSTON TX 77001 US",
			"departed 2026-03-03T02:12:00Z unknown NORTH_HOUSTON_TX_DISTRIBUTION_CENTER US",
			"arrived 2026-03-04T05:55:00-05:00 CHARLESTON SC 29423 US",
			"out_for_delivery 2026-03-05T08:10:00-05:00 CHARLESTON SC 29407 US",
			"delivered 2026-03-05T16:05:00-05:00 CHARLESTON SC 29407 US safe_place",
			"eta_changed 2026-03-05T21:10:00Z by 2026-03-05T00:00:00Z day",
		}},
		{"ups", "trk:UPS:1Z999AA10123456784", []string{
			"picked_up 2026-03-03T20:31:00-08:00 San_Francisco CA US",
			"exception_opened 2026-03-05T06:00:00-07:00 Denver CO US weather weather/medium/false",
			"delivery_attempted 2026-03-05T15:45:00-07:00 Boulder CO US missed_delivery",
			"delivered 2026-03-06T10:21:00-07:00 Boulder CO US recipient",
			"eta_changed 2026-03-06T19:00:00Z by 2026-03-06T17:00:00-07:00",
		}},
		{"fedex", "trk:FEDEX:397200000001", []string{
			"exception_opened 2026-03-07T09:30:00-05:00 MIAMI FL US incorrect_address shipper/high/true",
			"delivery_attempted 2026-03-07T14:30:00-05:00 MIAMI FL US refused",
			"exception_opened 2026-03-07T14:30:00-05:00 MIAMI FL US refused consignee/high/true",
			"return_initiated 2026-03-07T18:00:00-05:00 MIAMI FL US returned_to_shipper",
			"returned 2026-03-12T11:00:00-07:00 LA_PUENTE CA US returned_to_shipper",
			"eta_changed 2026-03-12T20:00:00Z by 2026-03-07T00:00:00Z day",
		}},
		{"dhl", "trk:DHL:JD014600000000000001", []string{
			"picked_up 2026-03-06T16:10:00+08:00 location HONG_KONG HK",
			"customs_held 2026-03-06T20:00:00+08:00 location HONG_KONG HK customs",
			"customs_released 2026-03-08T04:00:00+01:00 location LEIPZIG DE customs",
			"customs_held 2026-03-08T05:00:00+01:00 location LEIPZIG DE clearance_delay",
			"exception_opened 2026-03-08T05:00:00+01:00 location LEIPZIG DE clearance_delay customs/medium/false",
			"departed 2026-03-08T18:00:00Z unknown minute MADRID ES", // of several zones
			"eta_changed 2026-03-08T20:00:00Z by 2026-03-10T18:00:00+01:00",
		}},
		{"canadapost", "trk:CPCC:7035114477138472", []string{
			"arrived 2026-03-04T03:21:00-05:00 location MISSISSAUGA ON CA",
			"delivery_attempted 2026-03-05T12:47:00-07:00 location CALGARY AB CA missed_delivery",
			"available_for_pickup 2026-03-06T11:00:00-07:00 location CALGARY AB CA",
		}},
		{"cainiao", "trk:CAINIAO:LP00600000000001", []string{
			"picked_up 2026-02-20T16:00:00+08:00 location Shenzhen CN",
			"arrived 2026-02-26T09:30:00Z unknown US",
			"departed 2026-03-06T20:44:00-05:00 CHARLOTTE NC US",
			"out_for_delivery 2026-03-07T07:10:00-05:00 CHARLOTTE NC US",
			"eta_changed 2026-03-07T15:00:00Z by 2026-03-09T00:00:00Z day",
		}},
	}
	p := jsonProfile(t, "aftership")
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			all := jsonEvents(t, p, jsonFile(t, "aftership/"+tt.file+".json"))
			if diff := cmp.Diff(jsonSaidAll(t, all), tt.want); diff != "" {
				t.Errorf("got -, want +:\n%s", diff)
			}
			for _, e := range all {
				if e.Subject != tt.subject || e.Source != "urn:carrier:aftership" {
					t.Errorf("event of %s, source %s; want %s, urn:carrier:aftership", e.Subject, e.Source, tt.subject)
				}
			}
		})
	}
}

func TestAfterShipsCheckpointInFull(t *testing.T) {
	all := jsonEvents(t, jsonProfile(t, "aftership"), jsonFile(t, "aftership/usps.json"))
	got, ok := all[1].Data.(*events.PickedUp)
	if !ok {
		t.Fatalf("the second event is %T, want a pick-up", all[1].Data)
	}
	if diff := cmp.Diff(got.Raw, &events.Raw{
		Standard: "AfterShip", Status: "InTransit", Reason: "InTransit_002", PartnerCode: "03", Text: "USPS in possession of item",
	}); diff != "" {
		t.Errorf("raw: got -, want +:\n%s", diff)
	}
	if known := time.Date(2026, 3, 3, 1, 0, 0, 0, time.UTC); !all[1].RecordedAt.Equal(known) {
		t.Errorf("recorded at %v, want %v, when AfterShip had the checkpoint", all[1].RecordedAt, known)
	}
	if want := "6f3b6f3e-0000-4000-8000-00000000usps"; all[1].CorrelationID != want {
		t.Errorf("correlation id %q, want %q", all[1].CorrelationID, want)
	}

	ups := jsonEvents(t, jsonProfile(t, "aftership"), jsonFile(t, "aftership/ups.json"))
	where := ups[3].Data.(*events.Delivered).Location
	if where.Lat == nil || where.Lon == nil || *where.Lat != 40.015 || *where.Lon != -105.2705 {
		t.Errorf("delivered at %+v, want 40.015, -105.2705", where)
	}
}

func TestAfterShipsFieldsThatStandInForOthers(t *testing.T) {
	tests := []struct {
		fields, text string
		where        *events.Location
	}{
		{`"message":"In words","subtag_message":"Otherwise","city":"Berlin","location":"Berlin, DE","country_iso3":"DEU"`, "In words", &events.Location{City: "Berlin", Country: "DE"}},
		{`"message":"","subtag_message":"Otherwise","location":"Berlin Hub","country_region":"DEU"`, "Otherwise", &events.Location{Name: "Berlin Hub", Country: "DE"}},
		{`"zip":"10115"`, "", &events.Location{Postcode: "10115"}},
		{`"postal_code":"10115","country_iso3":"Germany"`, "", &events.Location{Postcode: "10115"}},
		{`"coordinate":{"latitude":1}`, "", nil},
	}
	for _, tt := range tests {
		doc := `{"tracking_number":"1","slug":"dhl","checkpoints":[{"checkpoint_time":"2026-03-01T10:00:00Z",` + tt.fields + `}]}`
		got := jsonEvents(t, jsonProfile(t, "aftership"), doc)[0].Data.(*events.ScanUnmapped)
		if diff := cmp.Diff(got.Location, tt.where); got.Raw.Text != tt.text || diff != "" {
			t.Errorf("%s: text %q, want %q; place got -, want +:\n%s", tt.fields, got.Raw.Text, tt.text, diff)
		}
	}
}

// checkpointOf is a tracking whose only checkpoint has these codes and words.
func checkpointOf(tag, subtag, text string) string {
	words, _ := json.Marshal(text)
	return fmt.Sprintf(`{"tracking_number":"A1","slug":"ups","checkpoints":[{"tag":%q,"subtag":%q,"message":%s,
		"checkpoint_time":"2026-03-01T10:00:00-05:00","city":"X"}]}`, tag, subtag, words)
}

func TestAfterShipsCodes(t *testing.T) {
	tests := []struct{ subtag, want string }{
		{"Pending_001", "scan_unmapped"},
		{"Pending_002", "scan_unmapped"},
		{"Pending_003", "scan_unmapped"},
		{"Pending_004", "scan_unmapped"},
		{"Pending_005", "scan_unmapped"},
		{"Pending_006", "scan_unmapped"},
		{"Expired_001", "scan_unmapped"},
		{"InfoReceived_001", "info_received"},
		{"InTransit_001", "departed"},
		{"InTransit_002", "picked_up"},
		{"InTransit_003", "arrived"},
		{"InTransit_004", "arrived"},
		{"InTransit_005", "customs_released customs"},
		{"InTransit_006", "customs_held customs"},
		{"InTransit_007", "departed"},
		{"InTransit_008", "departed"},
		{"InTransit_009", "departed"},
		{"InTransit_011", "departed"},
		{"InTransit_099", "departed"},
		{"OutForDelivery_001", "out_for_delivery"},
		{"OutForDelivery_002", "available_for_pickup"},
		{"OutForDelivery_003", "out_for_delivery"},
		{"OutForDelivery_004", "out_for_delivery"},
		{"OutForDelivery_099", "out_for_delivery"},
		{"AvailableForPickup_001", "available_for_pickup"},
		{"AvailableForPickup_099", "available_for_pickup"},
		{"AttemptFail_001", "delivery_attempted unspecified"},
		{"AttemptFail_002", "delivery_attempted missed_delivery"},
		{"AttemptFail_003", "delivery_attempted consignee_closed"},
		{"AttemptFail_099", "delivery_attempted unspecified"},
		{"Delivered_001", "delivered"},
		{"Delivered_002", "delivered recipient"},
		{"Delivered_003", "delivered recipient"},
		{"Delivered_004", "delivered recipient"},
		{"Delivered_005", "delivered neighbour"},
		{"Delivered_099", "delivered"},
		{"Exception_001", "exception_opened unspecified carrier/medium/false"},
		{"Exception_002", "exception_opened consignee_moved consignee/high/true"},
		{"Exception_003", "delivery_attempted refused, exception_opened refused consignee/high/true"},
		{"Exception_004", "customs_held clearance_delay, exception_opened clearance_delay customs/medium/false"},
		{"Exception_005", "exception_opened delayed other/medium/false"},
		{"Exception_006", "exception_opened held_for_payment consignee/medium/true"},
		{"Exception_007", "exception_opened incorrect_address shipper/high/true"},
		{"Exception_008", "exception_opened not_collected consignee/medium/true"},
		{"Exception_009", "exception_opened rejected_by_carrier shipper/high/true"},
		{"Exception_010", "return_initiated returned_to_shipper"},
		{"Exception_011", "returned returned_to_shipper"},
		{"Exception_012", "damaged damaged"},
		{"Exception_013", "lost lost"},
		{"Exception_014", "exception_opened unspecified other/medium/false"},
		{"Exception_015", "exception_opened unspecified other/medium/false"},
		{"Exception_016", "exception_opened processing_delay carrier/low/false"},
		{"Exception_017", "exception_opened weather weather/medium/false"},
		{"Exception_018", "exception_opened missing_documents shipper/high/true"},
		{"Exception_019", "exception_opened late_flight carrier/low/false"},
		{"Exception_020", "cancelled cancelled"},
		{"Exception_021", "destroyed disposed"},
		{"Exception_099", "exception_opened unspecified other/medium/false"},
		{"Something_001", "scan_unmapped"},
	}
	p := jsonProfile(t, "aftership")
	for _, tt := range tests {
		tag, _, _ := strings.Cut(tt.subtag, "_")
		if got := jsonMeans(t, p, checkpointOf(tag, tt.subtag, "")); got != tt.want {
			t.Errorf("%s means %s, want %s", tt.subtag, got, tt.want)
		}
	}
}

// Old checkpoints have a tag alone.
func TestAfterShipsTags(t *testing.T) {
	tests := []struct{ tag, text, want string }{
		{"Pending", "", "scan_unmapped"},
		{"Expired", "", "scan_unmapped"},
		{"InfoReceived", "", "info_received"},
		{"InTransit", "", "departed"},
		{"InTransit", "Origin Scan", "picked_up"},
		{"InTransit", "Arrived at hub", "arrived"},
		{"OutForDelivery", "", "out_for_delivery"},
		{"AvailableForPickup", "", "available_for_pickup"},
		{"AttemptFail", "", "delivery_attempted unspecified"},
		{"AttemptFail", "Customer not at home", "delivery_attempted missed_delivery"},
		{"AttemptFail", "Business closed", "delivery_attempted consignee_closed"},
		{"AttemptFail", "No access to the building", "delivery_attempted no_access"},
		{"Delivered", "", "delivered"},
		{"Delivered", "Delivered, Parcel Locker", "delivered locker"},
		{"Exception", "", "exception_opened unspecified other/medium/false"},
	}
	p := jsonProfile(t, "aftership")
	for _, tt := range tests {
		if got := jsonMeans(t, p, checkpointOf(tt.tag, "", tt.text)); got != tt.want {
			t.Errorf("%s, %q means %s, want %s", tt.tag, tt.text, got, tt.want)
		}
	}
}

func TestAfterShipsShapes(t *testing.T) {
	const tracking = `{"tracking_number":"A1","slug":"usps","tag":"InfoReceived","subtag":"InfoReceived_001","updated_at":"2026-03-01T10:00:00+00:00","checkpoints":[]}`
	const want = "info_received 2026-03-01T10:00:00Z"
	tests := []struct{ name, text, want string }{
		{"a tracking", tracking, want},
		{"a webhook", `{"event":"tracking_update","event_id":"1","msg":` + tracking + `,"ts":1772900000}`, want},
		{"a webhook of an estimate", `{"event":"edd_revise","msg":` + tracking + `}`, want},
		{"an answer", `{"meta":{"code":200},"data":` + tracking + `}`, want},
		{"an old answer", `{"meta":{"code":200},"data":{"tracking":` + tracking + `}}`, want},
		{"a webhook that alone tells the time", strings.Replace(`{"event":"tracking_update","msg":`+tracking+`,"ts":1772359200}`, "updated_at", "x", 1), want},
		{"a time in another zone", strings.Replace(tracking, "10:00:00+00:00", "12:00:00+02:00", 1), "info_received 2026-03-01T12:00:00+02:00"},
	}
	p := jsonProfile(t, "aftership")
	for _, tt := range tests {
		if diff := cmp.Diff(jsonSaidAll(t, jsonEvents(t, p, tt.text)), []string{tt.want}); diff != "" {
			t.Errorf("%s: got -, want +:\n%s", tt.name, diff)
		}
	}
}

func TestAfterShipsEstimates(t *testing.T) {
	doc := `{"tracking_number":"A1","slug":"usps","updated_at":"2026-03-01T10:00:00+00:00",
		"expected_delivery":"2026-03-04",
		"courier_estimated_delivery_date":{"estimated_delivery_date":"2026-03-05T18:00:00-05:00","estimated_delivery_date_max":"2026-03-09"},
		"aftership_estimated_delivery_date":{"estimated_delivery_date":null,"estimated_delivery_date_min":"2026-03-05","estimated_delivery_date_max":"2026-03-06"},
		"latest_estimated_delivery":{"type":"specific","datetime":"2026-03-07T18:00:00"}}`
	all := jsonEvents(t, jsonProfile(t, "aftership"), doc)
	if diff := cmp.Diff(jsonSaidAll(t, all), []string{
		"eta_changed 2026-03-01T10:00:00Z by 2026-03-06T00:00:00Z day",
		"eta_changed 2026-03-01T10:00:00Z by 2026-03-04T00:00:00Z day",
		"eta_changed 2026-03-01T10:00:00Z by 2026-03-05T18:00:00-05:00",
		"eta_changed 2026-03-01T10:00:00Z by 2026-03-07T00:00:00Z day",
	}); diff != "" {
		t.Errorf("got -, want +:\n%s", diff)
	}
	jsonIDs(t, all)
}

func TestBadAfterShipPayloads(t *testing.T) {
	point := func(fields string) string {
		return "{\"event\":\"tracking_update\",\"msg\":{\"tracking_number\":\"A1\",\"slug\":\"ups\",\"checkpoints\":[\n{\"checkpoint_time\":\"2026-03-01\"},\n{\"tag\":\"Delivered\"," + fields + "}]}}"
	}
	tests := []struct {
		name, text string
		want       []string
	}{
		{"another event", "{\n\"event\":\"tracking_pending_time\",\"msg\":{}}", []string{"2: /event want tracking_update or edd_revise"}},
		{"an event of no kind", `{"msg":{"tracking_number":"1"}}`, []string{"1: /event want tracking_update or edd_revise"}},
		{"an event without message", `{"event":"tracking_update"}`, []string{"1: /msg is required"}},
		{"a time that is no whole number", `{"event":"tracking_update","ts":1.5,"msg":{}}`, []string{"1: /ts is not of the type it should be"}},
		{"an empty object", `{}`, []string{"1: /tracking_number is required", "1: /slug is required: the profile aftership has no carrier of its own"}},
		{"an answer without tracking", `{"meta":{"code":404},"data":{}}`, []string{"1: /data/tracking_number is required", "1: /data/slug is required: the profile aftership has no carrier of its own"}},
		{"an old answer of nothing", `{"data":{"tracking":{}}}`, []string{"1: /data/tracking/tracking_number is required", "1: /data/tracking/slug is required: the profile aftership has no carrier of its own"}},
		{"an answer that is a list", `{"data":[]}`, []string{"1: /data is not of the type it should be"}},
		{"no courier", `{"event":"tracking_update","msg":{"tracking_number":"A1","checkpoints":[{"checkpoint_time":"2026-03-01"},{}]}}`, []string{"1: /msg/slug is required: the profile aftership has no carrier of its own"}},
		{"EasyPost's webhook", "\n" + `{"object":"Event","description":"tracker.updated","result":{"tracking_code":"1"}}`, []string{"2: is no webhook or tracking of AfterShip: it looks like EasyPost's, of format easypost"}},
		{"EasyPost's Tracker", tracker("A1"), []string{"1: is no webhook or tracking of AfterShip: it looks like EasyPost's, of format easypost"}},
		{"no time", point(`"checkpoint_time":""`), []string{"3: /msg/checkpoints/1/checkpoint_time is required"}},
		{"no time that there is", point(`"checkpoint_time":"2026-03-01T25:00:00"`), []string{"3: /msg/checkpoints/1/checkpoint_time \"2026-03-01T25:00:00\" is no time such as 2026-03-01T10:00:00Z"}},
		{"known at no time", point(`"checkpoint_time":"2026-03-01","created_at":"now"`), []string{"3: /msg/checkpoints/1/created_at \"now\" is no time such as 2026-03-01T10:00:00Z"}},
		{"off the globe", point(`"checkpoint_time":"2026-03-01","coordinate":{"latitude":91,"longitude":0}`), []string{"3: /msg/checkpoints/1 schema_violation: /data/location: want lat within ±90 and lon within ±180 degrees"}},
		{"a coordinate in words", point(`"checkpoint_time":"2026-03-01","coordinate":{"latitude":"north"}`), []string{"3: /msg/checkpoints/1/coordinate/latitude is not of the type it should be"}},
		{"an estimate in words", "{\"tracking_number\":\"A1\",\"slug\":\"ups\",\"updated_at\":\"2026-03-01T10:00:00Z\",\n\"latest_estimated_delivery\":{\"datetime\":\"soon\"}}", []string{"2: /latest_estimated_delivery/datetime \"soon\" is no time such as 2026-03-01T10:00:00Z"}},
		{"a state of nobody knows when", `{"tracking_number":"A1","slug":"ups","tag":"Pending"}`, []string{"1: /updated_at is required"}},
	}
	p := jsonProfile(t, "aftership")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(jsonOutcome(p, tt.text), tt.want); diff != "" {
				t.Errorf("got -, want +:\n%s", diff)
			}
		})
	}
}
