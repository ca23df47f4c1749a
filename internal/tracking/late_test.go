package tracking_test

import (
	"testing"
	"time"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/tracking"
)

func TestAShipmentIsLateByWhatIsRecorded(t *testing.T) {
	due := time.Date(2026, 3, 2, 18, 0, 0, 0, time.UTC)
	before, after := due.Add(-time.Microsecond), due.Add(time.Microsecond)
	estimated := func(at time.Time) []tracking.Estimate {
		return []tracking.Estimate{{Type: events.TypeETAChanged, End: at}}
	}
	tests := []struct {
		name string
		s    tracking.Shipment
		want bool
	}{
		{"nothing is expected", tracking.Shipment{Status: tracking.InTransit}, false},
		{"expected after", tracking.Shipment{Status: tracking.InTransit, Estimates: estimated(after)}, true},
		{"expected in the last moment", tracking.Shipment{Status: tracking.Unknown, Estimates: estimated(due)}, false},
		{"delivered after", tracking.Shipment{Status: tracking.Delivered, Parcels: []tracking.Parcel{{DeliveredAt: before}, {DeliveredAt: after}}}, true},
		{"delivered before it was expected", tracking.Shipment{Status: tracking.Delivered, Estimates: estimated(after),
			Parcels: []tracking.Parcel{{DeliveredAt: due}}}, false},
		{"picked up after, ready before", tracking.Shipment{Status: tracking.Delivered,
			Parcels: []tracking.Parcel{{AvailableAt: before, DeliveredAt: after}}}, false},
		{"delivered before it was ready again", tracking.Shipment{Status: tracking.AvailableForPickup,
			Parcels: []tracking.Parcel{{AvailableAt: after, DeliveredAt: before}}}, false},
		{"one of two twice", tracking.Shipment{Status: tracking.Delivered, StatusSince: before,
			Parcels: []tracking.Parcel{{DeliveredAt: before}, {DeliveredAt: after}}}, false},
		{"ready after", tracking.Shipment{Status: tracking.AvailableForPickup, Parcels: []tracking.Parcel{{AvailableAt: after}}}, true},
		{"one of two will never come", tracking.Shipment{Status: tracking.Delivered, Parcels: []tracking.Parcel{{}, {DeliveredAt: after}}}, true},
		{"on its way back", tracking.Shipment{Status: tracking.Returning, Estimates: estimated(after)}, false},
		{"lost", tracking.Shipment{Status: tracking.Lost, Estimates: estimated(after), Parcels: []tracking.Parcel{{DeliveredAt: after}}}, false},
	}
	for _, tt := range tests {
		if tt.s.StatusSince.IsZero() {
			tt.s.StatusSince = after
		}
		if got := tt.s.Late(due); got != tt.want {
			t.Errorf("%s: late %v, want %v", tt.name, got, tt.want)
		}
		if tt.s.Late(time.Time{}) {
			t.Errorf("%s: late although nothing was promised", tt.name)
		}
	}
}
