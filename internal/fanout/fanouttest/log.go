package fanouttest

import (
	"context"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/fanout"
)

// Fact is what a test has to say on a timeline.
type Fact struct {
	Source events.Source
	ID     events.EventID
	Type   events.Type
	Mark   string // an anomaly; a fact that is told again with another one is the same entry
	Alert  bool   // somebody should look at it
}

// Key is the key of the fact's entry on the timeline of a stream.
func (f Fact) Key(of events.Stream) string {
	return EntryKey(string(of.Kind), of.ID, string(f.Source), string(f.ID))
}

// told is a fact of a stream.
type told struct {
	of events.Stream
	Fact
}

// wireEntry is an entry as the read API has it.
type wireEntry struct {
	Stream     events.StreamKind `json:"stream"`
	StreamID   string            `json:"stream_id"`
	Source     events.Source     `json:"source"`
	ID         events.EventID    `json:"id"`
	Type       events.Type       `json:"type"`
	Class      events.Class      `json:"class"`
	OccurredAt time.Time         `json:"occurred_at"`
	TZSource   events.TZSource   `json:"tz_source"`
	Precision  events.Precision  `json:"time_precision"`
	RecordedAt time.Time         `json:"recorded_at"`
	IngestedAt time.Time         `json:"ingested_at"`
	Late       bool              `json:"arrived_late"`
	Data       struct{}          `json:"data"`
	Marks      wireMarks         `json:"marks"`
	Shipment   string            `json:"shipment,omitzero"`
	Order      string            `json:"order,omitzero"`
}

type wireMarks struct {
	Anomalies []string `json:"anomalies,omitempty"`
	Unmatched bool     `json:"unmatched"`
}

// row is the entry in a topic.
func (f told) row(shown fanout.Topic) *fanout.EntryRow {
	at := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	e := wireEntry{
		Stream: f.of.Kind, StreamID: f.of.ID, Source: f.Source, ID: f.ID, Type: f.Type, Class: events.Actual,
		OccurredAt: at, TZSource: events.TZOffset, Precision: events.ToSecond, RecordedAt: at, IngestedAt: at,
	}
	if f.Mark != "" {
		e.Marks.Anomalies = []string{f.Mark}
	}
	r := &fanout.EntryRow{Shown: shown, Stream: f.of, Source: f.Source, ID: f.ID, Type: f.Type}
	if shown == fanout.Alerts {
		if f.of.Kind == events.OrderStream {
			e.Order, r.Order = f.of.ID, events.OrderID(f.of.ID)
		} else {
			e.Shipment, r.Shipment = f.of.ID, events.ShipmentID(f.of.ID)
		}
	}
	text, err := json.Marshal(e)
	if err != nil { // only invalid UTF-8
		panic(err)
	}
	r.JSON = text
	return r
}

// Tell commits facts of a shipment or an order: their entries are on its
// timeline from then on, or show another mark there.
func (m *Model) Tell(tenant events.TenantID, of events.Stream, facts ...Fact) {
	m.commit(tenant, func(b *book) {
		e := entityOf(of)
		b.change(e, b.rows[e])
		for _, f := range facts {
			b.tell(told{of, f})
		}
	})
}

// Untell commits that a timeline does not have entries any more.
func (m *Model) Untell(tenant events.TenantID, of events.Stream, facts ...Fact) {
	m.commit(tenant, func(b *book) {
		e := entityOf(of)
		b.change(e, b.rows[e])
		b.facts = slices.DeleteFunc(b.facts, func(old told) bool {
			return old.of == of && slices.ContainsFunc(facts, func(f Fact) bool { return f.Key(of) == old.Key(of) })
		})
	})
}

func (b *book) tell(f told) {
	same := func(old told) bool { return old.of == f.of && old.Key(old.of) == f.Key(f.of) }
	if i := slices.IndexFunc(b.facts, same); i >= 0 {
		b.facts[i] = f
	} else {
		b.facts = append(b.facts, f)
	}
	if f.Alert {
		row := f.row(fanout.Alerts)
		b.alerts[b.epoch] = append(slices.DeleteFunc(b.alerts[b.epoch], func(e fanout.LogEntry) bool {
			return e.Seq == b.seq && e.Row.Key() == row.Key()
		}), fanout.LogEntry{Seq: b.seq, Row: row})
	}
}

func entityOf(s events.Stream) entity {
	if s.Kind == events.OrderStream {
		return entity{fanout.Orders, s.ID}
	}
	return entity{fanout.Shipments, s.ID}
}

// Entries returns the timeline of a stream, in its order.
func (m *Model) Entries(tenant events.TenantID, of events.Stream) []fanout.Row {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.book(tenant).timeline(of)
}

// Counts returns the counts of a tenant.
func (m *Model) Counts(tenant events.TenantID) []fanout.Row {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.book(tenant).counts()
}

// AlertsAfter returns all alerts that there ever were after a position.
func (m *Model) AlertsAfter(tenant events.TenantID, after fanout.Position) []fanout.LogEntry {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.book(tenant).alertsAfter(after)
}

// Alerts implements [fanout.AlertLog].
func (m *Model) Alerts(ctx context.Context, tenant events.TenantID, after fanout.Position) (fanout.Log, error) {
	m.mu.Lock()
	m.logs++
	away := m.away
	b := m.book(tenant)
	log := fanout.Log{To: fanout.Position{Epoch: b.epoch, Seq: b.seq}, Low: b.low}
	if after.Epoch == b.epoch && after.Seq >= b.low {
		log.Entries = b.alertsAfter(after)
	}
	m.mu.Unlock()
	if away {
		return fanout.Log{}, ErrAway
	}
	return log, pause(ctx, m.Latency)
}

func (b *book) alertsAfter(after fanout.Position) []fanout.LogEntry {
	all := b.alerts[after.Epoch]
	i := slices.IndexFunc(all, func(e fanout.LogEntry) bool { return e.Seq > after.Seq })
	if i < 0 {
		return nil
	}
	return slices.Clone(all[i:])
}

// timeline is a stream's own entries; that of an order has those of its
// shipments too.
func (b *book) timeline(of events.Stream) []fanout.Row {
	var out []fanout.Row
	for _, f := range b.facts {
		if f.of == of || of.Kind == events.OrderStream && b.carries(f.of, of.ID) {
			out = append(out, f.row(fanout.Timeline))
		}
	}
	return out
}

// carries reports whether a shipment is of an order now.
func (b *book) carries(shipment events.Stream, order string) bool {
	s, ok := b.rows[entityOf(shipment)].(*fanout.ShipmentRow)
	return ok && slices.Contains(s.Orders, events.OrderID(order))
}

// counts are of the rows as they are.
func (b *book) counts() []fanout.Row {
	n := make(map[string]int64)
	for e, r := range b.rows {
		n[fanout.KPIOf(e.topic, r.StatusName())]++
		switch r := r.(type) {
		case *fanout.ShipmentRow:
			count(n, fanout.KPIExceptions, r.OpenExceptions > 0)
			count(n, fanout.KPIDisputed, r.Disputed)
			count(n, fanout.KPILate, r.Late)
		case *fanout.OrderRow:
			count(n, fanout.KPIHeld, len(r.Holds) > 0)
		}
	}
	return fanout.KPIRows(n)
}

func count(n map[string]int64, what string, is bool) {
	if is {
		n[what]++
	}
}
