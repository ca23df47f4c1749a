package main

import (
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/width"

	"github.com/waybill-io/waybill/events/watch"
)

// Escape sequences of the terminal.
const (
	enter      = "\x1b[?1049h\x1b[?25l" // another screen, no cursor
	leave      = "\x1b[?25h\x1b[?1049l"
	home       = "\x1b[H"
	restOfLine = "\x1b[K"
	restOfPage = "\x1b[J"

	plainText = "\x1b[0m"
	bold      = "\x1b[1m"
	dim       = "\x1b[2m"
	green     = "\x1b[32m"
	yellow    = "\x1b[33m"
	red       = "\x1b[31m"
)

// render draws a board on a screen of some size: the status, the heads of the
// columns, the rows that fit.
func render(b *board, now time.Time, wide, high int, color bool) string {
	rows := b.top(max(high-2, 0))
	cells := make([][]string, len(rows))
	for i, r := range rows {
		cells[i] = b.shown(r, now)
	}
	widths := widthsOf(b.columns, cells)
	var page strings.Builder
	line := func(style, text string) {
		if page.Len() > 0 {
			page.WriteString("\r\n")
		}
		if !color {
			style = ""
		}
		page.WriteString(style + cut(text, wide))
		if style != "" {
			page.WriteString(plainText)
		}
		page.WriteString(restOfLine)
	}
	line(styleOf(b.view.Freshness), string(b.topic)+": "+b.status(now))
	if high > 1 {
		line(bold, "  "+columns(upper(b.columns), widths))
	}
	for i, r := range rows {
		mark, style := "  ", ""
		if !b.view.Freshness.Current() {
			style = dim
		}
		if !r.at.IsZero() && now.Sub(r.at) < glow {
			mark, style = "* ", bold
		}
		line(style, mark+columns(cells[i], widths))
	}
	return home + page.String() + restOfPage
}

func styleOf(f watch.Freshness) string {
	switch f {
	case watch.Live:
		return bold + green
	case watch.Lagging, watch.Connecting:
		return bold + yellow
	default:
		return bold + red
	}
}

func upper(names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = strings.ToUpper(n)
	}
	return out
}

// widthsOf are the widths that hold every cell.
func widthsOf(names []string, rows [][]string) []int {
	widths := make([]int, len(names))
	for i, n := range names {
		widths[i] = cellsWide(n)
	}
	for _, cells := range rows {
		for i, c := range cells {
			widths[i] = max(widths[i], cellsWide(c))
		}
	}
	return widths
}

// columns puts cells under each other.
func columns(cells []string, widths []int) string {
	var line strings.Builder
	for i, c := range cells {
		line.WriteString(c)
		if i < len(cells)-1 {
			line.WriteString(strings.Repeat(" ", widths[i]-cellsWide(c)+2))
		}
	}
	return line.String()
}

// cut leaves what fits into so many cells.
func cut(text string, wide int) string {
	used := 0
	for i, r := range text {
		used += wideness(r)
		if used > wide {
			return text[:i]
		}
	}
	return text
}

func cellsWide(text string) int {
	n := 0
	for _, r := range text {
		n += wideness(r)
	}
	return n
}

// wideness is how many cells of a terminal a character takes.
func wideness(r rune) int {
	if unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) {
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	default:
		return 1
	}
}

// clean leaves nothing in a text that a terminal would obey: what a carrier wrote
// may be anything.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '\ufffd'
		}
		return r
	}, text)
}
