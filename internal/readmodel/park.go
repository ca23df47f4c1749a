package readmodel

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/waybill-io/waybill/internal/projector"
)

// park keeps the records of the batch that wait, and parks the keys of its dead
// letters that others wait for from now on. It holds the rows of the keys until
// the end, as whoever lets records go does, and comes before the timeline for
// that reason.
func (u *unit) park(ctx context.Context) error {
	var heads []projector.Poison
	for _, p := range u.poison {
		if p.Parks {
			heads = append(heads, p)
		}
	}
	if len(heads) == 0 && len(u.batch.Parked) == 0 {
		return nil
	}
	if err := u.lockParked(ctx, heads); err != nil {
		return err
	}
	if err := u.parkKeys(ctx, heads); err != nil {
		return err
	}
	return u.keepParked(ctx)
}

// lockParked locks the keys that were parked before this batch, sorted. It
// returns a [projector.UnparkedError] with those that are not parked any more.
func (u *unit) lockParked(ctx context.Context, heads []projector.Poison) error {
	own := map[projector.ParkedKey]bool{}
	for i := range heads {
		own[keyOf(&heads[i])] = true
	}
	missing := map[projector.ParkedKey]bool{}
	var keys []projector.ParkedKey
	for i := range u.batch.Parked {
		if k := keyOf(&u.batch.Parked[i]); !own[k] && !missing[k] {
			missing[k] = true
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	const query = `-- name: lock_parked_keys
		SELECT k.topic, k.partition, k.key FROM parked_keys k
		 WHERE k.projection = $1 AND (k.topic, k.partition, k.key) IN (SELECT * FROM unnest($2::text[], $3::int[], $4::bytea[]))
		 ORDER BY k.topic, k.partition, k.key
		   FOR UPDATE`
	rows, err := u.tx.Query(ctx, query, u.projection,
		column(keys, func(k projector.ParkedKey) string { return k.Topic }),
		column(keys, func(k projector.ParkedKey) int32 { return k.ID }),
		column(keys, func(k projector.ParkedKey) []byte { return []byte(k.Key) }))
	if err != nil {
		return err
	}
	var k projector.ParkedKey
	var key []byte
	_, err = pgx.ForEachRow(rows, []any{&k.Topic, &k.ID, &key}, func() error {
		k.Key = string(key)
		delete(missing, k)
		return nil
	})
	if err != nil {
		return fmt.Errorf("lock %d parked keys: %w", len(keys), err)
	}
	if len(missing) > 0 {
		return &projector.UnparkedError{Keys: slices.DeleteFunc(keys, func(k projector.ParkedKey) bool { return !missing[k] })}
	}
	return nil
}

func keyOf(p *projector.Poison) projector.ParkedKey {
	return projector.ParkedKey{Partition: p.Partition, Key: string(p.Key)}
}

// parkKeys parks the keys of dead letters. Only the owner of a partition parks
// its keys: one that is parked already is known to somebody else.
func (u *unit) parkKeys(ctx context.Context, heads []projector.Poison) error {
	if len(heads) == 0 {
		return nil
	}
	const query = `-- name: park_keys
		INSERT INTO parked_keys (projection, topic, partition, key, head)
		SELECT $1, x.* FROM unnest($2::text[], $3::int[], $4::bytea[], $5::bigint[]) x
		ON CONFLICT DO NOTHING`
	tag, err := u.tx.Exec(ctx, query, u.projection,
		column(heads, func(p projector.Poison) string { return p.Partition.Topic }),
		column(heads, func(p projector.Poison) int32 { return p.Partition.ID }),
		column(heads, func(p projector.Poison) []byte { return p.Key }),
		column(heads, func(p projector.Poison) int64 { return p.Offset }))
	if err != nil {
		return fmt.Errorf("park %d keys: %w", len(heads), err)
	}
	if tag.RowsAffected() != int64(len(heads)) {
		return projector.ErrFenced
	}
	return nil
}

// keepParked keeps the records that wait, whole. One that is there already was
// read again, after an operator moved the position back.
func (u *unit) keepParked(ctx context.Context) error {
	all := u.batch.Parked
	if len(all) == 0 {
		return nil
	}
	headers := make([]string, len(all))
	for i := range all {
		doc, err := headersJSON(all[i].Headers)
		if err != nil {
			return err
		}
		headers[i] = doc
	}
	const query = `-- name: insert_parked_records
		INSERT INTO parked_records (projection, topic, partition, "offset", key, value, headers, record_ms, class, message)
		SELECT $1, x.* FROM unnest($2::text[], $3::int[], $4::bigint[], $5::bytea[], $6::bytea[], $7::json[], $8::bigint[],
		       $9::text[], $10::text[]) x
		ON CONFLICT DO NOTHING`
	_, err := u.tx.Exec(ctx, query, u.projection,
		column(all, func(p projector.Poison) string { return p.Partition.Topic }),
		column(all, func(p projector.Poison) int32 { return p.Partition.ID }),
		column(all, func(p projector.Poison) int64 { return p.Offset }),
		column(all, func(p projector.Poison) []byte { return p.Key }),
		column(all, func(p projector.Poison) []byte { return p.Value }),
		headers,
		column(all, func(p projector.Poison) *int64 { return millisOf(p.Time) }),
		column(all, func(p projector.Poison) string { return p.Code }),
		column(all, func(p projector.Poison) string { return storableMessage(p.Message) }))
	if err != nil {
		return fmt.Errorf("keep %d parked records: %w", len(all), err)
	}
	return nil
}

// parkConflicts gives a batch back whose conflicts park their keys: what is behind
// them must not be applied with it.
func (u *unit) parkConflicts() error {
	var conflicts []projector.Poison
	for _, p := range u.poison[len(u.batch.Poison):] {
		if u.batch.Park.Covers(&p.Record) {
			conflicts = append(conflicts, p)
		}
	}
	if len(conflicts) > 0 {
		return &projector.ConflictError{Poison: conflicts}
	}
	return nil
}

// readParked reads the parked keys of partitions that were just claimed. Later
// ones come only from the claimer; that one of them is let go is found out when
// records of it come.
func readParked(ctx context.Context, tx pgx.Tx, projection string, claims map[projector.Partition]projector.Claim) error {
	const query = `-- name: parked_keys
		SELECT k.topic, k.partition, k.key, k.head FROM parked_keys k
		 WHERE k.projection = $1 AND (k.topic, k.partition) IN (SELECT * FROM unnest($2::text[], $3::int[]))`
	parts := make([]projector.Partition, 0, len(claims))
	for part := range claims {
		parts = append(parts, part)
	}
	rows, err := tx.Query(ctx, query, projection,
		column(parts, func(p projector.Partition) string { return p.Topic }),
		column(parts, func(p projector.Partition) int32 { return p.ID }))
	if err != nil {
		return fmt.Errorf("read parked keys: %w", err)
	}
	var part projector.Partition
	var key []byte
	var head int64
	_, err = pgx.ForEachRow(rows, []any{&part.Topic, &part.ID, &key, &head}, func() error {
		c := claims[part]
		if c.Parked == nil {
			c.Parked = map[string]int64{}
			claims[part] = c
		}
		c.Parked[string(key)] = head
		return nil
	})
	if err != nil {
		return fmt.Errorf("read parked keys: %w", err)
	}
	return nil
}

// Parked counts the keys that are parked, and the records that wait.
func (s *Store) Parked(ctx context.Context) (keys, records int64, err error) {
	const query = `-- name: count_parked
		SELECT (SELECT count(*) FROM parked_keys WHERE projection = $1), (SELECT count(*) FROM parked_records WHERE projection = $1)`
	if err := s.pool.QueryRow(ctx, query, s.projection()).Scan(&keys, &records); err != nil {
		return 0, 0, classify(fmt.Errorf("count parked records: %w", err))
	}
	return keys, records, nil
}
