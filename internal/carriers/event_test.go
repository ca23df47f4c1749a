package carriers_test

import (
	"strings"
	"testing"

	"github.com/waybill-io/waybill/events"
)

const checkpoint = `{"event":"tracking_update","msg":{"slug":"ups","tracking_number":"1Z9","checkpoints":[
	{"tag":"Exception","subtag":"Exception_007","checkpoint_time":"2026-03-01T10:00:00+01:00","city":"Ulm","country_iso3":"DEU","message":"Address incorrect"}]}}`

// A service finds out more of a scan: that is another event, and no other case.
func TestScanOfWhichMoreIsKnownOpensNoSecondCase(t *testing.T) {
	p := jsonProfile(t, "aftership")
	first := jsonEvents(t, p, checkpoint)
	again := jsonEvents(t, p, checkpoint)
	more := jsonEvents(t, p, strings.Replace(checkpoint, `"city":"Ulm",`, `"city":"Ulm","coordinate":{"latitude":48.4,"longitude":10.0},`, 1))
	if len(first) != 1 || len(more) != 1 || first[0].ID != again[0].ID {
		t.Fatalf("one scan became %d events, and %d later, with ids %s and %s", len(first), len(more), first[0].ID, again[0].ID)
	}
	if first[0].ID == more[0].ID {
		t.Error("the scan with its coordinates has the id of the one without: their contents conflict")
	}
	if a, b := caseID(t, &first[0]), caseID(t, &more[0]); a != b {
		t.Errorf("the scan opens case %s, and %s when more is known", a, b)
	}
}

func caseID(t *testing.T, e *events.Event) events.ExceptionID {
	t.Helper()
	d, ok := e.Data.(*events.ExceptionOpened)
	if !ok {
		t.Fatalf("the event is %s, want an exception", e.Type())
	}
	return d.ExceptionID
}

func TestScanThatAMessageTellsTwiceIsOneEvent(t *testing.T) {
	twice := strings.Replace(checkpoint, `"checkpoints":[`, `"checkpoints":[{"tag":"Exception","subtag":"Exception_007","checkpoint_time":"2026-03-01T10:00:00+01:00","city":"Ulm","country_iso3":"DEU","message":"Address incorrect"},`, 1)
	if got := jsonEvents(t, jsonProfile(t, "aftership"), twice); len(got) != 1 {
		t.Errorf("a scan that stands twice became %d events, want 1", len(got))
	}
}

func TestEstimatesNameWhoMadeThem(t *testing.T) {
	const doc = `{"slug":"ups","tracking_number":"1Z9","updated_at":"2026-03-01T10:00:00Z",
		"courier_estimated_delivery_date":{"estimated_delivery_date":"2026-03-04"},
		"aftership_estimated_delivery_date":{"estimated_delivery_date":"2026-03-05"}}`
	got := map[string]string{}
	for _, e := range jsonEvents(t, jsonProfile(t, "aftership"), doc) {
		if d, ok := e.Data.(*events.ETAChanged); ok {
			got[d.Provider] = d.Window.End.Format("2006-01-02")
		}
	}
	if got["carrier"] != "2026-03-04" || got["model"] != "2026-03-05" {
		t.Errorf("estimates by provider = %v, want the courier's for the 4th, the model's for the 5th", got)
	}
}
