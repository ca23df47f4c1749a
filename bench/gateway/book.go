package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sync"
	"time"
)

// book keeps what a client was told: the frames, and once they were read its rows
// as they are now, and when it heard of each. They are read in the end, because
// that costs more than everything else that clients do. A nil book keeps nothing.
type book struct {
	mu     sync.Mutex
	frames []told
	rows   map[string]string
	staged map[string]string
	heard  []arrival
}

// told is a frame of the server.
type told struct {
	text []byte
	at   time.Time
}

// arrival is when a client heard of an entity's changes in (p, q].
type arrival struct {
	id   string
	p, q int64
	had  bool // the client had it before
	at   time.Time
}

func newBook() *book { return &book{rows: map[string]string{}} }

// keep keeps a frame, whose memory is the caller's.
func (b *book) keep(text []byte, now time.Time) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.frames = append(b.frames, told{bytes.Clone(text), now})
}

// read takes in the frames that were kept since it was last called.
func (b *book) read() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, t := range b.frames {
		var f said
		if err := json.Unmarshal(t.text, &f); err != nil {
			return fmt.Errorf("read a frame: %w", err)
		}
		var err error
		switch f.T {
		case "snap":
			err = b.page(f)
		case "live":
			b.swap()
		case "d":
			err = b.delta(f, number(t.text, `"p":`), number(t.text, `"q":`), t.at)
		}
		if err != nil {
			return err
		}
	}
	b.frames = nil
	return nil
}

func idOf(row []byte) (string, error) {
	var r struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(row, &r); err != nil {
		return "", fmt.Errorf("read a row: %w", err)
	}
	return r.ID, nil
}

// page takes a page of a snapshot. The lock is held.
func (b *book) page(f said) error {
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

// swap makes a snapshot count; after a resume there is none. The lock is held.
func (b *book) swap() {
	if b.staged != nil {
		b.rows, b.staged = b.staged, nil
	}
}

// delta takes in what changed. The lock is held.
func (b *book) delta(f said, p, q int64, now time.Time) error {
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
