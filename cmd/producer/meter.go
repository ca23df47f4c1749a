package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/waybill-io/waybill/internal/ingest"
)

// meter shows how far a run is: in place on a terminal, else in one line every
// ten seconds.
type meter struct {
	w        io.Writer
	terminal bool
	every    time.Duration
	last     time.Time
	open     bool // an unfinished line stands on the terminal
}

func newMeter(w io.Writer) *meter {
	m := &meter{w: w, every: 10 * time.Second, last: time.Now()}
	if f, ok := w.(*os.File); ok {
		info, err := f.Stat()
		m.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	if m.terminal {
		m.every = 200 * time.Millisecond
	}
	return m
}

func (m *meter) progress(p ingest.Progress) {
	now := time.Now()
	if now.Sub(m.last) < m.every {
		return
	}
	m.last = now
	line := lineOf(p)
	if !m.terminal {
		fmt.Fprintln(m.w, line)
		return
	}
	m.open = true
	fmt.Fprintf(m.w, "\r%s\x1b[K", line)
}

func lineOf(p ingest.Progress) string {
	if p.Line == 0 {
		return fmt.Sprintf("%s: %d events published", p.File, p.Published)
	}
	share := ""
	if p.Size > 0 {
		share = fmt.Sprintf(" (%d %%)", min(100, p.Bytes*100/p.Size))
	}
	if p.Checking {
		return fmt.Sprintf("%s: line %d%s checked, nothing published yet", p.File, p.Line, share)
	}
	return fmt.Sprintf("%s: line %d%s, %d events published", p.File, p.Line, share, p.Published)
}

// problem shows what is wrong with a line.
func (m *meter) problem(p ingest.Problem) {
	m.done()
	fmt.Fprintln(m.w, p)
}

// done ends the line on the terminal.
func (m *meter) done() {
	if m.open {
		fmt.Fprintln(m.w)
		m.open = false
	}
}
