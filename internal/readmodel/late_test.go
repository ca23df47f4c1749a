package readmodel_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/fanout"
	"github.com/waybill-io/waybill/internal/tracking"
)

// randomShipment may have arrived in every way and order there is.
func randomShipment(rng *rand.Rand) (s tracking.Shipment, promised time.Time) {
	moment := func() time.Time {
		if rng.IntN(3) == 0 {
			return time.Time{}
		}
		return someTimesThen.Add(time.Duration(rng.IntN(6)) * time.Hour)
	}
	statuses := tracking.Statuses()
	s.Status = statuses[rng.IntN(len(statuses))]
	if rng.IntN(2) == 0 {
		s.Status = []tracking.Status{tracking.Delivered, tracking.AvailableForPickup, tracking.InTransit}[rng.IntN(3)]
	}
	s.StatusSince = someTimesThen.Add(time.Duration(rng.IntN(6)) * time.Hour)
	for range rng.IntN(3) {
		s.Parcels = append(s.Parcels, tracking.Parcel{AvailableAt: moment(), DeliveredAt: moment()})
	}
	if eta := moment(); !eta.IsZero() {
		s.Estimates = []tracking.Estimate{{Type: events.TypeETAChanged, End: eta}}
	}
	return s, moment()
}

// storeArrival writes what lateness is made of.
func (r *rig) storeArrival(t *testing.T, id string, s *tracking.Shipment, promised time.Time) {
	t.Helper()
	const shipment = `INSERT INTO rm_1.shipments (tenant_id, shipment_id, known, status, status_since, revision, promise_end, eta_end, parcel_count,
			open_exceptions, exception_count, disputed, gap, damaged, customs_held, state)
		VALUES ('a', $1, true, $2, $3, 1, $4, $5, $6, 0, 0, false, false, false, false, '{}')`
	const parcel = `INSERT INTO rm_1.parcels (tenant_id, shipment_id, parcel_id, status, available_at, delivered_at, attempts, disputed, gap)
		VALUES ('a', $1, $2, '', $3, $4, 0, false, false)`
	known := func(at time.Time) *time.Time {
		if at.IsZero() {
			return nil
		}
		return &at
	}
	var eta *time.Time
	if e := s.ETA(); e != nil {
		eta = &e.End
	}
	if _, err := r.conn.Exec(t.Context(), shipment, id, string(s.Status), s.StatusSince, known(promised), eta, len(s.Parcels)); err != nil {
		t.Fatalf("insert a shipment: %v", err)
	}
	for i, p := range s.Parcels {
		if _, err := r.conn.Exec(t.Context(), parcel, id, fmt.Sprint(i), known(p.AvailableAt), known(p.DeliveredAt)); err != nil {
			t.Fatalf("insert a parcel: %v", err)
		}
	}
}

// The statement that reads rows and the code that folds them say the same of
// lateness; counts of late shipments are made by that statement too.
func TestRowsAreLateAsTheFoldSays(t *testing.T) {
	r := newRig(t)
	rng := rand.New(rand.NewPCG(6, 4))
	want, late := map[string]bool{}, map[tracking.Status]int{}
	for i := range 600 {
		s, promised := randomShipment(rng)
		id := fmt.Sprintf("S-%03d", i)
		r.storeArrival(t, id, &s, promised)
		if want[id] = s.Late(promised); want[id] {
			late[s.Status]++
		}
	}
	if late[tracking.Delivered] == 0 || late[tracking.AvailableForPickup] == 0 || late[tracking.InTransit] == 0 {
		t.Fatalf("late by status: %v: the test does not reach what it is for", late)
	}
	for _, row := range snapshotOf(t.Context(), t, r.reader(t), fanout.Query{Tenant: "a", Topic: fanout.Shipments}) {
		s, ok := row.(*fanout.ShipmentRow)
		if !ok || s.Late != want[row.Key()] {
			t.Errorf("row %+v, want late %v", row, want[row.Key()])
		}
	}
}

// A scan came late if the log had a newer one before it, whether both were read
// together or not, and whatever they are called.
func TestAScanThatCameAfterANewerOneArrivedLate(t *testing.T) {
	for _, batches := range [][]int{{3, 1, 1}, {3, 2}, {5}, {4, 1}} {
		r, l := newRig(t), &teller{tenant: "a"}
		all := []events.Event{l.created("s1", "o1", 1), l.assigned("s1", "N1", 1.5, nil), l.scanned("N1", 2), l.scanned("N1", 5), l.scanned("N1", 4)}
		for i, id := range []events.EventID{"scan-1", "scan-3", "scan-2"} {
			all[2+i].ID = id
		}
		for _, n := range batches {
			r.apply(t, all[:n])
			all = all[n:]
		}
		got := one[*string](t, r, `SELECT string_agg(event_id, ' ' ORDER BY event_id) FROM waybill.events WHERE arrived_late`)
		if got == nil || *got != "scan-2" {
			t.Errorf("in batches of %v: %v arrived late, want scan-2", batches, got)
		}
	}
}
