package readmodel_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/query"
	"github.com/waybill-io/waybill/internal/readmodel"
	"github.com/waybill-io/waybill/internal/tracking"
	"github.com/waybill-io/waybill/internal/tracking/trackingtest"
)

// As of the end of time, rows and timelines are those of now.
func TestAsOfTheEndOfTimeIsWhatIsStored(t *testing.T) {
	r := newRig(t)
	reader := r.reader(t)
	evs := ofTenant("a", trackingtest.History(3, 25))
	for batch := range slices.Chunk(evs, 60) {
		r.apply(t, batch)
	}
	facts, err := trackingtest.Facts(evs)
	if err != nil {
		t.Fatal(err)
	}
	for _, basis := range bases {
		at := tracking.AsOf{At: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), Basis: basis}
		for stream := range facts {
			var now, then any
			var errNow, errThen error
			switch stream.Kind {
			case events.ShipmentStream:
				now, errNow = reader.Shipment(t.Context(), "a", events.ShipmentID(stream.ID))
				then, errThen = reader.ShipmentAsOf(t.Context(), "a", events.ShipmentID(stream.ID), at)
			case events.OrderStream:
				now, errNow = reader.Order(t.Context(), "a", events.OrderID(stream.ID))
				then, errThen = reader.OrderAsOf(t.Context(), "a", events.OrderID(stream.ID), at)
			case events.TrackingStream:
				continue
			}
			if err := errors.Join(errNow, errThen); err != nil {
				t.Fatalf("%s: %v", stream.ID, err)
			}
			if diff := cmp.Diff(now, then, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s by %s (-now +as of the end of time):\n%s", stream.ID, basis, diff)
			}
			was := entriesAsOf(t, reader, "a", stream, 7, at)
			if diff := cmp.Diff(entries(t, reader, "a", stream, 1000), was, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("timeline of %s by %s (-now +as of the end of time):\n%s", stream.ID, basis, diff)
			}
		}
	}
}

// entriesAsOf reads a timeline of then page by page.
func entriesAsOf(t testing.TB, reader *readmodel.Reader, tenant events.TenantID, of events.Stream, limit int, at tracking.AsOf) []query.Entry {
	t.Helper()
	var all []query.Entry
	for after := ""; ; {
		page, err := reader.TimelineAsOf(t.Context(), tenant, of, after, limit, at)
		if err != nil {
			t.Fatalf("TimelineAsOf: %v", err)
		}
		all = append(all, page.Entries...)
		if after = page.Next; after == "" {
			return all
		}
	}
}

// What was taken back or replaced since is in no row of today, and yet was known
// then: who had a number, and who carried a line.
func TestWhatIsTakenBackSinceWasKnownThen(t *testing.T) {
	r, l := newRig(t), &teller{tenant: "a"}
	reader := r.reader(t)
	from := hour(2)
	wrong := l.assigned("s2", "N1", 1.5, &from)
	void := l.created("s3", "o1", 1)
	second := l.created("s4", "o1", 1)
	first := recorded(l.created("s4", "o2", 0.5), hour(9))
	back := func(e events.Event) events.Event {
		return l.tell(e.Subject, &events.Retracted{Fact: at(9), Stream: events.ShipmentStream, RetractedSource: e.Source, RetractedID: e.ID, Reason: "did_not_occur"})
	}
	for _, e := range []events.Event{
		l.placed("o1", 0), l.created("s1", "o1", 0), l.assigned("s1", "N1", 1, nil), wrong, void, second, l.scanned("N1", 3),
		l.departed("s3", 4), l.departed("s4", 4), back(wrong), back(void), first,
	} {
		r.apply(t, []events.Event{e})
	}
	for _, tt := range []struct {
		at      float64
		basis   tracking.Basis
		s1, s2  string
		shipped int64
	}{
		{8, tracking.ByKnowledge, "created", "in_transit", 4}, // s2 had the number; s3 and s4 carried
		{9, tracking.ByKnowledge, "in_transit", "unknown", 2}, // only s1 carries
		{8, tracking.ByOccurrence, "in_transit", "unknown", 2},
		{2.5, tracking.ByOccurrence, "created", "unknown", 0},
	} {
		then := tracking.AsOf{At: hour(tt.at), Basis: tt.basis}
		s1, err1 := reader.ShipmentAsOf(t.Context(), "a", "s1", then)
		s2, err2 := reader.ShipmentAsOf(t.Context(), "a", "s2", then)
		o1, err3 := reader.OrderAsOf(t.Context(), "a", "o1", then)
		if err := errors.Join(err1, err2, err3); err != nil {
			t.Fatalf("as of hour %v, %s: %v", tt.at, tt.basis, err)
		}
		if s1.Status != tt.s1 || s2.Status != tt.s2 || o1.Shipped != tt.shipped {
			t.Errorf("as of hour %v, %s: s1 %s, s2 %s, %d shipped; want %s, %s, %d", tt.at, tt.basis, s1.Status, s2.Status, o1.Shipped, tt.s1, tt.s2, tt.shipped)
		}
	}
}

// A view of the past that takes more events than a request may read is refused
// whole, and others of the tenant are not.
func TestAHistoryThatIsTooLongIsNotReadInPart(t *testing.T) {
	r, l := newRig(t), &teller{tenant: "a"}
	reader := r.reader(t)
	one := l.departed("s1", 2)
	r.apply(t, []events.Event{l.created("s1", "o1", 0), l.assigned("s1", "N1", 1, nil), one, l.created("s2", "o2", 0), l.placed("o1", 0)})
	more := func(n int) {
		t.Helper()
		if _, err := r.conn.Exec(t.Context(), `INSERT INTO waybill.events
			SELECT tenant_id, stream, stream_id, source, event_id || '-' || n || '-' || $2, type, class, occurred_at, tz_source, time_precision, recorded_at,
			       ingested_at, data, sha256(n::text::bytea), topic, partition, "offset"
			  FROM waybill.events, generate_series(1, $1) n WHERE stream_id = 's1' AND event_id = $3`, n, fmt.Sprint(n), string(one.ID)); err != nil {
			t.Fatal(err)
		}
	}
	at := tracking.AsOf{At: hour(3), Basis: tracking.ByOccurrence}
	more(20_000 - 3)
	if s, err := reader.ShipmentAsOf(t.Context(), "a", "s1", at); err != nil || s.Revision != 20_000 {
		t.Errorf("a shipment of 20,000 events = %d, %v", s.Revision, err)
	}
	if _, err := reader.OrderAsOf(t.Context(), "a", "o1", at); !errors.Is(err, query.ErrTooLong) {
		t.Errorf("an order of 20,001 events = %v, want %v", err, query.ErrTooLong)
	}
	more(1)
	if _, err := reader.ShipmentAsOf(t.Context(), "a", "s1", at); !errors.Is(err, query.ErrTooLong) {
		t.Errorf("a shipment of 20,001 events = %v, want %v", err, query.ErrTooLong)
	}
	if _, err := reader.TimelineAsOf(t.Context(), "a", events.Stream{Kind: events.ShipmentStream, ID: "s1"}, "", 10, at); !errors.Is(err, query.ErrTooLong) {
		t.Errorf("its timeline = %v, want %v", err, query.ErrTooLong)
	}
	if _, err := reader.OrderAsOf(t.Context(), "a", "o2", at); err != nil {
		t.Errorf("another order = %v", err)
	}
}

// A view of the past shows the tenant that asks its own, whatever others share
// with it: ids, numbers, orders.
func TestAViewOfThePastIsOfOneTenant(t *testing.T) {
	r := newRig(t)
	reader := r.reader(t)
	a, b := &teller{tenant: "a"}, &teller{tenant: "b"}
	r.apply(t, []events.Event{a.created("s1", "o1", 0), a.assigned("s1", "N1", 1, nil), a.scanned("N1", 3)})
	from := hour(2)
	wrong, first := b.assigned("s2", "N1", 1, &from), b.created("s3", "o1", 0)
	r.apply(t, []events.Event{b.created("s2", "o1", 0), wrong, first, b.scanned("N1", 4), b.placed("o2", 0)})
	for _, e := range []events.Event{wrong, first} {
		r.apply(t, []events.Event{b.tell(e.Subject, &events.Retracted{Fact: at(9), Stream: events.ShipmentStream, RetractedSource: e.Source,
			RetractedID: e.ID, Reason: "did_not_occur"})})
	}
	then := tracking.AsOf{At: hour(5), Basis: tracking.ByKnowledge}
	if s, err := reader.ShipmentAsOf(t.Context(), "a", "s1", then); err != nil || s.Status != "in_transit" || !s.LastScanAt.Equal(hour(3)) {
		t.Errorf("a's shipment = %+v, %v; want it as the scan of hour 3 left it", s, err)
	}
	if o, err := reader.OrderAsOf(t.Context(), "a", "o1", then); err != nil || o.Shipped != 2 {
		t.Errorf("a's order = %+v, %v; want what its own shipment has shipped", o, err)
	}
	if s, err := reader.ShipmentAsOf(t.Context(), "b", "s2", then); err != nil || s.Status != "in_transit" {
		t.Errorf("b's shipment = %+v, %v; want it in transit, as was known then", s, err)
	}
	for _, id := range []events.ShipmentID{"s2", "s3"} {
		if s, err := reader.ShipmentAsOf(t.Context(), "a", id, then); !errors.Is(err, query.ErrNotFound) {
			t.Errorf("b's %s as a = %+v, %v; want %v", id, s, err, query.ErrNotFound)
		}
	}
	if o, err := reader.OrderAsOf(t.Context(), "a", "o2", then); !errors.Is(err, query.ErrNotFound) {
		t.Errorf("b's order as a = %+v, %v; want %v", o, err, query.ErrNotFound)
	}
}

// Every version of the read model, the one that was there and later ones, finds
// creates that no longer count without reading all marks.
func TestEveryVersionHasTheIndexOfSecondCreates(t *testing.T) {
	r := newRig(t)
	if _, err := r.conn.Exec(t.Context(), `SELECT waybill.create_read_model(2)`); err != nil {
		t.Fatalf("create_read_model: %v", err)
	}
	const found = `SELECT string_agg(schemaname, ' ' ORDER BY schemaname) FROM pg_indexes WHERE indexname = 'event_marks_second_create'`
	if got, want := one[string](t, r, found), "rm_1 rm_2"; got != want {
		t.Errorf("the index is in %s, want %s", got, want)
	}
}
