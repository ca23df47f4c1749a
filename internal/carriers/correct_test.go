package carriers_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/carriers"
)

// profileOfQ9 is a profile by which the code Q9 is a type of event.
func profileOfQ9(t *testing.T, edition int, typ string) *carriers.Profile {
	t.Helper()
	return jsonProfile(t, profileFile(t, fmt.Sprintf("profile: mine\nedition: %d\nformat: x12-214\nextends: x12-214\ncodes: [{status: Q9, type: shipment.%s.v1}]\n", edition, typ)))
}

func q9() string {
	return x12File("B10*1*2*FRGT~\nAT7*Q9*NS***20260301*0915*ET~\nAT7*X4*NS***20260301*1015*ET~\nAT7*AG*NS***20260303*1015*ET~")
}

// corrected is what is published when a profile takes another one's place.
func corrected(t *testing.T, p, before *carriers.Profile, now time.Time) (all []events.Event) {
	t.Helper()
	for m, err := range p.Messages(strings.NewReader(q9()), "acme", now) {
		if err == nil {
			m, err = p.Correct(m, before, "acme", now)
		}
		if err != nil || len(m.Problems) > 0 {
			t.Fatalf("problems %+v, error %v", m.Problems, err)
		}
		all = append(all, m.Events...)
	}
	return all
}

// What was known before a correction is what was said then.
func TestACorrectionIsKnownSinceItIsMade(t *testing.T) {
	wrong, right := profileOfQ9(t, 1, "delivered"), profileOfQ9(t, 1, "out_for_delivery")
	first, now := x12Events(t, wrong, q9()), x12Now()
	known := map[events.Type]time.Time{}
	for _, e := range corrected(t, right, wrong, now) {
		known[e.Type()] = e.RecordedAt
		if d, ok := e.Data.(*events.Retracted); ok && (d.RetractedID != first[0].ID || e.ID != "back-"+first[0].ID || !d.OccurredAt.Equal(first[0].OccurredAt())) {
			t.Errorf("%s takes %s back, want %s", e.ID, d.RetractedID, first[0].ID)
		}
	}
	sent := time.Date(2026, 3, 1, 18, 0, 0, 0, time.UTC)
	want := map[events.Type]time.Time{"event.retracted.v1": now, events.TypeOutForDelivery: now, events.TypeArrived: sent, events.TypeETAChanged: sent}
	if diff := cmp.Diff(want, known); diff != "" {
		t.Errorf("known since (-want +got):\n%s", diff)
	}
	again, more := corrected(t, right, wrong, now), corrected(t, right, wrong, now.Add(time.Hour))
	for i := range again {
		a, _ := again[i].ContentHash()
		if b, _ := more[i].ContentHash(); again[i].ID != more[i].ID || a != b {
			t.Errorf("made anew, %s is %s, or says something else", again[i].ID, more[i].ID)
		}
	}
}

// A retracted id never counts again: what was taken back is said again by the
// next edition.
func TestAnEditionSaysAgainWhatWasTakenBack(t *testing.T) {
	ids := map[events.EventID]bool{}
	wrong := profileOfQ9(t, 1, "out_for_delivery")
	for _, e := range append(x12Events(t, profileOfQ9(t, 1, "delivered"), q9()), corrected(t, wrong, profileOfQ9(t, 1, "delivered"), x12Now())...) {
		ids[e.ID] = true
	}
	back := 0
	for _, e := range corrected(t, profileOfQ9(t, 2, "delivered"), wrong, x12Now()) {
		if ids[e.ID] {
			t.Errorf("%s %s has an id that was there before", e.Type(), e.ID)
		}
		if _, ok := e.Data.(*events.Retracted); ok {
			back++
		}
	}
	if back != 3 {
		t.Errorf("%d events are taken back, want all three of the edition before", back)
	}
}

func TestAnEditionIsNotInherited(t *testing.T) {
	base := profileFile(t, "profile: base\nedition: 2\nformat: x12-214\nextends: x12-214\n")
	heir := profileFile(t, "profile: base\nformat: x12-214\nextends: "+base+"\n")
	plain := profileFile(t, "profile: base\nedition: 1\nformat: x12-214\nextends: x12-214\n")
	var ids [3]events.EventID
	for i, file := range []string{base, heir, plain} {
		ids[i] = x12Events(t, jsonProfile(t, file), q9())[0].ID
	}
	if ids[0] == ids[1] || ids[1] != ids[2] {
		t.Errorf("ids of edition 2, its heir, and edition 1: %s; want the last two alike", ids)
	}
}

// A clock that is behind does not make a fact known before it happened.
func TestNothingIsKnownBeforeItHappened(t *testing.T) {
	late := strings.Replace(q9(), "20260301*1800*7", "20260301*1330*7", 1) // 09:15 in New York is 14:15
	for _, e := range x12Events(t, x12Profile(t, "x12-214"), late) {
		expected := e.Type() == events.TypeETAChanged
		if sent := time.Date(2026, 3, 1, 13, 30, 0, 0, time.UTC); e.RecordedAt.Equal(sent) != expected {
			t.Errorf("%s of %v is recorded at %v, the message is of %v", e.Type(), e.Time, e.RecordedAt, sent)
		}
		if !expected && !e.RecordedAt.Equal(e.Time) {
			t.Errorf("%s of %v is recorded at %v", e.Type(), e.Time, e.RecordedAt)
		}
	}
}
