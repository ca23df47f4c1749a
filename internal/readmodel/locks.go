package readmodel

import (
	"context"
	"hash/fnv"
	"io"
	"slices"

	"github.com/jackc/pgx/v5"
)

// The kinds of what a transaction locks, in the order in which it does.
const (
	lockNumber   = "number"
	lockShipment = "shipment"
	lockOrder    = "order"
)

// lockBuckets is how many rows projection_locks has of a kind.
const lockBuckets = 256

// lockAll locks entities of a kind until the transaction ends, whether they have
// rows or not: all that share a bucket with one of them, in the order of the
// buckets. It must not be merged with a read, which would see the tables as they
// were before the wait.
func lockAll(ctx context.Context, tx pgx.Tx, kind string, keys []entity) error {
	const query = `-- name: lock
		SELECT FROM projection_locks WHERE kind = $1 AND bucket = ANY ($2) ORDER BY bucket FOR UPDATE`
	_, err := tx.Exec(ctx, query, kind, bucketsOf(keys))
	return err
}

func bucketsOf(keys []entity) []int32 {
	buckets := make([]int32, 0, min(len(keys), lockBuckets))
	var seen [lockBuckets]bool
	for _, k := range keys {
		if b := k.bucket(); !seen[b] {
			seen[b] = true
			buckets = append(buckets, b)
		}
	}
	slices.Sort(buckets)
	return buckets
}

// bucket is the same in every process and release: two that disagree would not
// exclude each other.
func (e entity) bucket() int32 {
	h := fnv.New32a()
	_, _ = io.WriteString(h, string(e.tenant)+"|"+e.id) // a hash takes everything
	return int32(h.Sum32() % lockBuckets)
}
