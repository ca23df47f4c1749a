package readmodel

import (
	"context"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/waybill-io/waybill/internal/projector"
)

// writeDeadLetters keeps what cannot be applied, whole, beside the position
// that moves past it.
func (u *unit) writeDeadLetters(ctx context.Context) error {
	if len(u.poison) == 0 {
		return nil
	}
	headers, err := headersJSON(u.poison)
	if err != nil {
		return err
	}
	const query = `-- name: insert_dead_letters
		INSERT INTO dead_letters (projection, topic, partition, "offset", key, value, headers, record_time, class, sqlstate, message)
		SELECT $1, x.* FROM unnest($2::text[], $3::int[], $4::bigint[], $5::bytea[], $6::bytea[], $7::json[],
		       $8::timestamptz[], $9::text[], $10::text[], $11::text[]) x
		ON CONFLICT DO NOTHING`
	_, err = u.tx.Exec(ctx, query, u.projection,
		column(u.poison, func(p projector.Poison) string { return p.Partition.Topic }),
		column(u.poison, func(p projector.Poison) int32 { return p.Partition.ID }),
		column(u.poison, func(p projector.Poison) int64 { return p.Offset }),
		column(u.poison, func(p projector.Poison) []byte { return p.Key }),
		column(u.poison, func(p projector.Poison) []byte { return p.Value }),
		headers,
		column(u.poison, func(p projector.Poison) *time.Time { return nullTime(p.Time) }),
		column(u.poison, func(p projector.Poison) string { return p.Code }),
		column(u.poison, func(p projector.Poison) string { return p.SQLState }),
		column(u.poison, func(p projector.Poison) string { return p.Message }))
	return err
}

// headersJSON writes each record's headers as [[name, base64 of the value], ...]:
// names and values of foreign records need not be text, names are cut to it.
func headersJSON(poison []projector.Poison) ([]string, error) {
	docs := make([]string, len(poison))
	for i, p := range poison {
		pairs := make([][2]any, len(p.Headers))
		for j, h := range p.Headers {
			pairs[j] = [2]any{printableKey(h.Key), h.Value}
		}
		doc, err := json.Marshal(pairs)
		if err != nil {
			return nil, err
		}
		docs[i] = string(doc)
	}
	return docs, nil
}

// printableKey keeps a foreign header's name storable.
func printableKey(key string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(key, "\x00", ""), "\uFFFD")
}
