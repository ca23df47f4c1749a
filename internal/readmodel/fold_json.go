package readmodel

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// rowsJSON writes rows as an array of objects that jsonb_populate_recordset
// reads.
func rowsJSON(t table, rows [][]any) (string, error) {
	state := slices.Index(t.columns, "state")
	docs := make([]map[string]any, len(rows))
	for i, row := range rows {
		docs[i] = make(map[string]any, len(row))
		for j, v := range row {
			if j == state {
				v = jsontext.Value(v.(string))
			}
			docs[i][t.columns[j]] = jsonValue(v)
		}
	}
	doc, err := json.Marshal(docs)
	return string(doc), err
}

// jsonValue is v as the server reads it from JSON to what it reads it to from
// COPY: there, times are cut to microseconds, in text they would be rounded.
func jsonValue(v any) any {
	switch at := v.(type) {
	case time.Time:
		return at.Truncate(time.Microsecond)
	case *time.Time:
		if at == nil {
			return nil
		}
		return at.Truncate(time.Microsecond)
	case pgtype.Timestamptz:
		if at.InfinityModifier != pgtype.Finite {
			return at.InfinityModifier.String()
		}
		return at.Time.Truncate(time.Microsecond)
	}
	return v
}

// insertTable writes rows in the order of their keys; one that is there stays.
func insertTable(ctx context.Context, tx pgx.Tx, t table, rows [][]any) error {
	doc, err := rowsJSON(t, rows)
	if err != nil {
		return err
	}
	name, columns := pgx.Identifier{t.name}.Sanitize(), strings.Join(t.columns, ", ")
	_, err = tx.Exec(ctx, fmt.Sprintf(`-- name: insert_%s
		INSERT INTO %s (%s) SELECT %s FROM jsonb_populate_recordset(NULL::%s, $1::jsonb) ORDER BY %s
		ON CONFLICT DO NOTHING`, t.name, name, columns, columns, name, strings.Join(t.key(), ", ")), doc)
	return err
}
