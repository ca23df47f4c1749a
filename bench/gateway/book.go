package main

import (
	"encoding/json"
	"fmt"
	"sync"
	"time"
)

// book keeps what a client was told: its rows as they are now, and when it heard
// of each. A nil book keeps nothing.
type book struct {
	mu     sync.Mutex
	rows   map[string]string
	staged map[string]string
	heard  []arrival
}

// arrival is when a client heard of an entity's changes in (p, q].
type arrival struct {
	id   string
	p, q int64
	had  bool // the client had it before
	at   time.Time
}

func newBook() *book { return &book{rows: map[string]string{}} }

func idOf(row []byte) (string, error) {
	var r struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(row, &r); err != nil {
		return "", fmt.Errorf("read a row: %w", err)
	}
	return r.ID, nil
}

// page takes a page of a snapshot.
func (b *book) page(f said) error {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if f.Page == 1 {
		b.staged = map[string]string{}
	}
	var all []json.RawMessage
	if err := json.Unmarshal(f.Rows, &all); err != nil {
		return fmt.Errorf("read a page: %w", err)
	}
	for _, row := range all {
		id, err := idOf(row)
		if err != nil {
			return err
		}
		b.staged[id] = string(row)
	}
	return nil
}

// swap makes a snapshot count; after a resume there is none.
func (b *book) swap() {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.staged != nil {
		b.rows, b.staged = b.staged, nil
	}
}

// delta takes in what changed.
func (b *book) delta(text []byte, p, q int64, now time.Time) error {
	var f said
	if err := json.Unmarshal(text, &f); err != nil {
		return fmt.Errorf("read a delta: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, row := range f.U {
		id, err := idOf(row)
		if err != nil {
			return err
		}
		b.hear(id, p, q, now)
		b.rows[id] = string(row)
	}
	for _, id := range f.R {
		b.hear(id, p, q, now)
		delete(b.rows, id)
	}
	return nil
}

// hear notes the arrival of news. The lock is held.
func (b *book) hear(id string, p, q int64, now time.Time) {
	_, had := b.rows[id]
	b.heard = append(b.heard, arrival{id, p, q, had, now})
}
