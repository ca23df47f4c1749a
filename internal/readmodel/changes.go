package readmodel

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/jackc/pgx/v5"

	"github.com/waybill-io/waybill/events"
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
// lock on the tenant's row, held to the commit, makes positions dense and in
// order of commits.
func (u *unit) writeChanges(ctx context.Context) error {
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
	next, err := u.reserve(ctx, sorted)
	if err != nil {
		return fmt.Errorf("reserve positions: %w", err)
	}
	seqs := make([]int64, len(sorted))
	entries := make([]string, len(sorted))
	for i, c := range sorted {
		seqs[i] = next[c.tenant]
		next[c.tenant]++
		if entries[i], err = refsJSON(u.changes[c]); err != nil {
			return err
		}
	}
	return u.insertChanges(ctx, sorted, seqs, entries)
}

// reserve moves each tenant's position on, sorted by tenant, and returns the
// first new one.
func (u *unit) reserve(ctx context.Context, sorted []change) (map[events.TenantID]int64, error) {
	const query = `-- name: reserve_changes
		INSERT INTO tenant_stream AS t (tenant_id, seq) VALUES ($1, $2)
		ON CONFLICT (tenant_id) DO UPDATE SET seq = t.seq + excluded.seq
		RETURNING seq`
	counts := map[events.TenantID]int64{}
	for _, c := range sorted {
		counts[c.tenant]++
	}
	next := make(map[events.TenantID]int64, len(counts))
	for _, tenant := range slices.Sorted(maps.Keys(counts)) {
		var seq int64
		if err := u.tx.QueryRow(ctx, query, string(tenant), counts[tenant]).Scan(&seq); err != nil {
			return nil, err
		}
		next[tenant] = seq - counts[tenant] + 1
	}
	return next, nil
}

func (u *unit) insertChanges(ctx context.Context, sorted []change, seqs []int64, entries []string) error {
	const query = `-- name: insert_changes
		INSERT INTO changes (tenant_id, seq, kind, entity_id, entries)
		SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::json[])`
	_, err := u.tx.Exec(ctx, query,
		column(sorted, func(c change) string { return string(c.tenant) }), seqs,
		column(sorted, func(c change) string { return c.kind }),
		column(sorted, func(c change) string { return c.id }), entries)
	return err
}

// refsJSON lists identities as [[stream, stream_id, source, event_id], ...],
// sorted.
func refsJSON(refs []tracking.Ref) (string, error) {
	list := column(refs, func(r tracking.Ref) [4]string {
		return [4]string{string(r.Stream.Kind), r.Stream.ID, string(r.Source), string(r.ID)}
	})
	slices.SortFunc(list, func(a, b [4]string) int { return slices.Compare(a[:], b[:]) })
	doc, err := json.Marshal(slices.Compact(list))
	return string(doc), err
}

// Prune takes away what no client can resume from any more: changes older than
// 15 minutes, but never the newest 5,000 of a tenant.
func (s *Store) Prune(ctx context.Context) (int64, error) {
	const query = `-- name: prune_changes
		WITH old AS (
			SELECT t.tenant_id, max(c.seq) AS seq
			  FROM tenant_stream t JOIN changes c USING (tenant_id)
			 WHERE c.seq <= t.seq - 5000 AND c.changed_at < now() - interval '15 minutes'
			 GROUP BY t.tenant_id
		), moved AS (
			UPDATE tenant_stream t SET low = old.seq FROM old WHERE t.tenant_id = old.tenant_id AND t.low < old.seq
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
