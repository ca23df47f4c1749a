package readmodel

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/projector"
	"github.com/waybill-io/waybill/internal/tracking"
)

// writeTimeline stores the events that the timeline does not have yet and
// leaves them in u.entries. Of several copies the first in the log stays; one
// with another content is a dead letter.
func (u *unit) writeTimeline(ctx context.Context) error {
	sorted := u.distinct()
	if len(sorted) == 0 {
		return nil
	}
	sorted, err := u.insertAll(ctx, sorted)
	if err != nil {
		return err
	}
	for _, e := range sorted {
		u.refuse(e.copies, e.Hash)
	}
	u.applied.New = len(sorted)
	slices.SortFunc(sorted, func(a, b *entry) int { return a.read - b.read })
	u.entries = sorted
	return nil
}

// distinct returns the batch's events sorted by identity, each with the copies
// that the batch has of it: whether these say the same as the stored one is
// known when that is.
func (u *unit) distinct() []*entry {
	entries := make([]entry, len(u.batch.Events))
	sorted := make([]*entry, len(entries))
	for i := range u.batch.Events {
		e := &u.batch.Events[i]
		fact := tracking.NewFact(e.Event, e.Hash)
		entries[i] = entry{Event: e, read: i, tenant: e.Tenant, fact: fact, ref: fact.Ref()}
		sorted[i] = &entries[i]
	}
	slices.SortFunc(sorted, func(a, b *entry) int { return cmp.Or(a.compare(b), a.read-b.read) })
	kept := sorted[:0]
	for _, e := range sorted {
		if n := len(kept); n > 0 && kept[n-1].compare(e) == 0 {
			kept[n-1].copies = append(kept[n-1].copies, e)
			continue
		}
		kept = append(kept, e)
	}
	return kept
}

// refuse counts copies of a stored event, or keeps them as dead letters where
// they say something else.
func (u *unit) refuse(copies []*entry, stored [32]byte) {
	for _, e := range copies {
		if e.Hash == stored {
			u.applied.Duplicates++
			u.tally(e, projector.OutcomeDuplicate)
			continue
		}
		u.applied.Conflicts++
		u.tally(e, projector.OutcomeConflict)
		u.poison = append(u.poison, projector.Poison{
			Record: *e.Record, Code: "id_conflict",
			Message: fmt.Sprintf("event %s of %s is in the timeline with another content", e.ID, e.Source),
		})
	}
}

// insertAll stores the events that the timeline does not have, and returns them.
func (u *unit) insertAll(ctx context.Context, sorted []*entry) ([]*entry, error) {
	fresh, doubtful := []*entry(nil), sorted
	if u.recent != nil {
		fresh, doubtful = u.recent.sort(sorted)
	}
	if err := insertNew(ctx, u.tx, fresh); err != nil {
		return nil, err
	}
	if len(doubtful) == 0 {
		return fresh, nil
	}
	stored, err := insertEvents(ctx, u.tx, doubtful)
	if err != nil {
		return nil, err
	}
	if len(stored) < len(doubtful) {
		if doubtful, err = u.dropKnown(ctx, doubtful, stored); err != nil {
			return nil, err
		}
	}
	return append(fresh, doubtful...), nil
}

// logPlace is where an event lies in the log.
type logPlace struct {
	topic     string
	partition int32
	offset    int64
}

func (e *entry) place() logPlace {
	return logPlace{e.Record.Partition.Topic, e.Record.Partition.ID, e.Record.Offset}
}

const insertEntries = `
	INSERT INTO events (tenant_id, stream, stream_id, source, event_id, type, class, occurred_at, tz_source,
	       time_precision, recorded_at, ingested_at, data, content_hash, topic, partition, "offset")
	SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
	       $8::timestamptz[], $9::text[], $10::text[], $11::timestamptz[], $12::timestamptz[], $13::json[],
	       $14::bytea[], $15::text[], $16::int[], $17::bigint[])`

// errKnown says that the timeline has an event which was taken to be new.
var errKnown = errors.New("an event that seemed to be new is in the timeline")

// insertNew stores entries that the timeline does not have. When it has one of
// them all the same, the transaction is over.
func insertNew(ctx context.Context, tx pgx.Tx, entries []*entry) error {
	if len(entries) == 0 {
		return nil
	}
	_, err := tx.Exec(ctx, `-- name: insert_new_events`+insertEntries, entryColumns(entries)...)
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == "23505" && pg.ConstraintName == eventsIdentity {
		return errKnown
	}
	return err
}

// insertEvents stores the entries that the timeline does not have, and returns
// their places.
func insertEvents(ctx context.Context, tx pgx.Tx, entries []*entry) (map[logPlace]bool, error) {
	const query = `-- name: insert_events` + insertEntries + `
		ON CONFLICT DO NOTHING
		RETURNING topic, partition, "offset"`
	rows, err := tx.Query(ctx, query, entryColumns(entries)...)
	if err != nil {
		return nil, err
	}
	stored := make(map[logPlace]bool, len(entries))
	var p logPlace
	_, err = pgx.ForEachRow(rows, []any{&p.topic, &p.partition, &p.offset}, func() error { stored[p] = true; return nil })
	return stored, err
}

func entryColumns(entries []*entry) []any {
	return []any{
		column(entries, func(e *entry) string { return string(e.tenant) }),
		column(entries, func(e *entry) string { return string(e.ref.Stream.Kind) }),
		column(entries, func(e *entry) string { return e.ref.Stream.ID }),
		column(entries, func(e *entry) string { return string(e.Source) }),
		column(entries, func(e *entry) string { return string(e.ID) }),
		column(entries, func(e *entry) string { return string(e.Type()) }),
		column(entries, func(e *entry) string { return string(e.Class()) }),
		column(entries, func(e *entry) time.Time { return e.OccurredAt() }),
		column(entries, func(e *entry) string { return string(e.TZSource()) }),
		column(entries, func(e *entry) string { return string(e.Precision()) }),
		column(entries, func(e *entry) time.Time { return e.RecordedAt }),
		column(entries, func(e *entry) time.Time { return e.IngestedAt }),
		column(entries, func(e *entry) []byte { return e.Body }),
		column(entries, func(e *entry) []byte { return e.Hash[:] }),
		column(entries, func(e *entry) string { return e.Record.Partition.Topic }),
		column(entries, func(e *entry) int32 { return e.Record.Partition.ID }),
		column(entries, func(e *entry) int64 { return e.Record.Offset }),
	}
}

// dropKnown leaves out the entries that were in the timeline before.
func (u *unit) dropKnown(ctx context.Context, entries []*entry, stored map[logPlace]bool) ([]*entry, error) {
	const query = `-- name: known_events
		SELECT x.i, e.content_hash
		  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
		       WITH ORDINALITY x(tenant_id, stream, stream_id, source, event_id, i)
		  JOIN events e USING (tenant_id, stream, stream_id, source, event_id)`
	var kept, known []*entry
	for _, e := range entries {
		if stored[e.place()] {
			kept = append(kept, e)
		} else {
			known = append(known, e)
		}
	}
	rows, err := u.tx.Query(ctx, query,
		column(known, func(e *entry) string { return string(e.tenant) }),
		column(known, func(e *entry) string { return string(e.ref.Stream.Kind) }),
		column(known, func(e *entry) string { return e.ref.Stream.ID }),
		column(known, func(e *entry) string { return string(e.Source) }),
		column(known, func(e *entry) string { return string(e.ID) }))
	if err != nil {
		return nil, err
	}
	var i int64
	var hash []byte
	_, err = pgx.ForEachRow(rows, []any{&i, &hash}, func() error {
		e := known[i-1]
		u.refuse(append([]*entry{e}, e.copies...), [32]byte(hash))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for %d known events: %w", len(known), err)
	}
	return kept, nil
}

// history reads all stored facts of some streams of one kind.
func history(ctx context.Context, tx pgx.Tx, kind events.StreamKind, streams []entity) (map[entity][]*tracking.Fact, error) {
	const query = `-- name: history
		SELECT e.tenant_id, e.stream_id, e.source, e.event_id, e.type, e.occurred_at, e.recorded_at, e.ingested_at,
		       e.data, e.content_hash
		  FROM unnest($2::text[], $3::text[]) x(tenant_id, stream_id)
		  JOIN events e ON e.tenant_id = x.tenant_id AND e.stream = $1 AND e.stream_id = x.stream_id`
	rows, err := tx.Query(ctx, query, string(kind), tenants(streams), ids(streams))
	if err != nil {
		return nil, err
	}
	facts := make(map[entity][]*tracking.Fact, len(streams))
	var s events.Stored
	var tenant, source, id, typ string
	var body, hash []byte
	_, err = pgx.ForEachRow(rows, []any{&tenant, &s.Subject, &source, &id, &typ, &s.OccurredAt, &s.RecordedAt, &s.IngestedAt, &body, &hash}, func() error {
		s.Tenant, s.Source, s.ID, s.Type = events.TenantID(tenant), events.Source(source), events.EventID(id), events.Type(typ)
		s.Body = slices.Clone(body)
		e, err := s.Restore()
		if err != nil {
			return fmt.Errorf("restore event %s of %s: %w", id, s.Subject, err)
		}
		key := entity{s.Tenant, s.Subject}
		facts[key] = append(facts[key], tracking.NewFact(e, [32]byte(hash)))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the history of %d streams: %w", len(streams), err)
	}
	return facts, nil
}

func tenants(keys []entity) []string {
	return column(keys, func(k entity) string { return string(k.tenant) })
}

func ids(keys []entity) []string { return column(keys, func(k entity) string { return k.id }) }

// markLate notes which entries found newer facts in their stream. It is
// bookkeeping of arrival and touches only the few that did.
func (u *unit) markLate() {
	var late []*entry
	for _, e := range u.entries {
		if e.late {
			late = append(late, e)
		}
	}
	if u.applied.Late = len(late); len(late) == 0 {
		return
	}
	const query = `-- name: mark_late
		UPDATE events e SET arrived_late = true
		  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[]) x(tenant_id, stream, stream_id, source, event_id)
		 WHERE e.tenant_id = x.tenant_id AND e.stream = x.stream AND e.stream_id = x.stream_id
		   AND e.source = x.source AND e.event_id = x.event_id`
	u.lane.later("mark late entries", query,
		column(late, func(e *entry) string { return string(e.tenant) }),
		column(late, func(e *entry) string { return string(e.ref.Stream.Kind) }),
		column(late, func(e *entry) string { return e.ref.Stream.ID }),
		column(late, func(e *entry) string { return string(e.Source) }),
		column(late, func(e *entry) string { return string(e.ID) }))
}
