package carriers_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/carriers"
)

// scanOf is a tracker whose only scan has these codes and words.
func scanOf(status, detail, text string) string {
	words, _ := json.Marshal(text)
	return fmt.Sprintf(`{"tracking_code":"A1","carrier":"UPS","tracking_details":[{"status":%q,"status_detail":%q,"message":%s,
		"datetime":"2026-03-01T10:00:00-05:00","tracking_location":{"city":"X"}}]}`, status, detail, words)
}

// jsonMeans is what a document with one scan means: types, reasons, hands.
func jsonMeans(t testing.TB, p *carriers.Profile, doc string) string {
	t.Helper()
	var all []string
	for _, said := range jsonSaidAll(t, jsonEvents(t, p, doc)) {
		words := strings.Fields(said)
		all = append(all, strings.Join(append(words[:1:1], words[3:]...), " ")) // without time and place
	}
	return strings.Join(all, ", ")
}

func TestEasyPostsCodes(t *testing.T) {
	tests := []struct{ status, detail, text, want string }{
		{"unknown", "unknown", "", "scan_unmapped"},
		{"unknown", "status_update", "", "scan_unmapped"},
		{"something_new", "", "", "scan_unmapped"},
		{"pre_transit", "label_created", "", "info_received"},
		{"pre_transit", "status_update", "", "info_received"},
		{"pre_transit", "awaiting_information", "", "info_received"},
		{"pre_transit", "cancelled", "", "cancelled cancelled"},
		{"cancelled", "cancelled", "", "cancelled cancelled"},
		{"canceled", "status_update", "", "cancelled cancelled"},

		{"in_transit", "received_at_origin_facility", "", "picked_up"},
		{"in_transit", "status_update", "USPS in possession of item", "picked_up"},
		{"in_transit", "status_update", "Acceptance", "picked_up"},
		{"in_transit", "in_transit", "Picked up", "picked_up"},
		{"in_transit", "departed_facility", "", "departed"},
		{"in_transit", "departed_origin_facility", "", "departed"},
		{"in_transit", "transferred_to_destination_carrier", "", "departed"},
		{"in_transit", "in_transit", "", "departed"},
		{"in_transit", "status_update", "Left FedEx origin facility", "departed"},
		{"in_transit", "arrived_at_facility", "", "arrived"},
		{"in_transit", "received_at_destination_facility", "", "arrived"},
		{"in_transit", "arrived_at_destination", "", "arrived"},
		{"in_transit", "status_update", "Processed Through Facility", "arrived"},
		{"in_transit", "status_update", "In Transit to Next Facility, Arriving On Time", "departed"},
		{"in_transit", "status_update", "In Transit, Arriving Late", "exception_opened delayed carrier/low/false"},
		{"in_transit", "in_transit", "Your package is delayed", "exception_opened delayed carrier/low/false"},
		{"in_transit", "status_update", "We're running late", "exception_opened delayed carrier/low/false"},
		{"in_transit", "status_update", "Unable to deliver item, problem with address", "exception_opened incorrect_address shipper/medium/true"},
		{"in_transit", "status_update", "Undeliverable as Addressed", "exception_opened incorrect_address shipper/medium/true"},
		{"in_transit", "unknown", "Incorrect address", "exception_opened incorrect_address shipper/medium/true"},
		{"in_transit", "status_update", "Redelivery Scheduled", "scan_unmapped"},
		{"in_transit", "status_update", "Reminder to schedule redelivery of your item", "scan_unmapped"},
		{"in_transit", "status_update", "Scheduled delivery updated", "scan_unmapped"},
		{"in_transit", "status_update", "Notice left", "scan_unmapped"},
		{"in_transit", "status_update", "Left with individual", "scan_unmapped"},
		{"in_transit", "in_transit", "Delivered to the local post office", "scan_unmapped"},
		{"in_transit", "status_update", "Package not picked up yet", "scan_unmapped"},
		{"in_transit", "status_update", "Shipment hasn't been picked up", "scan_unmapped"},
		{"in_transit", "status_update", "Pickup requested", "scan_unmapped"},
		{"in_transit", "status_update", "Awaiting pickup", "scan_unmapped"},
		{"in_transit", "status_update", "Cabinet accepted", "picked_up"},
		{"in_transit", "departed_facility", "Departed, running late", "departed"},
		{"in_transit", "arrived_at_pickup_location", "", "available_for_pickup"},
		{"in_transit", "out_for_delivery", "", "out_for_delivery"},
		{"in_transit", "label_created", "", "info_received"},

		{"in_transit", "status_update", "Inbound Into Customs", "customs_held customs"},
		{"in_transit", "status_update", "Inbound Out of Customs", "customs_released customs"},
		{"in_transit", "status_update", "Your package has been released by customs", "customs_released customs"},
		{"in_transit", "status_update", "International shipment release - Import", "customs_released customs"},
		{"in_transit", "status_update", "Clearance delay", "customs_held clearance_delay, exception_opened clearance_delay customs/medium/false"},
		{"in_transit", "arrived_at_facility", "Held in customs", "customs_held customs, exception_opened customs customs/medium/false"},

		{"out_for_delivery", "out_for_delivery", "", "out_for_delivery"},
		{"available_for_pickup", "arrived_at_pickup_location", "", "available_for_pickup"},
		{"delivered", "arrived_at_destination", "", "delivered"},
		{"delivered", "arrived_at_destination", "Delivered, Left with Individual", "delivered recipient"},
		{"delivered", "arrived_at_destination", "Delivered to Agent", "delivered recipient"},
		{"delivered", "arrived_at_destination", "Delivered, To Agent for Final Delivery", "delivered"},
		{"delivered", "arrived_at_destination", "Delivered to a neighbour", "delivered neighbour"},
		{"delivered", "arrived_at_destination", "Delivered, Parcel Locker", "delivered locker"},
		{"delivered", "arrived_at_destination", "Left at front door.", "delivered safe_place"},
		{"delivered", "arrived_at_destination", "Delivered, To Original Sender", "returned returned_to_shipper"},
		{"delivered", "return", "", "returned returned_to_shipper"},

		{"failure", "delivery_exception", "", "delivery_attempted unspecified"},
		{"failure", "delivery_exception", "Notice Left (No Authorized Recipient Available)", "delivery_attempted no_access"},
		{"failure", "delivery_exception", "Business Closed", "delivery_attempted consignee_closed"},
		{"failure", "status_update", "", "delivery_attempted unspecified"},
		{"failure", "failure", "", "delivery_attempted unspecified"},
		{"failure", "refused", "", "delivery_attempted refused, exception_opened refused consignee/high/true"},
		{"failure", "lost", "", "lost lost"},
		{"error", "lost", "", "lost lost"},
		{"in_transit", "damaged", "", "damaged damaged"},
		{"error", "unknown", "", "exception_opened unspecified carrier/high/false"},
		{"in_transit", "address_correction", "", "exception_opened incorrect_address shipper/medium/true"},
		{"in_transit", "awaiting_information", "", "exception_opened awaiting_instructions shipper/medium/true"},
		{"failure", "weather_delay", "", "exception_opened weather weather/medium/false"},
		{"in_transit", "delayed", "", "exception_opened delayed carrier/low/false"},
		{"in_transit", "missorted", "", "exception_opened missorted carrier/low/false"},
		{"in_transit", "held", "", "exception_opened held other/medium/false"},
		{"in_transit", "transit_exception", "", "exception_opened unspecified carrier/medium/false"},
		{"in_transit", "delivery_exception", "", "exception_opened unspecified carrier/medium/false"},
		{"unknown", "expired", "", "scan_unmapped"},

		{"return_to_sender", "return", "", "return_initiated returned_to_shipper"},
		{"return_to_sender", "refused", "", "return_initiated refused"},
		{"return_to_sender", "address_correction", "", "return_initiated incorrect_address"},
		{"return_to_sender", "arrived_at_destination", "", "returned returned_to_shipper"},
		{"return_to_sender", "status_update", "Delivered, To Original Sender", "returned returned_to_shipper"},
		{"in_transit", "return", "", "return_initiated returned_to_shipper"},
	}
	p := jsonProfile(t, "easypost")
	for _, tt := range tests {
		if got := jsonMeans(t, p, scanOf(tt.status, tt.detail, tt.text)); got != tt.want {
			t.Errorf("%s, %s, %q means %s, want %s", tt.status, tt.detail, tt.text, got, tt.want)
		}
	}
}

func TestNamesInTheWordsOfAScanAreCutOut(t *testing.T) {
	tests := []struct{ text, want string }{
		{"Delivered, Left with Individual", "Delivered, Left with Individual"},
		{"DELIVERED\nSIGNED BY: TESTER", "DELIVERED"},
		{"Delivered - Signed for by : J TESTER", "Delivered"},
		{"Delivered (Signed for by: J.TESTER)", "Delivered"},
		{"Delivered. Received by: Tester, Jane", "Delivered"},
		{"Delivered; Left with: TESTER at 5 High Street", "Delivered"},
		{"Proof: Recipient name: Tester", "Proof"},
		{"Delivery notified to jane.tester+x@mail.example.com", "Delivery notified to"},
		{"Call the driver 555-010-0199 for access", "for access"},
		{"Received by carrier at 10:15", "Received by carrier at 10:15"},
		{"Signature required, item 9400100000000000000001", "Signature required, item 9400100000000000000001"},
	}
	for _, name := range []string{"easypost", "aftership"} {
		p := jsonProfile(t, name)
		for _, tt := range tests {
			doc := scanOf("delivered", "", tt.text)
			if name == "aftership" {
				doc = checkpointOf("Delivered", "", tt.text)
			}
			got := jsonEvents(t, p, doc)[0].Data.(*events.Delivered).Raw.Text
			if got != tt.want {
				t.Errorf("%s: %q becomes %q, want %q", name, tt.text, got, tt.want)
			}
		}
	}
}

func TestNothingPersonalLeavesAPayload(t *testing.T) {
	for _, file := range []string{"easypost/ups", "easypost/fedex", "aftership/ups", "aftership/usps"} {
		format, _, _ := strings.Cut(file, "/")
		for _, e := range jsonEvents(t, jsonProfile(t, format), jsonFile(t, file+".json")) {
			doc := strings.ToLower(fmt.Sprintf("%s %s", e.Body, e.CorrelationID))
			for _, personal := range []string{"tester", "jane", "@", "555"} {
				if strings.Contains(doc, personal) {
					t.Errorf("%s: the event holds %q: %s", file, personal, doc)
				}
			}
		}
	}
}
