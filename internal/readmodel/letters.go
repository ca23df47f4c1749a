package readmodel

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/waybill-io/waybill/internal/projector"
)

// Place is where a record lies in the log, which is what a dead letter is
// called by.
type Place struct {
	projector.Partition
	Offset int64
}

// String reads "topic/partition/offset".
func (p Place) String() string { return fmt.Sprintf("%s/%d", p.Partition, p.Offset) }

// Letter is a dead letter with what became of it.
type Letter struct {
	projector.DeadLetter
	Status    string // new, replayed or discarded
	Kept      time.Time
	Published time.Time // zero while no copy is on the topic for dead letters
	Tried     time.Time // zero when it was never replayed
	Settled   time.Time // zero while it is new
	By, Why   string    // who settled it, and for what reason
	Parks     bool      // the later records of its key wait for it
	Waiting   int       // how many
}

// Place is where the record lies.
func (l *Letter) Place() Place { return Place{l.Partition, l.Offset} }

// LetterFilter chooses dead letters. Its zero value chooses all.
type LetterFilter struct {
	Places    []Place // only these
	Topic     string
	Partition *int32
	From, To  *int64 // offsets, both included
	Class     []string
	Status    string
	Since     time.Time // kept since then
	Key       []byte    // the record's whole key
	KeyPrefix []byte    // what the key begins with
	Limit     int       // Defaults to 100.
}

// Letters lists dead letters by topic, partition and offset, and tells how many
// the filter chooses beyond its limit.
func (s *Store) Letters(ctx context.Context, f LetterFilter) (letters []Letter, more int, err error) {
	const query = `-- name: dead_letters
		SELECT topic, partition, "offset", key, value, headers, record_time, record_ms, class, sqlstate, message,
		       attempts, status, created_at, published_at, tried_at, settled_at, settled_by, settled_why,
		       (SELECT count(r."offset") FROM parked_keys k LEFT JOIN parked_records r USING (projection, topic, partition, key)
		         WHERE (k.projection, k.topic, k.partition, k.key, k.head) = (d.projection, d.topic, d.partition, d.key, d."offset")
		         GROUP BY k.key),
		       count(*) OVER ()
		  FROM dead_letters d
		 WHERE projection = $1
		   AND (cardinality($2::text[]) = 0 OR (topic, partition, "offset") IN (SELECT * FROM unnest($2::text[], $3::int[], $4::bigint[])))
		   AND ($5::text = '' OR topic = $5) AND ($6::int IS NULL OR partition = $6)
		   AND ($7::bigint IS NULL OR "offset" >= $7) AND ($8::bigint IS NULL OR "offset" <= $8)
		   AND (cardinality($9::text[]) = 0 OR class = ANY ($9)) AND ($10::text = '' OR status = $10)
		   AND ($11::timestamptz IS NULL OR created_at >= $11)
		   AND ($12::bytea IS NULL OR key = $12) AND ($13::bytea IS NULL OR substring(key FROM 1 FOR octet_length($13)) = $13)
		 ORDER BY topic, partition, "offset" LIMIT $14`
	if f.Limit == 0 {
		f.Limit = 100
	}
	rows, err := s.pool.Query(ctx, query, s.projection(),
		column(f.Places, func(p Place) string { return p.Topic }),
		column(f.Places, func(p Place) int32 { return p.ID }),
		column(f.Places, func(p Place) int64 { return p.Offset }),
		f.Topic, f.Partition, f.From, f.To, append([]string{}, f.Class...), f.Status, nullTime(f.Since), f.Key, f.KeyPrefix, f.Limit)
	if err != nil {
		return nil, 0, classify(fmt.Errorf("read dead letters: %w", err))
	}
	var all int
	letters, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (Letter, error) { return scanLetter(row, &all) })
	if err != nil {
		return nil, 0, classify(fmt.Errorf("read dead letters: %w", err))
	}
	return letters, max(0, all-len(letters)), nil
}

func scanLetter(row pgx.CollectableRow, all *int) (Letter, error) {
	var l Letter
	var k keptRecord
	var published, tried, settled *time.Time
	var by, why *string
	var waiting *int
	err := row.Scan(&l.Partition.Topic, &l.Partition.ID, &l.Offset, &l.Key, &l.Value, &k.headers, &k.time, &k.ms,
		&l.Code, &l.SQLState, &l.Message, &l.Attempts, &l.Status, &l.Kept, &published, &tried, &settled, &by, &why, &waiting, all)
	if err != nil {
		return l, err
	}
	l.Kept, l.Published, l.Tried, l.Settled = l.Kept.UTC(), instant(published), instant(tried), instant(settled)
	l.By, l.Why, l.Parks, l.Waiting = orZero(by), orZero(why), waiting != nil, orZero(waiting)
	return l, k.restore(&l.Record)
}
