package carriers

import (
	"bytes"
	"fmt"
	"time"

	"github.com/waybill-io/waybill/events"
)

// Correct makes the message take back what another profile said of it, and p no
// longer says: an event.retracted for each such event, before the events of p.
// What only p says happened is known since now, too, so that what was known
// before stays what it was. Both profiles are of one format.
func (p *Profile) Correct(m Message, before *Profile, tenant events.TenantID, now time.Time) (Message, error) {
	if len(m.Problems) > 0 {
		return m, nil
	}
	says := make(map[events.EventID]bool, len(m.Events))
	for _, e := range m.Events {
		says[e.ID] = true
	}
	said := map[events.EventID]bool{}
	var back []events.Event
	for old, err := range before.Messages(bytes.NewReader(m.Raw), tenant, now) {
		if err != nil {
			return m, fmt.Errorf("read the message as %s did: %w", before.Name, err)
		}
		for i := range old.Events {
			e := &old.Events[i]
			if e.Source != p.source || !says[e.ID] {
				back = append(back, retraction(e, now))
			} else {
				said[e.ID] = true
			}
		}
	}
	for i := range m.Events {
		if e := &m.Events[i]; !said[e.ID] && e.Class() == events.Actual {
			e.RecordedAt = later(e.RecordedAt, now)
		}
	}
	m.Events = append(back, m.Events...)
	return m, nil
}

// retraction takes an event back, by the same id however often it is made, and
// known since now.
func retraction(e *events.Event, now time.Time) events.Event {
	d := &events.Retracted{
		Fact:   events.Fact{OccurredAt: e.OccurredAt(), TZSource: e.TZSource(), Precision: e.Precision()},
		Stream: e.Stream().Kind, RetractedSource: e.Source, RetractedID: e.ID, Reason: "incorrect_data",
	}
	r := events.New(e.Tenant, e.Source, "back-"+e.ID, e.Subject, d)
	r.RecordedAt, r.IngestedAt = later(e.OccurredAt(), now), now
	return r
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
