package readmodel_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/tracking"
	"github.com/waybill-io/waybill/internal/tracking/trackingtest"
)

// Arbitrary events, and histories, of which some turn out to be wrong later, look
// from any moment and by either basis as a fold of the events that the view is of.
//
// Broken on purpose, and seen to fail here: rivals and carriers that no longer
// are left out (each of the three reasons alone), rivals read without what takes
// their assignments back, retractions not kept by occurrence, assignments that
// lost a tie not marked, the end of the promise's day taken as written.
func TestRowsAsOfThenAreTheFoldOfTheEventsOfThen(t *testing.T) {
	r := newRig(t)
	reader := r.reader(t)
	tenants, met := 0, map[string]int{}
	rapid.Check(t, func(rt *rapid.T) {
		tenants++
		tenant := events.TenantID(fmt.Sprintf("t%d", tenants))
		evs := rapid.OneOf(trackingtest.Arbitrary(30), trackingtest.Histories(2)).Draw(rt, "events")
		evs = append(evs, rivals(rt, evs)...)
		later := hindsight(rt, evs)
		evs = ofTenant(tenant, slices.Concat(evs, later))
		for left := evs; len(left) > 0; {
			n := min(len(left), rapid.IntRange(1, 40).Draw(rt, "batch"))
			r.apply(t, left[:n])
			left = left[n:]
		}
		facts, err := trackingtest.Facts(evs)
		if err != nil {
			rt.Fatalf("%v", err)
		}
		for range 3 {
			at := tracking.AsOf{At: drawMoment(rt, evs, later), Basis: rapid.SampledFrom(bases).Draw(rt, "basis")}
			p := view{reader: reader, tenant: tenant, at: at, facts: facts}
			p.agree(rt)
			p.meet(met)
		}
	})
	for _, what := range []string{"an assignment retracted since", "a create retracted since", "a create replaced since", "nothing of it then", "an order without events"} {
		if met[what] == 0 {
			t.Errorf("no case had %s", what)
		}
	}
}

var bases = []tracking.Basis{tracking.ByOccurrence, tracking.ByKnowledge}

// rivals are other shipments that get some of the numbers too, for a while.
func rivals(t *rapid.T, evs []events.Event) (more []events.Event) {
	for i, e := range evs {
		d, assigns := e.Data.(*events.TrackingAssigned)
		if !assigns || e.Stream().Kind != events.ShipmentStream || rapid.Bool().Draw(t, "no rival") {
			continue
		}
		id := rapid.SampledFrom([]events.ShipmentID{"r1", "r2"}).Draw(t, "rival")
		rival, from := *d, e.OccurredAt()
		rival.ShipmentID, rival.ValidFrom = id, &from
		more = append(more, recorded(events.New(e.Tenant, "urn:rival", events.EventID(fmt.Sprint("rival-", i)), string(id), &rival), e.RecordedAt))
	}
	return more
}

// hindsight is what becomes known hours later of some creates and assignments:
// that they are wrong, or that another create came first.
func hindsight(t *rapid.T, evs []events.Event) (more []events.Event) {
	for i, e := range evs {
		created, creates := e.Data.(*events.ShipmentCreated)
		_, assigns := e.Data.(*events.TrackingAssigned)
		if !creates && !assigns {
			continue
		}
		said := rapid.IntRange(1, 5).Draw(t, "in hindsight")
		id := events.EventID(fmt.Sprint("hindsight-", i))
		switch {
		case said <= 2:
			back := events.New(e.Tenant, "urn:back", id, e.Subject, &events.Retracted{
				Fact:   events.Fact{OccurredAt: e.OccurredAt().Add(time.Hour)},
				Stream: e.Stream().Kind, RetractedSource: e.Source, RetractedID: e.ID, Reason: "did_not_occur",
			})
			more = append(more, recorded(back, e.RecordedAt.Add(2*time.Hour)))
		case said == 3 && creates:
			first := *created
			first.OccurredAt = e.OccurredAt().Add(-time.Hour)
			first.Contents = []events.Content{{OrderID: "o9", LineID: "l1", Qty: 1}}
			more = append(more, recorded(events.New(e.Tenant, "urn:back", id, e.Subject, &first), e.RecordedAt.Add(2*time.Hour)))
		}
	}
	return more
}

func recorded(e events.Event, at time.Time) events.Event {
	e.IngestedAt, e.RecordedAt = e.Time, at
	return e
}

// drawMoment draws a moment at which something happened or became known, or one
// beside it; often one just before something turned out to be wrong.
func drawMoment(t *rapid.T, evs, later []events.Event) time.Time {
	if len(later) > 0 && rapid.Bool().Draw(t, "before hindsight") {
		return rapid.SampledFrom(later).Draw(t, "before").RecordedAt.Add(-time.Hour)
	}
	e := rapid.SampledFrom(evs).Draw(t, "moment of")
	at := rapid.SampledFrom([]time.Time{e.Time, e.RecordedAt}).Draw(t, "moment")
	return at.Add(rapid.SampledFrom([]time.Duration{0, -time.Microsecond, time.Hour, 24 * time.Hour}).Draw(t, "beside"))
}
