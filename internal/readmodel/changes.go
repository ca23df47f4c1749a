package readmodel

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/jackc/pgx/v5"

	"github.com/waybill-io/waybill/internal/tracking"
)

// changeWork is what clients are told: per entity the timeline entries that
// were added or re-marked.
type changeWork map[change][]tracking.Ref

type change struct {
	entity
	kind string // order or shipment
}

func (c changeWork) add(kind string, key entity, refs []tracking.Ref) {
	k := change{key, kind}
	c[k] = append(c[k], refs...)
}

// writeChanges appends one row per changed entity to its tenant's feed. The
// lock on the tenant's row, taken by the last statement and held to the commit,
// makes positions dense and in order of commits.
func (u *unit) writeChanges(context.Context) error {
	for key, w := range u.shipments {
		if len(w.own) > 0 || len(w.scans) > 0 || w.folded || len(w.touched) > 0 {
			u.changes.add("shipment", key, w.touched)
		}
	}
	for key, w := range u.orders {
		if len(w.touched) > 0 {
			u.changes.add("order", key, w.touched)
		}
	}
	sorted := slices.SortedFunc(maps.Keys(u.changes), func(a, b change) int {
		return cmp.Or(cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.kind, b.kind), cmp.Compare(a.id, b.id))
	})
	if u.applied.Changes = len(sorted); len(sorted) == 0 {
		return nil
	}
	entries := make([]string, len(sorted))
	for i, c := range sorted {
		doc, err := refsJSON(u.changes[c])
		if err != nil {
			return err
		}
		entries[i] = doc
	}
	u.appendChanges(sorted, entries)
	return nil
}

// appendChanges moves each tenant's position on, sorted by tenant, and gives the
// new ones to the changes in their order.
func (u *unit) appendChanges(sorted []change, entries []string) {
	const query = `-- name: insert_changes
		WITH stream AS (
			INSERT INTO tenant_stream AS t (tenant_id, seq) SELECT * FROM unnest($1::text[], $2::bigint[])
			ON CONFLICT (tenant_id) DO UPDATE SET seq = t.seq + excluded.seq
			RETURNING tenant_id, seq
		)
		INSERT INTO changes (tenant_id, seq, kind, entity_id, entries)
		SELECT x.tenant_id, stream.seq - x.after, x.kind, x.entity_id, x.entries
		  FROM unnest($3::text[], $4::bigint[], $5::text[], $6::text[], $7::json[]) x(tenant_id, after, kind, entity_id, entries)
		  JOIN stream USING (tenant_id)`
	var tenants []string
	var counts []int64
	after := make([]int64, len(sorted)) // how many of the tenant's come after it
	for i := len(sorted) - 1; i >= 0; i-- {
		if i+1 < len(sorted) && sorted[i+1].tenant == sorted[i].tenant {
			after[i] = after[i+1] + 1
			counts[len(counts)-1]++
			continue
		}
		tenants, counts = append(tenants, string(sorted[i].tenant)), append(counts, 1)
	}
	slices.Reverse(tenants)
	slices.Reverse(counts)
	u.lane.laterAll(len(sorted), "write the change feed", query, tenants, counts,
		column(sorted, func(c change) string { return string(c.tenant) }), after,
		column(sorted, func(c change) string { return c.kind }),
		column(sorted, func(c change) string { return c.id }), entries)
}

// refsJSON lists identities as [[stream, stream_id, source, event_id], ...],
// sorted.
func refsJSON(refs []tracking.Ref) (string, error) {
	slices.SortFunc(refs, compareRefs)
	doc := make([]byte, 0, 2+128*len(refs))
	doc = append(doc, '[')
	for i, r := range refs {
		if i > 0 && r == refs[i-1] {
			continue
		}
		for j, text := range [4]string{string(r.Stream.Kind), r.Stream.ID, string(r.Source), string(r.ID)} {
			var err error
			if doc, err = jsontext.AppendQuote(append(doc, separators[j]...), text); err != nil {
				return "", fmt.Errorf("write the identity of an entry: %w", err)
			}
		}
		doc = append(doc, "],"...)
	}
	return string(append(bytes.TrimSuffix(doc, []byte(",")), ']')), nil
}

var separators = [4]string{"[", ",", ",", ","} // before the texts of an identity

func compareRefs(a, b tracking.Ref) int {
	return cmp.Or(cmp.Compare(a.Stream.Kind, b.Stream.Kind), cmp.Compare(a.Stream.ID, b.Stream.ID),
		cmp.Compare(a.Source, b.Source), cmp.Compare(a.ID, b.ID))
}

// Prune takes away what no client can resume from any more: changes older than
// 15 minutes, but never the newest 5,000 of a tenant. It locks tenants in the
// order in which batches do.
func (s *Store) Prune(ctx context.Context) (int64, error) {
	const query = `-- name: prune_changes
		WITH old AS (
			SELECT t.tenant_id, max(c.seq) AS seq
			  FROM tenant_stream t JOIN changes c USING (tenant_id)
			 WHERE c.seq <= t.seq - 5000 AND c.changed_at < now() - interval '15 minutes'
			 GROUP BY t.tenant_id
		), held AS (
			SELECT t.tenant_id, old.seq FROM tenant_stream t JOIN old USING (tenant_id)
			 WHERE t.low < old.seq ORDER BY t.tenant_id COLLATE "C" FOR NO KEY UPDATE OF t
		), moved AS (
			UPDATE tenant_stream t SET low = held.seq FROM held WHERE t.tenant_id = held.tenant_id
			RETURNING t.tenant_id, t.low
		)
		DELETE FROM changes c USING moved WHERE c.tenant_id = moved.tenant_id AND c.seq <= moved.low`
	var pruned int64
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, query)
		pruned = tag.RowsAffected()
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("prune the change feed: %w", classify(err))
	}
	return pruned, nil
}
