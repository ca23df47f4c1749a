package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/waybill-io/waybill/internal/readmodel"
)

// How often progress is written where nobody sees it move, and where somebody
// does.
const (
	plainEvery = 5 * time.Second
	barEvery   = 100 * time.Millisecond
	barWidth   = 30
)

// bar shows how far a rebuild is: on a terminal in one line that moves,
// elsewhere in a line now and then.
type bar struct {
	w        io.Writer
	terminal bool
	last     time.Time
	phase    string
	drawn    bool
}

func newBar(w io.Writer) *bar { return &bar{w: w, terminal: isTerminal(w)} }

// isTerminal reports whether somebody may be looking.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// show is told by one goroutine at a time.
func (b *bar) show(p readmodel.RebuildProgress) {
	every := plainEvery
	if b.terminal {
		every = barEvery
	}
	if p.Phase == b.phase && time.Since(b.last) < every {
		return
	}
	b.phase, b.last = p.Phase, time.Now()
	if !b.terminal {
		fmt.Fprintln(b.w, "rebuild:", line(p))
		return
	}
	b.drawn = true
	fmt.Fprintf(b.w, "\r\x1b[K%s %s", gauge(p), line(p))
}

// end leaves the line of the terminal.
func (b *bar) end() {
	if b.drawn {
		fmt.Fprintln(b.w)
	}
}

func gauge(p readmodel.RebuildProgress) string {
	full := 0
	if p.Total > 0 {
		full = int(min(p.Done, p.Total) * barWidth / p.Total)
	}
	return "[" + strings.Repeat("#", full) + strings.Repeat(".", barWidth-full) + "]"
}

// line says how far it is in words.
func line(p readmodel.RebuildProgress) string {
	s := fmt.Sprintf("version %d, %s", p.Version, p.Phase)
	if p.Total > 0 {
		s += fmt.Sprintf(", %d of %d events", p.Done, p.Total)
	}
	if p.Rate > 0 {
		s += fmt.Sprintf(", %.0f/s", p.Rate)
	}
	if p.ETA > 0 {
		s += ", " + p.ETA.Round(time.Second).String() + " left"
	}
	return s
}
