package readmodel

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/tracking"
)

// markWork collects what the batch has to say of timeline entries: marks that
// are there now, and entries and streams whose earlier marks no longer hold.
type markWork struct {
	marks   map[markKey]tracking.Mark
	decided map[markKey]bool // a mark that is not set again goes
	streams map[markStream]bool
	stored  map[markKey]tracking.Mark // of all these
}

type markKey struct {
	tenant events.TenantID
	tracking.Ref
}

func (k markKey) compare(o markKey) int {
	return cmp.Or(cmp.Compare(k.tenant, o.tenant), cmp.Compare(k.Stream.Kind, o.Stream.Kind), cmp.Compare(k.Stream.ID, o.Stream.ID),
		cmp.Compare(k.Source, o.Source), cmp.Compare(k.Ref.ID, o.Ref.ID))
}

type markStream struct {
	tenant events.TenantID
	events.Stream
}

func newMarkWork() markWork {
	return markWork{marks: map[markKey]tracking.Mark{}, decided: map[markKey]bool{}, streams: map[markStream]bool{}}
}

// set notes a mark; one that says nothing leaves the entry without.
func (m *markWork) set(tenant events.TenantID, ref tracking.Ref, mark tracking.Mark) {
	if !mark.IsZero() {
		m.marks[markKey{tenant, ref}] = mark
	}
}

// decide says that the batch knows all there is to say of an entry.
func (m *markWork) decide(tenant events.TenantID, ref tracking.Ref) {
	m.decided[markKey{tenant, ref}] = true
}

// decideStream says so of all entries of an order's or a shipment's own stream.
func (m *markWork) decideStream(key entity, kind events.StreamKind) {
	m.streams[markStream{key.tenant, events.Stream{Kind: kind, ID: key.id}}] = true
}

// readMarks reads the marks that are stored of what was folded.
func (u *unit) readMarks(ctx context.Context) (err error) {
	u.marks.stored, err = u.storedMarks(ctx)
	return err
}

// writeMarks writes marks that are new or say something else, takes away those
// that no longer hold, and shows clients the entries concerned. Beside the marks
// it notes which entries came late.
func (u *unit) writeMarks(context.Context) error {
	u.markLate()
	var gone, changed []markKey
	for key, was := range u.marks.stored {
		_, still := u.marks.marks[key]
		if !still && (u.marks.decided[key] || u.marks.streams[markStream{key.tenant, key.Stream}]) {
			gone = append(gone, key)
		} else if still && u.marks.marks[key].Equal(was) {
			delete(u.marks.marks, key)
		}
	}
	for key, mark := range u.marks.marks {
		u.note(mark, u.marks.stored[key])
		changed = append(changed, key)
	}
	slices.SortFunc(gone, markKey.compare)
	slices.SortFunc(changed, markKey.compare)
	u.showMarks(slices.Concat(gone, changed))
	u.deleteMarks(gone)
	u.upsertMarks(changed)
	return nil
}

// storedMarks reads the marks of every stream that was folded from all its
// facts. Streams that only had facts applied have no mark on these yet.
func (u *unit) storedMarks(ctx context.Context) (map[markKey]tracking.Mark, error) {
	streams := map[markStream]bool{}
	for s := range u.marks.streams {
		streams[s] = true
	}
	for k := range u.marks.decided {
		streams[markStream{k.tenant, k.Stream}] = true
	}
	if len(streams) == 0 {
		return nil, nil
	}
	keys := make([]markStream, 0, len(streams))
	for s := range streams {
		keys = append(keys, s)
	}
	const query = `-- name: stored_marks
		SELECT m.tenant_id, m.stream, m.stream_id, m.source, m.event_id, coalesce(m.duplicate_of_source, ''),
		       coalesce(m.duplicate_of_id, ''), coalesce(m.retracted_by_source, ''), coalesce(m.retracted_by_id, ''),
		       m.anomalies, m.unmatched
		  FROM unnest($1::text[], $2::text[], $3::text[]) x(tenant_id, stream, stream_id)
		  JOIN event_marks m USING (tenant_id, stream, stream_id)`
	rows, err := u.tx.Query(ctx, query,
		column(keys, func(s markStream) string { return string(s.tenant) }),
		column(keys, func(s markStream) string { return string(s.Kind) }),
		column(keys, func(s markStream) string { return s.ID }))
	if err != nil {
		return nil, err
	}
	marks := map[markKey]tracking.Mark{}
	var k markKey
	var stream, streamID string
	var m tracking.Mark
	_, err = pgx.ForEachRow(rows, []any{&k.tenant, &stream, &streamID, &k.Source, &k.Ref.ID, &m.DuplicateOf.Source, &m.DuplicateOf.ID,
		&m.RetractedBy.Source, &m.RetractedBy.ID, &m.Anomalies, &m.Unmatched}, func() error {
		k.Stream = events.Stream{Kind: events.StreamKind(stream), ID: streamID}
		one := m
		one.Anomalies = slices.Clone(m.Anomalies)
		marks[k] = one
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the marks of %d streams: %w", len(keys), err)
	}
	return marks, nil
}

// showMarks lists re-marked entries with the shipment or order that shows them.
func (u *unit) showMarks(keys []markKey) {
	for _, k := range keys {
		switch k.Stream.Kind {
		case events.ShipmentStream:
			if w, ok := u.shipments[entity{k.tenant, k.Stream.ID}]; ok {
				w.touch(k.Ref)
			}
		case events.OrderStream:
			if w, ok := u.orders[entity{k.tenant, k.Stream.ID}]; ok {
				w.touch(k.Ref)
			}
		case events.TrackingStream:
			u.showScan(k)
		}
	}
}

// showScan lists a re-marked scan with the shipments that have its number.
func (u *unit) showScan(k markKey) {
	carrier, num := k.Stream.Number()
	n, ok := u.numbers[number{k.tenant, carrier, num}]
	if !ok {
		return
	}
	for _, a := range n.assignments {
		if w, ok := u.shipments[entity{k.tenant, string(a.ShipmentID)}]; ok {
			w.touch(k.Ref)
		}
	}
}

func markColumns(keys []markKey) []any {
	return []any{
		column(keys, func(k markKey) string { return string(k.tenant) }),
		column(keys, func(k markKey) string { return string(k.Stream.Kind) }),
		column(keys, func(k markKey) string { return k.Stream.ID }),
		column(keys, func(k markKey) string { return string(k.Source) }),
		column(keys, func(k markKey) string { return string(k.Ref.ID) }),
	}
}

func (u *unit) deleteMarks(keys []markKey) {
	if len(keys) == 0 {
		return
	}
	const query = `-- name: delete_marks
		DELETE FROM event_marks m
		 USING unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[]) x(tenant_id, stream, stream_id, source, event_id)
		 WHERE (m.tenant_id, m.stream, m.stream_id, m.source, m.event_id)
		     = (x.tenant_id, x.stream, x.stream_id, x.source, x.event_id)`
	u.lane.later("take marks away", query, markColumns(keys)...)
}

func (u *unit) upsertMarks(keys []markKey) {
	if len(keys) == 0 {
		return
	}
	const query = `-- name: upsert_marks
		INSERT INTO event_marks (tenant_id, stream, stream_id, source, event_id, duplicate_of_source, duplicate_of_id,
		       retracted_by_source, retracted_by_id, anomalies, unmatched)
		SELECT x.tenant_id, x.stream, x.stream_id, x.source, x.event_id, x.dup_source, x.dup_id, x.ret_source, x.ret_id,
		       string_to_array(x.anomalies, E'\x1f'), x.unmatched
		  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
		       $9::text[], $10::text[], $11::bool[])
		       x(tenant_id, stream, stream_id, source, event_id, dup_source, dup_id, ret_source, ret_id, anomalies, unmatched)
		ON CONFLICT (tenant_id, stream, stream_id, source, event_id) DO UPDATE
		   SET duplicate_of_source = excluded.duplicate_of_source, duplicate_of_id = excluded.duplicate_of_id,
		       retracted_by_source = excluded.retracted_by_source, retracted_by_id = excluded.retracted_by_id,
		       anomalies = excluded.anomalies, unmatched = excluded.unmatched`
	marks := column(keys, func(k markKey) tracking.Mark { return u.marks.marks[k] })
	u.lane.later("write marks", query, append(markColumns(keys),
		column(marks, func(m tracking.Mark) optText { return optTextOf(m.DuplicateOf.Source) }),
		column(marks, func(m tracking.Mark) optText { return optTextOf(m.DuplicateOf.ID) }),
		column(marks, func(m tracking.Mark) optText { return optTextOf(m.RetractedBy.Source) }),
		column(marks, func(m tracking.Mark) optText { return optTextOf(m.RetractedBy.ID) }),
		column(marks, func(m tracking.Mark) string { return list(m.Anomalies) }),
		column(marks, func(m tracking.Mark) bool { return m.Unmatched }))...)
}
