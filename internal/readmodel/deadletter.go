package readmodel

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/projector"
)

// writeDeadLetters keeps what cannot be applied, whole, beside the position
// that moves past it. A place has a letter already when an operator has moved the
// position back, or to another log: one that was settled, or is about something
// else, gives way.
func (u *unit) writeDeadLetters(ctx context.Context) error {
	if err := u.parkConflicts(); err != nil || len(u.poison) == 0 {
		return err
	}
	headers := make([]string, len(u.poison))
	for i := range u.poison {
		doc, err := headersJSON(u.poison[i].Headers)
		if err != nil {
			return err
		}
		headers[i] = doc
	}
	const query = `-- name: insert_dead_letters
		INSERT INTO dead_letters AS d (projection, topic, partition, "offset", key, value, headers, record_time, record_ms, class, sqlstate, message)
		SELECT $1, x.* FROM unnest($2::text[], $3::int[], $4::bigint[], $5::bytea[], $6::bytea[], $7::json[],
		       $8::timestamptz[], $9::bigint[], $10::text[], $11::text[], $12::text[]) x
		ON CONFLICT (projection, topic, partition, "offset") DO UPDATE
		   SET key = excluded.key, value = excluded.value, headers = excluded.headers, record_time = excluded.record_time,
		       record_ms = excluded.record_ms, class = excluded.class, sqlstate = excluded.sqlstate, message = excluded.message,
		       attempts = 1, status = 'new', created_at = now(), published_at = NULL, tried_at = NULL,
		       settled_at = NULL, settled_by = NULL, settled_why = NULL
		 WHERE d.status <> 'new' OR ROW(d.key, d.value) IS DISTINCT FROM ROW(excluded.key, excluded.value)`
	_, err := u.tx.Exec(ctx, query, u.projection,
		column(u.poison, func(p projector.Poison) string { return p.Partition.Topic }),
		column(u.poison, func(p projector.Poison) int32 { return p.Partition.ID }),
		column(u.poison, func(p projector.Poison) int64 { return p.Offset }),
		column(u.poison, func(p projector.Poison) []byte { return p.Key }),
		column(u.poison, func(p projector.Poison) []byte { return p.Value }),
		headers,
		column(u.poison, func(p projector.Poison) *time.Time { return storableTime(p.Time) }),
		column(u.poison, func(p projector.Poison) *int64 { return millisOf(p.Time) }),
		column(u.poison, func(p projector.Poison) string { return p.Code }),
		column(u.poison, func(p projector.Poison) string { return p.SQLState }),
		column(u.poison, func(p projector.Poison) string { return storableMessage(p.Message) }))
	return err
}

// headersJSON writes a record's headers as [[name, base64 of the value], ...]. A
// value may be null. Names of foreign records need not be text: what is
// none has its bytes as a third item.
func headersJSON(headers []events.Header) (string, error) {
	list := make([][]any, len(headers))
	for i, h := range headers {
		item := []any{storable(h.Key), nil}
		if h.Value != nil {
			item[1] = base64.StdEncoding.EncodeToString(h.Value)
		}
		if item[0] != h.Key {
			item = append(item, base64.StdEncoding.EncodeToString([]byte(h.Key)))
		}
		list[i] = item
	}
	doc, err := json.Marshal(list)
	return string(doc), err
}

// headersFrom reads what headersJSON wrote.
func headersFrom(doc []byte) ([]events.Header, error) {
	var list [][]*string
	if err := json.Unmarshal(doc, &list); err != nil {
		return nil, fmt.Errorf("read kept headers: %w", err)
	}
	if len(list) == 0 {
		return nil, nil
	}
	headers := make([]events.Header, len(list))
	for i, item := range list {
		if len(item) < 2 || item[0] == nil {
			return nil, fmt.Errorf("read kept headers: item %d has no name and value", i)
		}
		headers[i].Key = *item[0]
		if len(item) > 2 && item[2] != nil {
			name, err := base64.StdEncoding.DecodeString(*item[2])
			if err != nil {
				return nil, fmt.Errorf("read the name of kept header %d: %w", i, err)
			}
			headers[i].Key = string(name)
		}
		if item[1] == nil {
			continue
		}
		value, err := base64.StdEncoding.DecodeString(*item[1])
		if err != nil {
			return nil, fmt.Errorf("read the value of kept header %d: %w", i, err)
		}
		headers[i].Value = value
	}
	return headers, nil
}

// storable is the part of a text that Postgres can store.
func storable(s string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "\uFFFD")
}

// storableMessage cuts a reason that quotes too much of its record.
func storableMessage(s string) string {
	const most = 2000
	if s = storable(s); len(s) <= most {
		return s
	}
	cut := most
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

// storableTime is NULL for a time that Postgres or a reader of its text cannot
// have: a record's timestamp is any number.
func storableTime(t time.Time) *time.Time {
	if t.IsZero() || t.Year() < 1 || t.Year() > 9999 {
		return nil
	}
	return &t
}

// millisOf is a record's timestamp as the log has it, NULL for none.
func millisOf(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	ms := t.UnixMilli()
	return &ms
}
